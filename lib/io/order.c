/* SPDX-License-Identifier: BSD-3-Clause */
/* A short range is shuffled in a list (Fisher and Yates).  A long one keeps
 * none, so that memory does not grow with it: a position's image is that
 * position enciphered by a Feistel network of four rounds (Luby and Rackoff
 * 1988) on the next even number of bits, again until it lies in the range
 * (Black and Rogaway 2002); a bijection either way. */
#include "io/order.h"

#include "base/rng.h"

/* Part of the results: never change. */
enum { SHORT_COUNT = 1 << 16, N_ROUNDS = 4 };

hnas_status hn_order_init(struct hn_order *order, struct hnas_context *ctx,
                          int64_t count, int32_t shuffle, uint64_t stream)
{
    order->ctx = ctx;
    order->count = count;
    order->shuffle = shuffle;
    order->stream = (uint32_t)stream;
    order->epoch = -1;
    order->list = NULL;
    order->bits = 1;
    while (order->bits < 31 && INT64_C(1) << 2 * order->bits < count)
        order->bits++;
    if (!shuffle || count > SHORT_COUNT)
        return HNAS_OK;
    order->list =
        hn_alloc_array(&ctx->alloc, (size_t)count, sizeof *order->list);
    return order->list ? HNAS_OK : hn_fail_nomem(ctx, "order of images");
}

void hn_order_finish(struct hn_order *order)
{
    if (order->list)
        hn_free(&order->ctx->alloc, order->list);
    order->list = NULL;
}

/* Fisher-Yates; the draw at position i is uniform in 0..i. */
void hn_order_set(struct hn_order *order, int64_t epoch)
{
    struct hn_order *o = order;
    const struct hn_rng rng = {o->ctx->seed, (uint64_t)epoch, HN_DRAW_SHUFFLE,
                               o->stream};

    if (o->epoch == epoch)
        return;
    o->epoch = epoch;
    if (!o->list)
        return;
    for (int64_t i = 0; i < o->count; i++)
        o->list[i] = (uint32_t)i;
    for (int64_t i = o->count - 1; i > 0; i--) {
        const double u = hn_random_uniform(&rng, (uint64_t)i);
        const int64_t j = (int64_t)(u * (double)(i + 1));
        const uint32_t swapped = o->list[i];

        o->list[i] = o->list[j];
        o->list[j] = swapped;
    }
}

/* A bijection of the numbers of 2 * bits bits. */
static uint64_t encipher(const struct hn_order *o, uint64_t x)
{
    const uint64_t mask = (UINT64_C(1) << o->bits) - 1;
    const struct hn_rng rng = {o->ctx->seed, (uint64_t)o->epoch,
                               HN_DRAW_SHUFFLE, o->stream};
    uint64_t left = x >> o->bits, right = x & mask;

    for (uint64_t round = 0; round < N_ROUNDS; round++) {
        const uint64_t drawn =
            hn_random_bits(&rng, round << o->bits | right) & mask;
        const uint64_t swapped = left ^ drawn;

        left = right;
        right = swapped;
    }
    return left << o->bits | right;
}

int64_t hn_order_get(const struct hn_order *order, int64_t position)
{
    uint64_t x = (uint64_t)position;

    if (!order->shuffle)
        return position;
    if (order->list)
        return order->list[position];
    do
        x = encipher(order, x);
    while (x >= (uint64_t)order->count);
    return (int64_t)x;
}
