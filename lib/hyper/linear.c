/* SPDX-License-Identifier: BSD-3-Clause */
/* alpha = s * b1 + b2. */
#include <math.h>

#include "hnas/func.h"
#include "hyper/builtin.h"

static hnas_status linear_create(struct hnas_hyper *hyper,
                                 struct hn_hyper_table *table, int32_t index)
{
    hnas_status st = hn_hyper_add_matrix(&table->b1, hyper, table, "b1");

    if (st == HNAS_OK)
        st = hn_hyper_add_matrix(&table->b2, hyper, table, "b2");
    if (st == HNAS_OK)
        hn_hyper_start_table(table->b2, hyper, table, index);
    return st;
}

static hnas_status linear_apply(struct hnas_tensor **out, hnas_tape *tape,
                                const struct hn_hyper_table *table, double s)
{
    struct hnas_tensor *scaled = NULL;
    hnas_status st = hnas_affine(&scaled, tape, table->b1, s, 0);

    if (st == HNAS_OK)
        st = hnas_add(out, tape, scaled, table->b2);
    hnas_tensor_unref(scaled);
    return st;
}

static void linear_eval(double *alpha, const struct hn_hyper_table *table,
                        double s)
{
    const real *b1 = hn_real(table->b1), *b2 = hn_real(table->b2);

    for (int64_t i = 0; i < table->rows * table->cols; i++)
        alpha[i] = s * (double)b1[i] + (double)b2[i];
}

static int32_t linear_n_segments(const struct hn_hyper_table *table)
{
    (void)table;
    return 1;
}

static void linear_segment(struct hn_hyper_segment *segment,
                           const struct hn_hyper_table *table, int32_t index)
{
    const real *b1 = hn_real(table->b1), *b2 = hn_real(table->b2);

    (void)index;
    segment->frame = hn_hyper_identity;
    segment->s_lo = -INFINITY;
    segment->s_hi = INFINITY;
    for (int64_t i = 0; i < table->rows * table->cols; i++) {
        segment->slope[i] = (double)b1[i];
        segment->offset[i] = (double)b2[i];
    }
}

const struct hn_generator hn_generator_linear = {
    .kind = HNAS_HYPER_LINEAR,
    .name = "linear",
    .create = linear_create,
    .apply = linear_apply,
    .eval = linear_eval,
    .n_segments = linear_n_segments,
    .segment = linear_segment,
};
