/* SPDX-License-Identifier: BSD-3-Clause */
/* A small network of s:
 *
 *     h_j = tanh(w1_j s + c1_j),   alpha_eo = sum_j w2_eoj h_j + b2_eo.
 *
 * It starts as alpha = b2: w2 = 0.  Its path has no lines. */
#include <math.h>

#include "hnas/func.h"
#include "hyper/builtin.h"

enum { S, W1, C1, W2, B2, N_INPUTS };

static hnas_status mlp_create(struct hnas_hyper *hyper,
                              struct hn_hyper_table *table, int32_t index)
{
    const int64_t n = table->rows * table->cols, hidden = table->n_hidden;
    const int64_t dims[3] = {table->rows, table->cols, hidden};
    hnas_status st =
        hn_hyper_add_param(&table->w1, hyper, table, "w1", 1, &hidden);

    if (st == HNAS_OK)
        st = hn_hyper_add_param(&table->c1, hyper, table, "c1", 1, &hidden);
    if (st == HNAS_OK)
        st = hn_hyper_add_param(&table->w2, hyper, table, "w2", 3, dims);
    if (st == HNAS_OK)
        st = hn_hyper_add_matrix(&table->b2, hyper, table, "b2");
    if (st < 0)
        return st;
    hn_hyper_start_table(table->b2, hyper, table, index);
    hn_hyper_start(table->w1, hyper, 1, index, n);
    hn_hyper_start(table->c1, hyper, 1, index, n + hidden);
    return HNAS_OK;
}

static hnas_status mlp_forward(void *user, const hnas_array *in, int32_t n_in,
                               const hnas_array *out)
{
    const real *s = in[S].data, *w1 = in[W1].data, *c1 = in[C1].data;
    const real *w2 = in[W2].data, *b2 = in[B2].data;
    const int64_t n = out->dims[0] * out->dims[1], hidden = in[W1].dims[0];
    real *alpha = out->data;

    (void)user;
    (void)n_in;
    for (int64_t i = 0; i < n; i++)
        alpha[i] = b2[i];
    for (int64_t j = 0; j < hidden; j++) {
        const real h = (real)tanh((double)(w1[j] * s[0] + c1[j]));

        for (int64_t i = 0; i < n; i++)
            alpha[i] += w2[i * hidden + j] * h;
    }
    return HNAS_OK;
}

/* With h' = 1 - h^2:  dw2 = dalpha h, db2 = dalpha, dh_j = sum dalpha w2_j,
 * dc1 = dh h', dw1 = dh h' s. */
static hnas_status mlp_backward(void *user, const hnas_array *in, int32_t n_in,
                                const hnas_array *out, const hnas_array *dout,
                                const hnas_array *din)
{
    const real *s = in[S].data, *w1 = in[W1].data, *c1 = in[C1].data;
    const real *w2 = in[W2].data, *d = dout->data;
    const int64_t n = out->dims[0] * out->dims[1], hidden = in[W1].dims[0];
    real *dw1 = din[W1].data, *dc1 = din[C1].data, *dw2 = din[W2].data;
    real *db2 = din[B2].data;

    (void)user;
    (void)n_in;
    for (int64_t i = 0; i < n && db2; i++)
        db2[i] += d[i];
    for (int64_t j = 0; j < hidden; j++) {
        const real h = (real)tanh((double)(w1[j] * s[0] + c1[j]));
        double dh = 0;

        for (int64_t i = 0; i < n; i++) {
            dh += (double)(d[i] * w2[i * hidden + j]);
            if (dw2)
                dw2[i * hidden + j] += d[i] * h;
        }
        dh *= 1 - (double)(h * h);
        if (dc1)
            dc1[j] += (real)dh;
        if (dw1)
            dw1[j] += (real)(dh * (double)s[0]);
    }
    return HNAS_OK;
}

static const hnas_func_table mlp = {
    .size = sizeof mlp,
    .name = "mlp",
    .forward = mlp_forward,
    .backward = mlp_backward,
};

static hnas_status mlp_apply(struct hnas_tensor **out, hnas_tape *tape,
                             const struct hn_hyper_table *table, double s)
{
    struct hnas_tensor *in[N_INPUTS] = {NULL, table->w1, table->c1, table->w2,
                                        table->b2};
    hnas_status st = hn_hyper_constant(&in[S], table, 1);

    if (st < 0)
        return st;
    hn_real(in[S])[0] = (real)s;
    st = hnas_func_apply(out, tape, &mlp, in, N_INPUTS, &table->shape, NULL);
    hnas_tensor_unref(in[S]);
    return st;
}

static void mlp_eval(double *alpha, const struct hn_hyper_table *table,
                     double s)
{
    const int64_t n = table->rows * table->cols, hidden = table->n_hidden;

    for (int64_t i = 0; i < n; i++)
        alpha[i] = (double)hn_real(table->b2)[i];
    for (int64_t j = 0; j < hidden; j++) {
        const double h = tanh((double)hn_real(table->w1)[j] * s +
                              (double)hn_real(table->c1)[j]);

        for (int64_t i = 0; i < n; i++)
            alpha[i] += (double)hn_real(table->w2)[i * hidden + j] * h;
    }
}

const struct hn_generator hn_generator_mlp = {
    .kind = HNAS_HYPER_MLP,
    .name = "mlp",
    .create = mlp_create,
    .apply = mlp_apply,
    .eval = mlp_eval,
};
