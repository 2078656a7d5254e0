/* SPDX-License-Identifier: BSD-3-Clause */
/* What is to be done: from a list of files, or from a search's path. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/folder.h"
#include "common/program.h"
#include "train/list.h"

enum { MOST_LINE = 4096 };

static int grow(struct tasks *t)
{
    const size_t n = (size_t)(t->n + t->s->seeds);
    struct task *larger = realloc(t->task, n * sizeof *larger);

    if (!larger)
        return failure("%lld tasks: out of memory", (long long)n);
    t->task = larger;
    return 0;
}

/* One architecture, each of the seeds. */
static int add(struct tasks *t, const struct task *like)
{
    int rc = grow(t);

    for (int64_t k = 0; k < t->s->seeds && !rc; k++) {
        t->task[t->n] = *like;
        t->task[t->n++].seed = t->s->seed + k;
    }
    return rc;
}

/* ---- a list ---- */

static char *trim(char *line)
{
    char *end;

    line += strspn(line, " \t");
    end = line + strlen(line);
    while (end > line && strchr(" \t\r\n", end[-1]))
        end--;
    *end = '\0';
    return *line == '#' ? end : line;
}

/* A name stands below the list's folder, unless it begins with a slash. */
static char *place(const char *list, const char *name)
{
    const char *slash = *name == '/' ? NULL : strrchr(list, '/');
    const size_t before = slash ? (size_t)(slash + 1 - list) : 0;
    char *path = malloc(before + strlen(name) + 1);

    if (path) {
        memcpy(path, list, before);
        strcpy(path + before, name);
    }
    return path;
}

static int add_name(struct tasks *t, const char *name)
{
    const struct task like = {.arch = place(t->s->list, name), .piece = -1};
    int rc;

    if (!like.arch)
        return failure("--list %s: out of memory", t->s->list);
    rc = add(t, &like);
    if (rc)
        free((char *)like.arch);
    return rc;
}

static int read_list(struct tasks *t)
{
    char line[MOST_LINE];
    FILE *f = fopen(t->s->list, "r");
    int rc = 0;

    if (!f)
        return failure("--list %s: %s", t->s->list, strerror(errno));
    while (!rc && fgets(line, sizeof line, f)) {
        const char *name;

        if (strlen(line) == sizeof line - 1)
            rc = failure("--list %s: a line of more than %zu bytes", t->s->list,
                         sizeof line - 2);
        name = trim(line);
        if (!rc && *name)
            rc = add_name(t, name);
    }
    if (!rc && ferror(f))
        rc = failure("--list %s: %s", t->s->list, strerror(errno));
    fclose(f);
    if (!rc && !t->n)
        rc = failure("--list %s: empty, want a file of an architecture a line",
                     t->s->list);
    return rc;
}

/* ---- a path ---- */

static int add_pieces(struct tasks *t, const hnas_path *path)
{
    int rc = 0;

    for (int32_t i = 0; i < hnas_path_get_count(path) && !rc; i++) {
        struct task like = {.piece = i};
        hnas_path_piece piece;

        hnas_path_get_piece(path, i, &piece);
        like.range[0] = piece.lo;
        like.range[1] = piece.hi;
        rc = add(t, &like);
    }
    return rc;
}

static int read_path(struct tasks *t)
{
    hnas_context *ctx = NULL;
    hnas_search *search = NULL;
    hnas_path *path = NULL;
    hnas_status st;
    int rc = program_open(&ctx, 1, 0);

    if (rc)
        return rc;
    st = hnas_search_load(&search, ctx, t->s->search);
    if (st == HNAS_OK)
        st = train_path(&path, search, t->s);
    if (st < 0)
        rc = library_failure(ctx, st, st == HNAS_E_RANGE);
    else
        rc = add_pieces(t, path);
    hnas_path_destroy(path);
    hnas_search_destroy(search);
    hnas_context_destroy(ctx);
    return rc;
}

int tasks_read(struct tasks *t, const struct settings *s)
{
    int rc;

    memset(t, 0, sizeof *t);
    t->s = s;
    t->lock = -1;
    rc = s->list ? read_list(t) : read_path(t);
    if (rc)
        return rc;
    t->done = calloc((size_t)t->n, 1);
    return t->done ? 0 : failure("%lld tasks: out of memory", (long long)t->n);
}

void tasks_finish(struct tasks *t)
{
    for (int64_t i = 0; i < t->n; i += t->s->seeds)
        free((char *)t->task[i].arch);
    free(t->task);
    free(t->done);
    folder_unlock(&t->lock);
}
