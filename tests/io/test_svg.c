/* SPDX-License-Identifier: BSD-3-Clause */
/* Pictures: nothing lies on another thing, everything is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "hnas/hnas.h"
#include "io/palette.h"

enum { MOST_RECTS = 400, MOST_BYTES = 1 << 18 };

static char text[MOST_BYTES];

/* All 28 edges, one dead end: node 3 of the reduction has no input. */
static const char dense[] =
    "{\"rule\": \"argmax\", \"normal\": ["
    "[[\"sep_conv_3x3\", 0], [\"sep_conv_5x5\", 1]],"
    "[[\"avg_pool_3x3\", 0], [\"dil_conv_5x5\", 1], [\"skip_connect\", 2]],"
    "[[\"sep_conv_7x7\", 0], [\"dil_conv_3x3\", 1], [\"conv_7x1_1x7\", 2], "
    "[\"skip_connect\", 3]],"
    "[[\"max_pool_3x3\", 0], [\"avg_pool_3x3\", 1], [\"dil_conv_5x5\", 2], "
    "[\"dil_conv_5x5\", 3], [\"sep_conv_5x5\", 4]]], \"reduce\": ["
    "[[\"sep_conv_3x3\", 0], [\"sep_conv_5x5\", 1]],"
    "[[\"none\", 0], [\"none\", 1], [\"none\", 2]],"
    "[[\"sep_conv_7x7\", 0], [\"dil_conv_3x3\", 1], [\"conv_7x1_1x7\", 2], "
    "[\"skip_connect\", 3]],"
    "[[\"none\", 0], [\"avg_pool_3x3\", 1], [\"dil_conv_5x5\", 2], "
    "[\"sep_conv_3x3\", 3], [\"sep_conv_5x5\", 4]]]}";

struct rect {
    int x, y, width, height;
};

static hnas_arch *read_arch(const char *from)
{
    hnas_arch *a;

    ck_assert_int_eq(hnas_arch_read(&a, ctx, from, strlen(from)), HNAS_OK);
    return a;
}

static void draw(const char *from)
{
    hnas_arch *a = read_arch(from);
    size_t length;

    ck_assert_int_eq(hnas_arch_write_svg(a, text, sizeof text, &length), 0);
    ck_assert_uint_eq(length, strlen(text));
    hnas_arch_destroy(a);
}

static int count(const char *what)
{
    int n = 0;

    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

/* All boxes but the page itself. */
static int list_rects(struct rect *r)
{
    int n = 0;

    for (const char *p = text; (p = strstr(p, "<rect")); p++) {
        const char *x = strstr(p, " x=\"");

        if (!x || x > strchr(p, '>'))
            continue;
        ck_assert_int_lt(n, MOST_RECTS);
        ck_assert_int_eq(sscanf(x,
                                " x=\"%d\" y=\"%d\" width=\"%d\" "
                                "height=\"%d\"",
                                &r[n].x, &r[n].y, &r[n].width, &r[n].height),
                         4);
        n++;
    }
    return n;
}

START_TEST(no_box_lies_on_another)
{
    struct rect r[MOST_RECTS];
    int n, width, height;

    draw(dense);
    ck_assert_int_eq(sscanf(strstr(text, "width"), "width=\"%d\" height=\"%d\"",
                            &width, &height),
                     2);
    n = list_rects(r);
    /* chips, inputs and nodes, outputs, legend */
    ck_assert_int_eq(n, 28 + 12 + 2 + 10);
    for (int i = 0; i < n; i++) {
        ck_assert(r[i].x >= 0 && r[i].x + r[i].width <= width);
        ck_assert(r[i].y >= 0 && r[i].y + r[i].height <= height);
        for (int k = 0; k < i; k++)
            ck_assert(r[i].x >= r[k].x + r[k].width ||
                      r[k].x >= r[i].x + r[i].width ||
                      r[i].y >= r[k].y + r[k].height ||
                      r[k].y >= r[i].y + r[i].height);
    }
}
END_TEST

START_TEST(every_edge_has_its_name_and_its_line)
{
    draw(dense);
    ck_assert_int_eq(count("<title>"), 28 + 1);
    ck_assert_int_eq(count("class=\"wire\""), 28 - 4);
    ck_assert_int_eq(count(">sep_conv_7x7</text>"), 2);
    ck_assert_int_eq(count("none\"><title>"), 4);
    ck_assert_int_eq(count(">3 = 0</text>"), 1);
    ck_assert_int_eq(count("dead\"><title>3 to 4: skip_connect"), 1);
    ck_assert_int_eq(count("dead\"><title>"), 2);
    ck_assert_int_eq(count("prefers-color-scheme:dark"), 1);
    ck_assert_int_eq(count("dil_conv_5x5 \xc3\x97 4<"), 1);
}
END_TEST

START_TEST(a_kind_without_cell_is_said_so)
{
    draw("{\"rule\": \"top2\", \"normal\": [], \"reduce\": "
         "[[[\"skip_connect\", 0], [\"skip_connect\", 1]]]}");
    ck_assert_int_eq(count("none in this network"), 1);
    ck_assert_int_eq(count(">output</text>"), 1);
}
END_TEST

START_TEST(dot_lists_every_edge_once)
{
    hnas_arch *a = read_arch(dense);
    size_t length, full;

    ck_assert_int_eq(hnas_arch_write_dot(a, text, sizeof text, &full), 0);
    ck_assert_int_eq(count(" -> "), 28 + 8);
    ck_assert_int_eq(count("normal_4 -> normal_5 [label=\"sep_conv_5x5\""), 1);
    ck_assert_int_eq(count("reduce_3 [label=\"3 = 0\", style=dashed]"), 1);
    ck_assert_int_eq(count("style=dotted"), 4);
    ck_assert_int_eq(count("{"), count("}"));
    ck_assert_int_eq(hnas_arch_write_dot(a, text, 10, &length), 0);
    ck_assert_uint_eq(length, full);
    ck_assert_str_eq(text, "digraph c");
    ck_assert_int_eq(hnas_arch_write_svg(NULL, text, 10, &length), HNAS_E_ARG);
    hnas_arch_destroy(a);
}
END_TEST

START_TEST(bundled_operations_have_colours_of_their_own)
{
    char seen[HN_N_COLOURS] = {0};

    for (int64_t i = 0; i < hnas_op_get_count(ctx); i++) {
        const int32_t c = hn_palette_find(hnas_op_get(ctx, i)->name);

        ck_assert_int_lt(c, 10);
        ck_assert_int_eq(seen[c]++, 0);
    }
    ck_assert_int_ge(hn_palette_find("a_host_s"), 10);
    ck_assert_int_eq(hn_palette_find("a_host_s"), hn_palette_find("a_host_s"));
}
END_TEST

typedef hnas_status (*writer)(const hnas_arch *, char *, size_t, size_t *);

START_TEST(without_memory_nothing_leaks)
{
    static const writer write[] = {hnas_arch_write_svg, hnas_arch_write_dot};
    hnas_arch *a = read_arch(dense);
    size_t length;

    for (int i = 0; i < 2; i++) {
        hnas_status st = HNAS_E_NOMEM;

        for (int n = 0; st == HNAS_E_NOMEM; n++) {
            fixture_fail_allocation(n);
            st = write[i](a, text, sizeof text, &length);
            fixture_fail_allocation(-1);
            if (st == HNAS_E_NOMEM)
                ck_assert_uint_eq(length, 0);
        }
        ck_assert_int_eq(st, HNAS_OK);
    }
    hnas_arch_destroy(a);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("svg");

    tcase_add_test(t, no_box_lies_on_another);
    tcase_add_test(t, every_edge_has_its_name_and_its_line);
    tcase_add_test(t, a_kind_without_cell_is_said_so);
    tcase_add_test(t, dot_lists_every_edge_once);
    tcase_add_test(t, bundled_operations_have_colours_of_their_own);
    tcase_add_test(t, without_memory_nothing_leaks);
    return fixture_run_ops(t);
}
