/* SPDX-License-Identifier: BSD-3-Clause */
/* alpha = b2: no hypernetwork, as DARTS and Fair DARTS search. */
#include <math.h>

#include "hyper/builtin.h"

static hnas_status constant_create(struct hnas_hyper *hyper,
                                   struct hn_hyper_table *table, int32_t index)
{
    hnas_status st = hn_hyper_add_matrix(&table->b2, hyper, table, "b2");

    if (st == HNAS_OK)
        hn_hyper_start_table(table->b2, hyper, table, index);
    return st;
}

/* The leaf itself is alpha: nothing to record. */
static hnas_status constant_apply(struct hnas_tensor **out, hnas_tape *tape,
                                  const struct hn_hyper_table *table, double s)
{
    (void)tape;
    (void)s;
    *out = hnas_tensor_ref(table->b2);
    return HNAS_OK;
}

static void constant_eval(double *alpha, const struct hn_hyper_table *table,
                          double s)
{
    const real *b2 = hn_real(table->b2);

    (void)s;
    for (int64_t i = 0; i < table->rows * table->cols; i++)
        alpha[i] = (double)b2[i];
}

static int32_t constant_n_segments(const struct hn_hyper_table *table)
{
    (void)table;
    return 1;
}

static void constant_segment(struct hn_hyper_segment *segment,
                             const struct hn_hyper_table *table, int32_t index)
{
    (void)index;
    segment->frame = hn_hyper_identity;
    segment->s_lo = -INFINITY;
    segment->s_hi = INFINITY;
    for (int64_t i = 0; i < table->rows * table->cols; i++)
        segment->slope[i] = 0;
    constant_eval(segment->offset, table, 0);
}

const struct hn_generator hn_generator_constant = {
    .kind = HNAS_HYPER_CONSTANT,
    .name = "constant",
    .ignores_lambda = 1,
    .create = constant_create,
    .apply = constant_apply,
    .eval = constant_eval,
    .n_segments = constant_n_segments,
    .segment = constant_segment,
};
