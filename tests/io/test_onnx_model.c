/* SPDX-License-Identifier: BSD-3-Clause */
/* How a network gets into an ONNX file, or does not.  What the file says is
 * tests/system/test_onnx.py's business. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "hnas/hnas.h"

static hnas_status host_create(void **state, hnas_op_builder *b,
                               const hnas_op_desc *desc)
{
    (void)b;
    (void)desc;
    *state = NULL;
    return HNAS_OK;
}

static hnas_status host_apply(hnas_tensor **out, hnas_tape *tape, void *state,
                              hnas_tensor *x)
{
    (void)state;
    return hnas_avg_pool_3x3(out, tape, x, 2);
}

static void host_cost(const void *state, int64_t height, int64_t width,
                      hnas_cost *cost)
{
    (void)state;
    (void)height;
    (void)width;
    memset(cost, 0, sizeof *cost);
}

static const hnas_op_table host = {.size = sizeof host,
                                   .name = "host_op",
                                   .version = 1,
                                   .create = host_create,
                                   .apply = host_apply,
                                   .cost = host_cost};

/* A network of bundled operations, or with one of a host. */
static hnas_model *make(const char *op)
{
    hnas_model_opts o;
    hnas_model *model;
    hnas_arch *arch;
    char text[256];

    snprintf(text, sizeof text,
             "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1)], "
             "normal_concat=[2], reduce=[('max_pool_3x3', 0), ('%s', 1)], "
             "reduce_concat=[2])",
             op);
    hnas_model_opts_init(&o, sizeof o);
    o.nodes = 1;
    o.cells = 3;
    o.channels = 4;
    o.image[1] = o.image[2] = 9;
    ck_assert_int_eq(hnas_arch_read(&arch, ctx, text, strlen(text)), HNAS_OK);
    ck_assert_int_eq(hnas_model_create(&model, ctx, arch, &o), HNAS_OK);
    hnas_arch_destroy(arch);
    return model;
}

START_TEST(equal_networks_give_equal_files)
{
    hnas_model *model = make("dil_conv_5x5");
    const char *one = fixture_path("one"), *two = fixture_path("two");
    unsigned char *a, *b;
    size_t n, m;

    ck_assert_int_eq(hnas_model_save_onnx(model, one), HNAS_OK);
    ck_assert_int_eq(hnas_model_save_onnx(model, two), HNAS_OK);
    a = fixture_read(one, &n);
    b = fixture_read(two, &m);
    ck_assert_uint_eq(n, m);
    ck_assert_int_eq(memcmp(a, b, n), 0);
    ck_assert_int_eq(memcmp(a, "\x08\x07\x12\x07libhnas", 11), 0);
    free(a);
    free(b);
    hnas_model_destroy(model);
}
END_TEST

static int contains(const char *path, const char *words)
{
    size_t n;
    unsigned char *bytes = fixture_read(path, &n);
    int found = 0;

    for (size_t i = 0; i + strlen(words) <= n && !found; i++)
        found = !memcmp(bytes + i, words, strlen(words));
    free(bytes);
    return found;
}

START_TEST(the_text_of_a_network_goes_into_its_file)
{
    hnas_model *model = make("dil_conv_5x5");
    const char *path = fixture_path("text");

    ck_assert_str_eq(hnas_model_get_text(model), "");
    ck_assert_int_eq(hnas_model_set_text(model, "why \xc2\xb5"), HNAS_OK);
    ck_assert_int_eq(hnas_model_set_text(model, "\xff"), HNAS_E_FORMAT);
    ck_assert_int_eq(hnas_model_set_text(model, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_model_set_text(NULL, ""), HNAS_E_ARG);
    ck_assert_str_eq(hnas_model_get_text(model), "why \xc2\xb5");
    ck_assert_int_eq(hnas_model_save_onnx(model, path), HNAS_OK);
    ck_assert(contains(path, "why \xc2\xb5"));
    ck_assert_int_eq(hnas_model_set_text(model, ""), HNAS_OK);
    ck_assert_int_eq(hnas_model_save_onnx(model, path), HNAS_OK);
    ck_assert(!contains(path, "why"));
    hnas_model_destroy(model);
}
END_TEST

START_TEST(a_hosts_operation_is_refused_by_name)
{
    hnas_model *model;
    const char *path = fixture_path("kept");
    unsigned char *data;
    size_t n;

    ck_assert_int_eq(hnas_op_register(ctx, &host), HNAS_OK);
    model = make("host_op");
    fixture_write(path, "old", 3);
    expect_failure(hnas_model_save_onnx(model, path), HNAS_E_UNSUPPORTED,
                   "host_op");
    data = fixture_read(path, &n);
    ck_assert_uint_eq(n, 3);
    free(data);
    hnas_model_destroy(model);
}
END_TEST

START_TEST(a_path_that_cannot_be_written_is_named)
{
    hnas_model *model = make("dil_conv_5x5");

    expect_failure(hnas_model_save_onnx(model, "/nowhere/at/all"), HNAS_E_IO,
                   "/nowhere/at/all");
    ck_assert_int_eq(hnas_model_save_onnx(NULL, "x"), HNAS_E_ARG);
    ck_assert_int_eq(hnas_model_save_onnx(model, NULL), HNAS_E_ARG);
    hnas_model_destroy(model);
}
END_TEST

START_TEST(without_memory_the_old_file_stays)
{
    hnas_model *model = make("dil_conv_5x5");
    const char *path = fixture_path("kept");
    hnas_status st = HNAS_E_NOMEM;
    unsigned char *data;
    size_t n;

    fixture_write(path, "old", 3);
    for (int i = 0; st == HNAS_E_NOMEM; i++) {
        fixture_fail_allocation(i);
        st = hnas_model_save_onnx(model, path);
        fixture_fail_allocation(-1);
        data = fixture_read(path, &n);
        ck_assert(st == HNAS_OK || n == 3);
        free(data);
        ck_assert_int_eq(fixture_count_files(), 1);
    }
    ck_assert_int_eq(st, HNAS_OK);
    hnas_model_destroy(model);
}
END_TEST

START_TEST(any_bytes_go_into_a_file_in_one_step)
{
    const char *path = fixture_path("bytes");
    unsigned char *data;
    size_t n;

    fixture_write(path, "old", 3);
    ck_assert_int_eq(hnas_file_replace(ctx, path, "\0new", 4), HNAS_OK);
    data = fixture_read(path, &n);
    ck_assert_uint_eq(n, 4);
    ck_assert_int_eq(memcmp(data, "\0new", 4), 0);
    free(data);
    expect_failure(hnas_file_replace(ctx, "/nowhere/f", "x", 1), HNAS_E_IO,
                   "/nowhere/f");
    ck_assert_int_eq(hnas_file_replace(ctx, path, NULL, 0), HNAS_E_ARG);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("onnx_model");

    tcase_add_test(t, equal_networks_give_equal_files);
    tcase_add_test(t, the_text_of_a_network_goes_into_its_file);
    tcase_add_test(t, a_hosts_operation_is_refused_by_name);
    tcase_add_test(t, a_path_that_cannot_be_written_is_named);
    tcase_add_test(t, without_memory_the_old_file_stays);
    tcase_add_test(t, any_bytes_go_into_a_file_in_one_step);
    return fixture_run_ops(t);
}
