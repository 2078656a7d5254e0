/* SPDX-License-Identifier: BSD-3-Clause */
/* The explorer page: the path of a search, and its log. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/program.h"
#include "export/export.h"

enum { MOST_LOG = 64 << 20, CHUNK = 1 << 16 };

/* The whole of a file.  1: there is none, or an exit status after a message
 * below 0. */
static int read_all(char **text, const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t n = 0, got = CHUNK;

    *text = NULL;
    if (!file && errno == ENOENT)
        return 1;
    while (file && got == CHUNK && n < MOST_LOG) {
        char *larger = realloc(*text, n + CHUNK + 1);

        if (!larger)
            break;
        *text = larger;
        got = fread(*text + n, 1, CHUNK, file);
        n += got;
        (*text)[n] = '\0';
    }
    if (file && got < CHUNK && !ferror(file) && !fclose(file))
        return 0;
    failure("%s: %s", path,
            n >= MOST_LOG ? "larger than 64 MiB" : strerror(errno));
    free(*text);
    *text = NULL;
    return -EXIT_FAILED;
}

/* log.csv in the search's folder. */
static int read_log(char **text, const char *search)
{
    const char *slash = strrchr(search, '/');
    const size_t n = slash ? (size_t)(slash + 1 - search) : 0;
    char *path = malloc(n + sizeof "log.csv");
    int rc;

    *text = NULL;
    if (!path)
        return -failure("%s: out of memory", search);
    memcpy(path, search, n);
    memcpy(path + n, "log.csv", sizeof "log.csv");
    rc = read_all(text, path);
    free(path);
    return rc;
}

/* What a search says of itself: its preset, and the last part of its data. */
static void make_title(char *title, size_t size, const char *text)
{
    char preset[64], data[512], *slash;

    if (json_member(text, "preset", preset, sizeof preset) < 0 ||
        json_unquote(preset) < 0 ||
        json_member(text, "data", data, sizeof data) < 0 ||
        json_unquote(data) < 0) {
        snprintf(title, size, "A search");
        return;
    }
    while ((slash = strrchr(data, '/')) && !slash[1])
        *slash = '\0';
    snprintf(title, size, "Search %s on %.200s", preset,
             slash ? slash + 1 : data);
}

int export_page(const struct export_job *e, hnas_context *ctx,
                hnas_search *search, const hnas_path_opts *opts)
{
    hnas_explorer_opts o;
    hnas_hyper_opts hyper;
    hnas_path *path = NULL;
    char title[320], *log;
    hnas_status st;

    if (read_log(&log, e->search) < 0)
        return EXIT_FAILED;
    hnas_hyper_get_opts(hnas_search_get_hyper(search), &hyper, sizeof hyper);
    make_title(title, sizeof title, hnas_search_get_text(search));
    hnas_explorer_opts_init(&o, sizeof o);
    o.scale = hyper.scale;
    o.title = title;
    o.log = log;
    st = hnas_path_create(&path, hnas_search_get_net(search),
                          hnas_search_get_hyper(search), opts);
    if (st >= 0)
        st = is_interrupted() ? HNAS_E_STOPPED
                              : hnas_path_save_html(path, e->html, &o);
    hnas_path_destroy(path);
    free(log);
    return st < 0 ? library_failure(ctx, st, 0) : 0;
}
