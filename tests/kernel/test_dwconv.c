/* SPDX-License-Identifier: BSD-3-Clause */
/* Depthwise convolutions of every level against the formula in double. */
#define _DEFAULT_SOURCE
#include "support/check_main.h"
#include "support/guarded.h"

enum { N_SHAPES = 300 };

/* A random problem: a source that is exactly what the window covers. */
struct problem {
    struct hn_dwindow win;
    int64_t rows, cols, cp, in_rows, in_cols, pix, gap;
    real *src, *w, *out;
    int64_t n_out;
};

static void draw(struct problem *p, struct guarded *g)
{
    static const int64_t cps[] = {8, 16, 24, 32, 40, 64};
    static const int64_t sizes[] = {1, 2, 3, 5, 7, 8, 11, 14, 16, 23, 28, 31};
    static const int32_t ks[] = {3, 5, 7, 3, 5, 1, 2, 4};

    p->win.k = ks[random_below(g, 8)];
    p->win.dilation = 1 + (int32_t)random_below(g, 2);
    p->win.stride = 1 + (int32_t)random_below(g, 2);
    p->rows = 1 + random_below(g, 5);
    p->cols = sizes[random_below(g, 12)];
    p->cp = cps[random_below(g, 6)];
    p->pix = p->cp + 8 * random_below(g, 2);
    p->gap = 8 * random_below(g, 3);
    p->in_rows =
        (p->rows - 1) * p->win.stride + (p->win.k - 1) * p->win.dilation + 1;
    p->in_cols =
        (p->cols - 1) * p->win.stride + (p->win.k - 1) * p->win.dilation + 1;
    p->n_out = p->rows * (p->cols * p->cp + p->gap) - p->gap;
    p->src = random_array(g, p->in_rows * p->in_cols * p->pix);
    p->w = random_array(g, p->win.k * p->win.k * p->cp);
    p->out = random_array(g, p->n_out);
}

static struct hn_cplane source(const struct problem *p)
{
    struct hn_cplane s = {p->src, p->in_cols * p->pix, p->pix};

    return s;
}

/* The source pixel under tap t of output (r, x). */
static const real *under(const struct problem *p, int64_t r, int64_t x, int t)
{
    int64_t i = r * p->win.stride + t / p->win.k * p->win.dilation;
    int64_t j = x * p->win.stride + t % p->win.k * p->win.dilation;

    return p->src + (i * p->in_cols + j) * p->pix;
}

static void rows_formula(double *want, const struct problem *p, int flags)
{
    for (int64_t i = 0; i < p->n_out; i++)
        want[i] = p->out[i];
    for (int64_t r = 0; r < p->rows; r++)
        for (int64_t x = 0; x < p->cols; x++)
            for (int64_t c = 0; c < p->cp; c++) {
                int64_t at = r * (p->cols * p->cp + p->gap) + x * p->cp + c;

                want[at] = flags & HN_ACCUMULATE ? want[at] : 0;
                for (int t = 0; t < p->win.k * p->win.k; t++)
                    want[at] +=
                        (double)under(p, r, x, t)[c] * p->w[t * p->cp + c];
            }
}

START_TEST(dw_rows_of_every_level_equals_the_formula)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    const uint64_t n_shapes = count_shapes(N_SHAPES);
    int n_fetched = 0;

    for (uint64_t s = 0; s < n_shapes; s++) {
        struct guarded g = {.seed = s};
        struct problem p = {0};
        int flags = s & 1 ? HN_ACCUMULATE : 0;
        double *want;

        draw(&p, &g);
        want = zeros(p.n_out);
        rows_formula(want, &p, flags);
        for (int l = 0; l < n_levels; l++) {
            real *got = copy_array(&g, p.out, p.n_out);
            struct hn_plane dst = {got, p.cols * p.cp + p.gap, p.cp};
            struct hn_ahead ahead = {p.w, p.w + p.win.k * p.win.k * p.cp,
                                     1 + (int64_t)(s % 2), 0};

            p.win.ahead = s & 2 ? &ahead : NULL;
            k[l].dw_rows(dst, source(&p), p.w, p.win, p.rows, p.cols, p.cp,
                         flags);
            expect_near(got, want, p.n_out, 1e-6, k[l].level);
            if (s & 2)
                n_fetched += has_fetched(&ahead, p.w, p.rows * p.cols * p.cp);
        }
        free(want);
        guarded_free(&g);
    }
    ck_assert(n_levels == 1 || n_fetched > 50);
}
END_TEST

static void wgrad_formula(double *want, const struct problem *p)
{
    for (int t = 0; t < p->win.k * p->win.k; t++)
        for (int64_t c = 0; c < p->cp; c++) {
            double sum = p->w[t * p->cp + c];

            for (int64_t r = 0; r < p->rows; r++)
                for (int64_t x = 0; x < p->cols; x++)
                    sum +=
                        (double)under(p, r, x, t)[c] *
                        p->out[r * (p->cols * p->cp + p->gap) + x * p->cp + c];
            want[t * p->cp + c] = sum;
        }
}

START_TEST(dw_wgrad_of_every_level_equals_the_formula)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    const uint64_t n_shapes = count_shapes(N_SHAPES);

    for (uint64_t s = 0; s < n_shapes; s++) {
        struct guarded g = {.seed = s + 1000};
        struct problem p = {0};
        int64_t n;
        double *want;

        draw(&p, &g);
        n = p.win.k * p.win.k * p.cp;
        want = zeros(n);
        wgrad_formula(want, &p);
        for (int l = 0; l < n_levels; l++) {
            real *got = copy_array(&g, p.w, n);
            struct hn_cplane grad = {p.out, p.cols * p.cp + p.gap, p.cp};

            k[l].dw_wgrad(got, source(&p), grad, p.win, p.rows, p.cols, p.cp);
            expect_near(got, want, n, 2e-6, k[l].level);
        }
        free(want);
        guarded_free(&g);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dwconv");
    TCase *c = tcase_create("dwconv");

    tcase_add_test(c, dw_rows_of_every_level_equals_the_formula);
    tcase_add_test(c, dw_wgrad_of_every_level_equals_the_formula);
    suite_add_tcase(s, c);
    return run_suite(s);
}
