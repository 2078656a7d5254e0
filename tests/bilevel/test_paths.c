/* SPDX-License-Identifier: BSD-3-Clause */
/* alpha's pass over a few drawn operations of each edge. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "world.h"

enum { E = 5, O = 8, N = E * O };

static const double lambda = 1e-2;
static struct world w;

static void open_world(int32_t n_paths, int32_t n_threads)
{
    world_open(&w, "default", n_threads);
    w.opts.alpha_paths = n_paths;
    w.opts.cost_weight = 0;
    w.opts.tau = w.opts.tau_last = 0.7;
    w.opts.bilevel.warmup = 0;
    world_search(&w);
}

static void steps(int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_msg(hnas_search_step(w.search, &w.train, &w.valid, NULL, 0,
                                       NULL) == HNAS_OK,
                      "%s", hnas_context_message(w.ctx));
}

static double *state_after(int32_t n_paths, int32_t n_threads, int64_t *n)
{
    double *state;

    open_world(n_paths, n_threads);
    steps(4);
    state = world_state(&w, n);
    world_close(&w);
    return state;
}

static int same_state(int32_t paths, int32_t threads, int32_t other_paths,
                      int32_t other_threads)
{
    int64_t n, m;
    double *a = state_after(paths, threads, &n);
    double *b = state_after(other_paths, other_threads, &m);
    const int same = n == m && !memcmp(a, b, (size_t)n * sizeof *a);

    free(a);
    free(b);
    return same;
}

START_TEST(as_many_paths_as_operations_are_all_of_them)
{
    ck_assert(same_state(O, 1, 0, 1));
    ck_assert(same_state(64, 1, 0, 1));
    ck_assert(!same_state(O - 1, 1, 0, 1));
}
END_TEST

START_TEST(paths_are_the_same_for_any_number_of_threads)
{
    ck_assert(same_state(2, 1, 2, 3));
}
END_TEST

/* The nodes of the record that the gradient at lambda left. */
static int64_t nodes_of_gradient(int32_t n_paths)
{
    int64_t n;

    open_world(n_paths, 1);
    ck_assert_int_eq(hnas_search_gradient(w.search, &w.train, &w.valid, lambda),
                     0);
    n = w.search->bilevel->tape->n_nodes;
    world_close(&w);
    return n;
}

START_TEST(operations_that_are_left_out_are_not_recorded)
{
    int64_t last = nodes_of_gradient(0);

    ck_assert_int_eq(nodes_of_gradient(O), last);
    for (int32_t m = O - 1; m >= 2; m--) {
        const int64_t n = nodes_of_gradient(m);

        ck_assert_int_lt(n, last);
        last = n;
    }
}
END_TEST

/* ---- the gradient of the straight-through surrogate ---- */

/* What is drawn at alpha, by the definition. */
struct draw {
    double alpha[N], noise[N];
    int drawn[N], first[E]; /* among the m best; the best one of each edge */
    double soft[N];
};

static void soften(struct draw *d)
{
    for (int e = 0; e < E; e++) {
        double sum = 0;

        for (int i = e * O; i < (e + 1) * O; i++)
            sum += d->drawn[i] ? exp((d->alpha[i] + d->noise[i]) / 0.7) : 0;
        for (int i = e * O; i < (e + 1) * O; i++)
            d->soft[i] =
                d->drawn[i] ? exp((d->alpha[i] + d->noise[i]) / 0.7) / sum : 0;
    }
}

static void draw(struct draw *d, int32_t kind, int32_t m)
{
    ck_assert_int_eq(hnas_hyper_eval(d->alpha, N, w.hyper, kind, lambda), 0);
    for (int i = 0; i < N; i++)
        d->noise[i] = (double)hn_real(w.search->kind[kind].noise)[i];
    memset(d->drawn, 0, sizeof d->drawn);
    for (int e = 0; e < E; e++)
        for (int32_t round = 0; round < m; round++) {
            int best = -1;

            for (int i = e * O; i < (e + 1) * O; i++)
                if (!d->drawn[i] &&
                    (best < 0 || d->alpha[i] + d->noise[i] >
                                     d->alpha[best] + d->noise[best]))
                    best = i;
            d->drawn[best] = 1;
            if (round == 0)
                d->first[e] = best;
        }
    soften(d);
}

/* The validation loss where the gate i of a kind is `extra` above its one-hot
 * value, every operation evaluated. */
static double loss_at(struct draw d[2], int32_t kind, int i, double extra)
{
    const int64_t dims[2] = {E, O};
    hnas_tensor *gates[2], *logits, *loss;
    hnas_tape *tape = w.search->tape;
    double value;

    for (int k = 0; k < 2; k++) {
        ck_assert_int_eq(hn_tensor_new(&gates[k], w.ctx, HN_STRIDED, 2, dims),
                         0);
        for (int e = 0; e < E; e++)
            hn_real(gates[k])[d[k].first[e]] = 1;
    }
    hn_real(gates[kind])[i] += (real)extra;
    ck_assert_int_eq(hnas_tape_reset(tape, HNAS_TAPE_NO_GRADIENT), 0);
    ck_assert_int_eq(
        hnas_supernet_apply(&logits, tape, w.net, w.valid.images, gates, 0), 0);
    ck_assert_int_eq(hnas_cross_entropy(&loss, tape, logits, w.valid.labels),
                     0);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &value, 1), 0);
    hnas_tensor_unref(gates[0]);
    hnas_tensor_unref(gates[1]);
    hnas_tensor_unref(logits);
    hnas_tensor_unref(loss);
    return value;
}

/* d p_j / d alpha_i by central differences of the soft gates. */
static double soft_slope(const struct draw *d, int j, int i)
{
    struct draw up = *d, down = *d;

    up.alpha[i] += 1e-6;
    down.alpha[i] -= 1e-6;
    soften(&up);
    soften(&down);
    return (up.soft[j] - down.soft[j]) / 2e-6;
}

static void expect_surrogate(int32_t m)
{
    const double h = sizeof(real) == 8 ? 1e-5 : 0x1p-9;
    const double bound = sizeof(real) == 8 ? 1e-8 : 8e-3;
    static struct draw d[2];
    double got[N], largest = 0;

    open_world(m, 1);
    steps(2); /* away from equal alpha */
    ck_assert_int_eq(hnas_search_gradient(w.search, &w.train, &w.valid, lambda),
                     0);
    draw(&d[0], 0, m);
    draw(&d[1], 1, m);
    for (int32_t k = 0; k < 2; k++) {
        hnas_tensor *b2 = w.search->u[2 * k + 1];
        double slope[N], want;

        ck_assert_int_eq(hnas_tensor_get_gradient(b2, HNAS_FLOAT64, got, N), 0);
        for (int i = 0; i < N; i++)
            slope[i] =
                d[k].drawn[i]
                    ? (loss_at(d, k, i, h) - loss_at(d, k, i, -h)) / (2 * h)
                    : 0;
        for (int i = 0; i < N; i++) {
            want = 0;
            for (int j = i / O * O; j < (i / O + 1) * O; j++)
                want += slope[j] * soft_slope(&d[k], j, i);
            ck_assert_double_eq_tol(got[i], want, bound);
            if (!d[k].drawn[i])
                ck_assert_double_eq(got[i], 0);
            largest = fmax(largest, fabs(want));
        }
    }
    ck_assert_double_gt(largest, 4 * bound);
    world_close(&w);
}

START_TEST(gradient_is_that_of_the_straight_through_surrogate)
{
    expect_surrogate(2);
    expect_surrogate(4);
    expect_surrogate(O);
}
END_TEST

START_TEST(bad_numbers_of_paths_are_refused)
{
    const int32_t bad[] = {-1, 1, 65};
    hnas_search *s;

    world_open(&w, "default", 1);
    for (int i = 0; i < 3; i++) {
        w.opts.alpha_paths = bad[i];
        ck_assert_int_eq(hnas_search_create(&s, w.net, w.hyper, &w.opts),
                         HNAS_E_RANGE);
        ck_assert_ptr_nonnull(strstr(hnas_context_message(w.ctx), "alpha_p"));
    }
    world_close(&w);
}
END_TEST

START_TEST(other_relaxations_evaluate_all_operations)
{
    double *state[2];
    int64_t n;

    for (int i = 0; i < 2; i++) {
        world_open(&w, "default", 1);
        w.opts.relax = HNAS_RELAX_GUMBEL;
        w.opts.alpha_paths = 2 * i;
        w.opts.bilevel.warmup = 0;
        world_search(&w);
        steps(2);
        state[i] = world_state(&w, &n);
        world_close(&w);
    }
    ck_assert_mem_eq(state[0], state[1], (size_t)n * sizeof *state[0]);
    free(state[0]);
    free(state[1]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("paths");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, as_many_paths_as_operations_are_all_of_them);
    tcase_add_test(t, paths_are_the_same_for_any_number_of_threads);
    tcase_add_test(t, operations_that_are_left_out_are_not_recorded);
    tcase_add_test(t, gradient_is_that_of_the_straight_through_surrogate);
    tcase_add_test(t, bad_numbers_of_paths_are_refused);
    tcase_add_test(t, other_relaxations_evaluate_all_operations);
    suite_add_tcase(s, t);
    return run_suite(s);
}
