/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file hnas.h
 * The whole library, and a tour of it.
 *
 *     hnas_context *ctx;       everything belongs to a context
 *     hnas_supernet *net;      cells whose edges mix candidate operations
 *     hnas_hyper *hyper;       lambda -> architecture parameters
 *     hnas_search *search;     trains both, a step a call
 *     hnas_arch *arch;         the discrete architecture at any lambda
 *     hnas_model *model;       its network, to train and to use
 *
 *     hnas_context_create(&ctx, NULL);
 *     hnas_supernet_create(&net, ctx, &net_opts);
 *     hnas_supernet_fit_hyper(net, &hyper_opts);
 *     hnas_hyper_create(&hyper, ctx, &hyper_opts);
 *     hnas_search_create(&search, net, hyper, &search_opts);
 *     while (more batches)
 *         hnas_search_step(search, &train, &valid, NULL, 0, &info);
 *     hnas_search_derive(&arch, search, 1e-2, HNAS_RULE_ARGMAX);
 *     hnas_model_create(&model, ctx, arch, &model_opts);
 *     hnas_model_train(model, &train_opts);
 *     while (more batches)
 *         hnas_model_step(model, &batch, &info);
 *
 * To predict with it: model.h; with all networks of a path in turn: set.h.
 *
 * Every call that can fail returns an hnas_status (status.h); the context
 * keeps one line about the last failure.
 */
#ifndef HNAS_HNAS_H
#define HNAS_HNAS_H

#include "arch.h"
#include "bilevel.h"
#include "comm.h"
#include "context.h"
#include "data.h"
#include "diagnose.h"
#include "formats.h"
#include "func.h"
#include "generated.h"
#include "hyper.h"
#include "io.h"
#include "kernels.h"
#include "model.h"
#include "net.h"
#include "norm.h"
#include "op.h"
#include "optim.h"
#include "path.h"
#include "search.h"
#include "set.h"
#include "status.h"
#include "tape.h"
#include "tensor.h"
#include "version.h"

#endif
