/* SPDX-License-Identifier: BSD-3-Clause */
/* A passing value gets its memory when its stage begins, gives it back behind
 * its last reader, and is made again when the sweep comes to a node that reads
 * it.  That costs an image phase more, and saves the memory of what the sweep
 * needs late: tangents of convolutions, which would all be alive at once.
 *
 * What is made in a passing value's own memory (`over`: batch-norm's tangent)
 * comes and goes with it. */
#include "tape/image.h"

/* Whose memory a value lies in. */
static struct hnas_tensor *stored(struct hnas_tensor *t)
{
    while (t->record && t->record->source)
        t = t->record->source;
    return t;
}

static struct hn_record *passing(struct hnas_tensor *t)
{
    struct hn_record *r = stored(t)->record;

    return r && r->passes ? r : NULL;
}

int hn_is_passing(struct hnas_tensor *t)
{
    return passing(t) != NULL;
}

void hn_passing_read(struct hn_node *node)
{
    for (int32_t i = 0; i < node->n_in; i++) {
        struct hn_record *r = passing(node->in[i]);

        if (r && r->last_read < node->stage)
            r->last_read = node->stage;
    }
}

hnas_status hn_passing_take(struct hn_node *node)
{
    struct hnas_tensor *t = node->out, *root = stored(t);
    struct hn_record *r = passing(t);

    if (!r)
        return HNAS_OK;
    if (t == root) {
        t->data = hn_arena_take(&node->tape->arena, r->data_bytes);
        r->passed = 0;
    }
    t->data = root->data;
    return t->data ? HNAS_OK : hn_fail_nomem(node->ctx, node->rule->name);
}

/* Nobody but the record holds it or what lies over it. */
static int is_ours(const struct hnas_tensor *root)
{
    const struct hnas_tensor *over = root->record->over;

    return atomic_load(&root->refs) == 1 + (over != NULL) &&
           (!over || atomic_load(&over->refs) == 1);
}

static void drop(struct hnas_tensor *root)
{
    struct hn_record *r = root->record;

    if (r->passed || !is_ours(root))
        return;
    hn_arena_give(&r->tape->arena, root->data, r->data_bytes);
    root->data = NULL;
    r->passed = 1;
    if (r->over)
        r->over->data = NULL;
}

void hn_passing_drop(struct hn_node *node)
{
    for (int32_t i = 0; i < node->n_in; i++) {
        const struct hn_record *r = passing(node->in[i]);

        if (r && r->last_read == node->stage)
            drop(stored(node->in[i]));
    }
}

/* Whether no stage of the sweep from this one on reads it, nor gives it back:
 * what takes part gives its value back with its own gradient. */
static int is_left(const struct hn_record *r, int32_t stage)
{
    return r && !r->node->active && r->last_use < stage;
}

void hn_passing_leave(struct hn_node *node)
{
    for (int32_t i = 0; i < node->n_in; i++)
        if (is_left(passing(node->in[i]), node->bstage + 1))
            drop(stored(node->in[i]));
}

/* Ask for what a node reads; says whether anything was not asked for yet. */
static int ask(struct hn_node *node)
{
    int any = 0;

    for (int32_t i = 0; i < node->n_in; i++) {
        struct hn_record *r = passing(node->in[i]);

        if (!r || !r->passed || r->asked)
            continue;
        r->asked = any = 1;
    }
    return any;
}

static int is_asked(const struct hn_node *node)
{
    const struct hn_record *r = passing(node->out);

    return r && r->asked;
}

/* All that is asked for, in the order of the record, for a stage.  What they
 * read is there: image phases of the sweep run in the record's order reversed,
 * so nothing before them has been given back. */
static hnas_status make_again(struct hnas_tape *tape, struct hn_node **list,
                              int32_t stage)
{
    int64_t n = 0;
    hnas_status st = HNAS_OK;

    for (int64_t i = tape->n_nodes - 1; i >= 0; i--)
        if (is_asked(tape->node[i]))
            (void)ask(tape->node[i]); /* of nodes before it */
    for (int64_t i = 0; i < tape->n_nodes && st == HNAS_OK; i++) {
        if (!is_asked(tape->node[i]))
            continue;
        st = hn_passing_take(tape->node[i]);
        if (tape->node[i]->fimage)
            list[n++] = tape->node[i];
    }
    for (int64_t i = 0; i < n; i++)
        stored(list[i]->out)->record->asked = 0;
    if (st == HNAS_OK)
        st = hn_run_images(tape, list, n);
    for (int64_t i = 0; i < n && st == HNAS_OK; i++)
        if (is_left(passing(list[i]->out), stage))
            drop(stored(list[i]->out)); /* only the others needed it */
    return st;
}

hnas_status hn_passing_again(struct hnas_tape *tape,
                             struct hn_node *const *node, int64_t n)
{
    const size_t bytes = (size_t)tape->n_nodes * sizeof(struct hn_node *);
    struct hn_node **list;
    int any = 0;
    hnas_status st;

    for (int64_t i = 0; i < n; i++)
        any |= ask(node[i]);
    if (!any)
        return HNAS_OK;
    list = hn_arena_take(&tape->arena, bytes);
    if (!list)
        return hn_fail_nomem(tape->ctx, "backward");
    st = make_again(tape, list, node[0]->bstage);
    hn_arena_give(&tape->arena, list, bytes);
    return st;
}
