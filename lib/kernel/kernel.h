/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 1.  Raw arrays and integers in, raw arrays out.
 *
 * One table of kernels per context: plain C first (the reference), then each
 * overlay that the CPU and the context's mask allow.  Everything here works
 * on ONE image (or some rows of one image) in the internal layout: pixels of
 * Cp = pad(C) channels side by side, Cp a multiple of HN_LANES, padding lanes
 * zero.  Row and pixel strides are in reals and multiples of HN_LANES, and
 * every pointer to pixels or channel vectors is aligned to 32 bytes.  "Padded"
 * arrays are images with a border that the kernel may read.
 *
 * A kernel neither allocates nor fails, reads and writes nothing outside
 * what its comment names, and leaves padding lanes zero if they were. */
#ifndef HN_KERNEL_KERNEL_H
#define HN_KERNEL_KERNEL_H

#include <stdint.h>

#include "base/real.h"

/* A rectangle of pixels: the first pixel, and how far the next row and the
 * next pixel are, in reals. */
struct hn_plane {
    real *p;
    int64_t row, pix;
};
struct hn_cplane {
    const real *p;
    int64_t row, pix;
};

/* Where a rectifier lets a gradient through: scale[c] * x[c] + shift[c] > 0, or
 * x[c] > 0 where scale is NULL. */
struct hn_mask {
    struct hn_cplane x;
    const real *scale, *shift;
};

/* What later calls read from memory, to be fetched into the cache beside this
 * one's arithmetic, which else would leave memory idle: `halves` halves of a
 * real for each real written, from p on, up to end.  A kernel moves p, and adds
 * to `written`. */
struct hn_ahead {
    const real *p, *end;
    int64_t halves, written;
};

/* A dense convolution's window: n_taps offsets (in reals) from a source
 * pixel; n_in is the true number of input channels, cp_out the padded number
 * of output channels.  Weights are w[tap][n_in][cp_out]. */
struct hn_taps {
    const int64_t *offset;
    int64_t n_taps, n_in, cp_out;
    struct hn_ahead *ahead; /* hint, or NULL */
};

/* A depthwise window of k x k taps, dilated; the source advances `stride`
 * pixels (rows) for each output pixel (row).  Weights are w[k*k][cp]. */
struct hn_dwindow {
    int32_t k, dilation, stride;
    struct hn_ahead *ahead; /* hint, or NULL */
};

enum {
    HN_ACCUMULATE = 1, /* add to the destination instead of writing it */
    HN_STREAM = 2      /* hint: not read again soon; then call drain */
};

/* A sum of n_terms scaled images: sum_t scale[t][c] * z[t][p][c] (+ shift[c]).
 * z[t] points to n_pix pixels, dense (pixel stride cp). */
struct hn_terms {
    int64_t n_terms;
    const real *const *z;
    const real *const *scale;
};

struct hn_kernels {
    const char *level; /* "c", "avx2", "avx512": the highest overlay laid */

    /* dst[h][w][c] = max(scale[c] * src[h][w][c] + shift[c], floor), dst
     * strided (the inside of a padded image), src dense.  scale NULL: 1 and
     * 0.  relu: floor is 0, else none. */
    void (*affine_pad)(struct hn_plane dst, const real *src, int64_t h,
                       int64_t w, int64_t cp, const real *scale,
                       const real *shift, int relu);

    /* dst[r][x][c] (+)= sum_ij w[i*k+j][c]
     *     * src[r*stride + i*dilation][x*stride + j*dilation][c]
     * for `rows` x `cols` output pixels.  src.p is the pixel under tap (0,0)
     * of output (0,0), its pix the distance of neighbours.  Used forward and,
     * with flipped weights at stride 1, for the data gradient.
     * flags: HN_ACCUMULATE. */
    void (*dw_rows)(struct hn_plane dst, struct hn_cplane src, const real *w,
                    struct hn_dwindow win, int64_t rows, int64_t cols,
                    int64_t cp, int flags);

    /* dw[i*k+j][c] += sum_{r,x} g[r][x][c]
     *     * src[r*stride + i*dilation][x*stride + j*dilation][c]. */
    void (*dw_wgrad)(real *dw, struct hn_cplane src, struct hn_cplane g,
                     struct hn_dwindow win, int64_t rows, int64_t cols,
                     int64_t cp);

    /* dst[r][x][o] (+)= sum_t sum_i src[r][x][offset[t] + i] * w[t][i][o].
     * src.row and src.pix carry the stride.  sums, where not NULL, is
     * [2][cp_out]: the values written are added to sums[0], their squares to
     * sums[1].  flags: HN_ACCUMULATE, HN_STREAM.  Pointwise forward (one tap),
     * its data gradient (transposed weights), dense convolutions. */
    void (*conv_rows)(struct hn_plane dst, struct hn_cplane src, const real *w,
                      struct hn_taps taps, int64_t rows, int64_t cols,
                      real *sums, int flags);

    /* dw[t][i][o] += sum_{r,x} src[r][x][offset[t] + i] * g[r][x][o]. */
    void (*conv_wgrad)(real *dw, struct hn_cplane src, struct hn_cplane g,
                       struct hn_taps taps, int64_t rows, int64_t cols);

    /* dst[r][x][c] = sum_t a[t][c] * g[t][r*cols+x][c] + b[c] * z[..][c] +
     * k[c]: the gradient at a batch-norm's input.  terms.z is g, terms.scale is
     * a; b, z, k NULL together: left out.  g and z dense, dst strided; dst
     * may be one of the g. */
    void (*bn_grad_rows)(struct hn_plane dst, struct hn_terms terms,
                         const real *z, const real *b, const real *k,
                         int64_t rows, int64_t cols, int64_t cp);

    /* y[p][c] = (shift[c] or 0) + sum_t scale[t][c] * z[t][p][c]. */
    void (*mix)(real *y, struct hn_terms terms, const real *shift,
                int64_t n_pix, int64_t cp);

    /* sg[c] = sum_p g[p][c];  sgz[t][c] = sum_p g[p][c] * z[t][p][c].
     * terms.scale is not read.  Both outputs are overwritten, sgz is
     * [n_terms][cp]. */
    void (*mix_sums)(real *sg, real *sgz, const real *g, struct hn_terms terms,
                     int64_t n_pix, int64_t cp);

    /* sums[0][c] = sum_p z[p][c], sums[1][c] = sum_p z[p][c]^2 (overwritten) */
    void (*moments)(real *sums, const real *z, int64_t n_pix, int64_t cp);

    /* Gradient through a rectifier: m = g where the mask lets it, else 0, dx
     * (+)= m; and where sums is not NULL, sums[0] += m, sums[1] += m * z per
     * channel.  dx, z dense.  flags: HN_ACCUMULATE. */
    void (*relu_grad)(real *dx, struct hn_cplane g, struct hn_mask mask,
                      const real *z, real *sums, int64_t h, int64_t w,
                      int64_t cp, int flags);

    /* 3x3 pools over a padded source; src.p is the pixel under tap (0,0) of
     * output (0,0), one above and left of it.  The border holds -HN_REAL_MAX
     * for max; the average divides by the number of taps inside h x w.  dst
     * dense [ho][wo], ho = ceil(h / stride). */
    void (*max_pool)(real *dst, struct hn_cplane src, int64_t h, int64_t w,
                     int64_t cp, int64_t stride);
    void (*avg_pool)(real *dst, struct hn_cplane src, int64_t h, int64_t w,
                     int64_t cp, int64_t stride);

    /* dst = t where the max pool of src finds the first of its largest values;
     * t padded like src, its border is never taken. */
    void (*max_pool_pick)(real *dst, struct hn_cplane src, struct hn_cplane t,
                          int64_t h, int64_t w, int64_t cp, int64_t stride);

    /* Their data gradients, added to dx dense [h][w]; g dense [ho][wo].  The
     * first of equal values in scan order takes the gradient.  tmp is scratch
     * of (h + 2) * (w + 2) * cp reals. */
    void (*max_pool_grad)(real *dx, const real *g, struct hn_cplane src,
                          real *tmp, int64_t h, int64_t w, int64_t cp,
                          int64_t stride);
    void (*avg_pool_grad)(real *dx, const real *g, real *tmp, int64_t h,
                          int64_t w, int64_t cp, int64_t stride);

    /* Storage in half precision (binary16), to nearest even; n a multiple of
     * HN_LANES, dst of narrow aligned to 16 bytes.  flags: HN_STREAM. */
    void (*narrow)(uint16_t *dst, const real *src, int64_t n, int flags);
    void (*widen)(real *dst, const uint16_t *src, int64_t n);

    /* Let other threads see what HN_STREAM stores wrote: to be called by the
     * thread that stored, at the end of its task (a fence costs as much as a
     * row of pixels). */
    void (*drain)(void);

    /* y[i] += a * x[i], any n, any alignment. */
    void (*axpy)(real *y, real a, const real *x, int64_t n);

    /* sum x[i] * y[i] in double, four fixed partial sums; any alignment. */
    double (*dot)(const real *x, const real *y, int64_t n);
};

/* Bits of a CPU mask: the levels a context may use. */
enum { HN_CPU_AVX2 = 1, HN_CPU_AVX512 = 2 };

/* Fill the table: plain C, then each overlay in `cpu_flags`. */
void hn_kernels_init(struct hn_kernels *k, uint32_t cpu_flags);

/* Plain C, one file each; hn_kernels_init calls these in turn. */
void hn_kernels_add_conv(struct hn_kernels *k);
void hn_kernels_add_dwconv(struct hn_kernels *k);
void hn_kernels_add_half(struct hn_kernels *k);
void hn_kernels_add_mix(struct hn_kernels *k);
void hn_kernels_add_norm(struct hn_kernels *k);
void hn_kernels_add_pool(struct hn_kernels *k);
void hn_kernels_add_vector(struct hn_kernels *k);

#endif
