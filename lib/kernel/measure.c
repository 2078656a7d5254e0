/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/measure.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "kernel/gemm.h"
#include "kernel/peak.h"

enum { BORDER = 6, N_TERMS = 6, N_RUNS = 20, MOST_REALS = 3 * 512 * 512 };

static const double run_s = 3e-4;

/* Everything a kernel may want: padded images, dense images, weights. */
struct measure {
    struct hn_kernels k;
    const struct hn_peak *peak;
    int64_t h, w, cp, prow;
    real *padded, *padded_out, *x, *y, *g, *tmp, *weights, *sums;
    struct hn_terms terms;
    struct hn_dwindow win;
    int flags;
    const real *z[N_TERMS], *scale[N_TERMS];
    int32_t gemm; /* of a product */
    int64_t m, n, l;
};

static struct hn_cplane window(const struct measure *b)
{
    const int64_t off = BORDER - b->win.k / 2 * b->win.dilation;
    struct hn_cplane s = {b->padded + off * (b->prow + b->cp), b->prow, b->cp};

    return s;
}

static struct hn_plane dense(const struct measure *b, real *p)
{
    struct hn_plane d = {p, b->w * b->cp, b->cp};

    return d;
}

static struct hn_cplane cdense(const struct measure *b, const real *p)
{
    struct hn_cplane d = {p, b->w * b->cp, b->cp};

    return d;
}

static void dw_rows(struct measure *b)
{
    b->k.dw_rows(dense(b, b->y), window(b), b->weights, b->win, b->h, b->w,
                 b->cp, b->flags);
}

static void dw_wgrad(struct measure *b)
{
    b->k.dw_wgrad(b->weights, window(b), cdense(b, b->g), b->win, b->h, b->w,
                  b->cp);
}

static const int64_t one_tap = 0;

static void pointwise(struct measure *b)
{
    const struct hn_taps taps = {&one_tap, 1, b->cp, b->cp, NULL};

    b->k.conv_rows(dense(b, b->y), cdense(b, b->x), b->weights, taps, b->h,
                   b->w, NULL, b->flags);
}

static void pointwise_sums(struct measure *b)
{
    const struct hn_taps taps = {&one_tap, 1, b->cp, b->cp, NULL};

    b->k.conv_rows(dense(b, b->y), cdense(b, b->x), b->weights, taps, b->h,
                   b->w, b->sums, HN_STREAM);
}

static void pointwise_wgrad(struct measure *b)
{
    const struct hn_taps taps = {&one_tap, 1, b->cp, b->cp, NULL};

    b->k.conv_wgrad(b->weights, cdense(b, b->x), cdense(b, b->g), taps, b->h,
                    b->w);
}

/* The nine taps of a 3x3 convolution over the padded image. */
static struct hn_taps taps_3x3(const struct measure *b, int64_t offset[9])
{
    struct hn_taps taps = {offset, 9, b->cp, b->cp, NULL};

    for (int t = 0; t < 9; t++)
        offset[t] = t / 3 * b->prow + t % 3 * b->cp;
    return taps;
}

static void dense_3x3(struct measure *b)
{
    int64_t offset[9];

    b->k.conv_rows(dense(b, b->y), window(b), b->weights, taps_3x3(b, offset),
                   b->h, b->w, NULL, 0);
}

static void dense_3x3_wgrad(struct measure *b)
{
    int64_t offset[9];

    b->k.conv_wgrad(b->weights, window(b), cdense(b, b->g), taps_3x3(b, offset),
                    b->h, b->w);
}

static void affine_pad(struct measure *b)
{
    struct hn_plane d = {b->padded_out, b->prow, b->cp};

    b->k.affine_pad(d, b->x, b->h, b->w, b->cp, b->sums, b->sums, 1);
}

static void bn_grad(struct measure *b)
{
    struct hn_terms one = b->terms;

    one.n_terms = 1;
    b->k.bn_grad_rows(dense(b, b->y), one, b->x, b->sums, b->sums, b->h, b->w,
                      b->cp);
}

static void mix(struct measure *b)
{
    b->k.mix(b->y, b->terms, b->sums, b->h * b->w, b->cp);
}

static void mix_sums(struct measure *b)
{
    b->k.mix_sums(b->sums, b->sums + b->cp, b->g, b->terms, b->h * b->w, b->cp);
}

static void moments(struct measure *b)
{
    b->k.moments(b->sums, b->x, b->h * b->w, b->cp);
}

static void relu_grad(struct measure *b)
{
    const struct hn_mask mask = {cdense(b, b->x), b->weights, b->weights};
    const struct hn_cplane g = {b->g, b->w * b->cp, b->cp};

    b->k.relu_grad(b->y, g, mask, b->x, b->sums, b->h, b->w, b->cp, 0);
}

static void max_pool(struct measure *b)
{
    b->k.max_pool(b->y, window(b), b->h, b->w, b->cp, 1);
}

static void avg_pool(struct measure *b)
{
    b->k.avg_pool(b->y, window(b), b->h, b->w, b->cp, 1);
}

static void max_pool_grad(struct measure *b)
{
    b->k.max_pool_grad(b->y, b->g, window(b), b->tmp, b->h, b->w, b->cp, 1);
}

static void avg_pool_grad(struct measure *b)
{
    b->k.avg_pool_grad(b->y, b->g, b->tmp, b->h, b->w, b->cp, 1);
}

static void max_pool_pick(struct measure *b)
{
    b->k.max_pool_pick(b->y, window(b), window(b), b->h, b->w, b->cp, 1);
}

static void narrow(struct measure *b)
{
    b->k.narrow((uint16_t *)(void *)b->y, b->x, b->h * b->w * b->cp, 0);
}

static void widen(struct measure *b)
{
    b->k.widen(b->y, (const uint16_t *)(const void *)b->x, b->h * b->w * b->cp);
}

static void dot(struct measure *b)
{
    b->sums[0] = (real)b->k.dot(b->x, b->g, b->h * b->w * b->cp);
}

static void axpy(struct measure *b)
{
    b->k.axpy(b->y, (real)1e-3, b->x, b->h * b->w * b->cp);
}

static void triad(struct measure *b)
{
    b->peak->triad(b->y, (real)0.5, b->x, b->g, b->h * b->w * b->cp);
}

static void product(struct measure *b)
{
    const struct hn_matrix left = {b->x, b->l, 1}, right = {b->g, b->n, 1};

    hn_gemm(b->gemm, b->y, b->n, left, right, b->m, b->n, b->l, 0);
}

/* ---- what is measured ---- */

/* flops of an output value, times cp where it is dense (per_cp); images read
 * and written. */
static const struct test {
    const char *name;
    void (*run)(struct measure *b);
    double flops;
    int per_cp;
    double n_images;
    struct hn_dwindow win;
    int flags;
} tests[] = {
    {"triad", triad, 2, 0, 3, {1, 1, 1, NULL}, 0},
    {"dw_rows 3x3", dw_rows, 18, 0, 2, {3, 1, 1, NULL}, 0},
    {"dw_rows 3x3 add", dw_rows, 18, 0, 3, {3, 1, 1, NULL}, HN_ACCUMULATE},
    {"dw_rows 3x3 dilated", dw_rows, 18, 0, 2, {3, 2, 1, NULL}, 0},
    {"dw_rows 5x5", dw_rows, 50, 0, 2, {5, 1, 1, NULL}, 0},
    {"dw_rows 5x5 add", dw_rows, 50, 0, 3, {5, 1, 1, NULL}, HN_ACCUMULATE},
    {"dw_rows 5x5 dilated", dw_rows, 50, 0, 2, {5, 2, 1, NULL}, 0},
    {"dw_rows 7x7", dw_rows, 98, 0, 2, {7, 1, 1, NULL}, 0},
    {"dw_wgrad 3x3", dw_wgrad, 18, 0, 2, {3, 1, 1, NULL}, 0},
    {"dw_wgrad 5x5", dw_wgrad, 50, 0, 2, {5, 1, 1, NULL}, 0},
    {"dw_wgrad 5x5 dilated", dw_wgrad, 50, 0, 2, {5, 2, 1, NULL}, 0},
    {"dw_wgrad 7x7", dw_wgrad, 98, 0, 2, {7, 1, 1, NULL}, 0},
    {"conv_rows 1x1", pointwise, 2, 1, 2, {1, 1, 1, NULL}, 0},
    {"conv_rows 1x1 add", pointwise, 2, 1, 3, {1, 1, 1, NULL}, HN_ACCUMULATE},
    {"conv_rows 1x1 sums", pointwise_sums, 2, 1, 2, {1, 1, 1, NULL}, 0},
    {"conv_wgrad 1x1", pointwise_wgrad, 2, 1, 2, {1, 1, 1, NULL}, 0},
    {"conv_rows 3x3", dense_3x3, 18, 1, 2, {3, 1, 1, NULL}, 0},
    {"conv_wgrad 3x3", dense_3x3_wgrad, 18, 1, 2, {3, 1, 1, NULL}, 0},
    {"affine_pad", affine_pad, 3, 0, 2, {1, 1, 1, NULL}, 0},
    {"bn_grad_rows", bn_grad, 4, 0, 3, {1, 1, 1, NULL}, 0},
    {"mix of 6", mix, 12, 0, 7, {1, 1, 1, NULL}, 0},
    {"mix_sums of 6", mix_sums, 13, 0, 7, {1, 1, 1, NULL}, 0},
    {"moments", moments, 3, 0, 1, {1, 1, 1, NULL}, 0},
    {"relu_grad", relu_grad, 6, 0, 3, {1, 1, 1, NULL}, 0},
    {"max_pool", max_pool, 8, 0, 2, {3, 1, 1, NULL}, 0},
    {"avg_pool", avg_pool, 9, 0, 2, {3, 1, 1, NULL}, 0},
    {"max_pool_grad", max_pool_grad, 9, 0, 3, {3, 1, 1, NULL}, 0},
    {"avg_pool_grad", avg_pool_grad, 9, 0, 2, {3, 1, 1, NULL}, 0},
    {"max_pool_pick", max_pool_pick, 8, 0, 3, {3, 1, 1, NULL}, 0},
    {"narrow", narrow, 1, 0, 1.5, {1, 1, 1, NULL}, 0},
    {"widen", widen, 1, 0, 1.5, {1, 1, 1, NULL}, 0},
    {"axpy", axpy, 2, 0, 3, {1, 1, 1, NULL}, 0},
    {"dot", dot, 2, 0, 2, {1, 1, 1, NULL}, 0},
};

static const int64_t shapes[][3] = {{28, 28, 16}, {14, 14, 32}, {7, 7, 64}};

static const struct {
    int32_t backend;
    int64_t m, n, l;
} products[] = {
    {HN_GEMM_BUILTIN, 64, 10, 256},   {HN_GEMM_BUILTIN, 784, 64, 64},
    {HN_GEMM_BUILTIN, 512, 512, 512}, {HN_GEMM_BLIS, 64, 10, 256},
    {HN_GEMM_BLIS, 784, 64, 64},      {HN_GEMM_BLIS, 512, 512, 512},
};

enum {
    N_TESTS = sizeof tests / sizeof *tests,
    N_SHAPES = sizeof shapes / sizeof *shapes,
    N_PRODUCTS = sizeof products / sizeof *products,
    N_IMAGES = N_TESTS * N_SHAPES
};

/* ---- time ---- */

/* The best of several times of a run, in seconds. */
static double best_time(struct measure *b, void (*run)(struct measure *b))
{
    double best = 1e30, start = hn_now_s();
    int repeats = 0;

    do
        run(b);
    while (++repeats < 1000000 && hn_now_s() - start < run_s);
    for (int i = 0; i < N_RUNS; i++) {
        double s;

        start = hn_now_s();
        for (int r = 0; r < repeats; r++)
            run(b);
        s = (hn_now_s() - start) / repeats;
        best = s > 0 && s < best ? s : best;
    }
    return best;
}

/* Floating-point operations a second, in registers. */
static double peak_flops(const struct hn_peak *peak)
{
    _Alignas(64) real sink[16] = {0};
    double best = 0;

    for (int i = 0; i < N_RUNS; i++) {
        const double start = hn_now_s();
        const double flops = peak->multiply_add(sink, 4000);
        const double s = hn_now_s() - start;

        best = s > 0 && flops / s > best ? flops / s : best;
    }
    return sink[0] < 0 ? 0 : best; /* so that the sink is read */
}

/* ---- one entry ---- */

static real *take(real **scratch, int64_t n)
{
    real *p = *scratch;

    *scratch += (n + 15) / 16 * 16;
    return p;
}

static void fill(real *p, int64_t n)
{
    uint32_t state = 1;

    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        p[i] = (real)(state >> 8) / (real)(1 << 23) - 1;
    }
}

static void prepare_image(struct measure *b, const int64_t shape[3], real *p)
{
    const int64_t h = shape[0], w = shape[1], cp = hn_pad_channels(shape[2]);
    const int64_t n = h * w * cp,
                  padded = (h + 2 * BORDER) * (w + 2 * BORDER) * cp;

    b->h = h;
    b->w = w;
    b->cp = cp;
    b->prow = (w + 2 * BORDER) * cp;
    b->padded = take(&p, padded);
    b->padded_out = take(&p, padded);
    b->tmp = take(&p, padded);
    b->x = take(&p, n);
    b->y = take(&p, n);
    b->g = take(&p, n);
    b->weights = take(&p, 49 * cp + 9 * cp * cp);
    b->sums = take(&p, (N_TERMS + 2) * cp);
    for (int t = 0; t < N_TERMS; t++) {
        b->z[t] = take(&p, n);
        b->scale[t] = b->weights;
    }
    b->terms = (struct hn_terms){N_TERMS, b->z, b->scale};
}

/* Scale a time to rates, and to the share of the time that the machine needs
 * at least: the longer one of peak and of the bandwidth of a triad over as
 * many bytes, in the scratch. */
static void rate_of(struct hn_rate *rate, struct measure *b, double s,
                    double flops, double bytes, real *scratch)
{
    const double floor_s = flops / peak_flops(b->peak);
    double memory_s;

    b->h = (int64_t)bytes / (int64_t)sizeof(real) / 48 * 16;
    b->w = b->cp = 1;
    b->x = take(&scratch, b->h);
    b->g = take(&scratch, b->h);
    b->y = take(&scratch, b->h);
    memory_s = best_time(b, triad) * bytes /
               (3.0 * (double)b->h * (double)sizeof(real));
    rate->gflops = 1e-9 * flops / s;
    rate->gbs = 1e-9 * bytes / s;
    rate->roofline = (floor_s > memory_s ? floor_s : memory_s) / s;
}

static void measure_image(struct hn_rate *rate, struct measure *b,
                          int32_t index, real *scratch)
{
    const struct test *t = &tests[index % N_TESTS];
    const int64_t *shape = shapes[index / N_TESTS];
    double values, s;

    prepare_image(b, shape, scratch);
    b->win = t->win;
    b->flags = t->flags;
    values = (double)(b->h * b->w * b->cp);
    s = best_time(b, t->run);
    snprintf(rate->name, sizeof rate->name, "%s", t->name);
    snprintf(rate->shape, sizeof rate->shape, "%dx%dx%d", (int)shape[0],
             (int)shape[1], (int)shape[2]);
    rate_of(rate, b, s, t->flops * values * (t->per_cp ? (double)b->cp : 1),
            t->n_images * values * (double)sizeof(real), scratch);
}

static void measure_product(struct hn_rate *rate, struct measure *b,
                            int32_t index, real *scratch)
{
    real *const operands = scratch;
    double s, flops, bytes;

    b->gemm = products[index].backend;
    b->m = products[index].m;
    b->n = products[index].n;
    b->l = products[index].l;
    b->x = take(&scratch, b->m * b->l);
    b->g = take(&scratch, b->l * b->n);
    b->y = take(&scratch, b->m * b->n);
    s = best_time(b, product);
    snprintf(rate->name, sizeof rate->name, "gemm %s", hn_gemm_name(b->gemm));
    snprintf(rate->shape, sizeof rate->shape, "%dx%dx%d", (int)b->m, (int)b->n,
             (int)b->l);
    flops = 2 * (double)b->m * (double)b->n * (double)b->l;
    bytes = (double)(b->m * b->l + b->l * b->n + b->m * b->n) * sizeof(real);
    rate_of(rate, b, s, flops, bytes, operands);
}

static void measure_peak(struct hn_rate *rate, const struct hn_peak *peak)
{
    snprintf(rate->name, sizeof rate->name, "multiply-add");
    snprintf(rate->shape, sizeof rate->shape, "registers");
    rate->gflops = 1e-9 * peak_flops(peak);
    rate->gbs = 0;
    rate->roofline = 1;
}

int32_t hn_measure_count(void)
{
    const int32_t n_backends = hn_gemm_name(HN_GEMM_BLIS) ? 2 : 1;

    return 1 + N_IMAGES + n_backends * (N_PRODUCTS / 2);
}

int64_t hn_measure_reals(void)
{
    return MOST_REALS;
}

void hn_measure(struct hn_rate *rate, const struct hn_kernels *k, int32_t index,
                real *scratch)
{
    struct measure b = {.k = *k, .peak = hn_peak_find(k->level)};

    memset(rate, 0, sizeof *rate);
    fill(scratch, MOST_REALS);
    if (index == 0)
        measure_peak(rate, b.peak);
    else if (index <= N_IMAGES)
        measure_image(rate, &b, index - 1, scratch);
    else
        measure_product(rate, &b, index - 1 - N_IMAGES, scratch);
}
