/* SPDX-License-Identifier: BSD-3-Clause */
/* The public calls that take a network. */
#include "arch/arch.h"

hnas_status hnas_arch_derive(hnas_arch **out, const hnas_supernet *net,
                             const hnas_hyper *hyper, double lambda,
                             int32_t rule)
{
    if (out)
        *out = NULL;
    if (!out || !net || !hyper)
        return hn_fail_null(hn_supernet_context(net),
                            "arch derive: out or hyper");
    return hn_arch_derive(out, hn_supernet_space(net), hyper, lambda, rule,
                          HN_THETA);
}

hnas_status hnas_arch_derive_threshold(hnas_arch **out,
                                       const hnas_supernet *net,
                                       const hnas_hyper *hyper, double lambda,
                                       double theta)
{
    if (out)
        *out = NULL;
    if (!out || !net || !hyper)
        return hn_fail_null(hn_supernet_context(net),
                            "arch derive threshold: out or hyper");
    return hn_arch_derive(out, hn_supernet_space(net), hyper, lambda,
                          HNAS_RULE_THRESHOLD, theta);
}

hnas_status hnas_arch_from_alpha(hnas_arch **out, const hnas_supernet *net,
                                 const double *const alpha[2], int32_t rule,
                                 int32_t metric)
{
    if (out)
        *out = NULL;
    if (!out || !net || !alpha)
        return hn_fail_null(hn_supernet_context(net),
                            "arch from alpha: out or alpha");
    return hn_arch_from_alpha(out, hn_supernet_space(net), alpha, rule, metric,
                              HN_THETA);
}

hnas_status hnas_arch_from_alpha_threshold(hnas_arch **out,
                                           const hnas_supernet *net,
                                           const double *const alpha[2],
                                           double theta, int32_t metric)
{
    if (out)
        *out = NULL;
    if (!out || !net || !alpha)
        return hn_fail_null(hn_supernet_context(net),
                            "arch from alpha threshold: out or alpha");
    return hn_arch_from_alpha(out, hn_supernet_space(net), alpha,
                              HNAS_RULE_THRESHOLD, metric, theta);
}
