/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows from learned embeddings, `tile` rows each (Ha et al., arXiv:1609.09106,
 * section 3.1, whose embeddings are of layers and rows of input channels):
 *
 *     a_i = w_i z_t + b_i (+ s v_i),   row t tile + i = w_out a_i + b_out.
 *
 * With v this is [z; s] in place of z.  v = 0 at the start; a starts with
 * variance 1, a row with the variance of U(+-1 / sqrt(tile)). */
#include <math.h>

#include "func/func.h"
#include "hyper/builtin.h"

static hnas_status add_params(struct hnas_hyper *hyper,
                              struct hn_hyper_table *table)
{
    const int64_t d = table->n_embedding, n_a = table->n_tile * d;
    const int64_t z[2] = {table->rows / table->n_tile, d}, w[2] = {n_a, d};
    const int64_t w_out[2] = {table->cols, d};
    hnas_status st = hn_hyper_add_param(&table->z, hyper, table, "z", 2, z);

    if (st == HNAS_OK)
        st = hn_hyper_add_param(&table->w, hyper, table, "w", 2, w);
    if (st == HNAS_OK)
        st = hn_hyper_add_param(&table->b, hyper, table, "b", 1, &n_a);
    if (st == HNAS_OK && table->embed_s)
        st = hn_hyper_add_param(&table->v, hyper, table, "v", 1, &n_a);
    if (st == HNAS_OK)
        st = hn_hyper_add_param(&table->w_out, hyper, table, "w_out", 2, w_out);
    if (st == HNAS_OK)
        st = hn_hyper_add_param(&table->b_out, hyper, table, "b_out", 1,
                                &table->cols);
    return st;
}

static hnas_status embedding_create(struct hnas_hyper *hyper,
                                    struct hn_hyper_table *table, int32_t index)
{
    const double d = table->n_embedding;
    int64_t n = 0;
    hnas_status st;

    if (table->rows % table->n_tile)
        return hn_fail(hyper->ctx, HNAS_E_RANGE,
                       "tile: %d, want a divisor of the %lld rows of %.100s",
                       (int)table->n_tile, (long long)table->rows, table->name);
    st = add_params(hyper, table);
    if (st < 0)
        return st;
    hn_hyper_start(table->z, hyper, 1, index, n);
    n += hnas_tensor_get_count(table->z);
    hn_hyper_start(table->w, hyper, 1 / sqrt(d), index, n);
    n += hnas_tensor_get_count(table->w);
    hn_hyper_start(table->w_out, hyper, 1 / sqrt(3 * d * table->n_tile), index,
                   n);
    return HNAS_OK;
}

/* b, or b + s v. */
static hnas_status record_shift(struct hnas_tensor **out, hnas_tape *tape,
                                const struct hn_hyper_table *table, double s)
{
    struct hnas_tensor *scaled = NULL;
    hnas_status st;

    if (!table->embed_s) {
        *out = hnas_tensor_ref(table->b);
        return HNAS_OK;
    }
    st = hnas_affine(&scaled, tape, table->v, s, 0);
    if (st == HNAS_OK)
        st = hnas_add(out, tape, scaled, table->b);
    hnas_tensor_unref(scaled);
    return st;
}

static hnas_status embedding_apply(struct hnas_tensor **out, hnas_tape *tape,
                                   const struct hn_hyper_table *table, double s)
{
    const hnas_shape by_row = {2, {table->rows, table->n_embedding}};
    struct hnas_tensor *shift = NULL, *a = NULL, *rows = NULL, *y = NULL;
    hnas_status st = record_shift(&shift, tape, table, s);

    if (st == HNAS_OK)
        st = hnas_linear(&a, tape, table->z, table->w, shift);
    if (st == HNAS_OK)
        st = hn_reshape(&rows, tape, a, &by_row);
    if (st == HNAS_OK)
        st = hnas_linear(&y, tape, rows, table->w_out, table->b_out);
    if (st == HNAS_OK && table->shape.rank == 1)
        st = hn_reshape(out, tape, y, &table->shape);
    else if (st == HNAS_OK)
        *out = hnas_tensor_ref(y);
    hnas_tensor_unref(shift);
    hnas_tensor_unref(a);
    hnas_tensor_unref(rows);
    hnas_tensor_unref(y);
    return st;
}

/* a of one row. */
static void eval_hidden(double a[HN_MOST_EMBEDDING],
                        const struct hn_hyper_table *table, int64_t row,
                        double s)
{
    const int64_t d = table->n_embedding, i = row % table->n_tile;
    const real *z = hn_real(table->z) + row / table->n_tile * d;

    for (int64_t k = 0; k < d; k++) {
        const int64_t at = i * d + k;
        const real *w = hn_real(table->w) + at * d;

        a[k] = (double)hn_real(table->b)[at];
        if (table->embed_s)
            a[k] += s * (double)hn_real(table->v)[at];
        for (int64_t j = 0; j < d; j++)
            a[k] += (double)w[j] * (double)z[j];
    }
}

static void embedding_eval(double *alpha, const struct hn_hyper_table *table,
                           double s)
{
    const int64_t d = table->n_embedding;
    double a[HN_MOST_EMBEDDING];

    for (int64_t r = 0; r < table->rows; r++) {
        eval_hidden(a, table, r, s);
        for (int64_t c = 0; c < table->cols; c++) {
            double *y = &alpha[r * table->cols + c];

            *y = (double)hn_real(table->b_out)[c];
            for (int64_t k = 0; k < d; k++)
                *y += (double)hn_real(table->w_out)[c * d + k] * a[k];
        }
    }
}

const struct hn_generator hn_generator_embedding = {
    .kind = HNAS_HYPER_EMBEDDING,
    .name = "embedding",
    .create = embedding_create,
    .apply = embedding_apply,
    .eval = embedding_eval,
};
