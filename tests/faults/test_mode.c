/* SPDX-License-Identifier: BSD-3-Clause */
/* The bits of 50 steps depend neither on the number of threads nor on the
 * mode the host's thread is in; the mode is the host's again on return. */
#include <fenv.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "support/check_main.h"
#include "world.h"

enum { STEPS = 50 };

static char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    char *bytes;

    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    bytes = malloc(*n);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

/* Steps, a query and a file; the sum of all their bits. */
static uint64_t whole_run(int32_t n_threads)
{
    const char *path = fault_path("search");
    struct life l;
    hnas_arch *arch;
    char *bytes, text[2048];
    size_t n, length;
    uint64_t sum;

    life_open(&l, n_threads);
    for (int i = 0; i < STEPS; i++)
        ck_assert_int_eq(life_step(&l), HNAS_OK);
    sum = life_sum(&l);
    ck_assert_int_eq(
        hnas_search_derive(&arch, l.search, 1.7e-3, HNAS_RULE_TOP2), HNAS_OK);
    ck_assert_int_eq(hnas_arch_write_json(arch, text, sizeof text, &length),
                     HNAS_OK);
    ck_assert_int_eq(hnas_search_save(l.search, path, NULL), HNAS_OK);
    hnas_search_destroy(l.search);
    ck_assert_int_eq(hnas_search_load(&l.search, l.ctx, path), HNAS_OK);
    ck_assert(life_sum(&l) == sum);
    bytes = read_file(path, &n);
    for (size_t i = 0; i < n + length; i++)
        sum = (sum ^ (unsigned char)(i < n ? bytes[i] : text[i - n])) *
              1099511628211u;
    free(bytes);
    hnas_arch_destroy(arch);
    life_close(&l);
    return sum;
}

START_TEST(fifty_steps_have_the_same_bits_on_any_number_of_threads)
{
    static const int32_t threads[] = {2, 3, 4, 8, 40};
    const uint64_t want = whole_run(1);

    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        ck_assert_msg(whole_run(threads[i]) == want, "%d threads: other bits",
                      (int)threads[i]);
}
END_TEST

START_TEST(the_rounding_mode_changes_no_bit_and_comes_back)
{
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    const uint64_t want = whole_run(1);

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        uint64_t got;
        int after;

        ck_assert_int_eq(fesetround(modes[i]), 0);
        got = whole_run(2);
        after = fegetround();
        fesetround(FE_TONEAREST);
        ck_assert_int_eq(after, modes[i]);
        ck_assert_msg(got == want, "rounding mode %d: other bits", (int)i);
    }
}
END_TEST

#if defined(__x86_64__)
START_TEST(flush_to_zero_changes_no_bit_and_comes_back)
{
    const uint64_t want = whole_run(1);
    const unsigned before = _mm_getcsr(), flush = before | 0x8040;
    uint64_t got;
    unsigned after;

    _mm_setcsr(flush);
    got = whole_run(2);
    after = _mm_getcsr();
    _mm_setcsr(before);
    ck_assert_uint_eq(after & 0xffc0, flush & 0xffc0);
    ck_assert_msg(got == want, "flush to zero: other bits");
}
END_TEST
#endif

/* A locale whose decimal point is a comma, where the system has one. */
START_TEST(the_locale_changes_no_bit)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",
                                        "fr_FR.UTF-8", "C.UTF-8"};
    const uint64_t want = whole_run(1);
    const char *set = NULL;
    uint64_t got;

    for (size_t i = 0; !set && i < sizeof names / sizeof *names; i++)
        set = setlocale(LC_ALL, names[i]);
    printf("locale %s, decimal point %s\n", set ? set : "C",
           localeconv()->decimal_point);
    got = whole_run(1);
    setlocale(LC_ALL, "C");
    ck_assert_msg(got == want, "locale: other bits");
}
END_TEST

/* ---- calls that compute on their own ---- */

static uint64_t add_bits(uint64_t sum, const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        sum = (sum ^ ((const unsigned char *)data)[i]) * 1099511628211u;
    return sum;
}

static uint64_t add_tensor(uint64_t sum, hnas_tensor *t)
{
    double value[256];
    const int64_t n = hnas_tensor_get_count(t);

    ck_assert_int_le(n, 256);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, value, n), HNAS_OK);
    return add_bits(sum, value, (size_t)n * sizeof *value);
}

static uint64_t sum_of_data(struct life *l)
{
    hnas_batches_opts o;
    hnas_batches *batches;
    hnas_dataset *data;
    hnas_tensor *images, *labels;
    double moments[2];
    uint64_t sum;

    ck_assert_int_eq(
        hnas_dataset_create(&data, l->ctx, l->batch.images, l->batch.labels),
        HNAS_OK);
    ck_assert_int_eq(hnas_dataset_moments(data, 0, &moments[0], &moments[1]),
                     HNAS_OK);
    sum = add_bits(1, moments, sizeof moments);
    hnas_batches_opts_init(&o, sizeof o);
    o.batch = FAULT_IMAGES;
    o.mean = moments[0];
    o.std = moments[1];
    o.shift = o.flip = 1;
    ck_assert_int_eq(hnas_batches_create(&batches, l->ctx, data, &o), HNAS_OK);
    ck_assert_int_eq(hnas_batches_get(batches, 0, 0, &images, &labels),
                     HNAS_OK);
    sum = add_tensor(sum, images);
    hnas_batches_destroy(batches);
    hnas_dataset_destroy(data);
    return sum;
}

/* What the calls are given, made in the default mode: slopes of any size, some
 * of them subnormal, and numbers that no float holds. */
enum { MOST = 256 };
static float slope[MOST];
static double third[MOST];

static void make_numbers(void)
{
    for (int i = 0; i < MOST; i++) {
        slope[i] = (i % 3 ? 1e-39f : 0.1f) * (float)((7 * i) % 11 - 5);
        third[i] = (double)(i + 1) / 3;
    }
}

/* The first architecture parameter, b1, that a loss has given a gradient. */
static hnas_tensor *slopes_of(struct life *l)
{
    hnas_tensor *b1 =
        hnas_params_get_tensor(hnas_hyper_get_params(l->hyper), 0);
    const int64_t n = hnas_tensor_get_count(b1);

    ck_assert_int_le(n, MOST);
    ck_assert_int_eq(hnas_tensor_set(b1, HNAS_FLOAT32, slope, n), HNAS_OK);
    ck_assert_int_eq(hnas_search_loss(NULL, l->search, &l->batch, 3e-3, NULL,
                                      HNAS_LOSS_VALID),
                     HNAS_OK);
    return b1;
}

static uint64_t sum_of_search(struct life *l)
{
    const char *path = fault_path("copies");
    uint64_t sum;
    char *bytes;
    size_t n;

    ck_assert_int_eq(hnas_search_save(l->search, path, NULL), HNAS_OK);
    bytes = read_file(path, &n);
    sum = add_bits(1, bytes, n);
    free(bytes);
    return sum;
}

/* Numbers of a double, and a file of subnormal ones. */
static uint64_t sum_of_copies(struct life *l)
{
    hnas_tensor *b1 = slopes_of(l);
    const uint64_t sum = sum_of_search(l) ^ add_tensor(1, b1);

    ck_assert_int_eq(
        hnas_tensor_set(b1, HNAS_FLOAT64, third, hnas_tensor_get_count(b1)),
        HNAS_OK);
    return add_tensor(sum, b1);
}

/* A loss draws the noise that the step after it uses. */
static uint64_t sum_of_looks(struct life *l)
{
    hnas_tensor *images = l->batch.images;
    float logits[FAULT_IMAGES * FAULT_CLASSES];
    double value;
    uint64_t sum;

    ck_assert_int_eq(hnas_search_loss(&value, l->search, &l->batch, 3e-3, NULL,
                                      HNAS_LOSS_VALID),
                     HNAS_OK);
    ck_assert_int_eq(life_step(l), HNAS_OK);
    sum = add_bits(1, &value, sizeof value);
    ck_assert_int_eq(hnas_search_calibrate(l->search, NULL, 3e-3, images, 0, 1),
                     HNAS_OK);
    ck_assert_int_eq(hnas_search_predict(l->search, NULL, 3e-3, images, 1,
                                         logits, FAULT_IMAGES * FAULT_CLASSES),
                     HNAS_OK);
    return add_bits(sum ^ sum_of_search(l), logits, sizeof logits);
}

static uint64_t sum_of_optim(struct life *l)
{
    hnas_tensor *b1 = slopes_of(l);
    hnas_optim *optim[2];
    hnas_sgd_opts o;
    uint64_t sum = 1;

    hnas_sgd_opts_init(&o, sizeof o);
    o.clip = 1e-3;
    ck_assert_int_eq(hnas_sgd_create(&optim[0], l->ctx, &b1, 1, &o), HNAS_OK);
    ck_assert_int_eq(hnas_adam_create(&optim[1], l->ctx, &b1, 1, NULL),
                     HNAS_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(hnas_optim_step(optim[i], 0.013), HNAS_OK);
        sum = add_tensor(sum, b1);
        hnas_optim_destroy(optim[i]);
    }
    return sum;
}

static uint64_t sum_of_cone(struct life *l)
{
    hnas_tensor *b1 = slopes_of(l);
    const int64_t n = hnas_tensor_get_count(b1);
    const int32_t zero_ops[64] = {1};
    double cost[MOST];

    for (int64_t i = 0; i < n; i++)
        cost[i] = (double)(i % 4);
    ck_assert_int_eq(hnas_hyper_project(l->hyper, 0, cost, zero_ops, 0),
                     HNAS_OK);
    return add_tensor(1, b1);
}

static uint64_t sum_of_diagnosis(struct life *l)
{
    hnas_diagnosis d;

    slopes_of(l);
    ck_assert_int_eq(hnas_search_diagnose(l->search, 3e-3, &d, sizeof d),
                     HNAS_OK);
    return add_bits(add_bits(1, &d.entropy, sizeof d.entropy), &d.expected_cost,
                    sizeof d.expected_cost);
}

static uint64_t sum_of_onnx(struct life *l)
{
    const char *path = fault_path("onnx");
    uint64_t sum;
    char *bytes;
    size_t n;

    ck_assert_int_eq(
        hnas_search_derive(&l->arch, l->search, 3e-3, HNAS_RULE_TOP2), HNAS_OK);
    ck_assert_int_eq(life_model(l), HNAS_OK);
    ck_assert_int_eq(
        hnas_model_inherit(l->model, hnas_supernet_get_params(l->net)),
        HNAS_OK);
    ck_assert_int_eq(hnas_model_calibrate(l->model, l->batch.images, 1),
                     HNAS_OK);
    ck_assert_int_eq(hnas_model_save_onnx(l->model, path), HNAS_OK);
    bytes = read_file(path, &n);
    sum = add_bits(1, bytes, n);
    free(bytes);
    return sum;
}

static const struct {
    const char *what;
    uint64_t (*sum)(struct life *l);
} alone[] = {{"data", sum_of_data},
             {"copies", sum_of_copies},
             {"looks at a search", sum_of_looks},
             {"optimizers", sum_of_optim},
             {"the cone", sum_of_cone},
             {"a diagnosis", sum_of_diagnosis},
             {"ONNX", sum_of_onnx}};

/* In the mode of a rounding, with subnormal numbers flushed where the machine
 * can. */
static uint64_t sum_in_mode(size_t i, int rounding)
{
    struct life l;
    uint64_t sum;

    life_open(&l, 1);
    make_numbers();
    fesetround(rounding);
#if defined(__x86_64__)
    if (rounding != FE_TONEAREST)
        _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
    sum = alone[i].sum(&l);
    ck_assert_int_eq(fegetround(), rounding);
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() & ~0x8040u);
#endif
    fesetround(FE_TONEAREST);
    life_close(&l);
    return sum;
}

START_TEST(no_call_that_computes_follows_the_mode_of_the_host)
{
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        const uint64_t want = sum_in_mode(i, FE_TONEAREST);

        for (int m = 0; m < 3; m++)
            ck_assert_msg(sum_in_mode(i, modes[m]) == want,
                          "%s: other bits in mode %d", alone[i].what, m);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("mode");
    int status;

    tcase_set_timeout(t, 600);
    tcase_add_test(t, fifty_steps_have_the_same_bits_on_any_number_of_threads);
    tcase_add_test(t, the_rounding_mode_changes_no_bit_and_comes_back);
#if defined(__x86_64__)
    tcase_add_test(t, flush_to_zero_changes_no_bit_and_comes_back);
#endif
    tcase_add_test(t, the_locale_changes_no_bit);
    tcase_add_test(t, no_call_that_computes_follows_the_mode_of_the_host);
    suite_add_tcase(s, t);
    status = run_suite(s);
    fault_clean();
    return status;
}
