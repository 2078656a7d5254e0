/* SPDX-License-Identifier: BSD-3-Clause */
#include "arch/envelope.h"

#include <math.h>

static int comes_before(const struct hn_lines *l, int32_t a, int32_t b)
{
    if (l->slope[a] != l->slope[b])
        return l->slope[a] < l->slope[b];
    if (l->offset[a] != l->offset[b])
        return l->offset[a] > l->offset[b];
    if (l->cost[a] != l->cost[b])
        return l->cost[a] < l->cost[b];
    return a < b;
}

/* By insertion: an edge has few operations. */
static void sort(int32_t *op, int32_t n, const struct hn_lines *l)
{
    for (int32_t i = 1; i < n; i++) {
        const int32_t o = op[i];
        int32_t at = i;

        while (at && comes_before(l, o, op[at - 1])) {
            op[at] = op[at - 1];
            at--;
        }
        op[at] = o;
    }
}

static struct hn_line line(const struct hn_lines *l, int32_t op)
{
    const struct hn_line value = {l->slope[op], l->offset[op]};

    return value;
}

/* By rising slope; a line that the next one overtakes before it got above the
 * last one is taken off again (Andrew's monotone chain). */
int32_t hn_envelope(int32_t *op, double *start, int32_t n,
                    const struct hn_lines *lines)
{
    int32_t top = 0;

    sort(op, n, lines);
    for (int32_t i = 0; i < n; i++) {
        const int32_t o = op[i];

        if (top && lines->slope[op[top - 1]] == lines->slope[o])
            continue; /* below or equal, everywhere */
        while (top > 1 &&
               hn_line_is_hidden(line(lines, op[top - 2]),
                                 line(lines, op[top - 1]), line(lines, o)))
            top--;
        op[top++] = o;
    }
    start[0] = -INFINITY;
    for (int32_t k = 1; k < top; k++)
        start[k] = hn_line_crossing(line(lines, op[k - 1]), line(lines, op[k]),
                                    lines->frame);
    return top;
}
