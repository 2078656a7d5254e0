/* SPDX-License-Identifier: BSD-3-Clause */
/* What the memory beyond the caches gives: y = a x + z over arrays that no
 * cache holds, a part of them a thread, in large pages and with stores past
 * the caches where there are such, as the library's. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "bench/bench.h"
#include "common/json.h"
#include "common/program.h"

/* APART: the arrays begin at different places of a page, else they hinder each
 * other in the caches. */
enum { N_REALS = 64 << 20, APART = N_REALS + 272, MOST_THREADS = 256 };
enum { PAGE_BYTES = 2 << 20 };

struct part {
    float *y;
    const float *x, *z;
    int64_t n;
};

static void *triad(void *user)
{
    const struct part *p = user;

#ifdef __SSE2__
    for (int64_t i = 0; i < p->n; i += 4)
        _mm_stream_ps(p->y + i, _mm_add_ps(_mm_mul_ps(_mm_set1_ps(0.5f),
                                                      _mm_load_ps(p->x + i)),
                                           _mm_load_ps(p->z + i)));
    _mm_sfence();
#else
    for (int64_t i = 0; i < p->n; i++)
        p->y[i] = 0.5f * p->x[i] + p->z[i];
#endif
    return NULL;
}

/* Seconds of all threads together, or -1. */
static double run(const struct part *part, int n)
{
    const double began_s = now_s();
    pthread_t thread[MOST_THREADS];
    int started = 0;

    while (started < n && !pthread_create(&thread[started], NULL, triad,
                                          (void *)(uintptr_t)&part[started]))
        started++;
    for (int i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    return started == n ? now_s() - began_s : -1;
}

static int measure(double *gbs, const struct bench *b, int n, float *memory)
{
    struct part part[MOST_THREADS];
    double best_s = -1;

    /* written: pages that are only read would all be one page of zeros */
    for (int64_t i = 0; i < 3 * (int64_t)APART; i++) {
        if (i % (1 << 20) == 0 && is_interrupted())
            return EXIT_INTERRUPTED;
        memory[i] = (float)(i % 7);
    }
    for (int i = 0; i < n; i++) {
        float *at = memory + (int64_t)N_REALS / n / 4 * 4 * i;

        part[i] = (struct part){at, at + APART, at + 2 * (int64_t)APART,
                                (int64_t)N_REALS / n / 4 * 4};
    }
    for (int64_t i = 0; i < b->repeat; i++) {
        const double s = run(part, n);

        if (is_interrupted())
            return EXIT_INTERRUPTED;
        if (s < 0)
            return failure("--threads %d: can't start so many", n);
        if (best_s < 0 || s < best_s)
            best_s = s;
    }
    *gbs = 3.0 * N_REALS * sizeof(float) / best_s / 1e9;
    return 0;
}

static float *take(void)
{
    const size_t wanted = 3 * (size_t)APART * sizeof(float);
    const size_t bytes = (wanted / PAGE_BYTES + 1) * PAGE_BYTES;
    float *memory = aligned_alloc(PAGE_BYTES, bytes);

#ifdef MADV_HUGEPAGE
    if (memory)
        (void)madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

int bench_memory(const struct bench *b)
{
    hnas_context *ctx = NULL;
    float *memory = NULL;
    double gbs = 0;
    int rc = program_open(&ctx, b->threads, b->seed), n = 1;
    struct json j;

    if (!rc) {
        n = hnas_context_get_threads(ctx);
        memory = take();
        rc = memory ? measure(&gbs, b, n, memory)
                    : failure("memory: %d MB are not to be had",
                              (int)(3 * sizeof(float) * N_REALS >> 20));
    }
    if (!rc && b->json) {
        json_begin(&j, stdout);
        json_open(&j, '{');
        json_key(&j, "gbs");
        json_real(&j, gbs);
        json_key(&j, "threads");
        json_int(&j, n);
        json_close(&j, '}');
        fputc('\n', stdout);
    } else if (!rc) {
        printf("%.1f GB/s of y = a x + z, threads: %d\n", gbs, n);
    }
    free(memory);
    hnas_context_destroy(ctx);
    return rc;
}
