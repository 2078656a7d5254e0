/* SPDX-License-Identifier: BSD-3-Clause */
/* hnas-train: a discrete network, trained and measured. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/program.h"
#include "common/ranks.h"
#include "train/list.h"

static const char about[] =
    "Trains the network of an architecture: of a file, or of a search at "
    "lambda.\nThen recalibrates batch-norm, saves and evaluates.  A training "
    "may be\ninterrupted and resumed, to the same result.  A list, or the "
    "pieces of a\nsearch's path, are trained one by one, by all ranks of "
    "mpirun.";

static void put_confusion(struct json *j, const struct train *t,
                          int64_t classes)
{
    json_open(j, '[');
    for (int64_t i = 0; i < classes; i++) {
        json_open(j, '[');
        for (int64_t k = 0; k < classes; k++)
            json_int(j, t->confusion[i * classes + k]);
        json_close(j, ']');
    }
    json_close(j, ']');
}

static void print_json(const struct train *t, int64_t classes,
                       const double measure[2], int interrupted)
{
    hnas_cost cost;
    struct json j;

    hnas_model_get_cost(t->model, &cost, NULL);
    json_begin(&j, stdout);
    json_open(&j, '{');
    json_key(&j, "params");
    json_int(&j, cost.params);
    json_key(&j, "macs");
    json_int(&j, cost.macs);
    json_key(&j, "epochs");
    json_int(&j, hnas_model_get_steps(t->model) / t->per_epoch);
    json_key(&j, "seconds");
    json_real(&j, now_s() - t->began_s);
    json_key(&j, "peak_bytes");
    json_int(&j, peak_bytes());
    json_key(&j, "test_accuracy");
    json_real(&j, measure[0]);
    json_key(&j, "test_precision");
    json_real(&j, measure[1]);
    json_key(&j, "confusion");
    if (interrupted)
        json_raw(&j, "null");
    else
        put_confusion(&j, t, classes);
    ranks_put(&j, t->ctx);
    if (t->fell_back[0]) {
        json_key(&j, "fell_back");
        json_string(&j, t->fell_back);
    }
    if (interrupted) {
        json_key(&j, "interrupted");
        json_bool(&j, 1);
    }
    json_close(&j, '}');
    fputc('\n', stdout);
}

static void print_text(const struct train *t, const double measure[2])
{
    hnas_cost cost;

    hnas_model_get_cost(t->model, &cost, NULL);
    printf("%lld parameters, %lld MACs: accuracy %.2f%%, precision %.2f%%\n",
           (long long)cost.params, (long long)cost.macs, 100 * measure[0],
           100 * measure[1]);
}

/* Of a part of the test set nothing is told. */
static void tell(const struct train *t, int interrupted)
{
    double measure[2] = {NAN, NAN};
    hnas_model_opts o;

    o.size = sizeof o;
    hnas_model_get_opts(t->model, &o, sizeof o);
    if (!interrupted)
        hnas_confusion_measure(t->confusion, o.classes, &measure[0],
                               &measure[1]);
    if (t->s->json)
        print_json(t, o.classes, measure, interrupted);
    else if (!interrupted)
        print_text(t, measure);
    if (interrupted && t->s->out && !t->s->eval)
        fprintf(stderr,
                "hnas-train: interrupted at step %lld; go on with --resume "
                "--out %s\n",
                (long long)hnas_model_get_steps(t->model), t->s->out);
}

static int train(struct settings *s, const unsigned char *given)
{
    struct train t;
    int rc, is_open;

    catch_interrupt();
    rc = train_open(&t, s, given, NULL);
    is_open = !rc;
    t.began_s = now_s();
    if (!rc && !s->eval)
        rc = train_run(&t);
    if (!rc)
        rc = train_evaluate(&t);
    if (rc == EXIT_INTERRUPTED && !is_open)
        tell_interrupted(s->json);
    else if (!rc || rc == EXIT_INTERRUPTED)
        tell(&t, rc == EXIT_INTERRUPTED);
    train_close(&t);
    return rc;
}

/* One network or many, alone or on several ranks. */
static int run(struct settings *s, const unsigned char *given)
{
    int rc = ranks_begin();

    if (rc)
        return rc;
    rc = s->list || s->path ? list_train(s, given) : train(s, given);
    ranks_end(rc);
    return rc;
}

int main(int argc, char **argv)
{
    unsigned char *given = calloc((size_t)n_train_options, 1);
    struct settings settings;
    struct command_line line = {"hnas-train",
                                "[OPTION]...",
                                about,
                                train_options,
                                n_train_options,
                                0,
                                NULL,
                                0,
                                given};
    int rc;

    program_begin("hnas-train");
    if (!given)
        return failure("out of memory");
    rc = settings_read(&settings, &line, argc, argv);
    if (rc == OPTIONS_HELP) {
        options_help(&line);
        rc = EXIT_DONE;
    } else if (rc == OPTIONS_VERSION) {
        rc = program_version(settings.threads);
    } else if (rc == 0) {
        rc = run(&settings, given);
    }
    free(given);
    return program_end(rc);
}
