/* SPDX-License-Identifier: BSD-3-Clause */
/* The layout below all files of ours, with a checksum that fits: each array it
 * tells of lies inside the file. */
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "fuzz.h"
#include "io/safetensors.h"

/* Read every byte that it gives, for the sanitizers. */
static void walk(const struct hn_st_file *file)
{
    uint32_t crc = 0;

    for (int64_t i = 0; i < hn_st_count(file); i++) {
        const struct hn_st_entry *e = hn_st_get(file, i);
        size_t bytes;

        fuzz_expect(hn_st_entry_bytes(&bytes, e) == 0, "dims and type");
        fuzz_expect(hn_st_find(file, e->name) == e, "found by its name");
        crc = hn_st_crc(crc, e->data, bytes);
    }
    (void)crc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hnas_context *ctx = fuzz_context();
    uint8_t *bytes = malloc(size + 1);
    struct hn_st_file *file;
    hnas_status st;

    fuzz_expect(bytes != NULL, "memory");
    memcpy(bytes, data, size);
    fuzz_seal(bytes, size);
    fuzz_begin();
    st = hn_st_open(&file, ctx, fuzz_file(0, bytes, size));
    fuzz_check(st, file);
    if (st == HNAS_OK) {
        walk(file);
        hn_st_close(file);
    }
    fuzz_end();
    free(bytes);
    return 0;
}
