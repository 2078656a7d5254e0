/* SPDX-License-Identifier: BSD-3-Clause */
/* A gradient by hand: record a computation on a tape, sweep it backwards.
 *
 *     loss = sum over i of max(w_i * x_i - 1, 0),   x constant
 *
 * so that dloss/dw_i = x_i where w_i * x_i > 1, and 0 elsewhere.
 */
#include <hnas/hnas.h>

#include <stdio.h>

enum { N = 4 };

static hnas_context *ctx;

/* A tensor of N numbers. */
static hnas_status create_vector(hnas_tensor **out, const float *value)
{
    const int64_t dims[] = {N};
    hnas_status st = hnas_tensor_create(out, ctx, HNAS_FLOAT32, 1, dims);

    return st == HNAS_OK ? hnas_tensor_set(*out, HNAS_FLOAT32, value, N) : st;
}

/* Each func appends one record to the tape and gives a new tensor, which we
 * release at once: the tape holds its own reference until its reset. */
static hnas_status record(hnas_tape *tape, hnas_tensor *w, hnas_tensor *x,
                          hnas_tensor **loss)
{
    hnas_tensor *product = NULL, *shifted = NULL, *positive = NULL;
    hnas_status st = hnas_mul(&product, tape, w, x);

    if (st == HNAS_OK)
        st = hnas_affine(&shifted, tape, product, 1, -1);
    if (st == HNAS_OK)
        st = hnas_relu(&positive, tape, shifted);
    if (st == HNAS_OK)
        st = hnas_sum(loss, tape, positive);
    hnas_tensor_unref(product);
    hnas_tensor_unref(shifted);
    hnas_tensor_unref(positive);
    return st;
}

int main(void)
{
    static const float w_values[N] = {0.5f, 2, -1, 4};
    static const float x_values[N] = {1, 3, 5, 0.5f};
    static const float expected[N] = {0, 3, 0, 0.5f};
    hnas_tensor *w = NULL, *x = NULL, *loss = NULL;
    hnas_tape *tape = NULL;
    float value = 0, slope[N] = {0};
    int bad = 0;
    hnas_status st = hnas_context_create(&ctx, NULL);

    if (st == HNAS_OK)
        st = create_vector(&w, w_values);
    if (st == HNAS_OK)
        st = create_vector(&x, x_values);
    if (st == HNAS_OK)
        st = hnas_tensor_set_wanted(w, 1); /* x stays constant */
    if (st == HNAS_OK)
        st = hnas_tape_create(&tape, ctx);
    if (st == HNAS_OK)
        st = record(tape, w, x, &loss);
    if (st == HNAS_OK)
        st = hnas_tape_backward(tape, loss);
    if (st == HNAS_OK)
        st = hnas_tensor_get(loss, HNAS_FLOAT32, &value, 1);
    if (st == HNAS_OK)
        st = hnas_tensor_get_gradient(w, HNAS_FLOAT32, slope, N);
    if (st < 0)
        fprintf(stderr, "%s: %s\n", hnas_status_name(st),
                ctx ? hnas_context_message(ctx) : "");
    printf("loss %g\n", value);
    for (int i = 0; i < N; i++) {
        printf("dloss/dw[%d] = %g, by hand %g\n", i, slope[i], expected[i]);
        bad |= slope[i] != expected[i];
    }
    hnas_tensor_unref(loss);
    hnas_tape_destroy(tape);
    hnas_tensor_unref(x);
    hnas_tensor_unref(w);
    hnas_context_destroy(ctx);
    return st < 0 || bad;
}
