/* SPDX-License-Identifier: BSD-3-Clause */
/* Discrete networks against PyTorch in double: logits, loss and gradients of
 * the same weights, five steps of training, predictions after them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/golden.h"
#include "tensor/tensor.h"

#ifdef HN_REAL_DOUBLE
static const double first_bound = 1e-8, run_bound = 1e-6;
#else
static const double first_bound = 1e-4, run_bound = 1e-3;
#endif

enum { STEPS = 5, EDGES = 9, OPS = 8, CLASSES = 5, IMAGES = 4 };

static hnas_context *ctx;
static struct golden *golden;

static void setup(void)
{
    hnas_context_opts o;

    hnas_context_opts_init(&o, sizeof o);
    o.n_threads = 2;
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    golden = golden_open("model.safetensors");
}

static void teardown(void)
{
    golden_close(golden);
    hnas_context_destroy(ctx);
}

/* The architecture of the file, through a supernet that is gone afterwards. */
static hnas_arch *make_arch(void)
{
    static const char *const kinds[2] = {"normal", "reduce"};
    double alpha[2][EDGES * OPS] = {{0}, {0}};
    const double *const tables[2] = {alpha[0], alpha[1]};
    hnas_supernet_opts o;
    hnas_supernet *net;
    hnas_arch *arch;

    for (int k = 0; k < 2; k++) {
        const struct golden_array *op = golden_find(golden, "%s", kinds[k]);

        ck_assert_int_eq(op->count, EDGES);
        for (int e = 0; e < EDGES; e++)
            alpha[k][e * OPS + (int)op->data[e]] = 1;
    }
    hnas_supernet_opts_init(&o, sizeof o);
    o.channels = 2;
    o.cells = 4;
    o.nodes = 3;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), HNAS_OK);
    ck_assert_int_eq(hnas_arch_from_alpha(&arch, net, tables, HNAS_RULE_ARGMAX,
                                          HNAS_COST_PARAMS),
                     HNAS_OK);
    hnas_supernet_destroy(net);
    return arch;
}

/* What the oracle fills large auxiliary weights with. */
static void fill_by_formula(hnas_tensor *t)
{
    const int64_t n = hnas_tensor_get_count(t);
    double *v = malloc((size_t)n * sizeof *v);

    ck_assert_ptr_nonnull(v);
    for (int64_t i = 0; i < n; i++)
        v[i] = (double)(40503 * i % 65536 - 32768) / (1 << 20);
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, v, n), 0);
    free(v);
}

static void load(hnas_model *m, const char *part)
{
    const hnas_params *p = hnas_model_get_params(m);

    for (int64_t i = 0; i < hnas_params_get_count(p); i++) {
        const char *name = hnas_params_get_name(p, i);
        const struct golden_array *a = golden_find(golden, "%s/%s", part, name);
        hnas_tensor *t = hnas_params_get_tensor(p, i);

        if (hnas_params_get_kind(p, i) == HNAS_PARAM_BUFFER)
            continue;
        if (a)
            ck_assert_int_eq(
                hnas_tensor_set(t, HNAS_FLOAT64, a->data, a->count), HNAS_OK);
        else if (!strncmp(name, "auxiliary.", 10))
            fill_by_formula(t);
        else
            ck_abort_msg("%s/%s is not in the golden file", part, name);
    }
}

static hnas_model *make_model(int full)
{
    hnas_arch *arch = make_arch();
    hnas_train_opts t;
    hnas_model_opts o;
    hnas_model *m;

    hnas_model_opts_init(&o, sizeof o);
    o.image[0] = 2;
    o.image[1] = o.image[2] = 10;
    o.classes = CLASSES;
    o.channels = o.cells = 4;
    o.nodes = 3;
    o.affine = o.auxiliary = full;
    ck_assert_int_eq(hnas_model_create(&m, ctx, arch, &o), HNAS_OK);
    hnas_arch_destroy(arch);
    load(m, full ? "full" : "plain");
    hnas_train_opts_init(&t, sizeof t);
    t.rate = 0.1;
    t.sgd.clip = 0.5;
    t.sgd.nesterov = full;
    t.label_smoothing = full ? 0.1 : 0;
    ck_assert_int_eq(hnas_model_train(m, &t), HNAS_OK);
    return m;
}

static hnas_batch batch(int index)
{
    const struct golden_array *x = golden_find(golden, "x");
    const struct golden_array *y = golden_find(golden, "y");
    const int64_t n = IMAGES, pixels = x->count / x->dims[0];
    int32_t labels[IMAGES];
    hnas_batch b;

    ck_assert_int_eq(
        hnas_tensor_create(&b.images, ctx, HN_REAL, 4, x->dims + 1), 0);
    ck_assert_int_eq(hnas_tensor_set(b.images, HNAS_FLOAT64,
                                     x->data + index * pixels, pixels),
                     0);
    ck_assert_int_eq(hnas_tensor_create(&b.labels, ctx, HNAS_INT32, 1, &n), 0);
    for (int64_t i = 0; i < n; i++)
        labels[i] = (int32_t)y->data[index * n + i];
    ck_assert_int_eq(hnas_tensor_set(b.labels, HNAS_INT32, labels, n), 0);
    return b;
}

static void drop(hnas_batch *b)
{
    hnas_tensor_unref(b->images);
    hnas_tensor_unref(b->labels);
}

/* The distance of n numbers, and the size of those wanted. */
static void measure(double *distance, double *size, const double *got,
                    const double *want, int64_t n)
{
    *distance = *size = 0;
    for (int64_t i = 0; i < n; i++) {
        *distance += (got[i] - want[i]) * (got[i] - want[i]);
        *size += want[i] * want[i];
    }
    *distance = sqrt(*distance);
    *size = sqrt(*size);
}

/* Compare values, or gradients, with what is stored under a prefix; returns
 * how many tensors were there.  Batch-norm makes some gradients vanish: those
 * are held to a hundredth of the whole gradient, `norm`. */
static int compare(const hnas_model *m, const char *prefix, int gradients,
                   double norm, double bound)
{
    const hnas_params *p = hnas_model_get_params(m);
    int n = 0;

    for (int64_t i = 0; i < hnas_params_get_count(p); i++) {
        const char *name = hnas_params_get_name(p, i);
        const struct golden_array *want =
            golden_find(golden, "%s%s", prefix, name);
        hnas_tensor *t = hnas_params_get_tensor(p, i);
        double got[4096], d, size;

        if (!want)
            continue;
        n++;
        ck_assert_int_eq(
            (gradients ? hnas_tensor_get_gradient
                       : hnas_tensor_get)(t, HNAS_FLOAT64, got, want->count),
            0);
        measure(&d, &size, got, want->data, want->count);
        ck_assert_msg(d <= bound * (size + norm / 100),
                      "%s%s: L2 error %g of %g, bound %g", prefix, name, d,
                      size, bound);
    }
    return n;
}

static void compare_logits(hnas_model *m, const hnas_batch *b, const char *name,
                           double bound)
{
    const struct golden_array *want = golden_find(golden, "%s", name);
    double wide[IMAGES * CLASSES], d;
    float got[IMAGES * CLASSES];

    ck_assert_int_eq(hnas_model_predict(m, b->images, got, IMAGES * CLASSES),
                     0);
    for (int i = 0; i < IMAGES * CLASSES; i++)
        wide[i] = got[i];
    d = golden_distance(wide, want->data, want->count);
    ck_assert_msg(d <= bound, "%s: relative L2 error %g", name, d);
}

static void check(const char *part, int full)
{
    const double *losses = golden_find(golden, "%s/losses", part)->data;
    const double *norms = golden_find(golden, "%s/norms", part)->data;
    hnas_model *m = make_model(full);
    char name[64];
    hnas_batch b;

    for (int i = 0; i < STEPS; i++) {
        hnas_train_info info;

        b = batch(i);
        ck_assert_int_eq(hnas_model_step(m, &b, &info), 0);
        ck_assert_msg(fabs(info.loss - losses[i]) <=
                          (i ? run_bound : first_bound),
                      "%s step %d: loss %.12g, want %.12g", part, i, info.loss,
                      losses[i]);
        ck_assert_msg(fabs(info.norm / norms[i] - 1) <= run_bound,
                      "%s step %d: norm %.12g, want %.12g", part, i, info.norm,
                      norms[i]);
        snprintf(name, sizeof name, "%s/g.", part);
        if (i == 0) /* SGD leaves gradients as they were */
            ck_assert_int_gt(compare(m, name, 1, norms[0], first_bound), 50);
        drop(&b);
    }
    snprintf(name, sizeof name, "%s/end/", part);
    ck_assert_int_gt(compare(m, name, 0, 0, run_bound), 100);
    snprintf(name, sizeof name, "%s/end/logits", part);
    b = batch(0);
    compare_logits(m, &b, name, run_bound);
    drop(&b);
    hnas_model_destroy(m);
}

START_TEST(five_steps_agree_with_pytorch)
{
    check("plain", 0);
}
END_TEST

START_TEST(five_steps_with_everything_on_agree_with_pytorch)
{
    check("full", 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = tcase_create("golden");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, five_steps_agree_with_pytorch);
    tcase_add_test(t, five_steps_with_everything_on_agree_with_pytorch);
    suite_add_tcase(s, t);
    return run_suite(s);
}
