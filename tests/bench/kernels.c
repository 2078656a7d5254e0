/* SPDX-License-Identifier: BSD-3-Clause */
/* Time every kernel at every level on one image that fits the caches.
 *
 *     kernels [height width channels]...
 *
 * One line a kernel, one column a level: GFLOP/s for the convolutions, GB/s
 * of named traffic for the others (best of several runs, one thread). */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/kernel.h"

enum { BORDER = 6, N_TERMS = 6, N_RUNS = 40 };

/* Everything a kernel may want: padded images, dense images, weights. */
struct bench {
    struct hn_kernels k;
    int64_t h, w, cp, prow;
    real *padded, *padded_out, *x, *y, *g, *tmp, *weights, *sums;
    struct hn_terms terms;
    struct hn_dwindow win;
    int flags;
    const real *z[N_TERMS], *scale[N_TERMS];
};

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static real *filled(int64_t n)
{
    real *p = aligned_alloc(64, ((size_t)n * sizeof *p + 127) / 64 * 64);

    if (!p)
        exit(1);
    for (int64_t i = 0; i < n; i++)
        p[i] = (real)(rand() % 2001 - 1000) / 1000;
    return p;
}

static struct hn_cplane window(const struct bench *b)
{
    const int64_t off = BORDER - b->win.k / 2 * b->win.dilation;
    struct hn_cplane s = {b->padded + off * (b->prow + b->cp), b->prow, b->cp};

    return s;
}

static struct hn_plane dense(const struct bench *b, real *p)
{
    struct hn_plane d = {p, b->w * b->cp, b->cp, NULL};

    return d;
}

static struct hn_cplane cdense(const struct bench *b, const real *p)
{
    struct hn_cplane d = {p, b->w * b->cp, b->cp, NULL};

    return d;
}

static void dw_rows(struct bench *b)
{
    b->k.dw_rows(dense(b, b->y), window(b), b->weights, b->win, b->h, b->w,
                 b->cp, b->flags);
}

static void dw_wgrad(struct bench *b)
{
    b->k.dw_wgrad(b->weights, window(b), cdense(b, b->g), b->win, b->h, b->w,
                  b->cp);
}

static const int64_t one_tap = 0;

static void pointwise(struct bench *b)
{
    const struct hn_taps taps = {&one_tap, 1, b->cp, b->cp, NULL};

    b->k.conv_rows(dense(b, b->y), cdense(b, b->x), b->weights, taps, b->h,
                   b->w, NULL, b->flags);
}

static void pointwise_sums(struct bench *b)
{
    const struct hn_taps taps = {&one_tap, 1, b->cp, b->cp, NULL};

    b->k.conv_rows(dense(b, b->y), cdense(b, b->x), b->weights, taps, b->h,
                   b->w, b->sums, HN_STREAM);
}

static void pointwise_wgrad(struct bench *b)
{
    const struct hn_taps taps = {&one_tap, 1, b->cp, b->cp, NULL};

    b->k.conv_wgrad(b->weights, cdense(b, b->x), cdense(b, b->g), taps, b->h,
                    b->w);
}

/* The nine taps of a 3x3 convolution over the padded image. */
static struct hn_taps taps_3x3(const struct bench *b, int64_t offset[9])
{
    struct hn_taps taps = {offset, 9, b->cp, b->cp, NULL};

    for (int t = 0; t < 9; t++)
        offset[t] = t / 3 * b->prow + t % 3 * b->cp;
    return taps;
}

static void dense_3x3(struct bench *b)
{
    int64_t offset[9];

    b->k.conv_rows(dense(b, b->y), window(b), b->weights, taps_3x3(b, offset),
                   b->h, b->w, NULL, 0);
}

static void dense_3x3_wgrad(struct bench *b)
{
    int64_t offset[9];

    b->k.conv_wgrad(b->weights, window(b), cdense(b, b->g), taps_3x3(b, offset),
                    b->h, b->w);
}

static void affine_pad(struct bench *b)
{
    struct hn_plane d = {b->padded_out, b->prow, b->cp};

    b->k.affine_pad(d, b->x, b->h, b->w, b->cp, b->sums, b->sums, 1);
}

static void bn_grad(struct bench *b)
{
    struct hn_terms one = b->terms;

    one.n_terms = 1;
    b->k.bn_grad_rows(dense(b, b->y), one, b->x, b->sums, b->sums, b->h, b->w,
                      b->cp);
}

static void mix(struct bench *b)
{
    b->k.mix(b->y, b->terms, b->sums, b->h * b->w, b->cp);
}

static void mix_sums(struct bench *b)
{
    b->k.mix_sums(b->sums, b->sums + b->cp, b->g, b->terms, b->h * b->w, b->cp);
}

static void moments(struct bench *b)
{
    b->k.moments(b->sums, b->x, b->h * b->w, b->cp);
}

static void relu_grad(struct bench *b)
{
    struct hn_cplane r = {b->padded, b->prow, b->cp};

    b->k.relu_grad(b->y, b->g, r, b->x, b->sums, b->h, b->w, b->cp, 0);
}

static void max_pool(struct bench *b)
{
    b->k.max_pool(b->y, window(b), b->h, b->w, b->cp, 1);
}

static void avg_pool(struct bench *b)
{
    b->k.avg_pool(b->y, window(b), b->h, b->w, b->cp, 1);
}

static void max_pool_grad(struct bench *b)
{
    b->k.max_pool_grad(b->y, b->g, window(b), b->tmp, b->h, b->w, b->cp, 1);
}

static void avg_pool_grad(struct bench *b)
{
    b->k.avg_pool_grad(b->y, b->g, b->tmp, b->h, b->w, b->cp, 1);
}

static void dot(struct bench *b)
{
    b->sums[0] = (real)b->k.dot(b->x, b->g, b->h * b->w * b->cp);
}

static void axpy(struct bench *b)
{
    b->k.axpy(b->y, (real)1e-3, b->x, b->h * b->w * b->cp);
}

/* flops: for each output value, times cp where it is dense (per_cp). */
static const struct test {
    const char *name;
    void (*run)(struct bench *b);
    double per_value;
    int per_cp;
    struct hn_dwindow win;
    int flags;
} tests[] = {
    {"dw 3x3", dw_rows, 18, 0, {3, 1, 1}, 0},
    {"dw 3x3 add", dw_rows, 18, 0, {3, 1, 1}, HN_ACCUMULATE},
    {"dw 3x3 dilated", dw_rows, 18, 0, {3, 2, 1}, 0},
    {"dw 5x5", dw_rows, 50, 0, {5, 1, 1}, 0},
    {"dw 5x5 add", dw_rows, 50, 0, {5, 1, 1}, HN_ACCUMULATE},
    {"dw 5x5 dilated", dw_rows, 50, 0, {5, 2, 1}, 0},
    {"dw 7x7", dw_rows, 98, 0, {7, 1, 1}, 0},
    {"dw wgrad 3x3", dw_wgrad, 18, 0, {3, 1, 1}, 0},
    {"dw wgrad 5x5", dw_wgrad, 50, 0, {5, 1, 1}, 0},
    {"dw wgrad 5x5 dil", dw_wgrad, 50, 0, {5, 2, 1}, 0},
    {"dw wgrad 7x7", dw_wgrad, 98, 0, {7, 1, 1}, 0},
    {"pointwise", pointwise, 2, 1, {1, 1, 1}, 0},
    {"pointwise add", pointwise, 2, 1, {1, 1, 1}, HN_ACCUMULATE},
    {"pointwise sums nt", pointwise_sums, 2, 1, {1, 1, 1}, 0},
    {"pointwise wgrad", pointwise_wgrad, 2, 1, {1, 1, 1}, 0},
    {"dense 3x3", dense_3x3, 18, 1, {3, 1, 1}, 0},
    {"dense 3x3 wgrad", dense_3x3_wgrad, 18, 1, {3, 1, 1}, 0},
    {"affine_pad GB/s", affine_pad, 8, 0, {1, 1, 1}, 0},
    {"bn_grad_rows GB/s", bn_grad, 12, 0, {1, 1, 1}, 0},
    {"mix of 6 GB/s", mix, 28, 0, {1, 1, 1}, 0},
    {"mix_sums of 6 GB/s", mix_sums, 28, 0, {1, 1, 1}, 0},
    {"moments GB/s", moments, 4, 0, {1, 1, 1}, 0},
    {"relu_grad GB/s", relu_grad, 16, 0, {1, 1, 1}, 0},
    {"max_pool GB/s", max_pool, 8, 0, {3, 1, 1}, 0},
    {"avg_pool GB/s", avg_pool, 8, 0, {3, 1, 1}, 0},
    {"max_pool_grad GB/s", max_pool_grad, 16, 0, {3, 1, 1}, 0},
    {"avg_pool_grad GB/s", avg_pool_grad, 12, 0, {3, 1, 1}, 0},
    {"axpy GB/s", axpy, 12, 0, {1, 1, 1}, 0},
    {"dot GB/s", dot, 8, 0, {1, 1, 1}, 0},
};

/* 1e9 units a second: the best of N_RUNS runs of about 0.5 ms. */
static double rate(struct bench *b, const struct test *t)
{
    const double units = t->per_value * (double)(b->h * b->w * b->cp) *
                         (t->per_cp ? (double)b->cp : 1);
    double best = 1e30, start = now_s();
    int repeats = 0;

    b->win = t->win;
    b->flags = t->flags;
    while (now_s() - start < 5e-4 && ++repeats)
        t->run(b);
    for (int i = 0; i < N_RUNS; i++) {
        start = now_s();
        for (int r = 0; r < repeats; r++)
            t->run(b);
        double s = (now_s() - start) / repeats;

        best = s < best ? s : best;
    }
    return 1e-9 * units / best;
}

static void prepare(struct bench *b, int64_t h, int64_t w, int64_t c)
{
    const int64_t cp = hn_pad_channels(c), n = h * w * cp;
    const int64_t padded = (h + 2 * BORDER) * (w + 2 * BORDER) * cp;

    *b =
        (struct bench){.h = h, .w = w, .cp = cp, .prow = (w + 2 * BORDER) * cp};
    b->padded = filled(padded);
    b->padded_out = filled(padded);
    b->tmp = filled(padded);
    b->x = filled(n);
    b->y = filled(n);
    b->g = filled(n);
    b->weights = filled(49 * cp + 9 * cp * cp);
    b->sums = filled((N_TERMS + 2) * cp);
    for (int t = 0; t < N_TERMS; t++) {
        b->z[t] = b->x;
        b->scale[t] = b->weights;
    }
    b->terms = (struct hn_terms){N_TERMS, b->z, b->scale};
}

static void finish(struct bench *b)
{
    free(b->padded);
    free(b->padded_out);
    free(b->tmp);
    free(b->x);
    free(b->y);
    free(b->g);
    free(b->weights);
    free(b->sums);
}

static void measure(int64_t h, int64_t w, int64_t c)
{
    static const uint32_t mask[] = {0, HN_CPU_AVX2,
                                    HN_CPU_AVX2 | HN_CPU_AVX512};
    const int n_levels =
        __builtin_cpu_supports("avx512dq")                                ? 3
        : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 2
                                                                          : 1;
    struct bench b;

    prepare(&b, h, w, c);
    printf("\n%lldx%lld C=%-14lld", (long long)h, (long long)w, (long long)c);
    for (int l = 0; l < n_levels; l++) {
        hn_kernels_init(&b.k, mask[l]);
        printf(" %8s", b.k.level);
    }
    for (size_t t = 0; t < sizeof tests / sizeof *tests; t++) {
        printf("\n%-20s", tests[t].name);
        for (int l = 0; l < n_levels; l++) {
            hn_kernels_init(&b.k, mask[l]);
            printf(" %8.1f", rate(&b, &tests[t]));
        }
        fflush(stdout);
    }
    printf("\n");
    finish(&b);
}

int main(int argc, char **argv)
{
    static const int64_t shapes[][3] = {
        {28, 28, 16}, {14, 14, 32}, {7, 7, 64}, {28, 28, 8}, {28, 28, 24}};

    if (argc < 4)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            measure(shapes[i][0], shapes[i][1], shapes[i][2]);
    for (int i = 1; i + 2 < argc; i += 3)
        measure(atoll(argv[i]), atoll(argv[i + 1]), atoll(argv[i + 2]));
    return 0;
}
