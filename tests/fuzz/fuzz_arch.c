/* SPDX-License-Identifier: BSD-3-Clause */
/* Architectures as JSON, DARTS' and Fair DARTS' genotypes: what is read is
 * written in both forms, and read back as the same. */
#include <stdlib.h>

#include "fuzz.h"

typedef hnas_status (*write_fn)(const hnas_arch *arch, char *buffer,
                                size_t capacity, size_t *length);

static char *write_text(const hnas_arch *arch, write_fn write, size_t *length)
{
    char *text;

    fuzz_expect(write(arch, NULL, 0, length) == HNAS_OK, "its length");
    text = malloc(*length + 1);
    fuzz_expect(text && write(arch, text, *length + 1, length) == HNAS_OK,
                "its text");
    return text;
}

/* The JSON form is the same architecture again; the genotype, where it can
 * say as much, has the same edges. */
static void check_arch(const hnas_arch *arch)
{
    hnas_context *ctx = fuzz_context();
    hnas_arch *again;
    size_t length;
    char *text = write_text(arch, hnas_arch_write_json, &length);
    hnas_status st = hnas_arch_read(&again, ctx, text, length);

    fuzz_expect(st == HNAS_OK, "the JSON it writes is read");
    fuzz_expect(hnas_arch_is_equal(arch, again), "as the same");
    hnas_arch_destroy(again);
    free(text);
    text = write_text(arch, hnas_arch_write_text, &length);
    st = hnas_arch_read(&again, ctx, text, length);
    fuzz_check(st, again);
    hnas_arch_destroy(again);
    free(text);
    free(write_text(arch, hnas_arch_write_dot, &length));
    free(write_text(arch, hnas_arch_write_svg, &length));
}

static void make_model(const hnas_arch *arch)
{
    hnas_model_opts o;
    hnas_model *model;
    hnas_status st;

    hnas_model_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = 4;
    o.classes = 2;
    o.channels = 2;
    o.cells = 2;
    st = hnas_model_create(&model, fuzz_context(), arch, &o);
    fuzz_check(st, model);
    hnas_model_destroy(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hnas_supernet *net;
    hnas_context *ctx = fuzz_context();
    hnas_arch *arch;
    hnas_status st;

    if (!net)
        net = fuzz_net(ctx);
    fuzz_begin();
    st = hnas_arch_read(&arch, ctx, (const char *)data, size);
    fuzz_check(st, arch);
    if (st == HNAS_OK) {
        check_arch(arch);
        make_model(arch);
    }
    hnas_arch_destroy(arch);
    st = hnas_arch_read_json(&arch, net, (const char *)data, size);
    fuzz_check(st, arch);
    if (st == HNAS_OK)
        check_arch(arch);
    hnas_arch_destroy(arch);
    fuzz_end();
    return 0;
}
