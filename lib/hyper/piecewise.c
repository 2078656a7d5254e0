/* SPDX-License-Identifier: BSD-3-Clause */
/* K fixed knots over the range of s, alpha linear between them (DARTS-CC, whose
 * knots move: that makes alpha jump):
 *
 *     alpha = (1 - t) knot[k] + t knot[k + 1],   s = s_k + t (s_{k+1} - s_k).
 */
#include <math.h>

#include "hnas/func.h"
#include "hyper/builtin.h"

double hn_hyper_knot(const struct hn_hyper_table *table, int32_t k)
{
    if (k == table->n_knots - 1)
        return table->s_hi;
    return table->s_lo + (table->s_hi - table->s_lo) * k / (table->n_knots - 1);
}

/* The segment of s and t in it; the end segments are prolonged. */
static int32_t find_segment(double *t, const struct hn_hyper_table *table,
                            double s)
{
    int32_t k = 0;

    while (k + 2 < table->n_knots && s >= hn_hyper_knot(table, k + 1))
        k++;
    *t = (s - hn_hyper_knot(table, k)) /
         (hn_hyper_knot(table, k + 1) - hn_hyper_knot(table, k));
    return k;
}

static hnas_status piecewise_create(struct hnas_hyper *hyper,
                                    struct hn_hyper_table *table, int32_t index)
{
    const hnas_shape *s = &table->shape;
    const int64_t dims[3] = {table->n_knots, s->dims[0], s->dims[1]};
    hnas_status st = hn_hyper_add_param(&table->knots, hyper, table, "knots",
                                        s->rank + 1, dims);

    if (st == HNAS_OK)
        hn_hyper_start_table(table->knots, hyper, table, index);
    return st;
}

/* in: the weights of the knots [K], a constant, and the knots. */
static hnas_status blend_forward(void *user, const hnas_array *in, int32_t n_in,
                                 const hnas_array *out)
{
    const real *weight = in[0].data, *knots = in[1].data;
    const int64_t n = out->dims[0] * out->dims[1];
    real *alpha = out->data;

    (void)user;
    (void)n_in;
    for (int64_t k = 0; k < in[0].dims[0]; k++)
        for (int64_t i = 0; i < n && weight[k] != 0; i++)
            alpha[i] += weight[k] * knots[k * n + i];
    return HNAS_OK;
}

static hnas_status blend_backward(void *user, const hnas_array *in,
                                  int32_t n_in, const hnas_array *out,
                                  const hnas_array *dout, const hnas_array *din)
{
    const real *weight = in[0].data, *d = dout->data;
    const int64_t n = out->dims[0] * out->dims[1];
    real *dknots = din[1].data;

    (void)user;
    (void)n_in;
    for (int64_t k = 0; k < in[0].dims[0] && dknots; k++)
        for (int64_t i = 0; i < n && weight[k] != 0; i++)
            dknots[k * n + i] += weight[k] * d[i];
    return HNAS_OK;
}

static hnas_status blend_tangent(void *user, struct hnas_tensor **out,
                                 hnas_tape *tape, struct hnas_tensor *const *in,
                                 struct hnas_tensor *const *move, int32_t n_in,
                                 struct hnas_tensor *result);

static const hnas_func_table blend = {
    .size = sizeof blend,
    .name = "piecewise",
    .forward = blend_forward,
    .backward = blend_backward,
    .tangent = blend_tangent,
};

/* Weights of knots are constants, and the rest is linear. */
static hnas_status blend_tangent(void *user, struct hnas_tensor **out,
                                 hnas_tape *tape, struct hnas_tensor *const *in,
                                 struct hnas_tensor *const *move, int32_t n_in,
                                 struct hnas_tensor *result)
{
    const hnas_shape shape = {result->rank, {result->dim[0], result->dim[1]}};
    struct hnas_tensor *const moved[2] = {in[0], move[1]};

    (void)user;
    return hnas_func_apply(out, tape, &blend, moved, n_in, &shape, NULL);
}

static hnas_status piecewise_apply(struct hnas_tensor **out, hnas_tape *tape,
                                   const struct hn_hyper_table *table, double s)
{
    struct hnas_tensor *in[2] = {NULL, table->knots};
    double t;
    const int32_t k = find_segment(&t, table, s);
    hnas_status st = hn_hyper_constant(&in[0], table, table->n_knots);

    if (st < 0)
        return st;
    hn_real(in[0])[k] = (real)(1 - t);
    hn_real(in[0])[k + 1] = (real)t;
    st = hnas_func_apply(out, tape, &blend, in, 2, &table->shape, NULL);
    hnas_tensor_unref(in[0]);
    return st;
}

static void piecewise_eval(double *alpha, const struct hn_hyper_table *table,
                           double s)
{
    const int64_t n = table->rows * table->cols;
    double t;
    const int32_t k = find_segment(&t, table, s);
    const real *a = hn_real(table->knots) + k * n, *b = a + n;

    for (int64_t i = 0; i < n; i++)
        alpha[i] = (double)a[i] + t * ((double)b[i] - (double)a[i]);
}

static int32_t piecewise_n_segments(const struct hn_hyper_table *table)
{
    return table->n_knots - 1;
}

static void piecewise_segment(struct hn_hyper_segment *segment,
                              const struct hn_hyper_table *table, int32_t index)
{
    const int64_t n = table->rows * table->cols;
    const real *a = hn_real(table->knots) + index * n, *b = a + n;
    const double lo = hn_hyper_knot(table, index);
    const double hi = hn_hyper_knot(table, index + 1);
    const double width = hi - lo, part = hi - width;
    const struct hn_hyper_frame frame = {lo, width,
                                         (part - lo) + ((hi - part) - width)};

    segment->frame = frame;
    segment->s_lo = index ? lo : -INFINITY;
    segment->s_hi = index + 2 < table->n_knots ? hi : INFINITY;
    for (int64_t i = 0; i < n; i++) {
        segment->slope[i] = (double)b[i] - (double)a[i];
        segment->offset[i] = (double)a[i];
    }
}

const struct hn_generator hn_generator_piecewise = {
    .kind = HNAS_HYPER_PIECEWISE,
    .name = "piecewise",
    .create = piecewise_create,
    .apply = piecewise_apply,
    .eval = piecewise_eval,
    .n_segments = piecewise_n_segments,
    .segment = piecewise_segment,
};
