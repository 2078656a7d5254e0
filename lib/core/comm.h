/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 2.  Sums over the ranks of a context. */
#ifndef HN_CORE_COMM_H
#define HN_CORE_COMM_H

#include "hnas/comm.h"

struct hnas_context;

/* A context's ranks: the host's table and room for what a peer sends. */
struct hn_comm {
    hnas_comm table;
    hnas_comm_traffic traffic;
    void *room;
    size_t room_bytes;
};

/* A sum under way. */
struct hn_comm_request {
    void *request;
    double began_s;
    int64_t n_bytes;
};

/* Ranks of a context, 1 without a table; and which of them this is. */
int32_t hn_comm_ranks(const struct hnas_context *ctx);
int32_t hn_comm_rank(const struct hnas_context *ctx);

/* data[n], of an HNAS_COMM_ type, becomes its sum over the ranks: in the fixed
 * order  ((r0 + r1) + (r2 + r3)) + ...  or in the transport's. */
hnas_status hn_comm_sum(struct hnas_context *ctx, void *data, int64_t n,
                        int32_t type);

/* Whether sums may be begun and waited for later; then begin one, its data
 * untouched until it has been waited for. */
int32_t hn_comm_overlaps(const struct hnas_context *ctx);
hnas_status hn_comm_start(struct hnas_context *ctx, void *data, int64_t n,
                          int32_t type, struct hn_comm_request *request);
hnas_status hn_comm_wait(struct hnas_context *ctx,
                         const struct hn_comm_request *request);

/* Whether any rank says yes. */
hnas_status hn_comm_any(struct hnas_context *ctx, int32_t *yes);

void hn_comm_close(struct hnas_context *ctx);

#endif
