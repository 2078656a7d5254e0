/* SPDX-License-Identifier: BSD-3-Clause */
/* lambda <-> s.  In log scale
 *
 *     s = (ln(lambda / lo) + ln(lambda / hi)) / ln(hi / lo)
 *
 * which is 2 (ln lambda - ln lo) / (ln hi - ln lo) - 1 without the loss of
 * digits of either end. */
#include <math.h>

#include "hyper/hyper.h"

#include "base/fpmode.h"

/* A lambda this close to the range counts as its end: what a program made of
 * a decimal text or of exp(log(x)) is not refused. */
static const double SLACK = 1e-12;

/* A raw lambda times any parameter, and a quotient of two such products, stay
 * in range. */
static const double MOST_RAW = 1e100;

/* ln(a / b), where the quotient leaves the doubles too. */
static double log_quotient(double a, double b)
{
    const double q = a / b;

    return isnormal(q) ? log(q) : log(a) - log(b);
}

hnas_status hn_scale_check(struct hnas_context *ctx, int32_t kind, double lo,
                           double hi)
{
    if (kind != HNAS_SCALE_RAW && kind != HNAS_SCALE_LOG)
        return hn_fail(ctx, HNAS_E_RANGE, "scale: %d, want HNAS_SCALE_",
                       (int)kind);
    if (!(lo < hi) || !isfinite(lo) || !isfinite(hi))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "lambda_lo, lambda_hi: %g, %g, want finite and lo < hi",
                       lo, hi);
    if (kind == HNAS_SCALE_RAW &&
        !(fmax(fabs(lo), fabs(hi)) <= MOST_RAW && hi - lo >= 1 / MOST_RAW))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "lambda_lo, lambda_hi: %g, %g, want at most %g in size "
                       "and %g apart in raw scale",
                       lo, hi, MOST_RAW, 1 / MOST_RAW);
    if (kind == HNAS_SCALE_LOG && !(isnormal(lo) && lo > 0))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "lambda_lo: %g, want > 0 in log scale", lo);
    if (kind == HNAS_SCALE_LOG && !isfinite(hi / lo))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "lambda_hi / lambda_lo: %g / %g, want a finite quotient",
                       hi, lo);
    return HNAS_OK;
}

void hn_scale_init(struct hn_scale *scale, int32_t kind, double lo, double hi)
{
    scale->kind = kind;
    scale->lo = lo;
    scale->hi = hi;
    scale->ratio = hi / lo;
    scale->slip = -fma(scale->ratio, lo, -hi) / hi;
    scale->log_ratio = log_quotient(hi, lo);
}

double hn_scale_s(const struct hn_scale *scale, double lambda)
{
    double s;

    if (scale->kind == HNAS_SCALE_RAW)
        return lambda;
    if (lambda == scale->lo)
        return -1;
    if (lambda == scale->hi)
        return 1;
    s = (log_quotient(lambda, scale->lo) + log_quotient(lambda, scale->hi)) /
        scale->log_ratio;
    if (lambda > scale->lo && lambda < scale->hi)
        s = s < -1 ? -1 : s > 1 ? 1 : s;
    return s;
}

/* lambda = lo * (hi / lo)^t with 2 t = s + 1.  The rounding of s + 1 and of
 * hi / lo would cost several ulp where the range is wide, so both are kept and
 * put back as a factor, and the product's own rounding with them: what remains
 * is the error of pow and of the last sum. */
double hn_scale_lambda(const struct hn_scale *scale, double s)
{
    double twice, part, lost, power, lambda, lack;

    if (scale->kind == HNAS_SCALE_RAW)
        return s;
    if (s == 1)
        return scale->hi;
    twice = s + 1;
    part = twice - s;
    lost = (s - (twice - part)) + (1 - part);
    power = pow(scale->ratio, 0.5 * twice);
    if (power == 0 || isinf(power))
        return power;
    lambda = scale->lo * power;
    lack = fma(scale->lo, power, -lambda);
    lack +=
        lambda * expm1(0.5 * (lost * scale->log_ratio + twice * scale->slip));
    return isfinite(lambda) ? lambda + lack : lambda;
}

/* The scale alone; what is refused is refused for every kind. */
static hnas_status place(double *s, const struct hnas_hyper *hyper,
                         double lambda)
{
    const struct hn_scale *scale = &hyper->scale;
    const double below = scale->lo - SLACK * fabs(scale->lo);
    const double above = scale->hi + SLACK * fabs(scale->hi);

    if (!isfinite(lambda))
        return hn_fail(hyper->ctx, HNAS_E_RANGE,
                       "lambda: %g, want a finite number", lambda);
    if (scale->kind == HNAS_SCALE_LOG && lambda <= 0)
        return hn_fail(hyper->ctx, HNAS_E_RANGE,
                       "lambda: %g, want > 0 in log scale", lambda);
    *s = hn_scale_s(scale, lambda);
    if (lambda < below || lambda > above)
        return HNAS_EXTRAPOLATED;
    if (scale->kind == HNAS_SCALE_LOG)
        *s = *s < -1 ? -1 : *s > 1 ? 1 : *s;
    return HNAS_OK;
}

hnas_status hn_hyper_place(double *s, const struct hnas_hyper *hyper,
                           double lambda)
{
    const hnas_status st = place(s, hyper, lambda);

    if (st < 0 || !hyper->generator->ignores_lambda)
        return st;
    *s = 0; /* nothing to prolong */
    return HNAS_OK;
}

static hnas_status scale_of(double *s, const hnas_hyper *hyper, double lambda)
{
    double value = NAN;
    hnas_status st;

    if (!s || !hyper)
        return hn_fail_null(hyper ? hyper->ctx : NULL, "scale: s");
    st = place(&value, hyper, lambda);
    if (st >= 0)
        *s = value;
    return st;
}

hnas_status hnas_hyper_scale(double *s, const hnas_hyper *hyper, double lambda)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = scale_of(s, hyper, lambda);

    hn_fp_leave(mode);
    return st;
}

static hnas_status lambda_of(double *lambda, const hnas_hyper *hyper, double s)
{
    double value;

    if (!lambda || !hyper)
        return hn_fail_null(hyper ? hyper->ctx : NULL, "scale: lambda");
    value = hn_scale_lambda(&hyper->scale, s);
    if (!isfinite(value) || (hyper->scale.kind == HNAS_SCALE_LOG && value <= 0))
        return hn_fail(hyper->ctx, HNAS_E_RANGE,
                       "s: %g, want one whose lambda is a number", s);
    *lambda = value;
    return value < hyper->scale.lo || value > hyper->scale.hi
               ? HNAS_EXTRAPOLATED
               : HNAS_OK;
}

hnas_status hnas_hyper_unscale(double *lambda, const hnas_hyper *hyper,
                               double s)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = lambda_of(lambda, hyper, s);

    hn_fp_leave(mode);
    return st;
}
