/* SPDX-License-Identifier: BSD-3-Clause */
/* Known answers of Philox4x32-10: kat_vectors of Random123 (Salmon et al.,
 * SC11). */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "support/check_main.h"

START_TEST(philox_gives_the_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } kat[] = {
        {{0, 0, 0, 0},
         {0, 0},
         {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    for (size_t i = 0; i < sizeof kat / sizeof kat[0]; i++) {
        uint32_t got[4];

        hn_philox(got, kat[i].counter, kat[i].key);
        ck_assert_mem_eq(got, kat[i].want, sizeof got);
    }
}
END_TEST

enum { N = 200000 };

START_TEST(uniforms_lie_strictly_inside_and_are_uniform)
{
    const struct hn_rng rng = {7, 3, HN_DRAW_WEIGHT, 0};
    double sum = 0, square = 0;
    int decile[10] = {0};

    for (uint64_t i = 0; i < N; i++) {
        const double u = hn_random_uniform(&rng, i);

        ck_assert(u > 0 && u < 1);
        sum += u;
        square += u * u;
        decile[(int)(10 * u)]++;
    }
    ck_assert_double_eq_tol(sum / N, 0.5, 0.003);
    ck_assert_double_eq_tol(square / N, 1.0 / 3, 0.003);
    for (int i = 0; i < 10; i++)
        ck_assert_int_lt(abs(decile[i] - N / 10), 700); /* 5 sigma */
}
END_TEST

START_TEST(normals_have_the_moments_of_the_standard_normal)
{
    const struct hn_rng rng = {0, 1, HN_DRAW_HYPER, 0};
    double m[5] = {0};

    for (uint64_t i = 0; i < N; i++) {
        const double x = hn_random_normal(&rng, i);

        ck_assert(isfinite(x));
        for (int k = 1; k < 5; k++)
            m[k] += pow(x, k) / N;
    }
    ck_assert_double_eq_tol(m[1], 0, 0.012);
    ck_assert_double_eq_tol(m[2], 1, 0.016);
    ck_assert_double_eq_tol(m[3], 0, 0.044);
    ck_assert_double_eq_tol(m[4], 3, 0.11);
}
END_TEST

START_TEST(gumbels_have_the_moments_of_the_gumbel_law)
{
    const double pi = 3.14159265358979323846, euler = 0.5772156649015329;
    const struct hn_rng rng = {11, 5, HN_DRAW_GUMBEL, 0};
    double sum = 0, square = 0;

    for (uint64_t i = 0; i < N; i++) {
        const double g = hn_random_gumbel(&rng, i);

        ck_assert(isfinite(g));
        sum += g / N;
        square += g * g / N;
    }
    ck_assert_double_eq_tol(sum, euler, 0.015);
    ck_assert_double_eq_tol(square - sum * sum, pi * pi / 6, 0.035);
}
END_TEST

START_TEST(a_draw_depends_on_every_part_of_its_key)
{
    const struct hn_rng base = {1, 2, 3, 0};
    struct hn_rng other[6];
    const uint64_t want = hn_random_bits(&base, 4);

    for (int i = 0; i < 6; i++)
        other[i] = base;
    other[0].seed = 5;
    other[1].seed = base.seed | UINT64_C(1) << 40;
    other[2].step = 9;
    other[3].step = base.step | UINT64_C(1) << 40;
    other[4].purpose = 4;
    other[5].stream = 1;
    ck_assert(hn_random_bits(&base, 4) == want);
    for (int i = 0; i < 6; i++)
        ck_assert_msg(hn_random_bits(&other[i], 4) != want, "part %d", i);
    ck_assert(hn_random_bits(&base, 5) != want);
    ck_assert(hn_random_bits(&base, 4 | UINT64_C(1) << 32) != want);
}
END_TEST

START_TEST(the_purposes_are_never_renumbered)
{
    ck_assert_int_eq(HN_DRAW_WEIGHT, 1);
    ck_assert_int_eq(HN_DRAW_HYPER, 2);
    ck_assert_int_eq(HN_DRAW_GUMBEL, 3);
    ck_assert_int_eq(HN_DRAW_LAMBDA, 8);
    ck_assert_int_eq(HN_DRAW_SHUFFLE, 9);
    ck_assert_int_eq(HN_DRAW_EVAL, 12);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("rng");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, philox_gives_the_known_answers);
    tcase_add_test(t, uniforms_lie_strictly_inside_and_are_uniform);
    tcase_add_test(t, normals_have_the_moments_of_the_standard_normal);
    tcase_add_test(t, gumbels_have_the_moments_of_the_gumbel_law);
    tcase_add_test(t, a_draw_depends_on_every_part_of_its_key);
    tcase_add_test(t, the_purposes_are_never_renumbered);
    suite_add_tcase(s, t);
    return run_suite(s);
}
