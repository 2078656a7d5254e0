/* SPDX-License-Identifier: BSD-3-Clause */
/* What --out DIR holds. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/folder.h"
#include "common/json.h"
#include "common/program.h"
#include "search/run.h"

static const char newest[] = "search.safetensors";

int files_path(char path[PATH_SIZE], const struct run *r, const char *name)
{
    const int n = snprintf(path, PATH_SIZE, "%s/%s", r->config->out, name);

    return n < PATH_SIZE ? 0 : failure("--out %.80s…: too long", path);
}

int files_failure(const char *path)
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
    if (r->networks) {
        json_key(j, "networks");
        json_string(j, r->networks);
        json_key(j, "n_unchanged");
        json_int(j, r->n_unchanged);
    }
    json_key(j, "w_rate");
    json_real(j, r->w_rate);
    json_key(j, "n_train_sum");
    json_int(j, r->n_train_sum);
    json_key(j, "n_valid_sum");
    json_int(j, r->n_valid_sum);
    json_key(j, "n_left_out");
    json_int(j, r->n_left_out);
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

/* What --patience has counted. */
static int read_networks(struct run *r)
{
    const char *text = r->config->saved;
    const size_t size = strlen(text) + 1;

    r->networks = malloc(size);
    if (!r->networks)
        return failure("--patience: out of memory");
    if (json_member(text, "networks", r->networks, size) < 0 ||
        json_unquote(r->networks) < 0) {
        free(r->networks);
        r->networks = NULL;
    }
    r->n_unchanged = (int64_t)saved_real(text, "n_unchanged");
    return 0;
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
    r->w_rate = saved_real(text, "w_rate");
    r->n_train_sum = (int64_t)saved_real(text, "n_train_sum");
    r->n_valid_sum = (int64_t)saved_real(text, "n_valid_sum");
    r->n_left_out = (int64_t)saved_real(text, "n_left_out");
    return read_networks(r);
}

static int save_as(struct run *r, const char *name)
{
    char path[PATH_SIZE], *text;
    hnas_status st;

    if (files_path(path, r, name))
        return EXIT_FAILED;
    text = make_text(r);
    if (!text)
        return failure("%s: out of memory", path);
    st = hnas_search_save(r->search, path, text);
    free(text);
    return st < 0 ? library_failure(r->ctx, st, 0) : 0;
}

static int keep_files(struct run *r, int64_t n)
{
    char path[PATH_SIZE];
    hnas_status st;

    if (files_path(path, r, newest))
        return EXIT_FAILED;
    st = hnas_file_keep(r->ctx, path, (int32_t)n);
    return st < 0 ? library_failure(r->ctx, st, 0) : 0;
}

/* What another search left, or is damaged, is replaced and not kept. */
int files_save(struct run *r)
{
    int rc = 0;

    if (!r->config->out)
        return 0;
    if (r->has_good)
        rc = keep_files(r, r->config->keep);
    if (!rc)
        rc = save_as(r, newest);
    r->has_good |= !rc;
    return rc;
}

static void name_mark(char name[64], int64_t epoch)
{
    snprintf(name, 64, "search-%lld.safetensors", (long long)epoch);
}

int files_keep_mark(struct run *r)
{
    char name[64];

    if (!r->config->out || !r->config->keep_marks)
        return 0;
    name_mark(name, hnas_search_get_steps(r->search) / r->per_epoch);
    return save_as(r, name);
}

/* A new search leaves no mark of one that was there before. */
static int remove_marks(struct run *r)
{
    const struct option_list *l = &r->config->marks;

    for (int32_t i = 0; i < l->n && r->config->keep_marks; i++) {
        char name[64], path[PATH_SIZE];

        name_mark(name, (int64_t)l->value[i]);
        if (files_path(path, r, name))
            return EXIT_FAILED;
        if (unlink(path) && errno != ENOENT)
            return files_failure(path);
    }
    return 0;
}

/* ---- replacing a text file at once ---- */

FILE *files_begin(char part[PATH_SIZE + 8], const char *path)
{
    FILE *f;

    snprintf(part, PATH_SIZE + 8, "%s.part", path);
    f = fopen(part, "w");
    if (!f)
        files_failure(part);
    return f;
}

int files_end(FILE *f, const char *part, const char *path)
{
    const int bad = ferror(f) | fflush(f) | fsync(fileno(f));

    if (fclose(f) || bad || rename(part, path))
        return files_failure(path);
    return 0;
}

static int write_config(struct run *r)
{
    char path[PATH_SIZE], part[PATH_SIZE + 8];
    struct json j;
    FILE *f;

    if (files_path(path, r, "config.json"))
        return EXIT_FAILED;
    f = files_begin(part, path);
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
    return files_end(f, part, path);
}

static const char *skip_digits(const char *p)
{
    return p + strspn(p, "0123456789");
}

/* The process that writes a checkpoint under this name, which the library gives
 * it before it is renamed: search[-EPOCH].safetensors.PID-N.tmp; 0: none. */
static long writer_of(const char *name)
{
    static const char begins[] = "search", ends[] = ".safetensors.";
    const char *p = name + sizeof begins - 1, *pid;

    if (strncmp(name, begins, sizeof begins - 1))
        return 0;
    if (*p == '-' && skip_digits(p + 1) > p + 1)
        p = skip_digits(p + 1);
    if (strncmp(p, ends, sizeof ends - 1))
        return 0;
    pid = p + sizeof ends - 1;
    p = skip_digits(pid);
    if (p == pid || *p != '-' || skip_digits(p + 1) == p + 1 ||
        strcmp(skip_digits(p + 1), ".tmp"))
        return 0;
    return strtol(pid, NULL, 10);
}

/* Its number may be ours by now: containers begin anew at 1. */
static int is_gone(long pid)
{
    return pid == (long)getpid() || (kill((pid_t)pid, 0) && errno == ESRCH);
}

/* A killed process may have left a checkpoint it was about to rename. */
static void remove_unfinished(const char *out)
{
    DIR *dir = opendir(out);
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        const long pid = writer_of(e->d_name);

        if (pid > 0 && pid <= INT_MAX && is_gone(pid))
            unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

int files_prepare(struct run *r)
{
    const char *out = r->config->out;
    int rc;

    if (!out)
        return 0;
    if (mkdir(out, 0777) && errno != EEXIST)
        return failure("--out %s: %s", out, strerror(errno));
    rc = folder_lock(&r->lock, out);
    if (rc)
        return rc;
    remove_unfinished(out);
    rc = write_config(r);
    if (!rc && !r->config->resume)
        rc = remove_marks(r);
    if (!rc && !r->config->resume)
        rc = keep_files(r, 1); /* nor an older checkpoint */
    return rc ? rc : log_begin(r);
}
