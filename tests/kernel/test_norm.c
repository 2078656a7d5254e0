/* SPDX-License-Identifier: BSD-3-Clause */
/* Batch-norm and rectifier kernels of every level against the formula. */
#define _DEFAULT_SOURCE
#include "support/check_main.h"
#include "support/guarded.h"

enum { N_SHAPES = 200 };

/* A dense image, and a plane of the same size with gaps. */
struct problem {
    int64_t h, w, cp, n, pix, row, n_plane;
    real *x, *g, *plane, *a, *b, *c;
};

static void draw(struct problem *p, struct guarded *g)
{
    static const int64_t cps[] = {8, 16, 24, 40, 64};
    static const int64_t sizes[] = {1, 2, 3, 5, 7, 11, 14};

    p->h = sizes[random_below(g, 7)];
    p->w = sizes[random_below(g, 7)];
    p->cp = cps[random_below(g, 5)];
    p->n = p->h * p->w * p->cp;
    p->pix = p->cp + 8 * random_below(g, 2);
    p->row = p->w * p->pix + 8 * random_below(g, 2);
    p->n_plane = (p->h - 1) * p->row + (p->w - 1) * p->pix + p->cp;
    p->x = random_array(g, p->n);
    p->g = random_array(g, p->n);
    p->plane = random_array(g, p->n_plane);
    p->a = random_array(g, p->cp);
    p->b = random_array(g, p->cp);
    p->c = random_array(g, p->cp);
}

/* Where dense element i lies in the plane. */
static int64_t in_plane(const struct problem *p, int64_t i)
{
    int64_t pixel = i / p->cp;

    return pixel / p->w * p->row + pixel % p->w * p->pix + i % p->cp;
}

static double *plane_as_double(const struct problem *p)
{
    double *d = zeros(p->n_plane);

    for (int64_t i = 0; i < p->n_plane; i++)
        d[i] = p->plane[i];
    return d;
}

START_TEST(affine_pad_of_every_level_equals_the_formula)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    const uint64_t n_shapes = count_shapes(N_SHAPES);

    for (uint64_t s = 0; s < n_shapes; s++) {
        struct guarded g = {.seed = s};
        struct problem p;
        int relu = s & 1, affine = (s & 2) != 0;
        double *want;

        draw(&p, &g);
        want = plane_as_double(&p);
        for (int64_t i = 0; i < p.n; i++) {
            double v = p.x[i];

            if (affine)
                v = v * p.a[i % p.cp] + p.b[i % p.cp];
            want[in_plane(&p, i)] = relu ? fmax(v, 0) : v;
        }
        for (int l = 0; l < n_levels; l++) {
            real *got = copy_array(&g, p.plane, p.n_plane);
            struct hn_plane dst = {got, p.row, p.pix};

            k[l].affine_pad(dst, p.x, p.h, p.w, p.cp, affine ? p.a : NULL,
                            affine ? p.b : NULL, relu);
            expect_near(got, want, p.n_plane, 1e-6, k[l].level);
        }
        free(want);
        guarded_free(&g);
    }
}
END_TEST

START_TEST(affine_pad_of_every_level_keeps_a_nan)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);

    for (int l = 0; l < n_levels; l++) {
        struct guarded g = {.seed = 1};
        real *x = random_array(&g, 16), *y = random_array(&g, 16);
        struct hn_plane dst = {y, 16, 16};

        x[3] = (real)NAN;
        k[l].affine_pad(dst, x, 1, 1, 16, NULL, NULL, 1);
        ck_assert(isnan(y[3]) && !isnan(y[2]));
        guarded_free(&g);
    }
}
END_TEST

START_TEST(bn_grad_rows_of_every_level_equals_the_formula)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    const uint64_t n_shapes = count_shapes(N_SHAPES);

    for (uint64_t s = 0; s < n_shapes; s++) {
        struct guarded g = {.seed = s + 1000};
        struct problem p;
        int with_z = s & 1;
        int64_t n_terms = (int64_t)(s / 2 % 4);
        double *want;

        draw(&p, &g);
        const real *zs[3] = {p.g, p.x, p.g}, *as[3] = {p.a, p.b, p.c};
        struct hn_terms terms = {n_terms, zs, as};

        want = plane_as_double(&p);
        for (int64_t i = 0; i < p.n; i++) {
            int64_t c = i % p.cp;
            double v = with_z ? (double)p.b[c] * p.x[i] + p.c[c] : 0;

            for (int64_t t = 0; t < n_terms; t++)
                v += (double)as[t][c] * zs[t][i];
            want[in_plane(&p, i)] = v;
        }
        for (int l = 0; l < n_levels; l++) {
            real *got = copy_array(&g, p.plane, p.n_plane);
            struct hn_plane dst = {got, p.row, p.pix};

            k[l].bn_grad_rows(dst, terms, with_z ? p.x : NULL,
                              with_z ? p.b : NULL, with_z ? p.c : NULL, p.h,
                              p.w, p.cp);
            expect_near(got, want, p.n_plane, 1e-6, k[l].level);
        }
        free(want);
        guarded_free(&g);
    }
}
END_TEST

START_TEST(moments_of_every_level_equal_the_formula)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    const uint64_t n_shapes = count_shapes(N_SHAPES);

    for (uint64_t s = 0; s < n_shapes; s++) {
        struct guarded g = {.seed = s + 2000};
        struct problem p;
        double *want;

        draw(&p, &g);
        want = zeros(p.cp * 2);
        for (int64_t i = 0; i < p.n; i++) {
            want[i % p.cp] += p.x[i];
            want[p.cp + i % p.cp] += (double)p.x[i] * p.x[i];
        }
        for (int l = 0; l < n_levels; l++) {
            real *sums = random_array(&g, 2 * p.cp);

            k[l].moments(sums, p.x, p.h * p.w, p.cp);
            expect_near(sums, want, 2 * p.cp, 2e-6, k[l].level);
        }
        free(want);
        guarded_free(&g);
    }
}
END_TEST

START_TEST(relu_grad_of_every_level_equals_the_formula)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    const uint64_t n_shapes = count_shapes(N_SHAPES);

    for (uint64_t s = 0; s < n_shapes; s++) {
        struct guarded g = {.seed = s + 3000};
        struct problem p;
        const int acc = s & 1 ? HN_ACCUMULATE : 0, with_sums = (s & 2) != 0;
        const int mapped = (s & 4) != 0;
        double *want, *want_sums;
        struct hn_cplane wide;
        real *old;

        draw(&p, &g);
        wide = (struct hn_cplane){random_array(&g, p.n_plane), p.row, p.pix};
        old = random_array(&g, p.n);
        want = zeros(p.n);
        want_sums = zeros(p.cp * 2);
        for (int64_t i = 0; i < p.n; i++) {
            const int64_t at = in_plane(&p, i);
            const int64_t c = i % p.cp;
            const double r = mapped ? (double)p.a[c] * p.plane[at] + p.b[c]
                                    : (double)p.plane[at];
            const double m = r > 0 ? wide.p[at] : 0;

            want[i] = acc ? m + old[i] : m;
            want_sums[c] += m;
            want_sums[p.cp + c] += m * p.x[i];
        }
        for (int l = 0; l < n_levels; l++) {
            real *dx = copy_array(&g, old, p.n);
            real *sums = guarded_array(&g, 2 * p.cp);
            const struct hn_mask mask = {{p.plane, p.row, p.pix},
                                         mapped ? p.a : NULL,
                                         mapped ? p.b : NULL};

            k[l].relu_grad(dx, wide, mask, with_sums ? p.x : NULL,
                           with_sums ? sums : NULL, p.h, p.w, p.cp, acc);
            expect_near(dx, want, p.n, 1e-6, k[l].level);
            if (with_sums)
                expect_near(sums, want_sums, 2 * p.cp, 2e-6, k[l].level);
        }
        free(want);
        free(want_sums);
        guarded_free(&g);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("norm");
    TCase *c = tcase_create("norm");

    tcase_add_test(c, affine_pad_of_every_level_equals_the_formula);
    tcase_add_test(c, affine_pad_of_every_level_keeps_a_nan);
    tcase_add_test(c, bn_grad_rows_of_every_level_equals_the_formula);
    tcase_add_test(c, moments_of_every_level_equal_the_formula);
    tcase_add_test(c, relu_grad_of_every_level_equals_the_formula);
    suite_add_tcase(s, c);
    return run_suite(s);
}
