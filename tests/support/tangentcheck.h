/* SPDX-License-Identifier: BSD-3-Clause */
/* The tangent of a case of gradcheck.h, along random directions: its value
 * against central differences of the case's reference, and its sweep against
 * central differences of the library's own gradients.  Double: 1e-6. */
#ifndef HN_TESTS_SUPPORT_TANGENTCHECK_H
#define HN_TESTS_SUPPORT_TANGENTCHECK_H

#include "support/gradcheck.h"

void tangentcheck(hnas_context *ctx, const struct grad_case *c,
                  struct random *r);

#endif
