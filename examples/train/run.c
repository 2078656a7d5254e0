/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/program.h"
#include "common/progress.h"
#include "common/queue.h"
#include "common/ranks.h"
#include "train/train.h"

enum { CALIBRATION_BATCHES = 20 };

/* No time, host or threads: equal runs leave equal files. */
static char *make_text(const struct train *t)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    struct json j;

    if (!f)
        return NULL;
    json_begin(&j, f);
    json_open(&j, '{');
    settings_write(t->s, &j);
    json_key(&j, "mean");
    json_real(&j, t->mean);
    json_key(&j, "std");
    json_real(&j, t->std);
    if (!t->is_calibrated && hnas_model_get_steps(t->model) == t->last_step) {
        json_key(&j, "calibrated"); /* not told of a network that is done */
        json_bool(&j, 0);
    }
    json_close(&j, '}');
    return fclose(f) ? NULL : text;
}

/* Without --keep the files beside --out are somebody else's. */
static int keep_files(struct train *t, int64_t n)
{
    hnas_status st = HNAS_OK;

    if (t->s->out && t->s->keep > 1)
        st = hnas_file_keep(t->ctx, t->s->out, (int32_t)n);
    return st < 0 ? library_failure(t->ctx, st, 0) : 0;
}

static int save_alone(struct train *t)
{
    char *text;
    hnas_status st;

    if (!t->s->out)
        return 0;
    text = make_text(t);
    if (!text)
        return failure("%s: out of memory", t->s->out);
    st = hnas_model_save(t->model, t->s->out, text);
    free(text);
    return st < 0 ? library_failure(t->ctx, st, 0) : 0;
}

/* A damaged file is replaced and not kept. */
static int save(struct train *t)
{
    int rc = t->has_good ? keep_files(t, t->s->keep) : 0;

    if (!rc)
        rc = save_alone(t);
    t->has_good |= !rc;
    return rc;
}

/* Older files are of another training. */
static int begin(struct train *t)
{
    const int rc = keep_files(t, 1);

    return rc ? rc : save(t);
}

/* The batch of a step is a function of the step alone. */
static int one_step(struct train *t, hnas_train_info *info)
{
    const int64_t step = hnas_model_get_steps(t->model);
    hnas_batch batch;
    hnas_status st;

    st = hnas_batches_get(t->train, step / t->per_epoch, step % t->per_epoch,
                          &batch.images, &batch.labels);
    if (st == HNAS_OK)
        st = hnas_model_step(t->model, &batch, info);
    return st < 0 ? library_failure(t->ctx, st, 0) : 0;
}

/* Statistics of this very network, on images that are not changed. */
static int calibrate(struct train *t)
{
    const int64_t n =
        t->per_epoch < CALIBRATION_BATCHES ? t->per_epoch : CALIBRATION_BATCHES;
    hnas_tensor *images, *labels;
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < n && st == HNAS_OK; i++) {
        st = hnas_batches_get(t->sample, 0, i, &images, &labels);
        if (st == HNAS_OK)
            st = hnas_model_calibrate(t->model, images, i == 0);
    }
    return st < 0 ? library_failure(t->ctx, st, 0) : 0;
}

static int finish(struct train *t)
{
    hnas_status st = HNAS_OK;
    int rc;

    if (t->s->ema > 0)
        st = hnas_model_swap_average(t->model);
    if (st < 0)
        return library_failure(t->ctx, st, 0);
    rc = calibrate(t);
    if (rc)
        return rc;
    t->is_calibrated = 1;
    rc = save(t);
    return rc ? rc : keep_files(t, 1);
}

/* Whether a resumed training was at its end, calibration included. */
static int is_finished(const struct train *t)
{
    char value[8];

    return t->s->resume && hnas_model_get_steps(t->model) == t->last_step &&
           json_member(hnas_model_get_text(t->model), "calibrated", value,
                       sizeof value) < 0;
}

/* Between steps: whether to go on, with the others. */
static int meet(const struct train *t)
{
    if (!t->queue)
        return ranks_agree();
    if (was_interrupted_here())
        set_interrupted();
    return queue_tick(t->queue);
}

int train_run(struct train *t)
{
    int64_t step = hnas_model_get_steps(t->model);
    const int64_t epochs = t->s->epochs;
    hnas_train_info info = {0};
    struct progress progress;
    int rc = 0;

    if (is_finished(t))
        return t->has_good ? keep_files(t, 1) : 0;
    if (!t->s->resume)
        rc = begin(t); /* a path that can't be written is told at once */
    progress_begin(&progress, step, t->last_step, epochs);
    if (t->queue)
        progress.is_quiet = 1;
    while (step < t->last_step && !rc) {
        rc = meet(t);
        if (rc || is_interrupted())
            break;
        rc = one_step(t, &info);
        if (rc)
            break;
        step = info.step;
        progress_step(&progress, (step - 1) / t->per_epoch + 1, step, info.loss,
                      info.rate,
                      step == t->last_step ||
                          (!progress.is_terminal && step % t->per_epoch == 0));
        if (step % t->per_epoch == 0)
            rc = save(t); /* the last one too: calibration may be stopped */
    }
    progress_end(&progress);
    if ((!rc || rc == EXIT_INTERRUPTED) && step < t->last_step) {
        rc = save(t);
        return rc ? rc : EXIT_INTERRUPTED;
    }
    return rc ? rc : finish(t);
}

static hnas_status evaluate_batch(struct train *t, int64_t index,
                                  int64_t classes)
{
    hnas_batch batch;
    hnas_status st =
        hnas_batches_get(t->test, 0, index, &batch.images, &batch.labels);

    return st < 0 ? st
                  : hnas_model_evaluate(t->model, &batch, t->confusion,
                                        classes * classes);
}

int train_evaluate(struct train *t)
{
    const int64_t n = hnas_batches_get_count(t->test);
    hnas_model_opts o;
    int rc = 0;

    o.size = sizeof o;
    hnas_model_get_opts(t->model, &o, sizeof o);
    for (int64_t i = t->rank; i < n && !rc; i += t->n_ranks) {
        const hnas_status st =
            is_interrupted() ? HNAS_E_STOPPED : evaluate_batch(t, i, o.classes);

        if (st < 0)
            rc = library_failure(t->ctx, st, 0);
        else if (t->queue)
            rc = queue_tick(t->queue);
    }
    if (!rc && !t->queue)
        rc = ranks_sum(t->confusion, o.classes * o.classes);
    return rc;
}
