/* SPDX-License-Identifier: BSD-3-Clause */
/* FactorizedReduce (DARTS): ReLU, two 1x1 convolutions of stride 2, the
 * second on the input shifted by one pixel, concatenated.  At odd sizes the
 * shifted one reads zeros beyond the bottom and right edge. */
#include "hnas/func.h"
#include "tensor/tensor.h"

hnas_status hnas_factorized_reduce(hnas_tensor **out, hnas_tape *tape,
                                   hnas_tensor *x, hnas_tensor *weight0,
                                   hnas_tensor *weight1)
{
    hnas_tensor *half[2] = {NULL, NULL};
    hnas_conv_opts opts;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x || !weight0 || !weight1)
        return hn_fail_null(x ? x->ctx : NULL,
                            "factorized_reduce: out, weight0 or weight1");
    st = hn_expect(x, 4, "factorized_reduce: x [N, C, H, W]");
    if (st < 0)
        return st;
    hnas_conv_opts_init(&opts, sizeof opts);
    opts.relu = 1;
    for (int i = 0; i < 2; i++) {
        opts.stride[i] = 2;
        opts.out[i] = (x->dim[2 + i] + 1) / 2;
    }
    st = hnas_conv2d(&half[0], tape, x, weight0, &opts);
    opts.pad[0] = opts.pad[1] = -1;
    if (st == HNAS_OK)
        st = hnas_conv2d(&half[1], tape, x, weight1, &opts);
    if (st == HNAS_OK)
        st = hnas_concat(out, tape, half, 2);
    hnas_tensor_unref(half[0]);
    hnas_tensor_unref(half[1]);
    return st;
}
