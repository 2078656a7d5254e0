/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"

/* The pinned values; a program may have stored them. */
static const struct {
    int32_t value;
    const char *name;
} pinned[] = {
    {0, "HNAS_OK"},
    {1, "HNAS_FINISHED"},
    {2, "HNAS_EXTRAPOLATED"},
    {3, "HNAS_STOPPED"},
    {4, "HNAS_END"},
    {5, "HNAS_INFEASIBLE"},
    {6, "HNAS_SKIPPED"},
    {7, "HNAS_ROLLED_BACK"},
    {-1, "HNAS_E_ARG"},
    {-2, "HNAS_E_SHAPE"},
    {-3, "HNAS_E_RANGE"},
    {-4, "HNAS_E_TYPE"},
    {-5, "HNAS_E_NAME"},
    {-6, "HNAS_E_STATE"},
    {-7, "HNAS_E_UNSUPPORTED"},
    {-10, "HNAS_E_NOMEM"},
    {-11, "HNAS_E_THREAD"},
    {-20, "HNAS_E_NAN"},
    {-21, "HNAS_E_OP"},
    {-22, "HNAS_E_STOPPED"},
    {-30, "HNAS_E_IO"},
    {-31, "HNAS_E_FORMAT"},
    {-32, "HNAS_E_TRUNCATED"},
    {-33, "HNAS_E_LIMIT"},
    {-34, "HNAS_E_MISMATCH"},
    {-40, "HNAS_E_COMM"},
};

START_TEST(every_status_has_its_name_at_its_pinned_value)
{
    for (size_t i = 0; i < sizeof pinned / sizeof pinned[0]; i++)
        ck_assert_str_eq(hnas_status_name(pinned[i].value), pinned[i].name);
}
END_TEST

START_TEST(no_other_value_has_a_name)
{
    int named = 0;

    for (int32_t s = -200; s <= 200; s++)
        named += strcmp(hnas_status_name(s), "HNAS_UNKNOWN") != 0;
    ck_assert_int_eq(named, (int)(sizeof pinned / sizeof pinned[0]));
    ck_assert_str_eq(hnas_status_name(INT32_MIN), "HNAS_UNKNOWN");
    ck_assert_str_eq(hnas_status_name(INT32_MAX), "HNAS_UNKNOWN");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("status");

    tcase_add_test(t, every_status_has_its_name_at_its_pinned_value);
    tcase_add_test(t, no_other_value_has_a_name);
    suite_add_tcase(s, t);
    return run_suite(s);
}
