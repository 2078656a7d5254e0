/* SPDX-License-Identifier: BSD-3-Clause */
/* hnas-export's own. */
#ifndef EXPORT_H
#define EXPORT_H

#include <hnas/hnas.h>

/* What the command line says; NULL: not given. */
struct export_job {
    const char *net, *search, *arch;                   /* where from */
    const char *onnx, *dot, *svg, *json, *text, *html; /* where to */
    double lambda, theta;
    int32_t rule;
    int64_t threads, seed;
    unsigned char *given;
};

/* Write the files that were asked for.  model NULL: there are no weights.  An
 * exit status. */
int export_write(const struct export_job *e, hnas_context *ctx,
                 const hnas_arch *arch, const hnas_model *model);

/* Write the explorer page of a search, with the log that lies beside it.  An
 * exit status. */
int export_page(const struct export_job *e, hnas_context *ctx,
                hnas_search *search, const hnas_path_opts *opts);

#endif
