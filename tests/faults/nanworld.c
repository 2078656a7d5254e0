/* SPDX-License-Identifier: BSD-3-Clause */
#include "nanworld.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct life life;
struct bad_steps bad;

static int is_bad(void)
{
    const int64_t step = hnas_search_get_steps(bad.search);

    return step >= bad.first && step <= bad.last;
}

static hnas_status on_forward(void *user, const hnas_array *out)
{
    (void)user;
    if (!bad.in_gradient && is_bad())
        *(float *)out->data = NAN;
    return HNAS_OK;
}

static hnas_status on_backward(void *user, const hnas_array *din)
{
    (void)user;
    if (bad.in_gradient && is_bad())
        *(float *)din->data = NAN;
    return HNAS_OK;
}

void nan_never_bad(void)
{
    bad.first = 0;
    bad.last = -1;
}

void nan_open(int32_t on_nan, int32_t order)
{
    hnas_search_opts o;

    hnas_search_opts_init(&o, sizeof o);
    o.relax = HNAS_RELAX_SOFTMAX; /* the host's operation in every pass */
    o.bilevel.order = order;
    o.bilevel.rate_steps = EPOCH;
    o.bilevel.total_steps = 60;
    o.bilevel.warmup = 0;
    o.on_nan = on_nan;
    host_op_hooks.forward = on_forward;
    host_op_hooks.backward = on_backward;
    nan_never_bad();
    host_op_open(&life, &o);
    bad.search = life.search;
}

/* ---- what a search holds: the tensors of its file ---- */

struct state state_of(const hnas_search *search)
{
    const char *path = fault_path("state");
    struct state s;
    uint64_t header;
    FILE *f;

    ck_assert_msg(hnas_search_save(search, path, NULL) == HNAS_OK, "%s",
                  hnas_context_message(life.ctx));
    f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    s.n = (size_t)ftell(f);
    s.bytes = malloc(s.n + 1);
    ck_assert_ptr_nonnull(s.bytes);
    rewind(f);
    ck_assert_uint_eq(fread(s.bytes, 1, s.n, f), s.n);
    fclose(f);
    s.bytes[s.n] = 0;
    memcpy(&header, s.bytes, sizeof header);
    s.n_tensors = s.n - sizeof header - (size_t)header;
    return s;
}

/* A number of the settings, which are text within the header. */
static long long count_in(const struct state *s, const char *name)
{
    char key[64];
    const char *at;

    snprintf(key, sizeof key, "\\\"%s\\\": ", name);
    at = strstr(s->bytes + 8, key);
    ck_assert_msg(at != NULL, "%s", name);
    return strtoll(at + strlen(key), NULL, 10);
}

int is_same(const struct state *a, const struct state *b)
{
    const size_t n = a->n_tensors < b->n_tensors ? a->n_tensors : b->n_tensors;

    return n && count_in(a, "w_steps") == count_in(b, "w_steps") &&
           count_in(a, "u_steps") == count_in(b, "u_steps") &&
           !memcmp(a->bytes + a->n - a->n_tensors,
                   b->bytes + b->n - b->n_tensors, n);
}

hnas_status nan_step(hnas_search *search, hnas_step_info *info)
{
    return hnas_search_step(search, &life.batch, &life.batch, NULL, 0, info);
}

void expect_counts(const hnas_search *search, int64_t skipped,
                   int64_t rolled_back)
{
    int64_t a, b;

    hnas_search_get_nan_steps(&a, &b, search);
    ck_assert_int_eq(a, skipped);
    ck_assert_int_eq(b, rolled_back);
    hnas_search_get_nan_steps(NULL, NULL, search);
}

void nan_teardown(void)
{
    memset(&host_op_hooks, 0, sizeof host_op_hooks);
    memset(&bad, 0, sizeof bad);
    if (life.ctx)
        life_close(&life);
    fault_clean();
}
