/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int confusion_init(struct confusion *c, int64_t classes)
{
    c->classes = classes;
    c->count = calloc((size_t)(classes * classes), sizeof *c->count);
    return c->count ? 0 : -1;
}

void confusion_finish(struct confusion *c)
{
    free(c->count);
    c->count = NULL;
}

void confusion_clear(struct confusion *c)
{
    memset(c->count, 0, (size_t)(c->classes * c->classes) * sizeof *c->count);
}

void confusion_add(struct confusion *c, const float *logits,
                   const int32_t *labels, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const float *row = logits + i * c->classes;
        int64_t best = 0;

        for (int64_t k = 1; k < c->classes; k++)
            if (row[k] > row[best])
                best = k;
        c->count[labels[i] * c->classes + best]++;
    }
}

double confusion_accuracy(const struct confusion *c)
{
    int64_t right = 0, all = 0;

    for (int64_t i = 0; i < c->classes; i++)
        for (int64_t k = 0; k < c->classes; k++) {
            all += c->count[i * c->classes + k];
            right += i == k ? c->count[i * c->classes + k] : 0;
        }
    return all ? (double)right / (double)all : NAN;
}

double confusion_precision(const struct confusion *c)
{
    double sum = 0;

    for (int64_t k = 0; k < c->classes; k++) {
        int64_t predicted = 0;

        for (int64_t i = 0; i < c->classes; i++)
            predicted += c->count[i * c->classes + k];
        if (predicted)
            sum += (double)c->count[k * c->classes + k] / (double)predicted;
    }
    return sum / (double)c->classes;
}
