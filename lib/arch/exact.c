/* SPDX-License-Identifier: BSD-3-Clause */
#include "arch/exact.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { MAX_TERMS = 32 };

/* Half a unit in the last place of 1. */
static const double U = 0x1p-53;

/* a + b = *sum + *rest, exactly (Knuth). */
static void two_sum(double *sum, double *rest, double a, double b)
{
    const double s = a + b, part = s - a;

    *rest = (a - (s - part)) + (b - part);
    *sum = s;
}

/* a * b = part[0] + part[1], exactly. */
static void two_product(double part[2], double a, double b)
{
    part[0] = a * b;
    part[1] = fma(a, b, -part[0]);
}

/* The sum is kept as an expansion, parts that do not overlap in rising order,
 * so that its sign is that of the last part that is not zero. */
int hn_exact_sign(const double *term, int n)
{
    double part[MAX_TERMS];

    for (int i = 0; i < n; i++) {
        double carry = term[i];

        for (int j = 0; j < i; j++)
            two_sum(&carry, &part[j], carry, part[j]);
        part[i] = carry;
    }
    for (int i = n - 1; i >= 0; i--)
        if (part[i] != 0)
            return part[i] > 0 ? 1 : -1;
    return 0;
}

/* The crossing of a and c is no later than that of a and b:
 *
 *     (a.offset - c.offset) (b.slope - a.slope)
 *         <= (a.offset - b.offset) (c.slope - a.slope).
 *
 * Each side is rounded three times, so a difference above 8 u of their sizes
 * is certain.  The rest is multiplied out; a.offset * a.slope falls away. */
int hn_line_is_hidden(struct hn_line a, struct hn_line b, struct hn_line c)
{
    const double left = (a.offset - c.offset) * (b.slope - a.slope);
    const double right = (a.offset - b.offset) * (c.slope - a.slope);
    double term[12];

    if (fabs(left - right) > 8 * U * (fabs(left) + fabs(right)))
        return left <= right;
    two_product(term, a.offset, b.slope);
    two_product(term + 2, -c.offset, b.slope);
    two_product(term + 4, c.offset, a.slope);
    two_product(term + 6, -a.offset, c.slope);
    two_product(term + 8, b.offset, c.slope);
    two_product(term + 10, -b.offset, a.slope);
    return hn_exact_sign(term, 12) <= 0;
}

/* The sign of crossing - (q + h), a being `low` higher, times the slopes'
 * difference, which is positive:
 *
 *     (a.offset + low - b.offset) (width + rest)
 *         + (b.slope - a.slope) (origin - q - h). */
static int compare_crossing(struct hn_line a, double low, struct hn_line b,
                            const struct hn_hyper_frame *f, double q, double h)
{
    const double at[3] = {f->origin, -q, -h}, size[2] = {f->width, f->rest};
    double term[24];
    int n = 0;

    for (int i = 0; i < 2; i++, n += 6) {
        two_product(term + n, a.offset, size[i]);
        two_product(term + n + 2, -b.offset, size[i]);
        two_product(term + n + 4, low, size[i]);
    }
    for (int i = 0; i < 3; i++, n += 4) {
        two_product(term + n, b.slope, at[i]);
        two_product(term + n + 2, -a.slope, at[i]);
    }
    return hn_exact_sign(term, n);
}

static int is_odd(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits & 1;
}

/* The crossing as an unevaluated sum of two doubles: *s, and returns the
 * rest.  Its error is below 2^-98 of *size. */
static double approximate(double *s, double *size, struct hn_line a, double low,
                          struct hn_line b, const struct hn_hyper_frame *f)
{
    double num[2], den[2], t[2], p[2], head, tail;

    two_sum(&num[0], &num[1], a.offset, -b.offset);
    num[1] += low;
    two_sum(&den[0], &den[1], b.slope, -a.slope);
    t[0] = num[0] / den[0];
    t[1] = (fma(-t[0], den[0], num[0]) + num[1] - t[0] * den[1]) / den[0];
    two_product(p, t[0], f->width);
    p[1] += t[0] * f->rest + t[1] * f->width;
    two_sum(&head, &tail, f->origin, p[0]);
    two_sum(s, &tail, head, tail + p[1]);
    *size = fabs(f->origin) + fabs(p[0]);
    return tail;
}

/* Whether q is right for sure: what it lacks is not close to half the gap. */
static int is_nearest(double q, double rest, double size)
{
    const double gap =
        rest > 0 ? nextafter(q, INFINITY) - q : q - nextafter(q, -INFINITY);

    return gap / 2 - fabs(rest) > 0x1p-98 * size && gap >= 0x1p-1000;
}

/* Doubles in order as integers, and back. */
static int64_t rank_of(double x)
{
    int64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

static double of_rank(int64_t rank)
{
    const int64_t bits = rank < 0 ? INT64_MIN - rank : rank;
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* On which side of q, and of the midpoints around it, the crossing lies; a
 * midpoint itself goes to the even neighbour. */
static int side_of(struct hn_line a, double low, struct hn_line b,
                   const struct hn_hyper_frame *f, double q)
{
    const double up = (nextafter(q, INFINITY) - q) / 2;
    const double down = (nextafter(q, -INFINITY) - q) / 2;
    const int above = compare_crossing(a, low, b, f, q, up);
    const int below = compare_crossing(a, low, b, f, q, down);

    if (above > 0 || (above == 0 && is_odd(q)))
        return 1;
    return below < 0 || (below == 0 && is_odd(q)) ? -1 : 0;
}

/* Where the approximation lies next to a midpoint, or all its digits are
 * lost, bisect the doubles within its error. */
static double crossing(struct hn_line a, double low, struct hn_line b,
                       const struct hn_hyper_frame *frame)
{
    int64_t first, last;
    double q, size;
    const double rest = approximate(&q, &size, a, low, b, frame);

    if (a.offset == b.offset && low == 0)
        return frame->origin;
    if (is_nearest(q, rest, size))
        return q;
    first = rank_of(q - 0x1p-96 * size) - 1;
    last = rank_of(q + 0x1p-96 * size) + 1;
    while (first <= last) {
        const int side = side_of(a, low, b, frame, q);

        if (side == 0)
            return q;
        if (side > 0)
            first = rank_of(q) + 1;
        else
            last = rank_of(q) - 1;
        q = of_rank(first + (int64_t)(((uint64_t)last - (uint64_t)first) / 2));
    }
    return q; /* between denormal numbers */
}

double hn_line_crossing(struct hn_line a, struct hn_line b,
                        const struct hn_hyper_frame *frame)
{
    return crossing(a, 0, b, frame);
}

/* A falling line and the level are turned over. */
double hn_line_level(struct hn_line line, struct hn_dd level,
                     const struct hn_hyper_frame *frame)
{
    const double sign = line.slope > 0 ? 1 : -1;
    const struct hn_line flat = {0, sign * level.hi};
    const struct hn_line rising = {sign * line.slope, sign * line.offset};

    return crossing(flat, sign * level.lo, rising, frame);
}
