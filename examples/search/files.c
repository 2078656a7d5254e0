/* SPDX-License-Identifier: BSD-3-Clause */
/* What --out DIR holds. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "common/program.h"
#include "search/run.h"

enum { LINE_SIZE = 16384 };

static int path_of(char path[PATH_SIZE], const struct run *r, const char *name)
{
    const int n = snprintf(path, PATH_SIZE, "%s/%s", r->config->out, name);

    return n < PATH_SIZE ? 0 : failure("--out %.80s…: too long", path);
}

static int io_failure(const char *path)
{
    return failure("%s: %s", path, strerror(errno));
}

/* ---- what a search says of itself ---- */

static void write_data(const struct run *r, struct json *j)
{
    json_key(j, "images");
    json_open(j, '[');
    json_int(j, r->n_train);
    json_int(j, r->n_valid);
    json_close(j, ']');
    json_key(j, "classes");
    json_int(j, r->classes);
    json_key(j, "mean");
    json_real(j, r->mean);
    json_key(j, "std");
    json_real(j, r->std);
}

static void write_sums(const struct run *r, struct json *j)
{
    json_key(j, "train_sum");
    json_real(j, r->train_sum);
    json_key(j, "valid_sum");
    json_real(j, r->valid_sum);
    json_key(j, "n_train_sum");
    json_int(j, r->n_train_sum);
    json_key(j, "n_valid_sum");
    json_int(j, r->n_valid_sum);
}

/* The text of search.safetensors: no time, host, threads or length of run. */
static char *make_text(const struct run *r)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    struct json j;

    if (!f)
        return NULL;
    json_begin(&j, f);
    json_open(&j, '{');
    config_write(r->config, &j);
    write_data(r, &j);
    write_sums(r, &j);
    json_close(&j, '}');
    return fclose(f) ? NULL : text;
}

static double saved_real(const char *text, const char *key)
{
    char value[64];

    return json_member(text, key, value, sizeof value) < 0
               ? 0
               : strtod(value, NULL);
}

int files_read_sums(struct run *r)
{
    const char *text = r->config->saved;

    if (saved_real(text, "mean") != r->mean ||
        saved_real(text, "std") != r->std ||
        (int64_t)saved_real(text, "classes") != r->classes)
        return failure("--data %s: other images than the saved search had",
                       r->config->data);
    r->train_sum = saved_real(text, "train_sum");
    r->valid_sum = saved_real(text, "valid_sum");
    r->n_train_sum = (int64_t)saved_real(text, "n_train_sum");
    r->n_valid_sum = (int64_t)saved_real(text, "n_valid_sum");
    return 0;
}

int files_save(struct run *r)
{
    char path[PATH_SIZE], *text;
    hnas_status st;

    if (!r->config->out)
        return 0;
    if (path_of(path, r, "search.safetensors"))
        return EXIT_FAILED;
    text = make_text(r);
    if (!text)
        return failure("%s: out of memory", path);
    st = hnas_search_save(r->search, path, text);
    free(text);
    return st < 0 ? library_failure(r->ctx, st, 0) : 0;
}

/* ---- replacing a text file at once ---- */

static FILE *begin_file(char part[PATH_SIZE + 8], const char *path)
{
    FILE *f;

    snprintf(part, PATH_SIZE + 8, "%s.part", path);
    f = fopen(part, "w");
    if (!f)
        io_failure(part);
    return f;
}

static int end_file(FILE *f, const char *part, const char *path)
{
    const int bad = ferror(f) | fflush(f) | fsync(fileno(f));

    if (fclose(f) || bad || rename(part, path))
        return io_failure(path);
    return 0;
}

static int write_config(struct run *r)
{
    char path[PATH_SIZE], part[PATH_SIZE + 8];
    struct json j;
    FILE *f;

    if (path_of(path, r, "config.json"))
        return EXIT_FAILED;
    f = begin_file(part, path);
    if (!f)
        return EXIT_FAILED;
    json_begin(&j, f);
    json_open(&j, '{');
    config_write(r->config, &j);
    json_key(&j, "epochs");
    json_int(&j, r->config->epochs);
    json_key(&j, "steps");
    json_int(&j, r->last_step);
    write_data(r, &j);
    json_close(&j, '}');
    fputc('\n', f);
    return end_file(f, part, path);
}

/* ---- the log ---- */

static void write_heading(const struct run *r, FILE *f)
{
    static const char *const columns[] = {"accuracy", "precision",
                                          "expected_cost", "true_cost"};
    const struct option_list *l = &r->config->report;

    fprintf(f, "epoch,step,train_loss,valid_loss,w_rate");
    for (int32_t i = 0; i < l->n; i++)
        for (int k = 0; k < 4; k++)
            fprintf(f, ",%s_%g", columns[k], l->value[i]);
    fprintf(f, ",seconds\n");
}

/* Copy the rows up to the checkpoint. */
static void copy_rows(const struct run *r, FILE *to, FILE *from)
{
    const int64_t step = r->search ? hnas_search_get_steps(r->search) : 0;
    char line[LINE_SIZE];

    while (fgets(line, sizeof line, from)) {
        char *end;

        strtoll(line, &end, 10);
        if (*end != ',' || !strchr(line, '\n') ||
            strtoll(end + 1, NULL, 10) > step)
            continue;
        fputs(line, to);
    }
}

static int begin_log(struct run *r)
{
    char path[PATH_SIZE], part[PATH_SIZE + 8];
    FILE *f, *old = NULL;

    if (path_of(path, r, "log.csv"))
        return EXIT_FAILED;
    if (r->config->resume)
        old = fopen(path, "r");
    f = begin_file(part, path);
    if (f) {
        write_heading(r, f);
        if (old)
            copy_rows(r, f, old);
    }
    if (old)
        fclose(old);
    return f ? end_file(f, part, path) : EXIT_FAILED;
}

/* A number, or nothing where there is none. */
static void put_column(FILE *f, double value)
{
    if (isfinite(value))
        fprintf(f, ",%.17g", value);
    else
        fputc(',', f);
}

/* The four columns of one lambda. */
static int log_lambda(struct run *r, FILE *f, double lambda)
{
    double accuracy, precision, expected;
    hnas_cost total, fixed;
    hnas_arch *arch;
    hnas_status st;
    int rc = evaluate(r, NULL, lambda, r->config->eval_images, &accuracy,
                      &precision);

    if (!rc)
        rc = expected_cost(r, lambda, &expected);
    if (rc)
        return rc;
    st = hnas_search_derive(&arch, r->search, lambda, r->config->rule);
    if (st < 0)
        return library_failure(r->ctx, st, 0);
    hnas_arch_get_cost(arch, &total, &fixed);
    hnas_arch_destroy(arch);
    put_column(f, accuracy);
    put_column(f, precision);
    put_column(f, expected);
    put_column(f, cost_in(&total, r->config->metric));
    return 0;
}

static int write_row(struct run *r, FILE *f, double w_rate)
{
    const struct option_list *l = &r->config->report;
    const int64_t step = hnas_search_get_steps(r->search);
    int rc = 0;

    fprintf(f, "%lld,%lld", (long long)(step / r->per_epoch), (long long)step);
    put_column(f, r->train_sum / (double)r->n_train_sum);
    put_column(f, r->valid_sum / (double)r->n_valid_sum); /* 0 / 0 in warm-up */
    put_column(f, w_rate);
    for (int32_t i = 0; i < l->n && !rc; i++)
        rc = log_lambda(r, f, l->value[i]);
    fprintf(f, ",%.3f\n", now_s() - r->epoch_began_s);
    return rc;
}

/* A row is made in memory, so that no half row gets into the file. */
int files_after_epoch(struct run *r, double w_rate)
{
    char path[PATH_SIZE], *row = NULL;
    size_t size;
    FILE *f;
    int rc;

    if (!r->config->out)
        return 0;
    if (path_of(path, r, "log.csv"))
        return EXIT_FAILED;
    f = open_memstream(&row, &size);
    if (!f)
        return io_failure(path);
    rc = write_row(r, f, w_rate);
    if (fclose(f) && !rc)
        rc = io_failure(path);
    f = rc ? NULL : fopen(path, "a");
    if (!rc && (!f || fputs(row, f) < 0 || fflush(f)))
        rc = io_failure(path);
    if (f && fclose(f) && !rc)
        rc = io_failure(path);
    free(row);
    return rc;
}

int files_prepare(struct run *r)
{
    const char *out = r->config->out;
    int rc;

    if (!out)
        return 0;
    if (mkdir(out, 0777) && errno != EEXIST)
        return failure("--out %s: %s", out, strerror(errno));
    rc = write_config(r);
    return rc ? rc : begin_log(r);
}
