/* SPDX-License-Identifier: BSD-3-Clause */
#include "tensor/params.h"

#include <string.h>

#include "base/rng.h"

void hn_params_init(struct hnas_params *params, struct hnas_context *ctx)
{
    memset(params, 0, sizeof *params);
    params->ctx = ctx;
}

void hn_params_finish(struct hnas_params *params)
{
    for (int64_t i = 0; i < params->n; i++) {
        hn_free(&params->ctx->alloc, params->entry[i].name);
        hnas_tensor_unref(params->entry[i].tensor);
    }
    if (params->ctx) {
        hn_free(&params->ctx->alloc, params->entry);
        hn_free(&params->ctx->alloc, params->slot);
    }
    params->entry = NULL;
    params->slot = NULL;
    params->n = params->capacity = 0;
}

/* Where a name's entry is told, or would be: FNV-1a, then the next free one. */
static int64_t *find_slot(const struct hnas_params *params, const char *name)
{
    const uint64_t mask = (uint64_t)(2 * params->capacity - 1);
    uint64_t at = 14695981039346656037u;

    for (const char *p = name; *p; p++)
        at = (at ^ (unsigned char)*p) * 1099511628211u;
    for (at &= mask; params->slot[at]; at = (at + 1) & mask)
        if (!strcmp(params->entry[params->slot[at] - 1].name, name))
            break;
    return &params->slot[at];
}

/* Room for twice as many; the capacity is a power of two. */
static hnas_status grow(struct hnas_params *params)
{
    struct hn_allocator *a = &params->ctx->alloc;
    struct hnas_params more = *params;

    more.capacity = params->capacity ? 2 * params->capacity : 16;
    more.entry = hn_alloc_array(a, (size_t)more.capacity, sizeof *more.entry);
    more.slot = hn_alloc_array(a, 2 * (size_t)more.capacity, sizeof *more.slot);
    if (!more.entry || !more.slot) {
        hn_free(a, more.entry);
        hn_free(a, more.slot);
        return hn_fail_nomem(params->ctx, "list of parameters");
    }
    for (int64_t i = 0; i < params->n; i++) {
        more.entry[i] = params->entry[i];
        *find_slot(&more, more.entry[i].name) = i + 1;
    }
    hn_free(a, params->entry);
    hn_free(a, params->slot);
    *params = more;
    return HNAS_OK;
}

const struct hn_param *hn_params_find(const struct hnas_params *params,
                                      const char *name)
{
    const int64_t *slot = params->n ? find_slot(params, name) : NULL;

    return slot && *slot ? &params->entry[*slot - 1] : NULL;
}

hnas_status hn_params_add(struct hnas_params *params, const char *prefix,
                          const char *name, int32_t kind,
                          struct hnas_tensor *tensor)
{
    const size_t before = strlen(prefix), bytes = before + strlen(name) + 1;
    struct hn_param e = {.kind = kind};
    int64_t *slot;

    if (params->n == params->capacity) {
        hnas_status st = grow(params);

        if (st < 0)
            return st;
    }
    e.name = hn_alloc(&params->ctx->alloc, bytes);
    if (!e.name)
        return hn_fail_nomem(params->ctx, "name of a parameter");
    memcpy(e.name, prefix, before);
    memcpy(e.name + before, name, bytes - before);
    slot = find_slot(params, e.name);
    if (*slot) {
        hnas_status st = hn_fail(params->ctx, HNAS_E_NAME,
                                 "parameter %s: exists already", e.name);

        hn_free(&params->ctx->alloc, e.name);
        return st;
    }
    e.tensor = hnas_tensor_ref(tensor);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): room was made */
    params->entry[params->n] = e;
    *slot = ++params->n;
    return HNAS_OK;
}

hnas_status hn_params_add_all(struct hnas_params *params, const char *prefix,
                              const struct hnas_params *other)
{
    for (int64_t i = 0; i < other->n; i++) {
        hnas_status st =
            hn_params_add(params, prefix, other->entry[i].name,
                          other->entry[i].kind, other->entry[i].tensor);

        if (st < 0)
            return st;
    }
    return HNAS_OK;
}

int64_t hn_params_select(struct hnas_tensor **out,
                         const struct hnas_params *params, int32_t kind)
{
    int64_t n = 0;

    for (int64_t i = 0; i < params->n; i++)
        if (params->entry[i].kind == kind)
            out[n++] = params->entry[i].tensor;
    return n;
}

/* Element numbers follow the border's order, so that a start does not depend
 * on the internal layout. */
void hn_fill_uniform(struct hnas_tensor *t, double bound, uint64_t stream)
{
    const struct hn_rng rng = {t->ctx->seed, stream, HN_DRAW_WEIGHT, 0};
    const int64_t *d = t->dim, *s = t->stride;
    uint64_t i = 0;

    for (int64_t a = 0; a < d[0]; a++)
        for (int64_t b = 0; b < d[1]; b++)
            for (int64_t c = 0; c < d[2]; c++)
                for (int64_t e = 0; e < d[3]; e++)
                    hn_real(t)[a * s[0] + b * s[1] + c * s[2] + e * s[3]] =
                        (real)(bound * (2 * hn_random_uniform(&rng, i++) - 1));
}

int64_t hnas_params_get_count(const hnas_params *params)
{
    return params ? params->n : 0;
}

int64_t hnas_params_get_elements(const hnas_params *params, int32_t kind)
{
    int64_t n = 0;

    for (int64_t i = 0; params && i < params->n; i++)
        if (!kind || params->entry[i].kind == kind)
            n += hnas_tensor_get_count(params->entry[i].tensor);
    return n;
}

static const struct hn_param *entry_at(const hnas_params *params, int64_t index)
{
    if (!params || index < 0 || index >= params->n)
        return NULL;
    return &params->entry[index];
}

const char *hnas_params_get_name(const hnas_params *params, int64_t index)
{
    const struct hn_param *e = entry_at(params, index);

    return e ? e->name : NULL;
}

int32_t hnas_params_get_kind(const hnas_params *params, int64_t index)
{
    const struct hn_param *e = entry_at(params, index);

    return e ? e->kind : 0;
}

hnas_tensor *hnas_params_get_tensor(const hnas_params *params, int64_t index)
{
    const struct hn_param *e = entry_at(params, index);

    return e ? e->tensor : NULL;
}

hnas_status hnas_params_find(hnas_tensor **out, const hnas_params *params,
                             const char *name)
{
    const struct hn_param *e;

    if (out)
        *out = NULL;
    if (!out || !params || !name)
        return hn_fail_null(params ? params->ctx : NULL,
                            "params find: out or name");
    e = hn_params_find(params, name);
    if (!e)
        return hn_fail(params->ctx, HNAS_E_NAME, "parameter %.200s: unknown",
                       name);
    *out = e->tensor;
    return HNAS_OK;
}
