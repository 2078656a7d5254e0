/* SPDX-License-Identifier: BSD-3-Clause */
#include "arch/dd.h"

#include <math.h>

/* a + b = hi + lo, exactly (Knuth). */
struct hn_dd hn_dd_sum(double a, double b)
{
    const double s = a + b, part = s - a;
    const struct hn_dd sum = {s, (a - (s - part)) + (b - part)};

    return sum;
}

struct hn_dd hn_dd_product(double a, double b)
{
    const double p = a * b;
    const struct hn_dd product = {p, fma(a, b, -p)};

    return product;
}

struct hn_dd hn_dd_add(struct hn_dd a, struct hn_dd b)
{
    const struct hn_dd high = hn_dd_sum(a.hi, b.hi),
                       low = hn_dd_sum(a.lo, b.lo);
    const struct hn_dd part = hn_dd_sum(high.hi, high.lo + low.hi);

    return hn_dd_sum(part.hi, part.lo + low.lo);
}

struct hn_dd hn_dd_mul(struct hn_dd a, struct hn_dd b)
{
    const struct hn_dd p = hn_dd_product(a.hi, b.hi);

    return hn_dd_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

/* Two quotients, the second of what the first leaves. */
struct hn_dd hn_dd_div(struct hn_dd a, struct hn_dd b)
{
    const double q = a.hi / b.hi;
    const struct hn_dd minus_q = {-q, 0};
    const struct hn_dd rest = hn_dd_add(a, hn_dd_mul(b, minus_q));
    const double q2 = rest.hi / b.hi;
    const struct hn_dd minus_q2 = {-q2, 0};
    const struct hn_dd rest2 = hn_dd_add(rest, hn_dd_mul(b, minus_q2));

    return hn_dd_add(hn_dd_sum(q, q2), hn_dd_sum(rest2.hi / b.hi, 0));
}

/* x - n ln 2, with ln 2 in three parts. */
static struct hn_dd less_ln2(struct hn_dd x, double n)
{
    const struct hn_dd rest = {-n * 0x1.7b57a079a1934p-111, 0};

    x = hn_dd_add(x, hn_dd_product(-n, 0x1.62e42fefa39efp-1));
    x = hn_dd_add(x, hn_dd_product(-n, 0x1.abc9e3b39803fp-56));
    return hn_dd_add(x, rest);
}

/* x = n ln 2 + 512 r; e^r - 1 by its series, then squared nine times, always
 * without the 1, which would cost digits: (1 + v)^2 - 1 = 2 v + v^2. */
struct hn_dd hn_dd_exp(struct hn_dd x)
{
    enum { SQUARES = 9, TERMS = 9 };
    const double n = nearbyint(x.hi * 1.4426950408889634);
    struct hn_dd r, v = {0, 0};
    const struct hn_dd one = {1, 0};

    if (x.hi < -745)
        return v;
    r = less_ln2(x, n);
    r.hi = ldexp(r.hi, -SQUARES);
    r.lo = ldexp(r.lo, -SQUARES);
    for (int i = TERMS; i >= 1; i--) {
        const struct hn_dd divisor = {i, 0};

        v = hn_dd_div(hn_dd_mul(r, hn_dd_add(one, v)), divisor);
    }
    for (int i = 0; i < SQUARES; i++) {
        const struct hn_dd twice = {2 * v.hi, 2 * v.lo};

        v = hn_dd_add(twice, hn_dd_mul(v, v));
    }
    v = hn_dd_add(one, v);
    v.hi = ldexp(v.hi, (int)n);
    v.lo = ldexp(v.lo, (int)n);
    return v;
}

/* Newton's steps on e^l = 2^k p / (1 - p), which double the digits; k keeps
 * what belongs to the smallest p in range. */
struct hn_dd hn_dd_logit(double p)
{
    const int k = p < 0x1p-500 ? 600 : 0;
    const struct hn_dd above = {ldexp(p, k), 0}, below = hn_dd_sum(1, -p);
    const struct hn_dd minus_one = {-1, 0};
    struct hn_dd l = {log(above.hi) - log1p(-p), 0};

    if (p <= 0 || p >= 1) {
        l.hi = p <= 0 ? -INFINITY : INFINITY;
        return l;
    }
    for (int i = 0; i < 2; i++) {
        const struct hn_dd minus = {-l.hi, -l.lo};
        const struct hn_dd ratio =
            hn_dd_mul(hn_dd_div(above, below), hn_dd_exp(minus));

        l = hn_dd_add(l, hn_dd_add(ratio, minus_one));
    }
    return less_ln2(l, k);
}
