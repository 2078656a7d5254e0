/* SPDX-License-Identifier: BSD-3-Clause */
/* What changes where along s: every edge's best operation, and where edges of
 * a node compete, which of two is ahead.  The path is what remains of these
 * events once they are sorted. */
#ifndef HN_ARCH_RACE_H
#define HN_ARCH_RACE_H

#include "arch/arch.h"
#include "arch/envelope.h"

/* An edge's best operation, -1: it has none, and how many edges of its node
 * are ahead of it; a threshold that it does not reach counts as many. */
struct hn_edge_state {
    int32_t op, beaten;
};

/* At s an edge's operation becomes op, or its `beaten` moves by step (0: the
 * operation changes). */
struct hn_event {
    double s, lambda;
    int32_t kind, edge, op, step;
    int32_t order; /* among events at one place */
};

struct hn_race {
    const struct hn_space *space;
    const struct hnas_hyper *hyper;
    const struct hn_arch_rule *rule;
    struct hn_dd level;                        /* logit of theta */
    hnas_status status;                        /* the first failure stays */
    struct hn_edge_state *start[HNAS_N_KINDS]; /* [E] at the lower end */
    struct hn_event *event;                    /* [n] of [capacity] */
    int32_t n, capacity;

    /* the kind and the segment in work, [begin, end) of s */
    int32_t kind;
    double begin, end;
    struct hn_hyper_segment segment;
    int32_t *current;  /* [E] operations, -2: none yet */
    int32_t *ahead;    /* [E * E] a < b: which is ahead; a = b: whether the
                          threshold is; -1: none yet */
    int32_t *n_best;   /* [E] pieces of the envelope of each edge */
    int32_t *best;     /* [E * O] their operations */
    double *from;      /* [E * O] their starts */
    double *room;      /* [8 * O + 4] for two edges */
    int32_t *room_ops; /* [2 * O + 1] */
    double *last;      /* [E] lambda of each edge's last event */
};

/* Gather the events of the stored range.  After failure too it is finished. */
hnas_status hn_race_run(struct hn_race *race, const struct hn_space *space,
                        const struct hnas_hyper *hyper,
                        const struct hn_arch_rule *rule, double theta);
void hn_race_finish(struct hn_race *race);

/* Say that from s on edge a (first != 0) or b of a node is ahead of the other;
 * with a = b, that the edge (first != 0) or the threshold is. */
void hn_race_lead(struct hn_race *race, double s, int32_t a, int32_t b,
                  int first);

/* A rule's compete: by the best operation's alpha, and by its softmax. */
void hn_compete_raw(struct hn_race *race, int32_t a, int32_t b);
void hn_compete_softmax(struct hn_race *race, int32_t a, int32_t b);

#endif
