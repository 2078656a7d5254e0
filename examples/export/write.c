/* SPDX-License-Identifier: BSD-3-Clause */
/* The files, each replaced in one step; between them Ctrl-C is heard. */
#include <stdlib.h>

#include "common/program.h"
#include "export/export.h"

typedef hnas_status (*writer)(const hnas_arch *arch, char *buffer,
                              size_t capacity, size_t *length);

/* Write what `write` makes of an architecture. */
static int write_file(const char *path, writer write, hnas_context *ctx,
                      const hnas_arch *arch, int ends_line)
{
    size_t length;
    char *text;
    hnas_status st = write(arch, NULL, 0, &length);

    if (st < 0)
        return library_failure(ctx, st, 0);
    text = malloc(length + 2);
    if (!text)
        return failure("%s: %zu bytes: out of memory", path, length);
    st = write(arch, text, length + 1, &length);
    if (ends_line)
        text[length++] = '\n';
    if (st == HNAS_OK)
        st = hnas_file_replace(ctx, path, text, length);
    free(text);
    return st < 0 ? library_failure(ctx, st, 0) : 0;
}

int export_write(const struct export_job *e, hnas_context *ctx,
                 const hnas_arch *arch, const hnas_model *model)
{
    const struct {
        const char *path;
        writer write;
        int ends_line;
    } files[] = {{e->dot, hnas_arch_write_dot, 0},
                 {e->svg, hnas_arch_write_svg, 0},
                 {e->json, hnas_arch_write_json, 1},
                 {e->text, hnas_arch_write_text, 1}};
    int rc = 0;

    if (is_interrupted())
        return EXIT_INTERRUPTED;
    if (e->onnx) {
        const hnas_status st = hnas_model_save_onnx(model, e->onnx);

        rc = st < 0 ? library_failure(ctx, st, 0) : 0;
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0] && !rc; i++) {
        if (is_interrupted())
            rc = EXIT_INTERRUPTED;
        else if (files[i].path)
            rc = write_file(files[i].path, files[i].write, ctx, arch,
                            files[i].ends_line);
    }
    return rc;
}
