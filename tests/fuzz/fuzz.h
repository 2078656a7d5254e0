/* SPDX-License-Identifier: BSD-3-Clause */
/* What the targets share: a context whose memory is bounded, files in memory,
 * a tiny net and search. */
#ifndef HN_TESTS_FUZZ_FUZZ_H
#define HN_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "hnas/hnas.h"

/* libFuzzer's entry: any bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* End the process, so that the fuzzer keeps the input, unless true. */
void fuzz_expect(int is_true, const char *what);

/* The bytes that contexts of fuzz_context_opts get at most from fuzz_begin on;
 * 32 MiB. */
void fuzz_bound(size_t bytes);

/* The options of a context whose memory is bounded, with plain kernels. */
void fuzz_context_opts(hnas_context_opts *o);

/* The one context that readers share, opened at the first call. */
hnas_context *fuzz_context(void);

/* A failure has a message of one line and no object; a success has one. */
void fuzz_check(hnas_status st, const void *object);

/* Nothing but what the context keeps is held since fuzz_begin. */
void fuzz_begin(void);
void fuzz_end(void);

/* A file in memory that holds the bytes: its path.  Two at a time, 0 or 1. */
const char *fuzz_file(int which, const void *data, size_t bytes);

/* The bytes that save(path, user) leaves at a path, from malloc. */
uint8_t *fuzz_saved(size_t *bytes, hnas_status (*save)(const char *, void *),
                    void *user);

/* A net of one cell with two nodes, its hypernetwork and search. */
hnas_supernet *fuzz_net(hnas_context *ctx);
hnas_hyper *fuzz_hyper(hnas_supernet *net, hnas_context *ctx);

/* A batch of n images of a shape. */
void fuzz_batch(hnas_batch *batch, hnas_context *ctx, const int64_t image[3],
                int64_t n, int64_t classes);
void fuzz_batch_finish(hnas_batch *batch);

/* A safetensors file from `header\npatches`: a header of JSON in front of a
 * good file's arrays, in which each patch of three bytes (place, value) is
 * changed; with a checksum that fits. */
const char *fuzz_forge(const uint8_t *data, size_t size, const uint8_t *good,
                       size_t n_good);

/* Make the checksum of a safetensors file fit, where it has one. */
void fuzz_seal(uint8_t *file, size_t bytes);

#endif
