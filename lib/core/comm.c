/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums over ranks by recursive doubling: after the round of distance d each
 * group of 2d ranks holds the sum of its two halves.  a + b and b + a are the
 * same bits, so all ranks agree, and the tree goes on where that of a rank's
 * chunks ends. */
#include "core/comm.h"

#include <string.h>

#include "base/clock.h"
#include "core/context.h"

enum { MOST_RANKS = 65536 };

int32_t hn_comm_ranks(const struct hnas_context *ctx)
{
    return ctx->comm ? ctx->comm->table.n_ranks : 1;
}

int32_t hn_comm_rank(const struct hnas_context *ctx)
{
    return ctx->comm ? ctx->comm->table.rank : 0;
}

static hnas_status check(struct hnas_context *ctx, const hnas_comm *c)
{
    if (c->order != HNAS_COMM_FIXED && c->order != HNAS_COMM_ANY)
        return hn_fail(ctx, HNAS_E_RANGE, "comm: order %d, want HNAS_COMM_",
                       (int)c->order);
    if (c->n_ranks < 1 || c->n_ranks > MOST_RANKS || c->rank < 0 ||
        c->rank >= c->n_ranks)
        return hn_fail(ctx, HNAS_E_RANGE,
                       "comm: rank %d of %d, want 0..n_ranks-1 of 1..%d",
                       (int)c->rank, (int)c->n_ranks, (int)MOST_RANKS);
    if (!c->exchange || !c->broadcast || !c->barrier || !c->abort ||
        !c->sum_start != !c->sum_wait)
        return hn_fail(ctx, HNAS_E_ARG,
                       "comm: exchange, broadcast, barrier and abort must be "
                       "set, sum_start with sum_wait");
    if (c->order == HNAS_COMM_ANY && !c->sum_start)
        return hn_fail(ctx, HNAS_E_ARG,
                       "comm: HNAS_COMM_ANY wants sum_start and sum_wait");
    return HNAS_OK;
}

void hn_comm_close(struct hnas_context *ctx)
{
    if (ctx->comm)
        hn_free(&ctx->alloc, ctx->comm->room);
    hn_free(&ctx->alloc, ctx->comm);
    ctx->comm = NULL;
}

hnas_status hnas_context_set_comm(hnas_context *ctx, const hnas_comm *comm)
{
    struct hn_comm *made;
    hnas_comm mine;
    hnas_status st;

    if (!ctx)
        return HNAS_E_ARG;
    if (!comm) {
        hn_comm_close(ctx);
        return HNAS_OK;
    }
    memset(&mine, 0, sizeof mine);
    if (hn_opts_merge(&mine, sizeof mine, comm) < 0)
        return hn_fail(ctx, HNAS_E_ARG, "comm: size is not set");
    st = check(ctx, &mine);
    if (st < 0)
        return st;
    made = hn_zalloc(&ctx->alloc, sizeof *made);
    if (!made)
        return hn_fail_nomem(ctx, "ranks");
    made->table = mine;
    hn_comm_close(ctx);
    ctx->comm = made;
    return HNAS_OK;
}

void hnas_context_get_traffic(const hnas_context *ctx,
                              hnas_comm_traffic *traffic)
{
    hnas_comm_traffic t;
    const size_t size = traffic->size;

    memset(&t, 0, sizeof t);
    if (ctx->comm)
        t = ctx->comm->traffic;
    t.size = size < sizeof t ? size : sizeof t;
    memcpy(traffic, &t, t.size);
}

static hnas_status failed(struct hnas_context *ctx, const char *what,
                          int64_t n_bytes)
{
    const hnas_comm *c = &ctx->comm->table;
    const char *why = c->message ? c->message(c->user) : NULL;

    return hn_fail(ctx, HNAS_E_COMM, "rank %d of %d: %s of %lld bytes: %s",
                   (int)c->rank, (int)c->n_ranks, what, (long long)n_bytes,
                   why ? why : "the transport failed");
}

static hnas_status make_room(struct hnas_context *ctx, size_t bytes)
{
    struct hn_comm *c = ctx->comm;

    if (bytes <= c->room_bytes)
        return HNAS_OK;
    hn_free(&ctx->alloc, c->room);
    c->room_bytes = 0;
    c->room = hn_alloc(&ctx->alloc, bytes);
    if (!c->room)
        return hn_fail_nomem(ctx, "a sum over ranks");
    c->room_bytes = bytes;
    return HNAS_OK;
}

static void add(void *data, const void *other, int64_t n, int32_t type)
{
    float *a = data;
    const float *b = other;
    double *c = data;
    const double *d = other;

    for (int64_t i = 0; type == HNAS_COMM_FLOAT32 && i < n; i++)
        a[i] += b[i];
    for (int64_t i = 0; type == HNAS_COMM_FLOAT64 && i < n; i++)
        c[i] += d[i];
}

/* One round: send and receive where the sizes are not 0. */
static hnas_status swap(struct hnas_context *ctx, const void *out,
                        size_t out_bytes, size_t in_bytes, int32_t peer)
{
    struct hn_comm *c = ctx->comm;

    c->traffic.n_messages += out_bytes != 0;
    c->traffic.n_bytes += (int64_t)out_bytes;
    return c->table.exchange(c->table.user, out, out_bytes, c->room, in_bytes,
                             peer)
               ? failed(ctx, "an exchange", (int64_t)(out_bytes + in_bytes))
               : HNAS_OK;
}

static hnas_status sum_doubling(struct hnas_context *ctx, void *data, int64_t n,
                                int32_t type, size_t bytes)
{
    const hnas_comm *c = &ctx->comm->table;
    hnas_status st = HNAS_OK;

    for (int32_t gap = 1; gap < c->n_ranks && st == HNAS_OK; gap *= 2) {
        st = swap(ctx, data, bytes, bytes, c->rank ^ gap);
        if (st == HNAS_OK)
            add(data, ctx->comm->room, n, type);
    }
    return st;
}

/* Any number of ranks: the same tree towards rank 0, which tells the rest. */
static hnas_status sum_tree(struct hnas_context *ctx, void *data, int64_t n,
                            int32_t type, size_t bytes)
{
    const hnas_comm *c = &ctx->comm->table;
    hnas_status st = HNAS_OK;

    for (int32_t gap = 1; gap < c->n_ranks && st == HNAS_OK; gap *= 2) {
        if (c->rank & gap) {
            st = swap(ctx, data, bytes, 0, c->rank - gap);
            break;
        }
        if (c->rank + gap >= c->n_ranks)
            continue;
        st = swap(ctx, NULL, 0, bytes, c->rank + gap);
        if (st == HNAS_OK)
            add(data, ctx->comm->room, n, type);
    }
    ctx->comm->traffic.n_messages += c->rank == 0;
    ctx->comm->traffic.n_bytes += c->rank == 0 ? (int64_t)bytes : 0;
    if (st == HNAS_OK && c->broadcast(c->user, data, bytes, 0))
        st = failed(ctx, "a broadcast", (int64_t)bytes);
    return st;
}

static size_t bytes_of(int64_t n, int32_t type)
{
    return (size_t)n *
           (type == HNAS_COMM_FLOAT32 ? sizeof(float) : sizeof(double));
}

int32_t hn_comm_overlaps(const struct hnas_context *ctx)
{
    return ctx->comm && ctx->comm->table.order == HNAS_COMM_ANY;
}

static hnas_status begin_sum(struct hnas_context *ctx, void *data, int64_t n,
                             int32_t type, void **request)
{
    const hnas_comm *c = &ctx->comm->table;
    const int64_t n_bytes = (int64_t)bytes_of(n, type);

    ctx->comm->traffic.n_messages++;
    ctx->comm->traffic.n_bytes += n_bytes;
    return c->sum_start(c->user, data, n, type, request)
               ? failed(ctx, "a sum", n_bytes)
               : HNAS_OK;
}

hnas_status hn_comm_start(struct hnas_context *ctx, void *data, int64_t n,
                          int32_t type, struct hn_comm_request *request)
{
    const double began_s = hn_now_s();
    hnas_status st = begin_sum(ctx, data, n, type, &request->request);

    request->began_s = hn_now_s();
    request->n_bytes = (int64_t)bytes_of(n, type);
    ctx->comm->traffic.n_sums++;
    ctx->comm->traffic.seconds += request->began_s - began_s;
    return st;
}

hnas_status hn_comm_wait(struct hnas_context *ctx,
                         const struct hn_comm_request *request)
{
    const hnas_comm *c = &ctx->comm->table;
    const double began_s = hn_now_s();
    const int32_t rc = c->sum_wait(c->user, request->request);

    ctx->comm->traffic.overlap_seconds += began_s - request->began_s;
    ctx->comm->traffic.seconds += hn_now_s() - began_s;
    return rc ? failed(ctx, "a sum", request->n_bytes) : HNAS_OK;
}

static hnas_status sum_any(struct hnas_context *ctx, void *data, int64_t n,
                           int32_t type)
{
    const hnas_comm *c = &ctx->comm->table;
    void *request = NULL;
    hnas_status st = begin_sum(ctx, data, n, type, &request);

    if (st == HNAS_OK && c->sum_wait(c->user, request))
        st = failed(ctx, "a sum", (int64_t)bytes_of(n, type));
    return st;
}

hnas_status hn_comm_sum(struct hnas_context *ctx, void *data, int64_t n,
                        int32_t type)
{
    const int32_t n_ranks = hn_comm_ranks(ctx);
    const size_t bytes = bytes_of(n, type);
    double began_s;
    hnas_status st;

    if (n_ranks == 1 || n == 0)
        return HNAS_OK;
    began_s = hn_now_s();
    ctx->comm->traffic.n_sums++;
    st = make_room(ctx, bytes);
    if (st == HNAS_OK && ctx->comm->table.order == HNAS_COMM_ANY)
        st = sum_any(ctx, data, n, type);
    else if (st == HNAS_OK && (n_ranks & (n_ranks - 1)) == 0)
        st = sum_doubling(ctx, data, n, type, bytes);
    else if (st == HNAS_OK)
        st = sum_tree(ctx, data, n, type, bytes);
    ctx->comm->traffic.seconds += hn_now_s() - began_s;
    return st;
}

hnas_status hn_comm_any(struct hnas_context *ctx, int32_t *yes)
{
    double count = *yes != 0;
    hnas_status st = hn_comm_sum(ctx, &count, 1, HNAS_COMM_FLOAT64);

    *yes = count > 0;
    return st;
}
