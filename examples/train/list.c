/* SPDX-License-Identifier: BSD-3-Clause */
/* Many networks, each trained alone by whichever rank is free. */
#include "train/list.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/program.h"
#include "common/ranks.h"

enum { NAME_SIZE = 4096 };

static int keep(void *user, int64_t number, int32_t rank, const double *values)
{
    struct tasks *t = user;
    struct task *k = &t->task[number];

    memcpy(k->value, values, sizeof k->value);
    k->rank = rank;
    k->is_done = t->done[number] = 1;
    t->n_done++;
    fprintf(stderr,
            "%lld of %lld: %04lld.safetensors, %.0f parameters, accuracy "
            "%.2f%%\n",
            (long long)t->n_done, (long long)t->n, (long long)number,
            k->value[PARAMS], 100 * k->value[ACCURACY]);
    return table_write(t);
}

static void measure(double value[QUEUE_VALUES], const struct train *t)
{
    hnas_model_opts o;
    hnas_cost cost;

    o.size = sizeof o;
    hnas_model_get_opts(t->model, &o, sizeof o);
    hnas_model_get_cost(t->model, &cost, NULL);
    memset(value, 0, QUEUE_VALUES * sizeof *value);
    value[PARAMS] = (double)cost.params;
    value[MACS] = (double)cost.macs;
    value[EPOCHS] = (double)(hnas_model_get_steps(t->model) / t->per_epoch);
    value[SECONDS] = now_s() - t->began_s;
    hnas_confusion_measure(t->confusion, o.classes, &value[ACCURACY],
                           &value[PRECISION]);
}

/* Whether a checkpoint of a task is there, or an older one that was kept. */
static int is_begun(const char *name, int64_t keep)
{
    char older[NAME_SIZE + 8];
    int found = access(name, F_OK) == 0;

    for (int64_t age = 1; age < keep && !found; age++) {
        snprintf(older, sizeof older, "%s.%d", name, (int)age);
        found = access(older, F_OK) == 0;
    }
    return found;
}

/* The settings of a task: those of all, its architecture, seed and file. */
static int specialise(struct settings *mine, char name[NAME_SIZE],
                      const struct tasks *t, int64_t number)
{
    const struct task *k = &t->task[number];
    const int n = snprintf(name, NAME_SIZE, "%s/%04lld.safetensors", t->s->out,
                           (long long)number);

    if (n < 0 || n >= NAME_SIZE)
        return failure("--out %s: too long", t->s->out);
    *mine = *t->s;
    mine->out = name;
    mine->arch = k->arch;
    mine->piece = k->piece;
    mine->lambda = k->range[0];
    mine->seed = k->seed;
    mine->resume = t->s->resume && is_begun(name, t->s->keep);
    return 0;
}

static int do_task(struct queue *q, const struct tasks *all, int64_t number,
                   const unsigned char *given)
{
    char name[NAME_SIZE];
    struct settings mine;
    struct train t;
    double value[QUEUE_VALUES];
    const double began_s = now_s();
    int rc = specialise(&mine, name, all, number);

    if (rc)
        return rc;
    rc = train_open(&t, &mine, given, q);
    t.began_s = began_s;
    if (!rc)
        rc = train_run(&t);
    if (!rc)
        rc = train_evaluate(&t);
    if (!rc) {
        measure(value, &t);
        rc = queue_give(q, number, value);
    }
    train_close(&t);
    return rc;
}

/* Take tasks until there is none; then wait for the others. */
static int work(struct queue *q, const struct tasks *t,
                const unsigned char *given)
{
    int64_t number = 0;
    int rc = queue_begin(q), ended;

    while (!rc && number >= 0 && !is_interrupted()) {
        rc = queue_take(q, &number);
        if (!rc && number >= 0)
            rc = do_task(q, t, number, given);
    }
    if (rc && rc != EXIT_INTERRUPTED)
        return rc;
    ended = is_interrupted() ? queue_stop(q) : 0;
    if (!ended)
        ended = queue_end(q);
    if (ended)
        return ended;
    return q->is_stopped ? EXIT_INTERRUPTED : 0;
}

int list_train(const struct settings *s, const unsigned char *given)
{
    const double began_s = now_s();
    struct tasks t;
    struct queue q = {.keep = keep, .user = &t};
    int rc, is_open;

    catch_interrupt();
    rc = tasks_read(&t, s);
    if (!rc)
        rc = table_open(&t);
    is_open = !rc;
    q.n = t.n;
    q.done = t.done;
    if (!rc)
        rc = work(&q, &t, given);
    if ((!rc || rc == EXIT_INTERRUPTED) && s->json)
        table_print_json(&t, now_s() - began_s, rc == EXIT_INTERRUPTED);
    else if (!rc)
        table_print(&t);
    if (rc == EXIT_INTERRUPTED && is_open && !ranks_rank())
        fprintf(stderr,
                "hnas-train: interrupted; the same command with --resume goes "
                "on\n");
    queue_finish(&q);
    tasks_finish(&t);
    return rc;
}
