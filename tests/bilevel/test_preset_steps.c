/* SPDX-License-Identifier: BSD-3-Clause */
/* Every preset, and settings that none has, against PyTorch in double: losses
 * and gradients at the start, then three steps of the six that schedules are
 * laid out for.  tests/oracle/presets_torch.py has the cases. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "bilevel/search.h"
#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/golden.h"
#include "tensor/params.h"

enum { STEPS = 4, TOTAL = 6, CHANNELS = 2, MOST = 8192, MOST_WEIGHTS = 1024 };
static const double loss_bound = 1e-9, bound = 1e-6;

static struct golden *golden;

/* What differs from the preset. */
struct variant {
    const char *name, *preset;
    int32_t hypernet, kernels, head;
};

static const struct variant variants[] = {
    {"seed", "seed", HNAS_HYPER_LINEAR, 0, 0},
    {"darts", "darts", HNAS_HYPER_CONSTANT, 0, 0},
    {"darts_l1", "darts_l1", HNAS_HYPER_CONSTANT, 0, 0},
    {"fair_darts", "fair_darts", HNAS_HYPER_CONSTANT, 0, 0},
    {"darts_cc", "darts_cc", HNAS_HYPER_PIECEWISE, 0, 1},
    {"default", "default", HNAS_HYPER_LINEAR, 0, 0},
    {"piecewise", "darts", HNAS_HYPER_PIECEWISE, 0, 0},
    {"mlp", "darts", HNAS_HYPER_MLP, 0, 0},
    {"kernels", "darts", HNAS_HYPER_CONSTANT, HNAS_KERNELS_GENERATED, 0},
    {"kernels_lambda", "darts", HNAS_HYPER_LINEAR,
     HNAS_KERNELS_GENERATED_LAMBDA, 1},
};

struct world {
    const struct variant *v;
    hnas_context *ctx;
    hnas_supernet *net;
    hnas_hyper *hyper;
    hnas_search *search;
};

static const struct golden_array *find(const struct world *w, const char *name)
{
    const struct golden_array *a =
        golden_find(golden, "%s/%s", w->v->name, name);

    if (!a)
        a = golden_find(golden, "%s", name);
    ck_assert_msg(a != NULL, "%s/%s is not in the golden file", w->v->name,
                  name);
    return a;
}

static void load(const struct world *w, const hnas_params *params)
{
    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        const struct golden_array *a;

        if (hnas_params_get_kind(params, i) == HNAS_PARAM_BUFFER)
            continue;
        a = find(w, hnas_params_get_name(params, i));
        ck_assert_int_eq(hnas_tensor_set(hnas_params_get_tensor(params, i),
                                         HNAS_FLOAT64, a->data, a->count),
                         HNAS_OK);
    }
}

static void vary(hnas_preset *p, const struct variant *v)
{
    hnas_search_opts *s = &p->search;

    p->hyper.kind = v->hypernet;
    p->head = v->head;
    if (!strcmp(v->name, "piecewise")) {
        p->hyper.knots = 4;
        s->cost_weight = 3;
        s->l2 = 0.01;
        s->beta_decay = 0.5;
    } else if (!strcmp(v->name, "mlp")) {
        p->hyper.hidden = 4;
        s->bilevel.order = HNAS_ORDER_FIRST;
        s->relax = HNAS_RELAX_SIGMOID;
        s->cost_weight = 1;
    } else if (!strcmp(v->name, "kernels_lambda")) {
        s->bilevel.order = HNAS_ORDER_SECOND_EXACT;
    }
    s->bilevel.total_steps = TOTAL;
    s->bilevel.rate_steps = 1;
}

static void open_world(struct world *w, const struct variant *v)
{
    hnas_supernet_opts n;
    hnas_preset p;

    w->v = v;
    ck_assert_int_eq(hnas_context_create(&w->ctx, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_preset_find(&p, sizeof p, w->ctx, v->preset), 0);
    vary(&p, v);
    hnas_supernet_opts_init(&n, sizeof n);
    hnas_preset_fit_net(&p, &n);
    n.image[1] = n.image[2] = 6;
    n.classes = 3;
    n.channels = CHANNELS;
    n.cells = 3;
    n.nodes = 2;
    n.kernels = v->kernels;
    n.embedding = 3;
    ck_assert_int_eq(hnas_supernet_create(&w->net, w->ctx, &n), 0);
    hnas_supernet_fit_hyper(w->net, &p.hyper);
    ck_assert_int_eq(hnas_hyper_create(&w->hyper, w->ctx, &p.hyper), 0);
    load(w, hnas_supernet_get_params(w->net));
    load(w, hnas_hyper_get_params(w->hyper));
    ck_assert_msg(hnas_search_create(&w->search, w->net, w->hyper, &p.search) ==
                      0,
                  "%s", hnas_context_message(w->ctx));
}

static void close_world(struct world *w)
{
    hnas_search_destroy(w->search);
    hnas_hyper_destroy(w->hyper);
    hnas_supernet_destroy(w->net);
    hnas_context_destroy(w->ctx);
}

static hnas_batch batch(const struct world *w, const char *part, int index)
{
    const struct golden_array *x = golden_find(golden, "%s/x", part);
    const struct golden_array *y = golden_find(golden, "%s/y", part);
    const int64_t n = y->dims[1], pixels = x->count / x->dims[0];
    int32_t labels[16];
    hnas_batch b;

    hnas_tensor_create(&b.images, w->ctx, HNAS_FLOAT64, 4, x->dims + 1);
    hnas_tensor_set(b.images, HNAS_FLOAT64, x->data + index * pixels, pixels);
    hnas_tensor_create(&b.labels, w->ctx, HNAS_INT32, 1, &n);
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

/* The golden file's noise in place of the search's own draw. */
static void give_noise(struct world *w, int index)
{
    static const char *const names[2] = {"noise.normal", "noise.reduce"};

    for (int k = 0; k < 2; k++) {
        struct hn_search_kind *kind = &w->search->kind[k];
        const struct golden_array *a =
            golden_find(golden, "%s/%s", w->v->name, names[k]);
        const int64_t n = a ? a->count / STEPS : 0;

        if (!a)
            continue;
        if (!kind->noise)
            ck_assert_int_eq(hnas_tensor_create(&kind->noise, w->ctx,
                                                HNAS_FLOAT64, a->rank - 1,
                                                a->dims + 1),
                             0);
        ck_assert_int_eq(
            hnas_tensor_set(kind->noise, HNAS_FLOAT64, a->data + index * n, n),
            0);
        kind->noise_step = hnas_search_get_steps(w->search);
        kind->noise_purpose = (uint32_t)(HN_DRAW_GUMBEL + k);
    }
}

/* ---- digests: two numbers a tensor, in the order of names ---- */

static int by_name(const void *a, const void *b)
{
    const struct hn_param *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static void digest(double out[2], const struct hn_param *e, int gradient)
{
    const int64_t n = hnas_tensor_get_count(e->tensor);
    static double v[MOST];

    ck_assert_int_le(n, MOST);
    ck_assert_int_eq(
        gradient ? hnas_tensor_get_gradient(e->tensor, HNAS_FLOAT64, v, n)
                 : hnas_tensor_get(e->tensor, HNAS_FLOAT64, v, n),
        0);
    out[0] = out[1] = 0;
    for (int64_t i = 0; i < n; i++) {
        out[0] += v[i] * v[i];
        out[1] += v[i] * (double)(40503 * i % 65536 - 32768) / 32768;
    }
    out[0] = sqrt(out[0]);
}

static void compare_weights(const struct world *w, const char *what,
                            int gradient)
{
    const hnas_params *p = hnas_supernet_get_params(w->net);
    const struct golden_array *want = find(w, what);
    static const struct hn_param *e[MOST_WEIGHTS];
    int64_t n = 0;

    for (int64_t i = 0; i < p->n; i++)
        if (p->entry[i].kind == HNAS_PARAM_WEIGHT)
            e[n++] = &p->entry[i];
    ck_assert_int_eq(n, want->dims[0]);
    qsort(e, (size_t)n, sizeof *e, by_name);
    for (int64_t i = 0; i < n; i++) {
        const double *d = want->data + 2 * i;
        double got[2];

        digest(got, e[i], gradient);
        ck_assert_msg(fabs(got[0] - d[0]) <= bound * (d[0] + 1e-3) &&
                          fabs(got[1] - d[1]) <= bound * (d[0] + 1e-3),
                      "%s/%s %s: norm %.12g and product %.12g, want %.12g and "
                      "%.12g",
                      w->v->name, what, e[i]->name, got[0], got[1], d[0], d[1]);
    }
}

static void compare_alpha(const struct world *w, const char *prefix,
                          int gradient)
{
    const hnas_params *p = hnas_hyper_get_params(w->hyper);

    for (int64_t i = 0; i < p->n; i++) {
        char name[96];
        static double got[MOST];
        const struct golden_array *want;
        hnas_tensor *t = p->entry[i].tensor;
        double d;

        snprintf(name, sizeof name, "%s%s", prefix, p->entry[i].name);
        want = find(w, name);
        ck_assert_int_eq(
            gradient
                ? hnas_tensor_get_gradient(t, HNAS_FLOAT64, got, want->count)
                : hnas_tensor_get(t, HNAS_FLOAT64, got, want->count),
            0);
        d = golden_distance(got, want->data, want->count);
        ck_assert_msg(d <= bound, "%s/%s: relative L2 error %g", w->v->name,
                      name, d);
    }
}

/* ---- the checks ---- */

/* The loss of a w pass and its gradients. */
static void check_train_loss(struct world *w, const hnas_batch *b,
                             double lambda)
{
    struct hnas_search *s = w->search;
    const int hard = s->opts.relax == HNAS_RELAX_GUMBEL_HARD;
    hnas_tensor *alpha[2] = {NULL, NULL}, *gates[2] = {NULL, NULL};
    hnas_tensor *logits, *loss;
    hnas_tape *tape;
    double got;

    ck_assert_int_eq(hnas_tape_create(&tape, w->ctx), 0);
    ck_assert_int_eq(
        hn_search_gates(s, tape, lambda, -1, b->images->dim[0], alpha, gates),
        0);
    ck_assert_int_eq(
        hn_search_logits(&logits, s, tape, b->images, gates,
                         hard ? HNAS_CELL_HARD | HNAS_CELL_DRAWN_ONLY : 0,
                         lambda),
        0);
    ck_assert_int_eq(hnas_cross_entropy(&loss, tape, logits, b->labels), 0);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &got, 1), 0);
    ck_assert_double_eq_tol(got, find(w, "start/train_loss")->data[0],
                            loss_bound);
    ck_assert_int_eq(hnas_tape_backward(tape, loss), 0);
    compare_weights(w, "start/train", 1);
    for (int k = 0; k < 2; k++) {
        hnas_tensor_unref(alpha[k]);
        hnas_tensor_unref(gates[k]);
    }
    hnas_tensor_unref(logits);
    hnas_tensor_unref(loss);
    hnas_tape_destroy(tape);
}

static void check_steps(struct world *w)
{
    const struct golden_array *lambda = find(w, "lambda");
    const struct golden_array *losses = find(w, "losses");
    const int32_t m = (int32_t)lambda->dims[1];

    for (int i = 0; i < STEPS; i++) {
        hnas_batch train = batch(w, "train", i), valid = batch(w, "valid", i);
        const double *want = losses->data + 2 * i;
        hnas_step_info info;

        give_noise(w, i);
        ck_assert_msg(hnas_search_step(w->search, &train, &valid,
                                       lambda->data + i * m, m, &info) == 0,
                      "%s", hnas_context_message(w->ctx));
        ck_assert_msg(fabs(info.train_loss - want[0]) <= bound,
                      "%s step %d: training loss %.12g, want %.12g", w->v->name,
                      i, info.train_loss, want[0]);
        ck_assert_msg(isnan(want[1]) ? isnan(info.valid_loss)
                                     : fabs(info.valid_loss - want[1]) <= bound,
                      "%s step %d: validation loss %.12g, want %.12g",
                      w->v->name, i, info.valid_loss, want[1]);
        drop(&train);
        drop(&valid);
    }
    compare_weights(w, "end/w", 0);
    compare_alpha(w, "end/", 0);
}

START_TEST(losses_gradients_and_steps_agree_with_pytorch)
{
    struct world w = {0};
    hnas_batch train, valid;
    double lambda;

    golden = golden_open("presets.safetensors");
    open_world(&w, &variants[_i]);
    train = batch(&w, "train", 0);
    valid = batch(&w, "valid", 0);
    lambda = find(&w, "lambda")->data[0];
    give_noise(&w, 0);
    check_train_loss(&w, &train, lambda);
    ck_assert_int_eq(hnas_search_gradient(w.search, &train, &valid, lambda), 0);
    compare_alpha(&w, "start/g.", 1);
    check_steps(&w);
    drop(&train);
    drop(&valid);
    close_world(&w);
    golden_close(golden);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("preset_steps");

    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, losses_gradients_and_steps_agree_with_pytorch, 0,
                        (int)(sizeof variants / sizeof *variants));
    suite_add_tcase(s, t);
    return run_suite(s);
}
