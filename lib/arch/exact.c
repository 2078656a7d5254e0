/* SPDX-License-Identifier: BSD-3-Clause */
#include "arch/exact.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { MAX_TERMS = 16 };

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
 *         <= (a.offset - b.offset) (c.slope - a.slope),
 *
 * multiplied out; a.offset * a.slope falls away. */
int hn_line_is_hidden(struct hn_line a, struct hn_line b, struct hn_line c)
{
    double term[12];

    two_product(term, a.offset, b.slope);
    two_product(term + 2, -c.offset, b.slope);
    two_product(term + 4, c.offset, a.slope);
    two_product(term + 6, -a.offset, c.slope);
    two_product(term + 8, b.offset, c.slope);
    two_product(term + 10, -b.offset, a.slope);
    return hn_exact_sign(term, 12) <= 0;
}

/* The sign of crossing - (q + h), the slopes' difference being positive. */
static int compare_crossing(struct hn_line a, struct hn_line b, double q,
                            double h)
{
    double term[10] = {a.offset, -b.offset};

    two_product(term + 2, -q, b.slope);
    two_product(term + 4, q, a.slope);
    two_product(term + 6, -h, b.slope);
    two_product(term + 8, h, a.slope);
    return hn_exact_sign(term, 10);
}

static int is_odd(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits & 1;
}

/* Start from the quotient of rounded differences, a few units off at most, and
 * walk until the crossing lies between the midpoints around q; a midpoint
 * itself goes to the even neighbour. */
double hn_line_crossing(struct hn_line a, struct hn_line b)
{
    double q = (a.offset - b.offset) / (b.slope - a.slope);

    if (a.offset == b.offset)
        return 0;
    for (;;) {
        const double up = nextafter(q, INFINITY);
        const double down = nextafter(q, -INFINITY);
        const int above = compare_crossing(a, b, q, (up - q) / 2);
        const int below = compare_crossing(a, b, q, (down - q) / 2);

        if (above > 0 || (above == 0 && is_odd(q)))
            q = up;
        else if (below < 0 || (below == 0 && is_odd(q)))
            q = down;
        else
            return q;
    }
}
