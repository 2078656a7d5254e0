/* SPDX-License-Identifier: BSD-3-Clause */
/* How right a classifier is. */
#ifndef METRICS_H
#define METRICS_H

#include <stdint.h>

/* Counts [true * classes + predicted]. */
struct confusion {
    int64_t classes;
    int64_t *count;
};

/* 0, or -1 without memory. */
int confusion_init(struct confusion *c, int64_t classes);
void confusion_finish(struct confusion *c);
void confusion_clear(struct confusion *c);

/* Count n images: logits [n, classes], the first of equal ones wins. */
void confusion_add(struct confusion *c, const float *logits,
                   const int32_t *labels, int64_t n);

/* Share of right answers; mean over classes of TP / (TP + FP), 0 for a class
 * that is never predicted.  NaN of nothing. */
double confusion_accuracy(const struct confusion *c);
double confusion_precision(const struct confusion *c);

#endif
