/* SPDX-License-Identifier: BSD-3-Clause */
/* A tape whose batch is cut over ranks.  A stage sends two arrays: what its
 * joins need of the whole batch, in double, and its weights' gradients. */
#include <string.h>

#include "tape/image.h"

hnas_status hn_take_total(struct hn_node *node, int64_t count)
{
    node->total = hn_tape_take(node->tape, (size_t)count * sizeof *node->total);
    if (!node->total)
        return hn_fail_nomem(node->ctx, "a sum over ranks");
    node->n_total = count;
    return HNAS_OK;
}

hnas_status hn_tape_all_sum(struct hnas_tape *tape, double *data, int64_t n)
{
    return tape->n_ranks > 1
               ? hn_comm_sum(tape->ctx, data, n, HNAS_COMM_FLOAT64)
               : HNAS_OK;
}

hnas_status hn_tape_all_sum_real(struct hnas_tape *tape, real *data, int64_t n)
{
    return tape->n_ranks > 1 ? hn_comm_sum(tape->ctx, data, n, HN_COMM_REAL)
                             : HNAS_OK;
}

/* Copy totals into a list, or a list back into them; returns their number. */
static int64_t move_totals(struct hn_node *first, double *list, int back)
{
    int64_t n = 0;

    for (struct hn_node *node = first; node; node = node->next) {
        const size_t bytes = (size_t)node->n_total * sizeof *list;

        if (list && back && node->total)
            memcpy(node->total, list + n, bytes);
        else if (list && node->total)
            memcpy(list + n, node->total, bytes);
        n += node->n_total;
    }
    return n;
}

/* The same of partial sums, whose first part holds this rank's tree. */
static int64_t move_partials(struct hn_node *first, real *list, int back)
{
    int64_t n = 0;

    for (struct hn_node *node = first; node; node = node->next)
        for (int i = 0; i < MOST_PARTIALS; i++) {
            real *sums = node->partial[i].sums;
            const int64_t count =
                sums && !hn_is_late(node) ? node->partial[i].count : 0;
            const size_t bytes = (size_t)count * sizeof *list;

            if (list && back && count)
                memcpy(sums, list + n, bytes);
            else if (list && count)
                memcpy(list + n, sums, bytes);
            n += count;
        }
    return n;
}

static hnas_status sum_totals(struct hnas_tape *tape, struct hn_node *first)
{
    const int64_t n = move_totals(first, NULL, 0);
    const size_t bytes = (size_t)n * sizeof(double);
    double *list = n ? hn_arena_take(&tape->arena, bytes) : NULL;
    hnas_status st;

    if (!list)
        return n ? hn_fail_nomem(tape->ctx, "a sum over ranks") : HNAS_OK;
    move_totals(first, list, 0);
    st = hn_tape_all_sum(tape, list, n);
    move_totals(first, list, 1);
    hn_arena_give(&tape->arena, list, bytes);
    return st;
}

static hnas_status sum_partials(struct hnas_tape *tape, struct hn_node *first)
{
    const int64_t n = move_partials(first, NULL, 0);
    const size_t bytes = (size_t)n * sizeof(real);
    real *list = n ? hn_arena_take(&tape->arena, bytes) : NULL;
    hnas_status st;

    if (!list)
        return n ? hn_fail_nomem(tape->ctx, "a sum over ranks") : HNAS_OK;
    move_partials(first, list, 0);
    st = hn_tape_all_sum_real(tape, list, n);
    move_partials(first, list, 1);
    hn_arena_give(&tape->arena, list, bytes);
    return st;
}

hnas_status hn_sum_totals(struct hnas_tape *tape, struct hn_node *first,
                          int backward)
{
    hnas_status st = HNAS_OK;

    for (struct hn_node *node = first; node && st == HNAS_OK;
         node = node->next) {
        hnas_status (*total)(struct hn_node *) = node->rule->forward_total;

        if (backward)
            total = node->rule->backward_total;
        node->total = NULL;
        node->n_total = 0;
        if (total && (backward ? node->bjoin : node->fjoin))
            st = total(node);
    }
    if (st == HNAS_OK)
        st = sum_totals(tape, first);
    if (st == HNAS_OK && backward)
        st = sum_partials(tape, first);
    return st;
}

int32_t hn_share_ranks(const struct hnas_tensor *t)
{
    return t->record && t->record->is_share ? t->record->tape->n_ranks : 1;
}

hnas_status hn_check_ranks(const struct hn_node *node)
{
    if (node->rule->joins_ranks || hn_share_ranks(node->out) == 1)
        return HNAS_OK;
    for (int32_t i = 0; i < node->n_in; i++)
        if (node->want[i] && hn_share_ranks(node->in[i]) == 1)
            return hn_fail(node->ctx, HNAS_E_UNSUPPORTED,
                           "%s: the gradient of input %d sums over a batch "
                           "that is cut over %d ranks",
                           node->name, (int)i, (int)node->tape->n_ranks);
    return HNAS_OK;
}
