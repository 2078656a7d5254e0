/* SPDX-License-Identifier: BSD-3-Clause */
/* Older files beside the one that is saved: "x" is the newest, "x.1" the one
 * before it, "x.2" the one before that. */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hnas/formats.h"
#include "hnas/io.h"
#include "io/file.h"

enum { MOST_FILES = 100, SUFFIX_BYTES = 8 };

/* A file and its older ones. */
struct kept {
    struct hnas_context *ctx;
    const char *path; /* as the caller named it */
    char target[PATH_MAX];
    char a[PATH_MAX + SUFFIX_BYTES], b[PATH_MAX + SUFFIX_BYTES];
    struct stat about; /* of the newest */
};

static hnas_status open_kept(struct kept **out, struct hnas_context *ctx,
                             const char *path)
{
    struct kept *k = hn_zalloc(&ctx->alloc, sizeof *k);
    hnas_status st;

    *out = NULL;
    if (!k)
        return hn_fail_nomem(ctx, path);
    k->ctx = ctx;
    k->path = path;
    st = hn_file_target(k->target, &k->about, ctx, path);
    if (st == HNAS_OK)
        *out = k;
    else
        hn_free(&ctx->alloc, k);
    return st;
}

/* The name of the file that is `age` saves old. */
static const char *name_of(const struct kept *k, char *name, int32_t age)
{
    snprintf(name, PATH_MAX + SUFFIX_BYTES, age ? "%s.%d" : "%s", k->target,
             (int)age);
    return name;
}

static hnas_status failed(struct kept *k, const char *what)
{
    return hn_fail_errno(k->ctx, k->path, what, errno);
}

/* ---- keeping ---- */

static int exists(struct kept *k, int32_t age)
{
    struct stat about;

    return lstat(name_of(k, k->a, age), &about) == 0;
}

static hnas_status remove_from(struct kept *k, int32_t age)
{
    for (; age < MOST_FILES; age++)
        if (unlink(name_of(k, k->a, age)) != 0 && errno != ENOENT)
            return failed(k, "can't remove an older file");
    return HNAS_OK;
}

/* Make room at age 1: the files up to the first gap become one older, the
 * last one goes where there is no gap. */
static hnas_status make_room(struct kept *k, int32_t n_files)
{
    int32_t gap = 1;

    while (gap < n_files && exists(k, gap))
        gap++;
    if (gap == n_files && unlink(name_of(k, k->a, --gap)) != 0)
        return failed(k, "can't remove an older file");
    for (int32_t age = gap - 1; age >= 1; age--)
        if (rename(name_of(k, k->a, age), name_of(k, k->b, age + 1)) != 0)
            return failed(k, "can't keep an older file");
    return HNAS_OK;
}

/* Whether a save that failed, or was killed, left it at age 1 already. */
static int is_kept(struct kept *k)
{
    struct stat about;

    return lstat(name_of(k, k->a, 1), &about) == 0 &&
           about.st_ino == k->about.st_ino && about.st_dev == k->about.st_dev;
}

/* A second name, so that the file stays where it is until the save's rename.
 * Where files have one name only it is moved. */
static hnas_status keep(struct kept *k)
{
    if (link(k->target, name_of(k, k->a, 1)) == 0)
        return HNAS_OK;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS &&
        errno != EMLINK)
        return failed(k, "can't keep it");
    return rename(k->target, k->a) == 0 ? HNAS_OK : failed(k, "can't keep it");
}

hnas_status hnas_file_keep(hnas_context *ctx, const char *path, int32_t n_files)
{
    struct kept *k;
    hnas_status st;

    if (!ctx || !path)
        return hn_fail_null(ctx, "file keep: path");
    if (n_files < 1 || n_files > MOST_FILES)
        return hn_fail(ctx, HNAS_E_RANGE, "%.300s: keep %d files, want 1..%d",
                       path, (int)n_files, MOST_FILES);
    st = open_kept(&k, ctx, path);
    if (st != HNAS_OK)
        return st;
    st = remove_from(k, n_files);
    if (st == HNAS_OK && n_files > 1 && k->about.st_mode && !is_kept(k)) {
        st = make_room(k, n_files);
        if (st == HNAS_OK)
            st = keep(k);
    }
    hn_free(&ctx->alloc, k);
    return st;
}

/* ---- going back ---- */

/* Whether the file itself is what is wrong, so that an older one may do. */
static int is_of_file(hnas_status st)
{
    return st == HNAS_E_IO || st == HNAS_E_FORMAT || st == HNAS_E_TRUNCATED ||
           st == HNAS_E_LIMIT || st == HNAS_E_NAN;
}

/* Leave the first failure's line, and what came of it. */
static void leave_message(struct hnas_context *ctx, const char *first,
                          const char *instead)
{
    const size_t room = sizeof ctx->message;

    snprintf(ctx->message, room, "%.*s%s%.*s", (int)room / 2, first,
             instead ? "; instead " : "", (int)room / 2 - 12,
             instead ? instead : "");
    if (instead)
        hn_log(ctx, HNAS_LOG_WARNING, "%s", ctx->message);
}

/* How the kind of file is loaded. */
typedef hnas_status (*load_fn)(void **out, hnas_context *ctx, const char *path);

static hnas_status load_search(void **out, hnas_context *ctx, const char *path)
{
    hnas_search *search;
    const hnas_status st = hnas_search_load(&search, ctx, path);

    *out = search;
    return st;
}

static hnas_status load_model(void **out, hnas_context *ctx, const char *path)
{
    hnas_model *model;
    const hnas_status st = hnas_model_load(&model, ctx, path);

    *out = model;
    return st;
}

static hnas_status load_older(void **out, load_fn load, struct kept *k,
                              int32_t *age, hnas_status first)
{
    char message[HN_MESSAGE_BYTES];

    memcpy(message, k->ctx->message, sizeof message);
    for (int32_t i = 1; i < MOST_FILES; i++) {
        if (!exists(k, i) || load(out, k->ctx, name_of(k, k->b, i)) < 0)
            continue;
        *age = i;
        leave_message(k->ctx, message, k->b);
        return HNAS_OK;
    }
    leave_message(k->ctx, message, NULL);
    return first;
}

static hnas_status load_kept(void **out, load_fn load, hnas_context *ctx,
                             const char *path, int32_t *age)
{
    struct kept *k;
    hnas_status st, first;

    *out = NULL;
    if (!ctx || !path || !age)
        return hn_fail_null(ctx, "kept file: path or age");
    *age = 0;
    first = load(out, ctx, path);
    if (first == HNAS_OK || !is_of_file(first))
        return first;
    st = open_kept(&k, ctx, path);
    if (st != HNAS_OK)
        return st;
    st = load_older(out, load, k, age, first);
    hn_free(&ctx->alloc, k);
    return st;
}

hnas_status hnas_search_load_kept(hnas_search **out, hnas_context *ctx,
                                  const char *path, int32_t *age)
{
    void *search;
    hnas_status st;

    if (!out)
        return hn_fail_null(ctx, "search load kept: out");
    st = load_kept(&search, load_search, ctx, path, age);
    *out = search;
    return st;
}

hnas_status hnas_model_load_kept(hnas_model **out, hnas_context *ctx,
                                 const char *path, int32_t *age)
{
    void *model;
    hnas_status st;

    if (!out)
        return hn_fail_null(ctx, "model load kept: out");
    st = load_kept(&model, load_model, ctx, path, age);
    *out = model;
    return st;
}
