/* SPDX-License-Identifier: BSD-3-Clause */
/* What a stage moves: the bytes of the images that its nodes read and write,
 * each once, and the list of those it reads.  A stage goes through a batch
 * image by image, so the next one finds its images in memory, not in cache:
 * this is what a step can't do without.  Weights and sums, which stay in
 * cache, are not counted. */
#include "tape/image.h"

enum { VALUE, GRADIENT };

/* An image in this stage; is_read: it holds something from before. */
static void count(struct hnas_tape *tape, const struct hnas_tensor *t,
                  int is_gradient, int is_read)
{
    struct hn_record *r = t->record;
    const int64_t reals = hn_tensor_extent(t);

    if (t->layout != HN_IMAGE || !r || r->counted[is_gradient] == tape->stage)
        return;
    r->counted[is_gradient] = tape->stage;
    tape->ctx->moved_bytes +=
        reals *
        (int64_t)(r->half && !is_gradient ? sizeof(uint16_t) : sizeof(real));
    if (is_read && is_gradient)
        hn_reads_add(tape, t->grad, t->stride[0]);
    else if (is_read && t->data && !r->half)
        hn_reads_add(tape, hn_real(t), t->stride[0]);
}

static void count_value(struct hnas_tape *tape, struct hnas_tensor *t,
                        int is_read)
{
    int32_t n;
    struct hnas_tensor *const *part = hn_parts(&t, &n);

    for (int32_t i = 0; i < n; i++) {
        const struct hnas_tensor *p = part[i];

        while (p->record && p->record->source)
            p = p->record->source;
        count(tape, p, VALUE, is_read);
    }
}

/* Whether a gradient holds something when a stage begins. */
static int has_gradient(const struct hnas_tensor *t)
{
    const uint8_t *set = t->record ? t->record->grad_set : NULL;

    return t->grad && set && (set[0] & HN_GRAD_WRITTEN);
}

/* Where a pushed gradient goes. */
static void count_pushed(struct hnas_tape *tape, struct hnas_tensor *t)
{
    int32_t n;
    struct hnas_tensor *const *part = hn_parts(&t, &n);

    for (int32_t i = 0; i < n; i++)
        if (hn_wants(part[i]))
            count(tape, part[i], GRADIENT, has_gradient(part[i]));
}

/* What an output's gradient is collected from. */
static void count_gradient(struct hnas_tape *tape, const struct hnas_tensor *t)
{
    const struct hn_record *r = t->record;

    for (const struct hn_term *term = r->terms; term; term = term->next)
        count(tape, term->base, GRADIENT, has_gradient(term->base));
    if (t->grad)
        count(tape, t, GRADIENT, has_gradient(t));
}

static int skips(const struct hn_node *node, int32_t input)
{
    return node->rule->forward_skips && node->rule->forward_skips(node, input);
}

static void begin(struct hnas_tape *tape)
{
    tape->stage++;
    tape->n_reads = 0;
    tape->listed = HNAS_OK;
}

/* What stays in the cache from stage to stage need not be fetched. */
static hnas_status end(struct hnas_tape *tape, struct hn_node *const *node,
                       int64_t n)
{
    int64_t n_images = 0;

    for (int64_t i = 0; i < n; i++)
        if (node[i]->n_images > n_images)
            n_images = node[i]->n_images;
    hn_reads_close(tape, n_images);
    return tape->listed < 0 ? hn_fail_nomem(tape->ctx, "reads of a stage")
                            : HNAS_OK;
}

hnas_status hn_count_forward(struct hnas_tape *tape,
                             struct hn_node *const *node, int64_t n)
{
    begin(tape);
    for (int64_t i = 0; i < n; i++) {
        for (int32_t k = 0; k < node[i]->n_in; k++)
            if (!skips(node[i], k))
                count_value(tape, node[i]->in[k], 1);
        count_value(tape, node[i]->out, 0);
        node[i]->n_reads = tape->n_reads;
    }
    return end(tape, node, n);
}

hnas_status hn_count_backward(struct hnas_tape *tape,
                              struct hn_node *const *node, int64_t n)
{
    begin(tape);
    for (int64_t i = 0; i < n; i++) {
        const struct hn_record *out = node[i]->out->record;

        node[i]->n_reads = tape->n_reads;
        if (!node[i]->bimage)
            continue;
        count_gradient(tape, node[i]->out);
        if (out->norm) {
            count_gradient(tape, out->norm->v);
            count_value(tape, node[i]->out, 1);
        }
        for (int32_t k = 0; k < node[i]->n_in; k++) {
            if (!node[i]->want[k])
                continue;
            /* a rectifier's mask, and what gates are multiplied with */
            if (node[i]->manner[k] != HN_PUSH)
                count_value(tape, node[i]->in[k], 1);
            if (node[i]->manner[k] != HN_PULL)
                count_pushed(tape, node[i]->in[k]);
        }
        node[i]->n_reads = tape->n_reads;
    }
    return end(tape, node, n);
}
