/* SPDX-License-Identifier: BSD-3-Clause */
/* THE list of bundled operations. */
#include "op/op.h"

extern const hnas_op_table hn_op_none, hn_op_max_pool_3x3, hn_op_avg_pool_3x3,
    hn_op_skip_connect, hn_op_sep_conv_3x3, hn_op_sep_conv_5x5,
    hn_op_sep_conv_7x7, hn_op_dil_conv_3x3, hn_op_dil_conv_5x5,
    hn_op_conv_7x1_1x7;

const hnas_op_table *const hn_builtin_ops[] = {
    &hn_op_none,         &hn_op_max_pool_3x3, &hn_op_avg_pool_3x3,
    &hn_op_skip_connect, &hn_op_sep_conv_3x3, &hn_op_sep_conv_5x5,
    &hn_op_dil_conv_3x3, &hn_op_dil_conv_5x5, &hn_op_sep_conv_7x7,
    &hn_op_conv_7x1_1x7,
};

const int32_t hn_n_builtin_ops =
    sizeof hn_builtin_ops / sizeof hn_builtin_ops[0];
