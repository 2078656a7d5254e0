/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of a search, a network and a set: every byte flipped, every length.
 * An error, or the same content; never a crash, never something else.  And
 * every byte changed by somebody who mends the checksum: no crash. */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "support/check_main.h"
#include "world.h"

static struct life life;
static unsigned char *bytes;
static size_t n_bytes;

static void read_back(const char *path)
{
    FILE *f = fopen(path, "rb");

    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    n_bytes = (size_t)ftell(f);
    rewind(f);
    bytes = malloc(n_bytes);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, n_bytes, f), n_bytes);
    fclose(f);
}

/* Leave the bytes, or the first of them, as the file "damaged". */
static void put(size_t length)
{
    FILE *f = fopen(fault_path("damaged"), "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, length, f), length);
    ck_assert_int_eq(fclose(f), 0);
}

/* ---- load and save again: the same bytes where it was accepted ---- */

static hnas_status pass_search(const char *from, const char *to)
{
    hnas_search *s;
    hnas_status st = hnas_search_load(&s, life.ctx, from);

    ck_assert(!s == (st < 0));
    if (st == HNAS_OK)
        st = hnas_search_save(s, to, hnas_search_get_text(s));
    hnas_search_destroy(s);
    return st;
}

static hnas_status pass_model(const char *from, const char *to)
{
    hnas_model *m;
    hnas_status st = hnas_model_load(&m, life.ctx, from);

    ck_assert(!m == (st < 0));
    if (st == HNAS_OK)
        st = hnas_model_save(m, to, hnas_model_get_text(m));
    hnas_model_destroy(m);
    return st;
}

static hnas_status pass_set(const char *from, const char *to)
{
    hnas_set *s;
    hnas_status st = hnas_set_load(&s, life.ctx, from);

    ck_assert(!s == (st < 0));
    if (st == HNAS_OK)
        st = hnas_set_save(s, to, hnas_set_get_text(s));
    hnas_set_destroy(s);
    return st;
}

typedef hnas_status (*pass_fn)(const char *from, const char *to);

static int is_same(const char *path)
{
    FILE *f = fopen(path, "rb");
    unsigned char *found = malloc(n_bytes + 1);
    const size_t n = fread(found, 1, n_bytes + 1, f);
    const int same = n == n_bytes && !memcmp(found, bytes, n);

    fclose(f);
    free(found);
    return same;
}

/* Whether a damaged file was refused; fails where it was misread. */
static void expect_refused(pass_fn pass, const char *what, size_t at)
{
    const char *from = fault_path("damaged"), *to = fault_path("again");
    const hnas_status st = pass(from, to);

    if (st < 0) {
        ck_assert_msg(st != HNAS_E_NOMEM && st != HNAS_E_IO &&
                          hnas_context_message(life.ctx)[0],
                      "%s %d: %s", what, (int)at, hnas_status_name(st));
        return;
    }
    ck_assert_msg(is_same(to), "%s %d: accepted with other content", what,
                  (int)at);
}

static void check_file(pass_fn pass, const char *name)
{
    const char *file = fault_path(name);
    const size_t held = held_bytes(life.ctx);

    read_back(file);
    ck_assert_int_eq(pass(file, fault_path("again")), HNAS_OK);
    ck_assert_msg(is_same(fault_path("again")), "%s: not the same", name);
    for (size_t i = 0; i < n_bytes; i++) {
        const unsigned char flip = (unsigned char)(i % 3 ? 1 << i % 8 : 0xff);

        bytes[i] ^= flip;
        put(n_bytes);
        bytes[i] ^= flip;
        expect_refused(pass, "byte", i);
    }
    for (size_t i = 0; i < n_bytes; i++) {
        put(i);
        ck_assert_msg(pass(fault_path("damaged"), fault_path("again")) < 0,
                      "%s: %d of %d bytes accepted", name, (int)i,
                      (int)n_bytes);
    }
    ck_assert_uint_eq(held_bytes(life.ctx), held);
    printf("%s: %d bytes flipped, as many lengths\n", name, (int)n_bytes);
    free(bytes);
}

/* Make the checksum fit what the bytes are now. */
static void seal(void)
{
    static const char key[] = "\"crc32\": \"";
    unsigned char *digits = NULL;
    char text[9];

    for (size_t i = 8; !digits && i + 32 < n_bytes; i++)
        if (!memcmp(bytes + i, key, sizeof key - 1))
            digits = bytes + i + sizeof key - 1;
    if (!digits)
        return; /* the damage is in the key itself */
    memcpy(digits, "00000000", 8);
    snprintf(text, sizeof text, "%08x",
             (unsigned)crc32_z(crc32_z(0, NULL, 0), bytes, n_bytes));
    memcpy(digits, text, 8);
}

/* Somebody wrote the file on purpose: its checksum fits.  An error, or an
 * object that can be saved; nothing is lost. */
static void check_forged(pass_fn pass, const char *name)
{
    const size_t held = held_bytes(life.ctx);
    unsigned char *good;
    int n_accepted = 0;

    read_back(fault_path(name));
    good = malloc(n_bytes);
    ck_assert_ptr_nonnull(good);
    memcpy(good, bytes, n_bytes);
    seal();
    ck_assert_msg(!memcmp(good, bytes, n_bytes), "%s: seal differs", name);
    for (size_t i = 0; i < n_bytes; i++) {
        bytes[i] ^= (unsigned char)(1 << i % 7);
        seal();
        put(n_bytes);
        n_accepted +=
            pass(fault_path("damaged"), fault_path("again")) == HNAS_OK;
        ck_assert_uint_eq(held_bytes(life.ctx), held);
        memcpy(bytes, good, n_bytes);
    }
    printf("%s: %d bytes forged, %d accepted\n", name, (int)n_bytes,
           n_accepted);
    ck_assert_int_gt(n_accepted, 0);
    free(good);
    free(bytes);
}

START_TEST(a_damaged_search_is_refused)
{
    ck_assert_int_eq(hnas_search_save(life.search, fault_path("search"), "x"),
                     HNAS_OK);
    check_file(pass_search, "search");
    check_forged(pass_search, "search");
}
END_TEST

START_TEST(a_damaged_network_is_refused)
{
    ck_assert_int_eq(
        hnas_search_derive(&life.arch, life.search, 1e-3, HNAS_RULE_ARGMAX),
        HNAS_OK);
    ck_assert_int_eq(life_model(&life), HNAS_OK);
    ck_assert_int_eq(hnas_model_train(life.model, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_model_step(life.model, &life.batch, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_model_save(life.model, fault_path("model"), "x"),
                     HNAS_OK);
    check_file(pass_model, "model");
    check_forged(pass_model, "model");
}
END_TEST

START_TEST(a_damaged_set_is_refused)
{
    ck_assert_int_eq(hnas_path_create(&life.path, life.net, life.hyper, NULL),
                     HNAS_OK);
    ck_assert_int_eq(hnas_set_create(&life.set, life.net, life.path), HNAS_OK);
    ck_assert_int_eq(hnas_set_save(life.set, fault_path("set"), "x"), HNAS_OK);
    check_file(pass_set, "set");
    check_forged(pass_set, "set");
}
END_TEST

static void setup(void)
{
    life_open(&life, 1);
    ck_assert_int_eq(life_step(&life), HNAS_OK);
}

static void teardown(void)
{
    life_close(&life);
    fault_clean();
}

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("damage");

    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_damaged_search_is_refused);
    tcase_add_test(t, a_damaged_network_is_refused);
    tcase_add_test(t, a_damaged_set_is_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
