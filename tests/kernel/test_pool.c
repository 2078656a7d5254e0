/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools of every level against the formula in double, ties included. */
#define _DEFAULT_SOURCE
#include "support/check_main.h"
#include "support/guarded.h"

enum { N_SHAPES = 200 };

/* An image of h x w with a border of one pixel that holds -HN_REAL_MAX. */
struct problem {
    int64_t h, w, cp, stride, ho, wo, n_in, n_out;
    real *padded, *g, *dx, *tmp;
};

/* Few distinct values, and a constant half: ties are the rule. */
static void draw(struct problem *p, struct guarded *g)
{
    static const int64_t cps[] = {8, 16, 24, 40, 64};
    static const int64_t sizes[] = {1, 2, 3, 5, 7, 8, 14, 17};

    p->h = sizes[random_below(g, 8)];
    p->w = sizes[random_below(g, 8)];
    p->cp = cps[random_below(g, 5)];
    p->stride = 1 + random_below(g, 2);
    p->ho = (p->h + p->stride - 1) / p->stride;
    p->wo = (p->w + p->stride - 1) / p->stride;
    p->n_in = p->h * p->w * p->cp;
    p->n_out = p->ho * p->wo * p->cp;
    p->padded = guarded_array(g, (p->h + 2) * (p->w + 2) * p->cp);
    for (int64_t i = 0; i < p->h + 2; i++)
        for (int64_t j = 0; j < p->w + 2; j++)
            for (int64_t c = 0; c < p->cp; c++) {
                int in = i > 0 && i <= p->h && j > 0 && j <= p->w;
                real v = i > p->h / 2 ? (real)random_below(g, 5) - 2 : 0;

                p->padded[(i * (p->w + 2) + j) * p->cp + c] =
                    in ? v : -HN_REAL_MAX;
            }
    p->g = random_array(g, p->n_out);
    p->dx = random_array(g, p->n_in);
    p->tmp = guarded_array(g, (p->h + 2) * (p->w + 2) * p->cp);
}

static struct hn_cplane source(const struct problem *p)
{
    struct hn_cplane s = {p->padded, (p->w + 2) * p->cp, p->cp};

    return s;
}

/* Where tap t of output (r, x) lies in the image, or -1 outside. */
static int64_t place(const struct problem *p, int64_t r, int64_t x, int t)
{
    int64_t i = r * p->stride + t / 3 - 1, j = x * p->stride + t % 3 - 1;

    if (i < 0 || i >= p->h || j < 0 || j >= p->w)
        return -1;
    return i * p->w + j;
}

static double pixel(const struct problem *p, int64_t at, int64_t c)
{
    int64_t i = at / p->w + 1, j = at % p->w + 1;

    return p->padded[(i * (p->w + 2) + j) * p->cp + c];
}

/* The largest and the mean of one window, and where the first largest is. */
struct window {
    double max, mean;
    int64_t first, area;
};

static struct window look(const struct problem *p, int64_t r, int64_t x,
                          int64_t c)
{
    struct window v = {-INFINITY, 0, -1, 0};

    for (int t = 0; t < 9; t++) {
        int64_t at = place(p, r, x, t);

        if (at < 0)
            continue;
        v.area++;
        v.mean += pixel(p, at, c);
        if (pixel(p, at, c) > v.max) {
            v.max = pixel(p, at, c);
            v.first = at;
        }
    }
    v.mean /= (double)v.area;
    return v;
}

/* Both pools and both gradients by the formula. */
struct answer {
    double *max, *avg, *max_dx, *avg_dx;
};

static void formula(struct answer *a, const struct problem *p)
{
    a->max = zeros(p->n_out);
    a->avg = zeros(p->n_out);
    a->max_dx = zeros(p->n_in);
    a->avg_dx = zeros(p->n_in);
    for (int64_t i = 0; i < p->n_in; i++)
        a->max_dx[i] = a->avg_dx[i] = p->dx[i];
    for (int64_t i = 0; i < p->n_out; i++) {
        int64_t c = i % p->cp, x = i / p->cp % p->wo, r = i / p->cp / p->wo;
        struct window v = look(p, r, x, c);

        a->max[i] = v.max;
        a->avg[i] = v.mean;
        a->max_dx[v.first * p->cp + c] += p->g[i];
        for (int t = 0; t < 9; t++)
            if (place(p, r, x, t) >= 0)
                a->avg_dx[place(p, r, x, t) * p->cp + c] +=
                    p->g[i] / (double)v.area;
    }
}

static void answer_free(struct answer *a)
{
    free(a->max);
    free(a->avg);
    free(a->max_dx);
    free(a->avg_dx);
}

static void compare(const struct hn_kernels *k, const struct problem *p,
                    const struct answer *a, struct guarded *g)
{
    real *y = guarded_array(g, p->n_out);
    real *dx = copy_array(g, p->dx, p->n_in);

    k->max_pool(y, source(p), p->h, p->w, p->cp, p->stride);
    expect_near(y, a->max, p->n_out, 0, k->level);
    k->avg_pool(y, source(p), p->h, p->w, p->cp, p->stride);
    expect_near(y, a->avg, p->n_out, 1e-6, k->level);
    k->max_pool_grad(dx, p->g, source(p), p->tmp, p->h, p->w, p->cp, p->stride);
    expect_near(dx, a->max_dx, p->n_in, 1e-6, k->level);
    memcpy(dx, p->dx, (size_t)p->n_in * sizeof *dx);
    k->avg_pool_grad(dx, p->g, p->tmp, p->h, p->w, p->cp, p->stride);
    expect_near(dx, a->avg_dx, p->n_in, 1e-6, k->level);
}

START_TEST(pools_of_every_level_equal_the_formula_with_ties)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    const uint64_t n_shapes = count_shapes(N_SHAPES);

    for (uint64_t s = 0; s < n_shapes; s++) {
        struct guarded g = {.seed = s};
        struct problem p;
        struct answer a;

        draw(&p, &g);
        formula(&a, &p);
        for (int l = 0; l < n_levels; l++)
            compare(&k[l], &p, &a, &g);
        answer_free(&a);
        guarded_free(&g);
    }
}
END_TEST

START_TEST(max_pool_grad_of_a_constant_image_goes_to_the_first_pixel)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);

    for (int l = 0; l < n_levels; l++) {
        struct guarded g = {.seed = 1};
        real *padded = guarded_array(&g, 4 * 4 * 8);
        real *dx = guarded_array(&g, 2 * 2 * 8);
        real *grad = guarded_array(&g, 2 * 2 * 8);
        real *tmp = guarded_array(&g, 4 * 4 * 8);
        struct hn_cplane src = {padded, 4 * 8, 8};

        for (int i = 0; i < 4 * 4 * 8; i++) {
            int y = i / 32, x = i / 8 % 4;

            padded[i] = y > 0 && y < 3 && x > 0 && x < 3 ? 3 : -HN_REAL_MAX;
        }
        for (int i = 0; i < 32; i++)
            grad[i] = 1;
        k[l].max_pool_grad(dx, grad, src, tmp, 2, 2, 8, 1);
        for (int i = 0; i < 32; i++)
            ck_assert(dx[i] == (i < 8 ? 4 : 0));
        guarded_free(&g);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pool");
    TCase *c = tcase_create("pool");

    tcase_add_test(c, pools_of_every_level_equal_the_formula_with_ties);
    tcase_add_test(c,
                   max_pool_grad_of_a_constant_image_goes_to_the_first_pixel);
    suite_add_tcase(s, c);
    return run_suite(s);
}
