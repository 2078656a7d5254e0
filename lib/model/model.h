/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 9.  The discrete network: a network whose edges carry one operation
 * each. */
#ifndef HN_MODEL_MODEL_H
#define HN_MODEL_MODEL_H

#include "hnas/model.h"
#include "net/network.h"
#include "optim/optim.h"

/* The second head, which helps gradients through a deep network: ReLU, k x k
 * average to 2 x 2, 1x1 convolution to 128, 2x2 convolution to 768, linear. */
struct hn_auxiliary {
    struct hnas_op_builder parts;
    int64_t window, stride;
    hnas_tensor *average; /* [C, 1, k, k] constant */
    hnas_tensor *conv[2];
    hnas_norm *bn[2];
    hnas_tensor *weight, *bias;
};

/* What only training has. */
struct hn_training {
    hnas_train_opts opts;
    hnas_optim *sgd;
    int64_t step;
    hnas_tensor **average; /* [sgd->n] moving, or NULL */
    int32_t is_swapped;    /* the weights are the averages */
};

/* The listed edges of a kind, none and dead ones too. */
struct hn_model_kind {
    int32_t n_edges;      /* -1: the architecture has no such cell */
    hnas_arch_edge *edge; /* names are those of the registry; op is unset */
};

struct hnas_model {
    struct hnas_context *ctx;
    hnas_model_opts opts;
    struct hn_model_kind kind[HNAS_N_KINDS];
    int32_t rule;  /* HNAS_RULE_ that the edges came from */
    uint64_t seed; /* of drop path */
    char *text;    /* the host's, from a file */
    struct hn_network net;
    struct hn_auxiliary aux;
    struct hnas_params params;       /* of net and auxiliary head */
    hnas_tensor *ones[HNAS_N_KINDS]; /* [E, 1]; NULL without edge */
    hnas_tensor **drop;              /* [cells] of [N, E, 1], or NULL */
    int64_t drop_images;             /* their N */
    hnas_cost total, fixed;
    hnas_tape *tape;
    struct hn_training *training; /* NULL: not begun */
    int32_t is_calibrated;        /* 0: the next calibration begins anew */
    int32_t runs;                 /* whether a call of it computes */
};

/* The listed edges of an architecture, borrowed. */
void hn_model_kinds(struct hn_model_kind kind[HNAS_N_KINDS],
                    const hnas_arch *arch);

/* Make a model of listed edges, ordered by target, then source. */
hnas_status hn_model_make(struct hnas_model **out, struct hnas_context *ctx,
                          const struct hn_model_kind kind[HNAS_N_KINDS],
                          const hnas_model_opts *opts);

/* auxiliary.c */
hnas_status hn_auxiliary_make(struct hnas_model *m);
void hn_auxiliary_finish(struct hn_auxiliary *aux);
hnas_status hn_auxiliary_apply(hnas_tensor **out, hnas_tape *tape,
                               const struct hn_auxiliary *aux, hnas_tensor *x);
void hn_auxiliary_clear_norms(const struct hn_auxiliary *aux);
hnas_status hn_auxiliary_check_norms(const struct hn_auxiliary *aux,
                                     double momentum, const char *who);
void hn_auxiliary_update_norms(const struct hn_auxiliary *aux, double momentum);

/* drop_path.c: draw gates of images first .. first + n_images - 1 of a step's
 * batch, into m->drop. */
hnas_status hn_model_draw_paths(struct hnas_model *m, int64_t n_images,
                                int64_t first, double chance, int64_t step);
void hn_model_forget_paths(struct hnas_model *m);

/* train.c */
void hn_training_destroy(struct hnas_model *m);
void hn_training_average_anew(struct hnas_model *m);

#endif
