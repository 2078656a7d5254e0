/* SPDX-License-Identifier: BSD-3-Clause */
/* Dense convolutions of every level against the formula in double. */
#define _DEFAULT_SOURCE
#include "support/check_main.h"
#include "support/guarded.h"

enum { N_SHAPES = 200, MAX_TAPS = 9 };

struct problem {
    struct hn_taps taps;
    int64_t offset[MAX_TAPS];
    int64_t rows, cols, pix, row, gap, n_out, n_w;
    real *src, *w, *out;
};

/* One tap, or a square of four or nine, over rows with or without a gap. */
static void draw(struct problem *p, struct guarded *g)
{
    static const int64_t cps[] = {8, 16, 24, 32, 40, 64, 80};
    static const int64_t n_ins[] = {1, 3, 8, 16, 17, 32};
    static const int64_t sizes[] = {1, 2, 3, 5, 7, 8, 13, 14, 16, 23, 28, 32};
    const int64_t k = 1 + random_below(g, 2) * (1 + random_below(g, 2));

    p->rows = 1 + random_below(g, 7);
    p->cols = sizes[random_below(g, 12)];
    p->taps.n_in = n_ins[random_below(g, 6)];
    p->taps.cp_out = cps[random_below(g, 7)];
    p->taps.n_taps = k * k;
    p->pix = hn_pad_channels(p->taps.n_in) + 8 * random_below(g, 2);
    p->row = (p->cols + k - 1) * p->pix + 8 * random_below(g, 2);
    p->gap = 8 * random_below(g, 2);
    for (int64_t t = 0; t < k * k; t++)
        p->offset[t] = t / k * p->row + t % k * p->pix;
    p->n_out = p->rows * (p->cols * p->taps.cp_out + p->gap) - p->gap;
    p->n_w = k * k * p->taps.n_in * p->taps.cp_out;
    p->src = random_array(g, (p->rows + k - 1) * p->row);
    p->w = random_array(g, p->n_w);
    p->out = random_array(g, p->n_out);
}

static struct hn_taps taps_of(const struct problem *p)
{
    struct hn_taps t = p->taps;

    t.offset = p->offset;
    return t;
}

static int64_t out_row(const struct problem *p)
{
    return p->cols * p->taps.cp_out + p->gap;
}

static void rows_formula(double *want, double *sums, const struct problem *p,
                         int flags)
{
    const int64_t co = p->taps.cp_out, n_in = p->taps.n_in;

    for (int64_t i = 0; i < p->n_out; i++)
        want[i] = p->out[i];
    for (int64_t at = 0; at < p->rows * p->cols * co; at++) {
        int64_t r = at / co / p->cols, x = at / co % p->cols, o = at % co;
        const real *s = p->src + r * p->row + x * p->pix;
        double v = 0;

        for (int64_t t = 0; t < p->taps.n_taps; t++)
            for (int64_t i = 0; i < n_in; i++)
                v +=
                    (double)s[p->offset[t] + i] * p->w[(t * n_in + i) * co + o];
        if (flags & HN_ACCUMULATE)
            v += want[r * out_row(p) + x * co + o];
        want[r * out_row(p) + x * co + o] = v;
        sums[o] += v;
        sums[co + o] += v * v;
    }
}

START_TEST(conv_rows_of_every_level_equals_the_formula)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    const uint64_t n_shapes = count_shapes(N_SHAPES);
    int n_fetched = 0;

    for (uint64_t s = 0; s < n_shapes; s++) {
        struct guarded g = {.seed = s};
        struct problem p = {0};
        int flags = (s & 1 ? HN_ACCUMULATE : 0) | (s & 2 ? HN_STREAM : 0);
        double *want, *want_sums;

        draw(&p, &g);
        want = zeros(p.n_out);
        want_sums = zeros(p.taps.cp_out * 2);
        rows_formula(want, want_sums, &p, flags);
        for (int l = 0; l < n_levels; l++) {
            real *got = copy_array(&g, p.out, p.n_out);
            real *sums = guarded_array(&g, p.taps.cp_out * 2);
            struct hn_plane dst = {got, out_row(&p), p.taps.cp_out};
            struct hn_cplane src = {p.src, p.row, p.pix};
            struct hn_ahead ahead = {p.w, p.w + p.n_w, 1 + (int64_t)(s % 2), 0};
            struct hn_taps taps = taps_of(&p);

            taps.ahead = s & 8 ? &ahead : NULL;
            k[l].conv_rows(dst, src, p.w, taps, p.rows, p.cols,
                           s & 4 ? sums : NULL, flags);
            expect_near(got, want, p.n_out, 2e-6, k[l].level);
            if (s & 4)
                expect_near(sums, want_sums, 2 * p.taps.cp_out, 1e-5,
                            k[l].level);
            if (s & 8)
                n_fetched +=
                    has_fetched(&ahead, p.w, p.rows * p.cols * p.taps.cp_out);
        }
        free(want);
        free(want_sums);
        guarded_free(&g);
    }
    ck_assert(n_levels == 1 || n_fetched > 50);
}
END_TEST

static void wgrad_formula(double *want, const struct problem *p)
{
    const int64_t co = p->taps.cp_out, n_in = p->taps.n_in;

    for (int64_t at = 0; at < p->n_w; at++) {
        int64_t t = at / co / n_in, i = at / co % n_in, o = at % co;

        want[at] = p->w[at];
        for (int64_t r = 0; r < p->rows; r++)
            for (int64_t x = 0; x < p->cols; x++)
                want[at] +=
                    (double)p->src[r * p->row + x * p->pix + p->offset[t] + i] *
                    p->out[r * out_row(p) + x * co + o];
    }
}

START_TEST(conv_wgrad_of_every_level_equals_the_formula)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    const uint64_t n_shapes = count_shapes(N_SHAPES);

    for (uint64_t s = 0; s < n_shapes; s++) {
        struct guarded g = {.seed = s + 1000};
        struct problem p = {0};
        double *want;

        draw(&p, &g);
        want = zeros(p.n_w);
        wgrad_formula(want, &p);
        for (int l = 0; l < n_levels; l++) {
            real *got = copy_array(&g, p.w, p.n_w);
            struct hn_cplane src = {p.src, p.row, p.pix};
            struct hn_cplane grad = {p.out, out_row(&p), p.taps.cp_out};

            k[l].conv_wgrad(got, src, grad, taps_of(&p), p.rows, p.cols);
            expect_near(got, want, p.n_w, 2e-6, k[l].level);
        }
        free(want);
        guarded_free(&g);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conv");
    TCase *c = tcase_create("conv");

    tcase_set_timeout(c, 60);
    tcase_add_test(c, conv_rows_of_every_level_equals_the_formula);
    tcase_add_test(c, conv_wgrad_of_every_level_equals_the_formula);
    suite_add_tcase(s, c);
    return run_suite(s);
}
