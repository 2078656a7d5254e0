/* SPDX-License-Identifier: BSD-3-Clause */
/* What a stage moves: the bytes of the images that its nodes read and write,
 * each once.  A stage goes through a batch image by image, so the next one
 * finds its images in memory, not in cache: this is what a step can't do
 * without.  Weights and sums, which stay in cache, are not counted. */
#include "tape/image.h"

/* An image in this stage: a value, or its gradient. */
static void count(struct hnas_tape *tape, const struct hnas_tensor *t,
                  int is_gradient)
{
    struct hn_record *r = t->record;
    const int64_t reals = hn_tensor_extent(t);

    if (t->layout != HN_IMAGE || !r || r->counted[is_gradient] == tape->stage)
        return;
    r->counted[is_gradient] = tape->stage;
    tape->ctx->moved_bytes +=
        reals *
        (int64_t)(r->half && !is_gradient ? sizeof(uint16_t) : sizeof(real));
}

static void count_value(struct hnas_tape *tape, struct hnas_tensor *t)
{
    int32_t n;
    struct hnas_tensor *const *part = hn_parts(&t, &n);

    for (int32_t i = 0; i < n; i++) {
        const struct hnas_tensor *p = part[i];

        while (p->record && p->record->source)
            p = p->record->source;
        count(tape, p, 0);
    }
}

/* Where a pushed gradient goes. */
static void count_pushed(struct hnas_tape *tape, struct hnas_tensor *t)
{
    int32_t n;
    struct hnas_tensor *const *part = hn_parts(&t, &n);

    for (int32_t i = 0; i < n; i++)
        if (hn_wants(part[i]))
            count(tape, part[i], 1);
}

/* What an output's gradient is collected from. */
static void count_gradient(struct hnas_tape *tape, const struct hnas_tensor *t)
{
    const struct hn_record *r = t->record;

    for (const struct hn_term *term = r->terms; term; term = term->next)
        count(tape, term->base, 1);
    if (t->grad)
        count(tape, t, 1);
}

void hn_count_forward(struct hnas_tape *tape, struct hn_node *const *node,
                      int64_t n)
{
    tape->stage++;
    for (int64_t i = 0; i < n; i++) {
        for (int32_t k = 0; k < node[i]->n_in; k++)
            count_value(tape, node[i]->in[k]);
        count_value(tape, node[i]->out);
    }
}

void hn_count_backward(struct hnas_tape *tape, struct hn_node *const *node,
                       int64_t n)
{
    tape->stage++;
    for (int64_t i = 0; i < n; i++) {
        const struct hn_record *out = node[i]->out->record;

        if (!node[i]->bimage)
            continue;
        count_gradient(tape, node[i]->out);
        if (out->norm) {
            count_gradient(tape, out->norm->v);
            count_value(tape, node[i]->out);
        }
        for (int32_t k = 0; k < node[i]->n_in; k++) {
            if (!node[i]->want[k])
                continue;
            /* a rectifier's mask, and what gates are multiplied with */
            if (node[i]->manner[k] != HN_PUSH)
                count_value(tape, node[i]->in[k]);
            if (node[i]->manner[k] != HN_PULL)
                count_pushed(tape, node[i]->in[k]);
        }
    }
}
