/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers of twice the digits: hi + lo, |lo| at most half an ulp of hi
 * (Dekker 1971; Hida, Li and Bailey 2001).  Relative errors below 2^-98. */
#ifndef HN_ARCH_DD_H
#define HN_ARCH_DD_H

struct hn_dd {
    double hi, lo;
};

/* a + b and a * b, exactly. */
struct hn_dd hn_dd_sum(double a, double b);
struct hn_dd hn_dd_product(double a, double b);

struct hn_dd hn_dd_add(struct hn_dd a, struct hn_dd b);
struct hn_dd hn_dd_mul(struct hn_dd a, struct hn_dd b);
struct hn_dd hn_dd_div(struct hn_dd a, struct hn_dd b);

/* e^x for x <= 709; 0 where it underflows. */
struct hn_dd hn_dd_exp(struct hn_dd x);

/* ln(p / (1 - p)) for 0 <= p <= 1, within 2^-95 (1 + |it|); infinite at the
 * ends. */
struct hn_dd hn_dd_logit(double p);

#endif
