/* SPDX-License-Identifier: BSD-3-Clause */
/* The bits of 50 steps depend neither on the number of threads nor on the
 * mode the host's thread is in; the mode is the host's again on return. */
#include <fenv.h>
#include <locale.h>
#include <stdio.h>
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
    static const int32_t threads[] = {2, 3, 4, 8};
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
    suite_add_tcase(s, t);
    status = run_suite(s);
    fault_clean();
    return status;
}
