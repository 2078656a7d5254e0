/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/tensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

hnas_status hn_tensors_init(struct hn_tensors *l, struct hnas_context *ctx,
                            int64_t capacity)
{
    l->ctx = ctx;
    l->n = 0;
    l->capacity = capacity;
    l->item = hn_alloc_array(&ctx->alloc, (size_t)capacity, sizeof *l->item);
    return l->item ? HNAS_OK : hn_fail_nomem(ctx, "file");
}

void hn_tensors_finish(struct hn_tensors *l)
{
    if (l->ctx)
        hn_free(&l->ctx->alloc, l->item);
}

hnas_status hn_tensors_add(struct hn_tensors *l, const char *prefix,
                           const char *name, hnas_tensor *t, const real *data)
{
    struct hn_tensors_item *i = &l->item[l->n];

    if (l->n == l->capacity)
        return hn_fail(l->ctx, HNAS_E_LIMIT, "file: too many tensors");
    if (snprintf(i->name, sizeof i->name, "%s%s", prefix, name) >=
        (int)sizeof i->name)
        return hn_fail(l->ctx, HNAS_E_LIMIT, "file: %.40s…: name too long",
                       name);
    i->tensor = t;
    i->data = data;
    l->n++;
    return HNAS_OK;
}

hnas_status hn_tensors_add_states(struct hn_tensors *l, const char *group,
                                  const hnas_optim *optim,
                                  const hnas_params *params, int32_t kind)
{
    char prefix[HN_TENSORS_NAME_BYTES];
    hnas_status st = HNAS_OK;
    int64_t k = 0;

    for (int64_t i = 0; i < params->n; i++) {
        if (params->entry[i].kind != kind)
            continue;
        for (int32_t s = 0; s < hn_optim_get_state_count(optim); s++) {
            snprintf(prefix, sizeof prefix, "optim.%s.%s.", group,
                     hn_optim_get_state_name(optim, s));
            st = hn_tensors_add(l, prefix, params->entry[i].name,
                                hn_optim_get_state(optim, s, k), NULL);
            if (st < 0)
                return st;
        }
        k++;
    }
    return HNAS_OK;
}

/* Dense copies of all tensors, one block. */
static void copy_out(struct hn_st_entry *entry, real *block,
                     const struct hn_tensors *l)
{
    for (int64_t i = 0; i < l->n; i++) {
        const hnas_tensor *t = l->item[i].tensor;

        entry[i].name = l->item[i].name;
        entry[i].dtype = HN_REAL;
        entry[i].rank = t->rank;
        memcpy(entry[i].dims, t->dim, sizeof entry[i].dims);
        entry[i].data = block;
        hn_copy_out(block, HN_REAL,
                    l->item[i].data ? (const void *)l->item[i].data : t->data,
                    HN_REAL, t->dim, t->stride);
        block += hnas_tensor_get_count(t);
    }
}

/* What is not finite is neither saved nor loaded. */
static hnas_status check_finite(const struct hn_tensors *l, int64_t i,
                                const char *path, const real *value, int64_t n)
{
    for (int64_t k = 0; k < n; k++)
        if (!isfinite(value[k]))
            return hn_fail(l->ctx, HNAS_E_NAN,
                           "%.200s: array \"%.150s\" holds %g", path,
                           l->item[i].name, (double)value[k]);
    return HNAS_OK;
}

hnas_status hn_tensors_write(const struct hn_tensors *l, const char *path,
                             const struct hn_st_pair *pairs, int64_t n_pairs)
{
    struct hn_allocator *alloc = &l->ctx->alloc;
    struct hn_st_entry *entry =
        hn_alloc_array(alloc, (size_t)l->n, sizeof *entry);
    hnas_status st = HNAS_OK;
    size_t count = 0;
    real *block;

    for (int64_t i = 0; i < l->n; i++)
        count += (size_t)hnas_tensor_get_count(l->item[i].tensor);
    block = hn_alloc_array(alloc, count, sizeof *block);
    if (entry && block)
        copy_out(entry, block, l);
    else
        st = hn_fail_nomem(l->ctx, "file");
    for (int64_t i = 0; i < l->n && st == HNAS_OK; i++)
        st = check_finite(l, i, path, entry[i].data,
                          hnas_tensor_get_count(l->item[i].tensor));
    if (st == HNAS_OK)
        st = hn_st_write(l->ctx, path, entry, l->n, pairs, n_pairs);
    hn_free(alloc, entry);
    hn_free(alloc, block);
    return st;
}

/* Variances and Adam's mean squares go into a square root. */
static hnas_status check_squares(const struct hn_tensors *l, int64_t i,
                                 const char *path, const real *value, int64_t n)
{
    const char *name = l->item[i].name;

    if (!strstr(name, "running_var") &&
        strncmp(name, "optim.u.v.", strlen("optim.u.v.")) != 0)
        return HNAS_OK;
    for (int64_t k = 0; k < n; k++)
        if (value[k] < 0)
            return hn_fail(l->ctx, HNAS_E_FORMAT,
                           "%.200s: array \"%.150s\" holds %g, want >= 0", path,
                           name, (double)value[k]);
    return HNAS_OK;
}

hnas_status hn_tensors_load(const struct hn_tensors *l,
                            const struct hn_st_file *file)
{
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < l->n && st == HNAS_OK; i++) {
        hnas_tensor *t = l->item[i].tensor;

        st = hn_st_load(t, file, l->item[i].name);
        if (st == HNAS_OK)
            st = check_finite(l, i, hn_st_path(file), hn_real(t),
                              hn_tensor_extent(t));
        if (st == HNAS_OK)
            st = check_squares(l, i, hn_st_path(file), hn_real(t),
                               hn_tensor_extent(t));
    }
    return st;
}
