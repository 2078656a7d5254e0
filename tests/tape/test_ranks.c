/* SPDX-License-Identifier: BSD-3-Clause */
/* One tape on several ranks, here threads with a context each: what tangents
 * of whole batches give, and what is refused. */
#include <pthread.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/random.h"
#include "support/transport.h"
#include "tensor/norm.h"

enum { BATCH = 8, C = 3, H = 6, W = 5, K = 4, IMAGE = C * H * W };
enum { STEM, DEPTHWISE, POINTWISE, GATES, HEAD, N_OWN, N_LEAVES = N_OWN + 4 };
enum { MOST = 128, MOST_RANKS = TRANSPORT_RANKS };

struct rank {
    struct transport net;
    hnas_comm comm;
    hnas_context *ctx;
    hnas_tape *tape;
    hnas_tensor *x, *labels;
    hnas_norm *norm[2];
    hnas_tensor *leaf[N_LEAVES];  /* the last four: of the norms, borrowed */
    hnas_tensor *along[N_LEAVES]; /* how they move */
    int32_t mode;
    hnas_status status;
    double value, gradient[N_LEAVES][MOST];
};

static hnas_tensor *random_tensor(hnas_context *ctx, int32_t rank,
                                  const int64_t *dims, struct random *draw)
{
    hnas_tensor *t;
    float v[BATCH * IMAGE];
    int64_t n;

    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, rank, dims), 0);
    n = hnas_tensor_get_count(t);
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)random_in(draw, -1, 1);
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, v, n), 0);
    return t;
}

static void make_leaves(struct rank *r)
{
    static const int64_t dims[N_OWN][4] = {
        {C, C, 3, 3}, {C, 1, 3, 3}, {C, C, 1, 1}, {1, 2}, {K, C}};
    static const int32_t ranks[N_OWN] = {4, 4, 4, 2, 2};
    struct random draw = {3};

    for (int i = 0; i < N_OWN; i++)
        r->leaf[i] = random_tensor(r->ctx, ranks[i], dims[i], &draw);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(hnas_norm_create(&r->norm[i], r->ctx, C, 1), 0);
        r->leaf[N_OWN + 2 * i] = r->norm[i]->weight;
        r->leaf[N_OWN + 2 * i + 1] = r->norm[i]->bias;
    }
    for (int i = 0; i < N_LEAVES; i++) {
        const hnas_tensor *t = r->leaf[i];

        hnas_tensor_set_wanted(r->leaf[i], 1);
        r->along[i] = random_tensor(r->ctx, t->rank, t->dim, &draw);
    }
}

/* This rank's images of a batch that is the same for any number of ranks. */
static void make_share(struct rank *r)
{
    const int64_t n = BATCH / r->comm.n_ranks, first = r->comm.rank * n;
    const int64_t dims[4] = {n, C, H, W};
    struct random draw = {8};
    float pixel[BATCH * IMAGE];
    int32_t label[BATCH];

    for (int i = 0; i < BATCH * IMAGE; i++)
        pixel[i] = (float)random_in(&draw, -1, 1);
    for (int i = 0; i < BATCH; i++)
        label[i] = (int32_t)random_int(&draw, K);
    ck_assert_int_eq(hnas_tensor_create(&r->x, r->ctx, HNAS_FLOAT32, 4, dims),
                     0);
    ck_assert_int_eq(
        hnas_tensor_create(&r->labels, r->ctx, HNAS_INT32, 1, dims), 0);
    hnas_tensor_set(r->x, HNAS_FLOAT32, pixel + first * IMAGE, n * IMAGE);
    hnas_tensor_set(r->labels, HNAS_INT32, label + first, n);
}

static void open_rank(struct rank *r, int32_t rank, int32_t n_ranks)
{
    memset(r, 0, sizeof *r);
    ck_assert_int_eq(hnas_context_create(&r->ctx, NULL), 0);
    transport_fill(&r->comm, &r->net, rank, n_ranks);
    if (n_ranks > 1)
        ck_assert_int_eq(hnas_context_set_comm(r->ctx, &r->comm), 0);
    r->mode = n_ranks > 1 ? HNAS_TAPE_RANKS : 0;
    ck_assert_int_eq(hnas_tape_create(&r->tape, r->ctx), 0);
    make_leaves(r);
    make_share(r);
}

static void close_rank(struct rank *r)
{
    hnas_tape_destroy(r->tape);
    for (int i = 0; i < N_LEAVES; i++) {
        hnas_tensor_unref(r->along[i]);
        if (i < N_OWN)
            hnas_tensor_unref(r->leaf[i]);
    }
    hnas_norm_destroy(r->norm[0]);
    hnas_norm_destroy(r->norm[1]);
    hnas_tensor_unref(r->x);
    hnas_tensor_unref(r->labels);
    hnas_context_destroy(r->ctx);
}

/* Batch-norm twice, a separable convolution between them, a mix, a head. */
static hnas_status record(struct rank *r, hnas_tensor **loss)
{
    static const int64_t index[2] = {0, 1};
    hnas_tensor *t[7] = {NULL}, *in[2];
    hnas_conv_opts o;
    hnas_status st;

    hnas_conv_opts_init(&o, sizeof o);
    o.pad[0] = o.pad[1] = 1;
    st = hnas_conv2d(&t[0], r->tape, r->x, r->leaf[STEM], &o);
    st = st ? st : hnas_batch_norm(&t[1], r->tape, t[0], r->norm[0]);
    st = st ? st
            : hnas_separable_conv2d(&t[2], r->tape, t[1], r->leaf[DEPTHWISE],
                                    r->leaf[POINTWISE], &o);
    st = st ? st : hnas_batch_norm(&t[3], r->tape, t[2], r->norm[1]);
    in[0] = t[1];
    in[1] = t[3];
    st = st ? st : hnas_mix(&t[4], r->tape, in, 2, r->leaf[GATES], index);
    st = st ? st : hnas_global_avg_pool(&t[5], r->tape, t[4]);
    st = st ? st : hnas_linear(&t[6], r->tape, t[5], r->leaf[HEAD], NULL);
    st = st ? st : hnas_cross_entropy(loss, r->tape, t[6], r->labels);
    for (int i = 0; i < 7; i++)
        hnas_tensor_unref(t[i]);
    return st;
}

/* The gradient of the loss's tangent: the Hessian times `along`. */
static void *product(void *user)
{
    struct rank *r = user;
    hnas_tensor *loss = NULL, *tangent = NULL;

    r->status = hnas_tape_reset(r->tape, r->mode);
    if (r->status == HNAS_OK)
        r->status = record(r, &loss);
    if (r->status == HNAS_OK)
        r->status = hnas_tape_tangent(&tangent, r->tape, loss, r->leaf,
                                      r->along, N_LEAVES);
    if (r->status == HNAS_OK)
        r->status = hnas_tensor_get(tangent, HNAS_FLOAT64, &r->value, 1);
    if (r->status == HNAS_OK)
        r->status = hnas_tape_backward(r->tape, tangent);
    for (int i = 0; i < N_LEAVES && r->status == HNAS_OK; i++)
        r->status =
            hnas_tensor_get_gradient(r->leaf[i], HNAS_FLOAT64, r->gradient[i],
                                     hnas_tensor_get_count(r->leaf[i]));
    hnas_tensor_unref(loss);
    hnas_tensor_unref(tangent);
    return NULL;
}

static void run(struct rank *r, int32_t n_ranks, void *(*body)(void *))
{
    pthread_t thread[MOST_RANKS];

    transport_reset();
    for (int32_t i = 0; i < n_ranks; i++)
        open_rank(&r[i], i, n_ranks);
    for (int32_t i = 0; i < n_ranks; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, body, &r[i]), 0);
    for (int32_t i = 0; i < n_ranks; i++)
        pthread_join(thread[i], NULL);
}

static void drop(struct rank *r, int32_t n_ranks)
{
    for (int32_t i = 0; i < n_ranks; i++)
        close_rank(&r[i]);
}

START_TEST(second_derivatives_over_ranks_have_the_bits_of_one)
{
    static struct rank one[1], many[MOST_RANKS];

    run(one, 1, product);
    ck_assert_msg(one->status == HNAS_OK, "%s", hnas_context_message(one->ctx));
    for (int i = 0; i < N_LEAVES; i++)
        ck_assert_double_ne(one->gradient[i][0], 0);
    for (int32_t n = 2; n <= MOST_RANKS; n *= 2) {
        run(many, n, product);
        for (int32_t i = 0; i < n; i++) {
            ck_assert_msg(many[i].status == HNAS_OK, "%s",
                          hnas_context_message(many[i].ctx));
            ck_assert(many[i].value == one->value);
            for (int k = 0; k < N_LEAVES; k++)
                ck_assert_msg(!memcmp(one->gradient[k], many[i].gradient[k],
                                      sizeof one->gradient[k]),
                              "leaf %d: rank %d of %d", k, (int)i, (int)n);
        }
        drop(many, n);
    }
    drop(one, 1);
}
END_TEST

/* ---- a func of the host's: out = in[0] times the sum of in[1] ---- */

static double sum_of(const hnas_array *a)
{
    double sum = 0;

    for (int64_t i = 0; i < a->dims[0]; i++)
        sum += ((const float *)a->data)[i * a->strides[0]];
    return sum;
}

static hnas_status forward(void *user, const hnas_array *in, int32_t n_in,
                           const hnas_array *out)
{
    const double s = sum_of(&in[1]);

    (void)user;
    (void)n_in;
    for (int64_t n = 0; n < out->dims[0]; n++)
        for (int64_t c = 0; c < out->dims[1]; c++)
            ((float *)out->data)[n * out->strides[0] + c * out->strides[1]] =
                (float)(s * ((const float *)in[0].data)[n * in[0].strides[0] +
                                                        c * in[0].strides[1]]);
    return HNAS_OK;
}

static hnas_status backward(void *user, const hnas_array *in, int32_t n_in,
                            const hnas_array *out, const hnas_array *dout,
                            const hnas_array *din)
{
    const double s = sum_of(&in[1]);

    (void)user;
    (void)n_in;
    for (int64_t n = 0; n < out->dims[0]; n++)
        for (int64_t c = 0; c < out->dims[1]; c++) {
            const double g =
                ((const float *)
                     dout->data)[n * dout->strides[0] + c * dout->strides[1]];

            if (din[0].data)
                ((float *)din[0]
                     .data)[n * din[0].strides[0] + c * din[0].strides[1]] +=
                    (float)(s * g);
        }
    return HNAS_OK;
}

static const hnas_func_table scaled = {.size = sizeof scaled,
                                       .name = "scaled",
                                       .forward = forward,
                                       .backward = backward};

/* Between the pool and the head; `leaf` is the scale. */
static void sweep_host(struct rank *r, hnas_tensor *scale)
{
    const hnas_shape shape = {2, {BATCH / r->comm.n_ranks, C}};
    hnas_tensor *t[5] = {NULL}, *in[2];
    hnas_status st = hnas_tape_reset(r->tape, r->mode);

    st = st ? st : hnas_conv2d(&t[0], r->tape, r->x, r->leaf[STEM], NULL);
    st = st ? st : hnas_global_avg_pool(&t[1], r->tape, t[0]);
    in[0] = t[1];
    in[1] = scale;
    st = st ? st : hnas_func_apply(&t[2], r->tape, &scaled, in, 2, &shape, r);
    st = st ? st : hnas_linear(&t[3], r->tape, t[2], r->leaf[HEAD], NULL);
    st = st ? st : hnas_cross_entropy(&t[4], r->tape, t[3], r->labels);
    r->status = st ? st : hnas_tape_backward(r->tape, t[4]);
    for (int i = 0; i < 5; i++)
        hnas_tensor_unref(t[i]);
}

static void *wanted_scale(void *user)
{
    struct rank *r = user;

    sweep_host(r, r->leaf[N_OWN]);
    return NULL;
}

static void *constant_scale(void *user)
{
    struct rank *r = user;

    sweep_host(r, r->along[N_OWN]);
    if (r->status == HNAS_OK)
        r->status = hnas_tensor_get_gradient(
            r->leaf[STEM], HNAS_FLOAT64, r->gradient[STEM],
            hnas_tensor_get_count(r->leaf[STEM]));
    return NULL;
}

START_TEST(a_hosts_func_that_would_sum_over_ranks_is_refused_by_name)
{
    static struct rank one[1], two[2];

    run(one, 1, wanted_scale);
    ck_assert_int_eq(one->status, HNAS_OK);
    run(two, 2, wanted_scale);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(two[i].status, HNAS_E_UNSUPPORTED);
        ck_assert_str_eq(hnas_context_message(two[i].ctx),
                         "scaled: the gradient of input 1 sums over a batch "
                         "that is cut over 2 ranks");
    }
    drop(two, 2);
    drop(one, 1);
}
END_TEST

START_TEST(a_hosts_func_of_images_alone_works_over_ranks)
{
    static struct rank one[1], two[2];

    run(one, 1, constant_scale);
    ck_assert_int_eq(one->status, HNAS_OK);
    ck_assert_double_ne(one->gradient[STEM][0], 0);
    run(two, 2, constant_scale);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(two[i].status == HNAS_OK, "%s",
                      hnas_context_message(two[i].ctx));
        ck_assert_mem_eq(one->gradient[STEM], two[i].gradient[STEM],
                         sizeof one->gradient[STEM]);
    }
    drop(two, 2);
    drop(one, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tape");
    TCase *t = tcase_create("ranks");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, second_derivatives_over_ranks_have_the_bits_of_one);
    tcase_add_test(t,
                   a_hosts_func_that_would_sum_over_ranks_is_refused_by_name);
    tcase_add_test(t, a_hosts_func_of_images_alone_works_over_ranks);
    suite_add_tcase(s, t);
    return run_suite(s);
}
