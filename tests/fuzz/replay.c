/* SPDX-License-Identifier: BSD-3-Clause */
/* A target without libFuzzer: every file of a folder, once as it is and once
 * cut to each of its first lengths. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

enum { MOST_BYTES = 1 << 20, MOST_CUTS = 64 };

static void run(const char *path)
{
    uint8_t *data = malloc(MOST_BYTES);
    FILE *f = fopen(path, "rb");
    size_t n;

    fuzz_expect(f && data, path);
    n = fread(data, 1, MOST_BYTES, f);
    fclose(f);
    LLVMFuzzerTestOneInput(data, n);
    for (size_t i = 0; i < MOST_CUTS && i < n; i++)
        LLVMFuzzerTestOneInput(data, i * n / MOST_CUTS);
    free(data);
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *e;
    char path[4096];
    int n = 0;

    if (!dir) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    while ((e = readdir(dir))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        run(path);
        n++;
    }
    closedir(dir);
    printf("%d files\n", n);
    return n == 0;
}
