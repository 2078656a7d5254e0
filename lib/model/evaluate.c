/* SPDX-License-Identifier: BSD-3-Clause */
/* A discrete network without gradients: statistics, logits, counts. */
#include <math.h>

#include "base/fpmode.h"
#include "model/model.h"

/* Logits; *out's value lives until the tape's next reset.  *out NULL: it has
 * not begun; else end it. */
static hnas_status forward(hnas_tensor **out, struct hnas_model *m,
                           hnas_tensor *images, int32_t mode)
{
    struct hn_network_pass pass = {m->ones, NULL, 0, 0, NULL, NULL, 0};
    hnas_status st = hn_network_check_images(&m->net, images, "model");
    uint64_t saved;

    *out = NULL;
    if (st == HNAS_OK)
        st = hn_expect_idle(m->ctx, "model");
    if (st == HNAS_OK)
        st = hnas_tape_reset(m->tape, mode | HNAS_TAPE_NO_GRADIENT);
    if (st < 0)
        return st;
    m->runs = 1;
    saved = hn_fp_enter();
    st = hn_network_apply(out, m->tape, &m->net, images, &pass);
    hn_fp_leave(saved);
    if (st < 0)
        m->runs = 0;
    return st;
}

static void end(struct hnas_model *m, hnas_tensor *out)
{
    if (!out)
        return;
    hnas_tensor_unref(out);
    m->runs = 0;
}

hnas_status hnas_model_calibrate(hnas_model *model, hnas_tensor *images,
                                 int32_t first)
{
    hnas_tensor *out;
    uint64_t mode;
    hnas_status st;

    if (!model || !images)
        return hn_fail_null(model ? model->ctx : NULL,
                            "model calibrate: images");
    st = forward(&out, model, images, 0);
    if (st == HNAS_OK)
        st = hn_network_check_norms(&model->net, 1, "calibrate");
    end(model, out);
    if (st < 0)
        return st;
    if (first || !model->is_calibrated)
        hn_network_reset_norms(&model->net);
    model->is_calibrated = 1;
    mode = hn_fp_enter();
    hn_network_calibrate_norms(&model->net);
    hn_fp_leave(mode);
    return HNAS_OK;
}

hnas_status hnas_model_predict(hnas_model *model, hnas_tensor *images,
                               float *logits, int64_t count)
{
    hnas_tensor *out;
    hnas_status st;

    if (!model || !images || !logits)
        return hn_fail_null(model ? model->ctx : NULL,
                            "model predict: images or logits");
    st = forward(&out, model, images, HNAS_TAPE_RUNNING_STATS);
    if (st == HNAS_OK)
        st = hnas_tensor_get(out, HNAS_FLOAT32, logits, count);
    end(model, out);
    return st;
}

/* ---- counting ---- */

static hnas_status check_labels(struct hnas_model *m, const hnas_batch *b)
{
    const hnas_tensor *t = b->labels;
    char text[96];

    if (t->dtype != HNAS_INT32)
        return hn_fail(m->ctx, HNAS_E_TYPE,
                       "evaluate: labels of type %d, want HNAS_INT32",
                       (int)t->dtype);
    if (t->rank != 1 || t->dim[0] != b->images->dim[0])
        return hn_fail(m->ctx, HNAS_E_SHAPE,
                       "evaluate: labels %s, want [%lld], one an image",
                       hn_shape_text(text, t), (long long)b->images->dim[0]);
    for (int64_t i = 0; i < t->dim[0]; i++) {
        const int32_t label = ((const int32_t *)t->data)[i * t->stride[0]];

        if (label < 0 || label >= m->opts.classes)
            return hn_fail(m->ctx, HNAS_E_RANGE,
                           "evaluate: label %d of image %lld, want 0..%lld",
                           (int)label, (long long)i,
                           (long long)m->opts.classes - 1);
    }
    return HNAS_OK;
}

static int64_t best_of(const real *row, int64_t n)
{
    int64_t best = 0;

    for (int64_t k = 1; k < n; k++)
        if (row[k] > row[best] || (isnan(row[best]) && !isnan(row[k])))
            best = k;
    return best;
}

static void count(int64_t *confusion, const hnas_tensor *logits,
                  const hnas_tensor *labels)
{
    const int64_t n_classes = logits->dim[1];

    for (int64_t i = 0; i < logits->dim[0]; i++) {
        const int32_t label =
            ((const int32_t *)labels->data)[i * labels->stride[0]];

        confusion[label * n_classes +
                  best_of(hn_real(logits) + i * n_classes, n_classes)]++;
    }
}

hnas_status hnas_model_evaluate(hnas_model *model, const hnas_batch *batch,
                                int64_t *confusion, int64_t count_of)
{
    hnas_tensor *out;
    hnas_status st;

    if (!model || !batch || !batch->images || !batch->labels || !confusion)
        return hn_fail_null(model ? model->ctx : NULL,
                            "evaluate: batch, its images or labels, or counts");
    if (count_of != model->opts.classes * model->opts.classes)
        return hn_fail(model->ctx, HNAS_E_SHAPE,
                       "evaluate: %lld counts, want %lld x %lld",
                       (long long)count_of, (long long)model->opts.classes,
                       (long long)model->opts.classes);
    st = hn_network_check_images(&model->net, batch->images, "evaluate");
    if (st == HNAS_OK)
        st = check_labels(model, batch);
    if (st < 0)
        return st;
    st = forward(&out, model, batch->images, HNAS_TAPE_RUNNING_STATS);
    if (st == HNAS_OK)
        count(confusion, out, batch->labels);
    end(model, out);
    return st;
}

void hnas_confusion_measure(const int64_t *confusion, int64_t classes,
                            double *accuracy, double *precision)
{
    int64_t right = 0, all = 0;
    double sum = 0;

    for (int64_t k = 0; k < classes; k++) {
        const int64_t hits = confusion[k * classes + k];
        int64_t predicted = 0;

        for (int64_t i = 0; i < classes; i++)
            predicted += confusion[i * classes + k];
        if (predicted)
            sum += (double)hits / (double)predicted;
        right += hits;
        all += predicted;
    }
    if (accuracy)
        *accuracy = all ? (double)right / (double)all : NAN;
    if (precision)
        *precision = all ? sum / (double)classes : NAN;
}
