/* SPDX-License-Identifier: BSD-3-Clause */
#include "data.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"
#include "program.h"
#include "ranks.h"

static int is_directory(const char *path)
{
    struct stat s;

    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* A bundled set lies beside the program: data/ where it was built,
 * ../share/hnas/ where it is installed. */
static int find_bundled(char *path, size_t size, const char *name)
{
    static const char *const places[] = {"data", "../share/hnas"};
    char self[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    if (n < 0)
        return -1;
    self[n] = '\0';
    slash = strrchr(self, '/');
    if (!slash)
        return -1;
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const int k = snprintf(path, size, "%s/%s/%s", self, places[i], name);

        if (k > 0 && (size_t)k < size && is_directory(path))
            return 0;
    }
    return -1;
}

static int find_file(char *path, size_t size, const char *directory,
                     const char *file)
{
    static const char *const ends[] = {"", ".gz"};

    for (int i = 0; i < 2; i++) {
        const int n = snprintf(path, size, "%s/%s%s", directory, file, ends[i]);

        if (n > 0 && (size_t)n < size && access(path, R_OK) == 0)
            return 0;
    }
    return -1;
}

int data_open(hnas_dataset **out, hnas_context *ctx, const char *name,
              int is_test)
{
    static const char *const files[2][2] = {
        {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
        {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}};
    char directory[PATH_MAX], path[2][PATH_MAX + 64];
    hnas_status st;
    const int rc = option_check_text("data", name);

    if (rc)
        return rc;
    if (is_directory(name))
        snprintf(directory, sizeof directory, "%s", name);
    else if (strchr(name, '/') ||
             find_bundled(directory, sizeof directory, name) < 0)
        return failure("--data %s: no such directory and no bundled set, want "
                       "mnist-sample or a directory of IDX files",
                       name);
    for (int i = 0; i < 2; i++)
        if (find_file(path[i], sizeof path[i], directory, files[is_test][i]) <
            0)
            return failure("--data %s: %s/%s, plain or .gz: can't be read",
                           name, directory, files[is_test][i]);
    st = hnas_dataset_open_idx(out, ctx, path[0], path[1]);
    return st < 0 ? library_failure(ctx, st, 0) : 0;
}

int data_moments(double moments[2], hnas_context *ctx,
                 const hnas_dataset *dataset, int shared)
{
    const hnas_comm *c = ranks_table();
    hnas_status st = HNAS_OK;

    if (!shared || c->rank == 0)
        st = hnas_dataset_moments(dataset, 0, &moments[0], &moments[1]);
    if (st < 0)
        return library_failure(ctx, st, 0);
    if (shared && c->n_ranks > 1 &&
        c->broadcast(c->user, moments, 2 * sizeof *moments, 0))
        return ranks_failure("mean and deviation of the training set");
    if (!(moments[1] > 0))
        moments[1] = 1;
    return 0;
}
