/* SPDX-License-Identifier: BSD-3-Clause */
/* log.csv: what a search has measured on its way. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/program.h"
#include "search/run.h"

enum { LINE_SIZE = 16384 };

/* Columns of one lambda: before the seconds, and after them. */
static const char *const before[] = {"accuracy", "precision", "expected_cost",
                                     "true_cost"};
static const char *const after[] = {"inherited_accuracy", "inherited_precision",
                                    "gap", "entropy"};

static void write_names(const struct run *r, FILE *f, const char *const names[],
                        int n)
{
    const struct option_list *l = &r->config->report;

    for (int32_t i = 0; i < l->n; i++)
        for (int k = 0; k < n; k++)
            fprintf(f, ",%s_%g", names[k], l->value[i]);
}

static void write_heading(const struct run *r, FILE *f)
{
    fprintf(f, "epoch,step,train_loss,valid_loss,w_rate");
    write_names(r, f, before, sizeof before / sizeof *before);
    fprintf(f, ",seconds");
    write_names(r, f, after, sizeof after / sizeof *after);
    write_names(r, f, (const char *const[]){"hessian"},
                r->config->hessian ? 1 : 0);
    fputc('\n', f);
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

int log_begin(struct run *r)
{
    char path[PATH_SIZE], part[PATH_SIZE + 8];
    FILE *f, *old = NULL;

    if (files_path(path, r, "log.csv"))
        return EXIT_FAILED;
    if (r->config->resume)
        old = fopen(path, "r");
    f = files_begin(part, path);
    if (f) {
        write_heading(r, f);
        if (old)
            copy_rows(r, f, old);
    }
    if (old)
        fclose(old);
    return f ? files_end(f, part, path) : EXIT_FAILED;
}

/* A number, or nothing where there is none. */
static void put_column(FILE *f, double value)
{
    if (isfinite(value))
        fprintf(f, ",%.17g", value);
    else
        fputc(',', f);
}

static int64_t epoch_of(const struct run *r)
{
    return hnas_search_get_steps(r->search) / r->per_epoch;
}

int is_mark(const struct run *r)
{
    const struct option_list *l = &r->config->marks;

    for (int32_t i = 0; i < l->n; i++)
        if ((int64_t)l->value[i] == epoch_of(r))
            return 1;
    return 0;
}

static void put_reports(FILE *f, const struct report *p, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        put_column(f, p[i].valid_accuracy);
        put_column(f, p[i].valid_precision);
        put_column(f, p[i].expected_cost);
        put_column(f, p[i].true_cost);
    }
}

static void put_more(FILE *f, const struct report *p, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        put_column(f, p[i].inherited_accuracy);
        put_column(f, p[i].inherited_precision);
        put_column(f, p[i].valid_accuracy - p[i].inherited_accuracy);
        put_column(f, p[i].entropy);
    }
}

static int write_row(struct run *r, FILE *f)
{
    const struct option_list *l = &r->config->report;
    const int64_t n_images = is_mark(r) ? 0 : r->config->eval_images;
    struct report reports[OPTION_LIST_MAX];

    for (int32_t i = 0; i < l->n; i++) {
        int rc = report_at(r, l->value[i], n_images, &reports[i]);

        if (!rc && r->config->hessian)
            rc = measure_hessian(r, l->value[i], &reports[i].hessian);
        if (rc)
            return rc;
    }
    fprintf(f, "%lld,%lld", (long long)epoch_of(r),
            (long long)hnas_search_get_steps(r->search));
    put_column(f, r->train_sum / (double)r->n_train_sum);
    put_column(f, r->valid_sum / (double)r->n_valid_sum); /* 0 / 0 in warm-up */
    put_column(f, r->w_rate);
    put_reports(f, reports, l->n);
    fprintf(f, ",%.3f", now_s() - r->row_began_s);
    put_more(f, reports, l->n);
    for (int32_t i = 0; i < l->n && r->config->hessian; i++)
        put_column(f, reports[i].hessian);
    fputc('\n', f);
    return 0;
}

/* A row is made in memory, so that no half row gets into the file. */
int log_after_epoch(struct run *r)
{
    char path[PATH_SIZE], *row = NULL;
    size_t size;
    FILE *f;
    int rc;

    if (!r->config->out || (epoch_of(r) % r->config->eval_every && !is_mark(r)))
        return 0;
    if (files_path(path, r, "log.csv"))
        return EXIT_FAILED;
    f = open_memstream(&row, &size);
    if (!f)
        return files_failure(path);
    rc = write_row(r, f);
    if (fclose(f) && !rc)
        rc = files_failure(path);
    f = rc ? NULL : fopen(path, "a");
    if (!rc && (!f || fputs(row, f) < 0 || fflush(f)))
        rc = files_failure(path);
    if (f && fclose(f) && !rc)
        rc = files_failure(path);
    free(row);
    r->row_began_s = now_s();
    return rc;
}
