/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 4.  The append-only record and the machine that runs it.
 *
 * A func appends a node.  A node works on one image at a time (the image
 * phase, on any worker) and, where it needs the whole batch, once more after
 * all images (the join, on the calling thread).  Nodes are grouped into
 * stages: all image phases of a stage run image by image, node by node, so
 * that an image stays in cache; then the stage's joins run in order.  Forward,
 * stages follow from who reads what; backward, from who waits for whose
 * gradient.  Results depend on the record only, never on threads: each image
 * is computed whole by one worker, and sums over images are joined by a fixed
 * binary tree of chunks.
 *
 * Three things are lazy, and make batch-norm, mixing and concatenation cheap:
 *
 *   a value may be pending:     v = scale[c] * source + shift[c]
 *   a value may be joined:      its channels lie in other values
 *   a gradient may be pending:  dv[n] = sum_t gate_t[n] * dy_t[n]   (terms)
 *                               dz = scale * dv + b * z + k         (norm)
 *
 * Readers apply them on the fly (image.h); others ask for a dense copy. */
#ifndef HN_TAPE_TAPE_H
#define HN_TAPE_TAPE_H

#include "base/arena.h"
#include "hnas/tape.h"
#include "tensor/tensor.h"

struct hn_node;
struct hn_worker;

/* How the gradient of an input travels. */
enum hn_manner {
    HN_PUSH = 0, /* added to the input's dense gradient */
    HN_RELU = 1, /* likewise, through the worker's rectifier accumulator */
    HN_PULL = 2  /* left as terms; the input's producer collects them */
};

struct hn_rule {
    const char *name;
    void (*forward_image)(const struct hn_node *node, int64_t image,
                          struct hn_worker *worker);
    hnas_status (*forward_join)(struct hn_node *node);
    /* Whether the image phase leaves an input alone, known when it begins;
     * NULL: it reads all. */
    int (*forward_skips)(const struct hn_node *node, int32_t input);
    /* On a tape of several ranks, before the joins of a stage: this rank's
     * part of the sums over the batch, which the joins read as node->total.
     * Either NULL: none. */
    hnas_status (*forward_total)(struct hn_node *node);
    hnas_status (*backward_total)(struct hn_node *node);
    /* Decide whether the image phase is needed; sets node->bimage. */
    void (*backward_plan)(struct hn_node *node);
    /* Take the memory of the backward; called once before its stage. */
    hnas_status (*backward_begin)(struct hn_node *node);
    /* Fill what the image phase reads; may run beside other nodes'. */
    void (*backward_prepare)(const struct hn_node *node);
    void (*backward_image)(const struct hn_node *node, int64_t image,
                           struct hn_worker *worker);
    /* Sum partial results; may run beside other nodes' reductions. */
    void (*backward_reduce)(const struct hn_node *node);
    hnas_status (*backward_join)(struct hn_node *node);
    /* Record how the output moves while inputs move by their tangents (NULL:
     * they don't); *out NULL: not at all.  NULL: the func can't tell. */
    hnas_status (*tangent)(struct hnas_tensor **out, struct hn_node *node);
    /* Gradients of inputs without a row an image are summed over ranks. */
    int32_t joins_ranks;
    size_t guard_bytes; /* room behind the output's memory */
    int32_t narrows; /* forward_image can leave its result in half precision */
    int32_t passes;  /* the output is not kept for the sweep (passing.c) */
    int32_t calls_host; /* its joins belong on the thread of the call */
};

/* Scratch that a node needs of a worker, in reals. */
struct hn_need {
    int64_t relu;   /* padded, rectified input */
    int64_t plain;  /* padded input, border 0 */
    int64_t low;    /* padded input, border -HN_REAL_MAX */
    int64_t dz;     /* padded gradient of an output */
    int64_t acc;    /* dense gradient behind a rectifier */
    int64_t masked; /* padded tangent of a rectified input */
    int64_t wide;   /* images in half precision, widened: MOST_WIDE of them */
    int64_t result; /* an image before it is narrowed */
    int64_t dz2;    /* a second padded gradient */
    int64_t tangent_acc; /* gradient of a tangent behind a rectifier */
    int64_t rows;        /* each of two row buffers */
    int64_t image;       /* each of two dense images */
    int64_t vec;         /* channel vectors and pointers */
};

enum { MOST_PARTIALS = 2 };

/* The type of a real in sums over ranks. */
enum {
    HN_COMM_REAL =
        sizeof(real) == sizeof(double) ? HNAS_COMM_FLOAT64 : HNAS_COMM_FLOAT32
};

struct hn_node {
    const struct hn_rule *rule;
    struct hnas_tape *tape;
    struct hnas_context *ctx;
    struct hnas_tensor **in;
    struct hnas_tensor *out;
    void *aux;        /* the func's own, from the arena */
    const char *name; /* for messages: the rule's, or the host func's */
    uint8_t *want, *manner;
    int32_t n_in;
    int32_t stage, bstage;
    int32_t group;    /* see hn_group_begin; 0: none */
    int64_t n_images; /* 0: no image phase */
    int64_t n_reads;  /* of the stage that runs: its own and those before */
    struct hn_need need;
    struct { /* hn_take_partials */
        real *sums;
        int64_t count;
    } partial[MOST_PARTIALS];
    double *total; /* [n_total] over all ranks, while joins run; or NULL */
    int64_t n_total;
    uint8_t fimage, fjoin, fdelay; /* delay: readers wait for the join */
    uint8_t bimage, bjoin, bdelay;
    uint8_t active, done;
    uint8_t marked;       /* while a tangent is recorded: it takes part */
    struct hn_node *next; /* of the same stage, while one runs */
    struct hn_node *late; /* of the same bucket (buckets.c) */
};

/* The nodes of a stage, in the order they run. */
struct hn_stage {
    struct hn_node *first, *last;
};
void hn_stage_append(struct hn_stage *stage, struct hn_node *node);

/* gradient += gate[n * gate_step] * base's dense gradient. */
struct hn_term {
    struct hnas_tensor *base;
    const real *gate;
    int64_t gate_step;
    struct hn_term *next;
};

/* The pending gradient of a batch-norm's input z, whose result is v. */
struct hn_norm_grad {
    struct hnas_tensor *v;
    const real *scale, *b, *k; /* [cp] */
    struct hnas_tensor *z;     /* that b multiplies; NULL: the input */
};

/* What an image's gradient holds: something, and its terms and norm. */
enum { HN_GRAD_WRITTEN = 1, HN_GRAD_FOLDED = 2 };

struct hn_record {
    struct hnas_tape *tape;
    struct hn_node *node;
    size_t data_bytes; /* of data taken from the arena, 0: borrowed */

    struct hnas_tensor *source; /* a pending value's; holds a reference */
    const real *scale, *shift;  /* NULL: not pending */
    real *sums;                 /* [N][2][cp] moments of the value, or NULL */
    int32_t ready_image, ready_join;

    int32_t active, n_push, n_relu, n_pull; /* who sends gradients */
    int32_t gready_image, gready_join;
    uint8_t *grad_set; /* [N] of HN_GRAD_ bits */
    struct hn_term *terms, **last_term;
    struct hn_norm_grad *norm;
    real *grad_sums;    /* [N][2][cp] sum g, sum g z of a pending value */
    double *s1, *s2;    /* [cp] the same over the batch, from mixes */
    int32_t last_use;   /* the last stage whose nodes read the value */
    int32_t pins;       /* terms that still need this gradient */
    int64_t born, dies; /* first and last node that touch it (layout.c) */
    size_t offset;      /* where its memory lies then */
    uint8_t finished;   /* the producer's backward is done */
    uint8_t held;       /* nodes that are no readers need it in the sweep */
    uint8_t half;       /* data are binary16, see hn_read_image */
    uint8_t joined;     /* no pixels: they lie in the node's inputs */
    int32_t n_readers;
    uint8_t is_share;  /* a row an image of this rank's share */
    uint8_t normed;    /* a batch-norm reads it */
    uint8_t is_moved;  /* it has a tangent, which reads it soon */
    int32_t n_uses;    /* nodes that read it when its tangent was recorded */
    uint8_t passes;    /* see passing.c: it may be dropped, */
    uint8_t passed;    /* it was, */
    uint8_t asked;     /* it is to be made again */
    int32_t last_read; /* the last stage of the run that reads it */
    struct hnas_tensor *over; /* what lies in its memory, or NULL */
    int64_t counted[2];       /* the last stage that moved it, its gradient */
};

/* Images of a batch that a stage reads from memory: the first one, the reals
 * of one, and those of one of each read up to this one. */
struct hn_read {
    const real *at;
    int64_t n_reals, end;
};

struct hnas_tape {
    struct hnas_context *ctx;
    struct hn_arena arena;
    int32_t mode, n_ranks; /* n_ranks > 1: values are shares, see ranks.c */
    int32_t deferred, swept;
    int32_t held;            /* the host's code records on it now */
    int32_t late;            /* outputs get their memory from hn_tape_place */
    int32_t group, n_groups; /* the open one, or 0 */
    struct hn_node **node;
    int64_t n_nodes, capacity, n_run; /* n_run: nodes already computed */
    struct hn_need need;  /* the largest so far: the layout of scratch */
    int64_t stage;        /* stages run, from 1 */
    struct hn_read *read; /* what the nodes of a stage read, in their order */
    int64_t n_reads, read_capacity;
    hnas_status listed;
    /* Sums of weights' gradients under way, and nodes that wait for one. */
    struct hn_bucket *open;
    int32_t n_open;
    struct hn_node *waiting, *last_waiting;
    int64_t n_waiting; /* reals */
};

/* ---- recording (tape.c) ---- */

/* What a func asks for. */
struct hn_make {
    const struct hn_rule *rule;
    struct hnas_tensor *const *in;
    int32_t n_in;
    size_t aux_bytes;
    enum hn_layout layout; /* of the output */
    int32_t rank;
    const int64_t *dims;
    struct hnas_tensor *pending; /* output borrows this one's memory */
    int64_t n_images;
    int32_t joins;       /* the output is joined */
    int32_t reads_parts; /* inputs may be joined: they are only read through
                          * hn_read_relu, hn_read_masked or hn_parts */
};

/* Append a node with its output; want and manner are filled from the inputs
 * (a func may still change them), phases from the rule.  tape NULL: the
 * context's own, see hn_finish, which also gives the caller its reference to
 * (*node)->out. */
hnas_status hn_append(struct hn_node **node, struct hnas_tape *tape,
                      const struct hn_make *make);

/* Phases from the rule; a joined value's node has none over images. */
void hn_set_phases(struct hn_node *node);

/* Whether gradients are wanted of a tensor. */
int hn_wants(const struct hnas_tensor *t);

/* End a func: compute at once unless deferred.  On failure the node is taken
 * back.  Moves the output's reference to *out. */
hnas_status hn_finish(struct hnas_tensor **out, struct hn_node *node);

/* Take back a node, the last one, that could not be completed; returns the
 * status. */
hnas_status hn_abandon(struct hn_node *node, hnas_status status);

/* What is recorded between these reads one value: the sweep lets all that
 * read it run in one stage (place_group in sweep.c), so that it is read, and
 * its gradient written, once an image. */
void hn_group_begin(struct hnas_tape *tape);
void hn_group_end(struct hnas_tape *tape);

/* Memory that lives until the reset; NULL without memory. */
void *hn_tape_take(struct hnas_tape *tape, size_t size_bytes);

/* A zeroed list for the time of one call: the tape's where there is one. */
void *hn_list_take(struct hnas_tape *tape, struct hnas_context *ctx,
                   size_t size_bytes);
void hn_list_give(struct hnas_tape *tape, struct hnas_context *ctx, void *list,
                  size_t size_bytes);

/* A node's partial sums, `count` a chunk (at most MOST_PARTIALS times); the
 * sweep sets those of a chunk to 0 when it begins it.  NULL without memory. */
real *hn_take_partials(struct hn_node *node, int64_t count);

/* Add the first part (after hn_tree_sum) to the gradient of an input. */
hnas_status hn_add_partials(struct hn_node *node, int32_t input,
                            const real *part);

/* Refuse what would take the record away from the host's code that uses it. */
hnas_status hn_tape_expect_free(struct hnas_tape *tape, const char *call);

/* Compute all nodes that are not computed yet (run.c); the image phases of
 * some again or late, in one stage. */
hnas_status hn_tape_compute(struct hnas_tape *tape);
hnas_status hn_run_images(struct hnas_tape *tape, struct hn_node **node,
                          int64_t n);

/* ---- passing values (passing.c) ---- */

/* Whether a value is one. */
int hn_is_passing(struct hnas_tensor *t);

/* A node has its stage: note what it reads; its stage begins: memory for its
 * output; its stage has ended: drop what it was the last to read.  For nodes
 * of other values these do nothing. */
void hn_passing_read(struct hn_node *node);
hnas_status hn_passing_take(struct hn_node *node);
void hn_passing_drop(struct hn_node *node);

/* Make again what nodes of a stage of the sweep read; its stage has ended:
 * drop what a node has read and nobody else will give back. */
hnas_status hn_passing_again(struct hnas_tape *tape,
                             struct hn_node *const *node, int64_t n);
void hn_passing_leave(struct hn_node *node);

/* ---- what a stage reads (ahead.c) ---- */

/* Append to the list of the stage; tape->listed says whether there was memory.
 */
void hn_reads_add(struct hnas_tape *tape, const real *image, int64_t n_reals);

/* The list is whole; it is dropped if the cache holds so many images of it. */
void hn_reads_close(struct hnas_tape *tape, int64_t n_images);

/* ---- moved bytes (moved.c) ---- */

/* Add what a stage's nodes read and write to what the context has moved, and
 * list what they read from memory. */
hnas_status hn_count_forward(struct hnas_tape *tape,
                             struct hn_node *const *node, int64_t n);
hnas_status hn_count_backward(struct hnas_tape *tape,
                              struct hn_node *const *node, int64_t n);

/* ---- joined values (joined.c) ---- */

int hn_is_joined(const struct hnas_tensor *t);

/* Whether images can be the parts of one: whole vectors of channels. */
int hn_can_join(const struct hnas_tape *tape, struct hnas_tensor *const *x,
                int32_t n);

/* Where a value's channels lie, in order: its *n parts, or itself. */
struct hnas_tensor *const *hn_parts(struct hnas_tensor *const *t, int32_t *n);
int hn_is_part(const struct hnas_tensor *x, struct hnas_tensor *t);

/* Give a joined value pixels after all. */
hnas_status hn_unjoin(struct hnas_tensor *t);

/* ---- replay (layout.c): the same forward pass again and again ---- */

/* After a reset: what is recorded from now on is not computed, and gets its
 * memory last. */
void hn_tape_record_late(struct hnas_tape *tape);

/* Plan the memory of a record: bytes, a multiple of HN_ALIGN.  Values that are
 * never alive together share it; `kept` lives to the end. */
hnas_status hn_tape_lay_out(size_t *bytes, struct hnas_tape *tape,
                            const struct hnas_tensor *kept);

/* Put a planned record's values there, on a cache line. */
void hn_tape_place(struct hnas_tape *tape, void *memory);

/* Compute all nodes in record order on one worker's scratch, which
 * hn_workers_reserve has made for tape->need: no memory is taken.  Several
 * tapes of a context may do so at once on different workers. */
hnas_status hn_tape_replay(struct hnas_tape *tape, int32_t worker);

/* Whether a node calls the host's code, which has one thread. */
int hn_tape_calls_host(const struct hnas_tape *tape);

/* ---- chunks of images ---- */

/* Images in a chunk and chunks in a tape's share of a batch: functions of the
 * batch of all ranks only. */
int64_t hn_chunk_images(const struct hnas_tape *tape, int64_t n_images);
int64_t hn_chunk_count(const struct hnas_tape *tape, int64_t n_images);

/* Images that one task of a stage without sums of chunks takes: a chunk, fewer
 * where there are more threads than chunks. */
int64_t hn_task_images(const struct hnas_tape *tape, int64_t n_images);

/* part[i] = sum over parts of part[p * step + i] by a balanced tree; the other
 * parts are overwritten. */
void hn_tree_sum(real *part, int64_t n_parts, int64_t step, int64_t count);
/* The same sums into dst, in double; the parts stay. */
void hn_tree_double(double *dst, const real *part, int64_t n_parts,
                    int64_t step, int64_t count);

/* ---- sums over ranks (ranks.c); without ranks they do nothing ---- */

/* Room for a node's total, zeroed. */
hnas_status hn_take_total(struct hn_node *node, int64_t count);

/* Sum the totals, and backward the chunks' partial sums too, of a stage's
 * nodes over the ranks. */
hnas_status hn_sum_totals(struct hnas_tape *tape, struct hn_node *first,
                          int backward);

/* Whether a node's join may wait for the end of the sweep (buckets.c); leave
 * it to that; and end them all, waiting only where the sweep has failed. */
int hn_is_late(const struct hn_node *node);
hnas_status hn_join_late(struct hn_node *node);
hnas_status hn_end_late(struct hnas_tape *tape, hnas_status st);

/* Sum an array over a tape's ranks. */
hnas_status hn_tape_all_sum(struct hnas_tape *tape, double *data, int64_t n);
hnas_status hn_tape_all_sum_real(struct hnas_tape *tape, real *data, int64_t n);

/* Ranks among which the rows of a value are shared, 1 where they are not. */
int32_t hn_share_ranks(const struct hnas_tensor *t);

/* Refuse a sweep through a func that can't join ranks. */
hnas_status hn_check_ranks(const struct hn_node *node);

/* ---- gradients of whole tensors ---- */

/* The dense gradient of an input to add to, zero at first; NULL without
 * memory. */
real *hn_grad_whole(struct hnas_tensor *t);

/* The complete gradient of a node's output, for a join to read. */
const real *hn_out_grad(struct hn_node *node);

#endif
