/* SPDX-License-Identifier: BSD-3-Clause */
/* The folder of many trainings: config.json says what they share, table.csv
 * has a row for each that is done. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/folder.h"
#include "common/json.h"
#include "common/program.h"
#include "common/ranks.h"
#include "train/list.h"

enum { PATH_SIZE = 4096, LINE_SIZE = 8192, TEXT_SIZE = 1 << 16 };

static const char head[] =
    "task,seed,lambda,lambda_end,params,macs,epochs,test_accuracy,"
    "test_precision,seconds,rank,arch\n";

static int path_of(char path[PATH_SIZE], const struct settings *s,
                   const char *name)
{
    const int n = snprintf(path, PATH_SIZE, "%s/%s", s->out, name);

    return n > 0 && n < PATH_SIZE ? 0 : failure("--out %s: too long", s->out);
}

static int file_failure(const char *path)
{
    return failure("%s: %s", path, strerror(errno));
}

/* ---- replacing a file at once ---- */

static FILE *begin(char part[PATH_SIZE + 8], const char *path)
{
    FILE *f;

    snprintf(part, PATH_SIZE + 8, "%s.part", path);
    f = fopen(part, "w");
    if (!f)
        file_failure(part);
    return f;
}

static int end(FILE *f, const char *part, const char *path)
{
    const int bad = ferror(f) | fflush(f) | fsync(fileno(f));

    if (fclose(f) || bad || rename(part, path))
        return file_failure(path);
    return 0;
}

/* ---- what all trainings share ---- */

/* Where the architectures come from: the same tasks in the same order. */
static void write_source(char *text, size_t size, const struct tasks *t)
{
    const struct settings *s = t->s;

    snprintf(text, size, "%s %s rule %d theta %.17g%s seeds %lld tasks %lld",
             s->list ? "list" : "path of", s->list ? s->list : s->search,
             (int)s->rule, s->has_theta ? s->theta : 0,
             s->inherit ? " inherit" : "", (long long)s->seeds,
             (long long)t->n);
}

static int write_config(const struct tasks *t)
{
    char path[PATH_SIZE], part[PATH_SIZE + 8], source[PATH_SIZE + 256];
    struct json j;
    FILE *f;

    if (path_of(path, t->s, "config.json"))
        return EXIT_FAILED;
    f = begin(part, path);
    if (!f)
        return EXIT_FAILED;
    write_source(source, sizeof source, t);
    json_begin(&j, f);
    json_open(&j, '{');
    settings_write(t->s, &j);
    json_key(&j, "source");
    json_string(&j, source);
    json_close(&j, '}');
    fputc('\n', f);
    return end(f, part, path);
}

/* A small file, ended by 0. */
static int read_text(char *text, size_t size, const char *path)
{
    FILE *f = fopen(path, "r");
    size_t n;

    if (!f)
        return file_failure(path);
    n = fread(text, 1, size, f);
    if (ferror(f) || n == size) {
        fclose(f);
        return failure("%s: can't be read", path);
    }
    fclose(f);
    text[n] = '\0';
    return 0;
}

/* Refuse a folder that was made with other settings. */
static int read_config(const struct tasks *t)
{
    const struct settings *s = t->s;
    static char text[TEXT_SIZE], saved[TEXT_SIZE];
    char path[PATH_SIZE], source[PATH_SIZE + 256];
    int rc = path_of(path, s, "config.json");

    if (!rc)
        rc = read_text(text, sizeof text, path);
    if (rc)
        return rc;
    write_source(source, sizeof source, t);
    if (json_member(text, "source", saved, sizeof saved) || json_unquote(saved))
        return failure("%s: no source, want a file of hnas-train", path);
    if (strcmp(saved, source))
        return failure("--out %s: made of %s, now %s", s->out, saved, source);
    return settings_compare(s, text);
}

/* ---- rows ---- */

static void write_row(FILE *f, const struct task *k, int64_t number)
{
    fprintf(f, "%lld,%lld,", (long long)number, (long long)k->seed);
    if (k->arch)
        fprintf(f, ",,");
    else
        fprintf(f, "%.17g,%.17g,", k->range[0], k->range[1]);
    fprintf(f, "%.0f,%.0f,%.0f,%.17g,%.17g,%.3f,%d,", k->value[PARAMS],
            k->value[MACS], k->value[EPOCHS], k->value[ACCURACY],
            k->value[PRECISION], k->value[SECONDS], (int)k->rank);
    if (k->arch)
        fprintf(f, "%s\n", k->arch);
    else
        fprintf(f, "piece %d\n", (int)k->piece);
}

int table_write(const struct tasks *t)
{
    char path[PATH_SIZE], part[PATH_SIZE + 8];
    FILE *f;

    if (path_of(path, t->s, "table.csv"))
        return EXIT_FAILED;
    f = begin(part, path);
    if (!f)
        return EXIT_FAILED;
    fputs(head, f);
    for (int64_t i = 0; i < t->n; i++)
        if (t->task[i].is_done)
            write_row(f, &t->task[i], i);
    return end(f, part, path);
}

/* Cut a line at its commas; the last field may hold some. */
static int cut(char *line, char *field[], int n)
{
    for (int i = 0; i < n; i++) {
        field[i] = line;
        if (i == n - 1)
            break;
        line = strchr(line, ',');
        if (!line)
            return -1;
        *line++ = '\0';
    }
    field[n - 1][strcspn(field[n - 1], "\n")] = '\0';
    return 0;
}

static int read_row(struct tasks *t, char *line)
{
    char *field[12];
    struct task *k;
    int64_t i;

    if (cut(line, field, 12))
        return -1;
    i = strtoll(field[0], NULL, 10);
    if (i < 0 || i >= t->n || t->task[i].is_done)
        return -1;
    k = &t->task[i];
    if (strtoll(field[1], NULL, 10) != k->seed ||
        (k->arch && strcmp(field[11], k->arch)))
        return -1;
    for (int v = PARAMS; v <= SECONDS; v++)
        k->value[v] = strtod(field[4 + v], NULL);
    k->rank = (int32_t)strtol(field[10], NULL, 10);
    k->is_done = t->done[i] = 1;
    t->n_skipped++;
    t->n_done++;
    return 0;
}

static int read_rows(struct tasks *t)
{
    char path[PATH_SIZE], line[LINE_SIZE];
    FILE *f;
    int rc = 0;

    if (path_of(path, t->s, "table.csv"))
        return EXIT_FAILED;
    f = fopen(path, "r");
    if (!f)
        return file_failure(path);
    if (!fgets(line, sizeof line, f) || strcmp(line, head))
        rc = failure("%s: another table than hnas-train writes", path);
    for (int64_t n = 2; !rc && fgets(line, sizeof line, f); n++)
        if (read_row(t, line))
            rc = failure("%s: line %lld is of no task here, or twice", path,
                         (long long)n);
    fclose(f);
    return rc;
}

int table_open(struct tasks *t)
{
    const struct settings *s = t->s;
    int rc = 0;

    if (!s->resume && ranks_rank())
        return 0;
    if (!s->resume && mkdir(s->out, 0777) && errno != EEXIST)
        return failure("--out %s: %s", s->out, strerror(errno));
    if (!ranks_rank())
        rc = folder_lock(&t->lock, s->out);
    if (!rc)
        rc = s->resume ? read_config(t) : write_config(t);
    if (rc)
        return rc;
    return s->resume ? read_rows(t) : table_write(t);
}

/* ---- printing ---- */

static void put_task(struct json *j, const struct task *k, int64_t number)
{
    static const char *const keys[] = {"params",         "macs",
                                       "epochs",         "test_accuracy",
                                       "test_precision", "seconds"};

    json_open(j, '{');
    json_key(j, "task");
    json_int(j, number);
    json_key(j, "seed");
    json_int(j, k->seed);
    if (k->arch) {
        json_key(j, "arch");
        json_string(j, k->arch);
    } else {
        json_key(j, "interval");
        json_open(j, '[');
        json_real(j, k->range[0]);
        json_real(j, k->range[1]);
        json_close(j, ']');
    }
    for (int v = PARAMS; v <= SECONDS; v++) {
        json_key(j, keys[v]);
        json_real(j, k->value[v]);
    }
    json_key(j, "rank");
    json_int(j, k->rank);
    json_close(j, '}');
}

void table_print_json(const struct tasks *t, double seconds, int interrupted)
{
    struct json j;

    json_begin(&j, stdout);
    json_open(&j, '{');
    json_key(&j, "ranks");
    json_int(&j, ranks_count());
    json_key(&j, "tasks");
    json_int(&j, t->n);
    json_key(&j, "skipped");
    json_int(&j, t->n_skipped);
    json_key(&j, "seconds");
    json_real(&j, seconds);
    json_key(&j, "peak_bytes");
    json_int(&j, peak_bytes());
    json_key(&j, "networks");
    json_open(&j, '[');
    for (int64_t i = 0; i < t->n; i++)
        if (t->task[i].is_done)
            put_task(&j, &t->task[i], i);
    json_close(&j, ']');
    if (interrupted) {
        json_key(&j, "interrupted");
        json_bool(&j, 1);
    }
    json_close(&j, '}');
    fputc('\n', stdout);
}

void table_print(const struct tasks *t)
{
    printf("%6s %6s %10s %12s %9s %9s  %s\n", "task", "seed", "parameters",
           "MACs", "accuracy", "precision", "architecture");
    for (int64_t i = 0; i < t->n; i++) {
        const struct task *k = &t->task[i];

        if (!k->is_done)
            continue;
        printf("%6lld %6lld %10.0f %12.0f %8.2f%% %8.2f%%  ", (long long)i,
               (long long)k->seed, k->value[PARAMS], k->value[MACS],
               100 * k->value[ACCURACY], 100 * k->value[PRECISION]);
        if (k->arch)
            printf("%s\n", k->arch);
        else
            printf("lambda %.6g..%.6g\n", k->range[0], k->range[1]);
    }
}
