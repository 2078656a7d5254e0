/* SPDX-License-Identifier: BSD-3-Clause */
/* Dense matrix product: BLIS where it pays, else a product of our own.
 *
 * Ours: C is cut into blocks of MC x NC, the sum into pieces of KC.  Pieces of
 * A and B are copied (zero-filled at the edges, whatever their strides) into
 * panels on the stack, MR rows or NR columns wide, and a tile of MR x NR sums
 * is kept in registers. */
#if defined(HN_HAVE_BLIS) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* blis.h wants pthread_barrier_t */
#endif
#include "kernel/gemm.h"

#include <stddef.h>

#ifdef HN_HAVE_BLIS
#include <blis.h>
#endif

/* A vector every 64-bit CPU has; the compiler maps it to registers. */
typedef real quad __attribute__((vector_size(16), may_alias));

enum {
    QUAD = 16 / sizeof(real),
    MR = 4,
    NR = 2 * QUAD,
    KC = 128,
    MC = 32,
    NC = 64
};

static int64_t at_most(int64_t n, int64_t limit)
{
    return n < limit ? n : limit;
}

/* panel[l * width + i] = m(i, l) for i < n, else 0. */
static void pack(real *restrict panel, const real *restrict p, int64_t step,
                 int64_t depth_step, int64_t n, int64_t width, int64_t depth)
{
    if (n == width && step == 1) {
        for (int64_t l = 0; l < depth; l++, panel += width)
            for (int64_t i = 0; i < width; i++)
                panel[i] = p[l * depth_step + i];
        return;
    }
    for (int64_t i = 0; i < width; i++)
        for (int64_t l = 0; l < depth; l++)
            panel[l * width + i] = i < n ? p[i * step + l * depth_step] : 0;
}

/* tile = a panel times b panel. */
static void tile_product(real *restrict tile, const real *restrict a,
                         const real *restrict b, int64_t depth)
{
    quad sum[MR][2] = {{{0}}};

    for (int64_t l = 0; l < depth; l++, a += MR, b += NR) {
        const quad b0 = *(const quad *)b, b1 = *(const quad *)(b + QUAD);

        for (int i = 0; i < MR; i++) {
            const quad x = a[i] - (quad){0};

            sum[i][0] += x * b0;
            sum[i][1] += x * b1;
        }
    }
    for (int i = 0; i < MR; i++) {
        *(quad *)(tile + i * NR) = sum[i][0];
        *(quad *)(tile + i * NR + QUAD) = sum[i][1];
    }
}

/* c = (add ? c : 0) + the packed blocks' product, m x n. */
static void block_product(real *c, int64_t ldc, const real *a, const real *b,
                          int64_t m, int64_t n, int64_t depth, int add)
{
    _Alignas(64) real tile[MR * NR];

    for (int64_t i = 0; i < m; i += MR) {
        for (int64_t j = 0; j < n; j += NR) {
            const int64_t mi = at_most(m - i, MR), nj = at_most(n - j, NR);

            tile_product(tile, a + i * depth, b + j * depth, depth);
            for (int64_t r = 0; r < mi; r++) {
                real *restrict to = c + (i + r) * ldc + j;

                for (int64_t s = 0; s < nj; s++)
                    to[s] = (add ? to[s] : 0) + tile[r * NR + s];
            }
        }
    }
}

/* One piece of the sum, for NC columns and every row. */
static void piece(real *c, int64_t ldc, struct hn_matrix a, struct hn_matrix b,
                  int64_t m, int64_t n, int64_t depth, int add)
{
    _Alignas(64) real pa[MC * KC];
    _Alignas(64) real pb[NC * KC];

    for (int64_t j = 0; j < n; j += NR)
        pack(pb + j * depth, b.p + j * b.col, b.col, b.row, at_most(n - j, NR),
             NR, depth);
    for (int64_t i = 0; i < m; i += MC) {
        const int64_t mi = at_most(m - i, MC);

        for (int64_t r = 0; r < mi; r += MR)
            pack(pa + r * depth, a.p + (i + r) * a.row, a.row, a.col,
                 at_most(mi - r, MR), MR, depth);
        block_product(c + i * ldc, ldc, pa, pb, mi, n, depth, add);
    }
}

static void builtin(real *c, int64_t ldc, struct hn_matrix a,
                    struct hn_matrix b, int64_t m, int64_t n, int64_t k,
                    real beta)
{
    const int keep = beta != 0;

    for (int64_t i = 0; i < m && k <= 0 && !keep; i++)
        for (int64_t j = 0; j < n; j++)
            c[i * ldc + j] = 0;
    for (int64_t l = 0; l < k; l += KC) {
        for (int64_t j = 0; j < n; j += NC) {
            struct hn_matrix al = a, bl = b;

            al.p += l * a.col;
            bl.p += l * b.row + j * b.col;
            piece(c + j, ldc, al, bl, m, at_most(n - j, NC), at_most(k - l, KC),
                  keep || l > 0);
        }
    }
}

#ifdef HN_HAVE_BLIS
/* Below this many multiply-adds, or with a side this thin, BLIS is slower. */
enum { BLIS_MIN_WORK = 1 << 18, BLIS_MIN_SIDE = 8 };

static int blis_pays(int64_t m, int64_t n, int64_t k)
{
    if (m < BLIS_MIN_SIDE || n < BLIS_MIN_SIDE || k < BLIS_MIN_SIDE ||
        m * n * k < BLIS_MIN_WORK)
        return 0;
    bli_init();
    return bli_arch_query_id() != BLIS_ARCH_GENERIC;
}

/* One thread, and not the kernels for small products, which read outside
 * their operands. */
static void blis(real *c, int64_t ldc, struct hn_matrix a, struct hn_matrix b,
                 int64_t m, int64_t n, int64_t k, real beta)
{
    rntm_t rntm = BLIS_RNTM_INITIALIZER;
    real one = 1;

    bli_init();
    bli_rntm_set_num_threads(1, &rntm);
    bli_rntm_disable_l3_sup(&rntm);
#ifdef HN_REAL_DOUBLE
    bli_dgemm_ex(
#else
    bli_sgemm_ex(
#endif
        BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, m, n, k, &one, (real *)a.p, a.row,
        a.col, (real *)b.p, b.row, b.col, &beta, c, ldc, 1, NULL, &rntm);
}

const char *hn_gemm_name(int32_t backend)
{
    if (backend == HN_GEMM_BUILTIN)
        return "builtin";
    bli_init();
    switch (bli_arch_query_id()) {
    case BLIS_ARCH_GENERIC:
        return backend == HN_GEMM_BLIS ? "blis generic" : "builtin";
    case BLIS_ARCH_SKX:
        return "blis skx";
    case BLIS_ARCH_HASWELL:
        return "blis haswell";
    case BLIS_ARCH_ZEN:
        return "blis zen";
    case BLIS_ARCH_ZEN2:
        return "blis zen2";
    case BLIS_ARCH_ZEN3:
        return "blis zen3";
    default:
        return "blis";
    }
}

const char *hn_blis_version(void)
{
    return bli_info_get_version_str();
}
#else
static int blis_pays(int64_t m, int64_t n, int64_t k)
{
    (void)m;
    (void)n;
    (void)k;
    return 0;
}

static void blis(real *c, int64_t ldc, struct hn_matrix a, struct hn_matrix b,
                 int64_t m, int64_t n, int64_t k, real beta)
{
    builtin(c, ldc, a, b, m, n, k, beta);
}

const char *hn_gemm_name(int32_t backend)
{
    return backend == HN_GEMM_BLIS ? NULL : "builtin";
}

const char *hn_blis_version(void)
{
    return NULL;
}
#endif

void hn_gemm(int32_t backend, real *c, int64_t ldc, struct hn_matrix a,
             struct hn_matrix b, int64_t m, int64_t n, int64_t k, real beta)
{
    if (backend == HN_GEMM_BLIS ||
        (backend == HN_GEMM_AUTO && blis_pays(m, n, k)))
        blis(c, ldc, a, b, m, n, k, beta);
    else
        builtin(c, ldc, a, b, m, n, k, beta);
}
