/* SPDX-License-Identifier: BSD-3-Clause */
/* A joined value has no pixels of its own: its channels lie in its node's
 * inputs, one part behind the other.  Who fills a padded image anyway fills it
 * from the parts, and leaves the gradient with them; for everybody else the
 * node becomes one that writes its output. */
#include "tape/image.h"

int hn_is_joined(const struct hnas_tensor *t)
{
    return t->record && t->record->joined;
}

int hn_can_join(const struct hnas_tape *tape, struct hnas_tensor *const *x,
                int32_t n)
{
    if (!tape || (tape->mode & HNAS_TAPE_PLAIN))
        return 0;
    for (int32_t i = 0; i < n; i++)
        if (x[i]->cp != x[i]->dim[1] || hn_is_half(x[i]) ||
            hn_is_joined(x[i]) || hn_is_passing(x[i]))
            return 0;
    return 1;
}

struct hnas_tensor *const *hn_parts(struct hnas_tensor *const *t, int32_t *n)
{
    const struct hn_record *r = (*t)->record;

    *n = r && r->joined ? r->node->n_in : 1;
    return r && r->joined ? r->node->in : t;
}

int hn_is_part(const struct hnas_tensor *x, struct hnas_tensor *t)
{
    int32_t n;
    struct hnas_tensor *const *part = hn_parts(&t, &n);

    for (int32_t i = 0; i < n; i++)
        if (part[i] == x)
            return 1;
    return 0;
}

hnas_status hn_unjoin(struct hnas_tensor *t)
{
    struct hn_record *r = t->record;
    const size_t bytes = (size_t)hn_tensor_extent(t) * sizeof(real);
    void *data =
        r->tape->late ? (void *)r->tape : hn_arena_take(&r->tape->arena, bytes);
    hnas_status st = HNAS_OK;

    if (!data)
        return hn_fail_nomem(t->ctx, "a value on the tape");
    t->data = data;
    r->data_bytes = bytes;
    r->joined = 0;
    hn_set_phases(r->node);
    if (r->node->done)
        st = hn_run_images(r->tape, &r->node, 1);
    if (st == HNAS_OK)
        return HNAS_OK;
    /* stopped halfway: joined it still tells the truth */
    hn_arena_give(&r->tape->arena, data, bytes);
    t->data = r->tape;
    r->data_bytes = 0;
    r->joined = 1;
    hn_set_phases(r->node);
    return st;
}
