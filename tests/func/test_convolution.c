/* SPDX-License-Identifier: BSD-3-Clause */
/* conv2d, depthwise_conv2d, separable_conv2d, factorized_reduce. */
#include <stdlib.h>
#include <string.h>

#include "support/check_main.h"
#include "support/gradcheck.h"
#include "support/reference.h"

static hnas_context *ctx;
static struct random rnd;

static void setup(void)
{
    hnas_context_opts o;

    hnas_context_opts_init(&o, sizeof o);
    o.n_threads = 2;
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    rnd.state = 1;
}

static void teardown(void)
{
    hnas_context_destroy(ctx);
}

/* Geometry of one convolution; the reference's temporary arrays. */
struct conv {
    int64_t n, in, out, size[2], k[2];
    hnas_conv_opts o;
    int64_t x[4], w[4], w2[4], y[4];
};

static void geometry(struct conv *c, int depthwise)
{
    const int64_t x[4] = {c->n, c->in, c->size[0], c->size[1]};
    const int64_t w[4] = {depthwise ? c->in : c->out, depthwise ? 1 : c->in,
                          c->k[0], c->k[1]};
    const int64_t w2[4] = {c->out, c->in, 1, 1};

    memcpy(c->x, x, sizeof x);
    memcpy(c->w, w, sizeof w);
    memcpy(c->w2, w2, sizeof w2);
    c->y[0] = c->n;
    c->y[1] = depthwise == 1 ? c->in : c->out;
    ref_conv_size(c->y + 2, c->x, c->w, &c->o);
}

/* Whether the window fits: the output has pixels. */
static int draw_geometry(struct conv *c, int depthwise)
{
    static const int64_t channels[] = {1, 2, 3, 5, 7, 8, 11, 16, 17};
    static const int64_t sizes[] = {1, 2, 3, 5, 7, 8, 13};

    hnas_conv_opts_init(&c->o, sizeof c->o);
    c->n = 1 + random_int(&rnd, 3);
    c->in = channels[random_int(&rnd, 9)];
    c->out = channels[random_int(&rnd, 9)];
    for (int a = 0; a < 2; a++) {
        const int from = depthwise ? 0 : a;

        c->size[a] = sizes[random_int(&rnd, 7)];
        c->k[a] = 1 + 2 * random_int(&rnd, 4);
        c->o.stride[a] = 1 + random_int(&rnd, 2);
        c->o.dilation[a] = 1 + random_int(&rnd, 2);
        c->k[a] = depthwise ? c->k[from] : c->k[a];
        c->o.stride[a] = depthwise ? c->o.stride[from] : c->o.stride[a];
        c->o.dilation[a] = depthwise ? c->o.dilation[from] : c->o.dilation[a];
        c->o.pad[a] = (c->k[a] - 1) * c->o.dilation[a] / 2;
        if (random_unit(&rnd) < 0.3)
            c->o.pad[a] = random_int(&rnd, 3);
    }
    c->o.relu = depthwise ? 0 : random_int(&rnd, 2) == 1;
    geometry(c, depthwise);
    for (int a = 0; a < 2; a++)
        if (c->size[a] + 2 * c->o.pad[a] <= (c->k[a] - 1) * c->o.dilation[a])
            return 0;
    return 1;
}

static void describe(struct grad_case *c, struct conv *v, int32_t n_leaves)
{
    const int64_t *dims[3] = {v->x, v->w, v->w2};

    c->n_leaves = n_leaves;
    c->user = v;
    c->shape.rank = 4;
    memcpy(c->shape.dims, v->y, sizeof v->y);
    for (int32_t i = 0; i < n_leaves; i++) {
        struct grad_leaf *l = &c->leaf[i];

        l->kind = i ? LEAF_KERNEL : LEAF_IMAGE;
        l->rank = 4;
        memcpy(l->dims, dims[i], sizeof l->dims);
        l->lo = -1;
        l->hi = 1;
        l->gap = i ? 0 : 1e-3;
    }
}

static hnas_status record_conv(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *const *x, void *user)
{
    const struct conv *c = user;

    return hnas_conv2d(out, tape, x[0], x[1], &c->o);
}

static void conv(double *y, const double *const *x, void *user)
{
    const struct conv *c = user;

    ref_conv(y, x[0], c->x, x[1], c->w, &c->o, 0);
}

static hnas_status record_depthwise(hnas_tensor **out, hnas_tape *tape,
                                    hnas_tensor *const *x, void *user)
{
    const struct conv *c = user;

    return hnas_depthwise_conv2d(out, tape, x[0], x[1], &c->o);
}

static void depthwise(double *y, const double *const *x, void *user)
{
    const struct conv *c = user;

    ref_conv(y, x[0], c->x, x[1], c->w, &c->o, 1);
}

static hnas_status record_separable(hnas_tensor **out, hnas_tape *tape,
                                    hnas_tensor *const *x, void *user)
{
    const struct conv *c = user;

    return hnas_separable_conv2d(out, tape, x[0], x[1], x[2], &c->o);
}

static void separable(double *y, const double *const *x, void *user)
{
    const struct conv *c = user;
    hnas_conv_opts first = c->o, one;
    const int64_t d[4] = {c->n, c->in, c->y[2], c->y[3]};
    double *middle = calloc((size_t)shape_count(4, d), sizeof *middle);

    first.relu = 1;
    hnas_conv_opts_init(&one, sizeof one);
    ref_conv(middle, x[0], c->x, x[1], c->w, &first, 1);
    ref_conv(y, middle, d, x[2], c->w2, &one, 0);
    free(middle);
}

/* Random geometries, fused and plain. */
static void check(const char *name, int is_depthwise, int32_t n_leaves,
                  hnas_status (*record)(hnas_tensor **, hnas_tape *,
                                        hnas_tensor *const *, void *),
                  void (*reference)(double *, const double *const *, void *))
{
    for (int i = 0; i < 120; i++) {
        struct grad_case c = {
            .name = name, .record = record, .reference = reference};
        struct conv v;

        if (!draw_geometry(&v, is_depthwise)) {
            i--;
            continue;
        }
        describe(&c, &v, n_leaves);
        c.mode = i % 3 ? 0 : HNAS_TAPE_PLAIN;
        gradcheck(ctx, &c, &rnd);
    }
}

START_TEST(conv2d_convolves)
{
    check("conv2d", 0, 2, record_conv, conv);
}
END_TEST

START_TEST(depthwise_conv2d_convolves_each_channel)
{
    check("depthwise", 1, 2, record_depthwise, depthwise);
}
END_TEST

START_TEST(separable_conv2d_is_relu_depthwise_pointwise)
{
    check("separable", 2, 3, record_separable, separable);
}
END_TEST

START_TEST(a_given_output_size_pads_below_and_right)
{
    for (int i = 0; i < 40; i++) {
        struct grad_case c = {
            .name = "out", .record = record_conv, .reference = conv};
        struct conv v = {.n = 2, .in = 3, .out = 5, .k = {1, 3}};

        hnas_conv_opts_init(&v.o, sizeof v.o);
        for (int a = 0; a < 2; a++) {
            v.size[a] = 1 + random_int(&rnd, 8);
            v.o.stride[a] = 2;
            v.o.pad[a] = random_int(&rnd, 3) - 1;
            v.o.out[a] = (v.size[a] + 1) / 2;
        }
        geometry(&v, 0);
        describe(&c, &v, 2);
        gradcheck(ctx, &c, &rnd);
    }
}
END_TEST

static hnas_status record_reduce(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *const *x, void *user)
{
    (void)user;
    return hnas_factorized_reduce(out, tape, x[0], x[1], x[2]);
}

static void reduce(double *y, const double *const *x, void *user)
{
    const struct conv *c = user;
    const int64_t half[4] = {c->n, c->w[0], c->y[2], c->y[3]};
    const int64_t rest[4] = {c->n, c->w2[0], c->y[2], c->y[3]};
    double *part = calloc((size_t)shape_count(4, c->y), sizeof *part);
    hnas_conv_opts o = c->o;

    ref_conv(part, x[0], c->x, x[1], c->w, &o, 0);
    ref_put_channels(y, c->y[1], 0, part, half);
    o.pad[0] = o.pad[1] = -1;
    ref_conv(part, x[0], c->x, x[2], c->w2, &o, 0);
    ref_put_channels(y, c->y[1], c->w[0], part, rest);
    free(part);
}

START_TEST(factorized_reduce_halves_and_concatenates)
{
    static const int64_t sizes[][2] = {{1, 1}, {2, 2}, {5, 8}, {7, 3}, {8, 8}};

    for (int i = 0; i < 20; i++) {
        struct grad_case c = {
            .name = "reduce", .record = record_reduce, .reference = reduce};
        struct conv v = {.n = 1 + i % 3, .in = 3 + i % 7, .out = 1 + i % 4};

        hnas_conv_opts_init(&v.o, sizeof v.o);
        v.o.relu = 1;
        v.k[0] = v.k[1] = 1;
        for (int a = 0; a < 2; a++) {
            v.size[a] = sizes[i % 5][a];
            v.o.stride[a] = 2;
            v.o.out[a] = (v.size[a] + 1) / 2;
        }
        geometry(&v, 0);
        v.w2[0] = 3;
        v.y[1] = v.out + 3;
        describe(&c, &v, 3);
        c.mode = i % 2 ? HNAS_TAPE_PLAIN : 0;
        gradcheck(ctx, &c, &rnd);
    }
}
END_TEST

static hnas_tensor *tensor(int32_t rank, int64_t a, int64_t b, int64_t c,
                           int64_t d)
{
    const int64_t dims[4] = {a, b, c, d};
    hnas_tensor *t;

    ck_assert_int_eq(hnas_tensor_create(&t, ctx, TEST_REAL, rank, dims), 0);
    return t;
}

static void expect(hnas_status got, hnas_status want, hnas_tensor **out)
{
    ck_assert_msg(got == want, "%s, want %s: %s", hnas_status_name(got),
                  hnas_status_name(want), hnas_context_message(ctx));
    ck_assert_ptr_null(*out);
}

START_TEST(shapes_that_do_not_fit_are_refused)
{
    hnas_tensor *x = tensor(4, 2, 3, 5, 5), *flat = tensor(2, 3, 3, 0, 0);
    hnas_tensor *other = tensor(4, 4, 2, 3, 3), *big = tensor(4, 4, 3, 7, 7);
    hnas_tensor *dw = tensor(4, 3, 1, 3, 3), *wide = tensor(4, 3, 1, 3, 5);
    hnas_tensor *pw = tensor(4, 4, 3, 1, 1), *out = x;

    expect(hnas_conv2d(&out, NULL, x, other, NULL), HNAS_E_SHAPE, &out);
    expect(hnas_conv2d(&out, NULL, x, flat, NULL), HNAS_E_SHAPE, &out);
    expect(hnas_conv2d(&out, NULL, flat, pw, NULL), HNAS_E_SHAPE, &out);
    expect(hnas_conv2d(&out, NULL, x, big, NULL), HNAS_E_SHAPE, &out);
    expect(hnas_depthwise_conv2d(&out, NULL, x, other, NULL), HNAS_E_SHAPE,
           &out);
    expect(hnas_depthwise_conv2d(&out, NULL, x, wide, NULL), HNAS_E_SHAPE,
           &out);
    expect(hnas_separable_conv2d(&out, NULL, x, other, pw, NULL), HNAS_E_SHAPE,
           &out);
    expect(hnas_separable_conv2d(&out, NULL, x, dw, other, NULL), HNAS_E_SHAPE,
           &out);
    expect(hnas_factorized_reduce(&out, NULL, x, pw, other), HNAS_E_SHAPE,
           &out);
    expect(hnas_conv2d(&out, NULL, NULL, pw, NULL), HNAS_E_ARG, &out);
    expect(hnas_conv2d(&out, NULL, x, NULL, NULL), HNAS_E_ARG, &out);
    expect(hnas_separable_conv2d(&out, NULL, x, dw, NULL, NULL), HNAS_E_ARG,
           &out);
    hnas_tensor_unref(x);
    hnas_tensor_unref(flat);
    hnas_tensor_unref(other);
    hnas_tensor_unref(big);
    hnas_tensor_unref(dw);
    hnas_tensor_unref(wide);
    hnas_tensor_unref(pw);
}
END_TEST

START_TEST(windows_that_make_no_sense_are_refused)
{
    hnas_tensor *x = tensor(4, 2, 3, 5, 5), *w = tensor(4, 4, 3, 3, 3);
    hnas_tensor *dw = tensor(4, 3, 1, 3, 3), *out = x;
    hnas_conv_opts bad[7];

    for (int i = 0; i < 7; i++)
        hnas_conv_opts_init(&bad[i], sizeof bad[i]);
    bad[0].stride[0] = 0;
    bad[1].stride[1] = -1;
    bad[2].dilation[0] = 0;
    bad[3].pad[1] = INT64_MAX;
    bad[4].pad[0] = INT64_MIN;
    bad[5].out[0] = -1;
    bad[6].out[0] = INT64_MAX;
    for (int i = 0; i < 7; i++)
        expect(hnas_conv2d(&out, NULL, x, w, &bad[i]), HNAS_E_RANGE, &out);
    hnas_conv_opts_init(&bad[0], sizeof bad[0]);
    bad[0].size = 0;
    expect(hnas_conv2d(&out, NULL, x, w, &bad[0]), HNAS_E_ARG, &out);
    hnas_conv_opts_init(&bad[0], sizeof bad[0]);
    bad[0].stride[0] = 2;
    expect(hnas_depthwise_conv2d(&out, NULL, x, dw, &bad[0]),
           HNAS_E_UNSUPPORTED, &out);
    hnas_tensor_unref(x);
    hnas_tensor_unref(w);
    hnas_tensor_unref(dw);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("func");
    TCase *t = tcase_create("convolution");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, conv2d_convolves);
    tcase_add_test(t, depthwise_conv2d_convolves_each_channel);
    tcase_add_test(t, separable_conv2d_is_relu_depthwise_pointwise);
    tcase_add_test(t, a_given_output_size_pads_below_and_right);
    tcase_add_test(t, factorized_reduce_halves_and_concatenates);
    tcase_add_test(t, shapes_that_do_not_fit_are_refused);
    tcase_add_test(t, windows_that_make_no_sense_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
