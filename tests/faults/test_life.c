/* SPDX-License-Identifier: BSD-3-Clause */
/* A whole life over the public API, create to destroy, in which every
 * allocation fails: once, and from then on for good. */
#include <stdio.h>
#include <string.h>

#include "support/check_main.h"
#include "world.h"

/* ---- the parts of a life after the search's first steps ---- */

static hnas_status save_search(struct life *l)
{
    return hnas_search_save(l->search, fault_path("search"), "text");
}

static hnas_status load_search(struct life *l)
{
    hnas_search *loaded;
    const hnas_status st =
        hnas_search_load(&loaded, l->ctx, fault_path("search"));

    ck_assert(!loaded == (st < 0));
    hnas_search_destroy(loaded);
    return st;
}

static hnas_status ask(struct life *l)
{
    float logits[FAULT_IMAGES * FAULT_CLASSES];
    hnas_status st =
        hnas_search_predict(l->search, NULL, 1e-2, l->batch.images, 0, logits,
                            FAULT_IMAGES * FAULT_CLASSES);

    if (st == HNAS_OK)
        st =
            hnas_search_calibrate(l->search, NULL, 1e-2, l->batch.images, 0, 1);
    hnas_search_restore_norms(l->search);
    return st;
}

static hnas_status query(struct life *l)
{
    const hnas_status st =
        hnas_search_derive(&l->arch, l->search, 1e-3, HNAS_RULE_TOP2);

    ck_assert(!l->arch == (st < 0));
    return st;
}

static void forget_query(struct life *l)
{
    hnas_arch_destroy(l->arch);
    l->arch = NULL;
}

static hnas_status path(struct life *l)
{
    const hnas_status st = hnas_path_create(&l->path, l->net, l->hyper, NULL);

    ck_assert(!l->path == (st < 0));
    return st;
}

static hnas_status write_texts(struct life *l)
{
    typedef hnas_status (*writer)(const hnas_arch *, char *, size_t, size_t *);
    static const writer writers[] = {hnas_arch_write_json, hnas_arch_write_dot,
                                     hnas_arch_write_svg, hnas_arch_write_text};
    char text[4096];
    size_t length;

    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        const hnas_status st = writers[i](l->arch, text, sizeof text, &length);

        if (st < 0)
            return st;
    }
    return hnas_path_write_json(l->path, text, sizeof text, &length);
}

static hnas_status read_texts(struct life *l)
{
    static char text[4096];
    const int64_t left = l->hooks.left;
    hnas_arch *arch;
    size_t length;
    hnas_status st;

    l->hooks.left = -1;
    ck_assert_int_eq(hnas_arch_write_json(l->arch, text, sizeof text, &length),
                     HNAS_OK);
    l->hooks.left = left;
    st = hnas_arch_read_json(&arch, l->net, text, length);
    ck_assert(!arch == (st < 0));
    hnas_arch_destroy(arch);
    if (st < 0)
        return st;
    st = hnas_arch_read(&arch, l->ctx, text, length);
    ck_assert(!arch == (st < 0));
    hnas_arch_destroy(arch);
    return st;
}

static hnas_status inherit(struct life *l)
{
    return hnas_model_inherit(l->model, hnas_supernet_get_params(l->net));
}

static hnas_status train(struct life *l)
{
    return hnas_model_train(l->model, NULL);
}

static hnas_status train_step(struct life *l)
{
    return hnas_model_step(l->model, &l->batch, NULL);
}

static hnas_status save_model(struct life *l)
{
    return hnas_model_save(l->model, fault_path("model"), NULL);
}

static hnas_status load_model(struct life *l)
{
    hnas_model *m;
    const hnas_status st = hnas_model_load(&m, l->ctx, fault_path("model"));

    ck_assert(!m == (st < 0));
    hnas_model_destroy(m);
    return st;
}

static hnas_status evaluate(struct life *l)
{
    int64_t confusion[FAULT_CLASSES * FAULT_CLASSES] = {0};

    return hnas_model_evaluate(l->model, &l->batch, confusion,
                               FAULT_CLASSES * FAULT_CLASSES);
}

static hnas_status run_predictor(hnas_predictor *p)
{
    static const float pixels[FAULT_SIDE * FAULT_SIDE];
    const hnas_array image = {.size = sizeof image,
                              .data = (void *)pixels,
                              .dtype = HNAS_FLOAT32,
                              .rank = 4,
                              .dims = {1, 1, FAULT_SIDE, FAULT_SIDE}};
    float logits[FAULT_CLASSES];

    return hnas_predictor_run(p, &image, logits, FAULT_CLASSES);
}

static hnas_status predict(struct life *l)
{
    hnas_predictor *p;
    hnas_status st = hnas_predictor_create(&p, l->model, 1);

    ck_assert(!p == (st < 0));
    if (st == HNAS_OK)
        st = run_predictor(p);
    hnas_predictor_destroy(p);
    return st;
}

static hnas_status set(struct life *l)
{
    hnas_status st = hnas_set_create(&l->set, l->net, l->path);

    ck_assert(!l->set == (st < 0));
    if (st == HNAS_OK)
        st = hnas_set_calibrate(l->set, l->batch.images, 1);
    if (st < 0) {
        hnas_set_destroy(l->set);
        l->set = NULL;
    }
    return st;
}

static hnas_status save_set(struct life *l)
{
    return hnas_set_save(l->set, fault_path("set"), NULL);
}

static hnas_status load_set(struct life *l)
{
    hnas_set *s;
    const hnas_status st = hnas_set_load(&s, l->ctx, fault_path("set"));

    ck_assert(!s == (st < 0));
    hnas_set_destroy(s);
    return st;
}

static hnas_status switch_networks(struct life *l)
{
    hnas_status st = HNAS_OK;

    if (!l->predictor)
        st = hnas_set_create_predictor(&l->predictor, l->set, 1);
    ck_assert(!l->predictor == (st < 0));
    if (st == HNAS_OK)
        st =
            hnas_predictor_switch(l->predictor, hnas_set_get_count(l->set) - 1);
    return st < 0 ? st : run_predictor(l->predictor);
}

static hnas_status save_onnx(struct life *l)
{
    return hnas_model_save_onnx(l->model, fault_path("onnx"));
}

static hnas_status save_html(struct life *l)
{
    return hnas_path_save_html(l->path, fault_path("html"), NULL);
}

static const struct part {
    const char *name;
    hnas_status (*run)(struct life *l);
    int32_t moves; /* it changes the search on purpose */
    /* Where a call can do without some memory: take its result back. */
    void (*undo)(struct life *l);
} parts[] = {
    {"context", life_context, 1, NULL},
    {"batch", life_batch, 1, NULL},
    {"net", life_net, 1, NULL},
    {"hypernetwork", life_hyper, 1, NULL},
    {"search", life_search, 1, NULL},
    {"step", life_step, 1, NULL},
    {"second step", life_step, 1, NULL},
    {"save", save_search, 0, NULL},
    {"load", load_search, 0, NULL},
    {"ask", ask, 0, NULL},
    {"query", query, 0, forget_query},
    {"path", path, 0, NULL},
    {"write texts", write_texts, 0, NULL},
    {"read texts", read_texts, 0, NULL},
    {"network", life_model, 0, NULL},
    {"inherit", inherit, 0, NULL},
    {"train", train, 0, NULL},
    {"training step", train_step, 0, NULL},
    {"save network", save_model, 0, NULL},
    {"load network", load_model, 0, NULL},
    {"evaluate", evaluate, 0, NULL},
    {"predict", predict, 0, NULL},
    {"set", set, 0, NULL},
    {"save set", save_set, 0, NULL},
    {"load set", load_set, 0, NULL},
    {"switch", switch_networks, 0, NULL},
    {"onnx", save_onnx, 0, NULL},
    {"html", save_html, 0, NULL},
};
enum { N_PARTS = sizeof parts / sizeof *parts };

/* ---- failing ---- */

/* Arm the allocator, run a part, disarm; whether an allocation failed. */
static int failed_at(struct life *l, const struct part *p, int64_t k, int once,
                     hnas_status *st)
{
    const int64_t before = l->hooks.n_failed;

    l->hooks.left = k;
    l->hooks.once = once;
    *st = p->run(l);
    l->hooks.left = -1;
    return l->hooks.n_failed > before;
}

/* One part, its k-th allocation failing for every k, then undisturbed. */
static int64_t stubborn(struct life *l, const struct part *p, int once)
{
    int64_t k = 0;

    for (;; k++) {
        const uint64_t before = life_sum(l);
        const int had = l->search != NULL;
        hnas_status st;
        const int failed = failed_at(l, p, k, once, &st);

        if (once && p->undo && st == HNAS_OK && failed) {
            p->undo(l);
            continue;
        }
        ck_assert_msg(st == (failed ? HNAS_E_NOMEM : HNAS_OK),
                      "%s, allocation %d: %s: %s", p->name, (int)k,
                      hnas_status_name(st), hnas_context_message(l->ctx));
        if (had && (st < 0 || !p->moves))
            ck_assert_msg(life_sum(l) == before,
                          "%s, allocation %d: the search changed", p->name,
                          (int)k);
        if (st == HNAS_OK)
            return k;
    }
}

static int64_t live(struct life *l, int once)
{
    int64_t n = 0;

    memset(l, 0, sizeof *l);
    l->hooks.left = -1;
    for (int i = 0; i < N_PARTS; i++)
        n += stubborn(l, &parts[i], once);
    return n;
}

static uint64_t undisturbed(void)
{
    struct life l = {.hooks.left = -1};
    uint64_t sum;

    for (int i = 0; i < N_PARTS; i++)
        ck_assert_int_eq(parts[i].run(&l), HNAS_OK);
    sum = life_sum(&l) ^ 5 * params_sum(hnas_model_get_params(l.model));
    life_close(&l);
    return sum;
}

static void check_lives(int once)
{
    const uint64_t want = undisturbed();
    struct life l;
    const int64_t n = live(&l, once);

    ck_assert_int_gt(n, 1000);
    printf("%d allocations failed %s\n", (int)n, once ? "once" : "for good");
    ck_assert_msg(
        (life_sum(&l) ^ 5 * params_sum(hnas_model_get_params(l.model))) == want,
        "other bits after the retries");
    life_close(&l);
    ck_assert_int_eq(fault_count_files(), 5);
}

START_TEST(every_allocation_fails_for_good_until_the_call_is_over)
{
    check_lives(0);
}
END_TEST

START_TEST(every_allocation_fails_once)
{
    check_lives(1);
}
END_TEST

/* Nothing more is ever given: what is there can be released. */
START_TEST(a_life_without_memory_ends_well)
{
    hnas_status st = HNAS_E_NOMEM;

    for (int64_t k = 0; st < 0; k += 1 + k / 24) {
        struct life l = {.hooks.left = k};

        st = HNAS_OK;
        for (int i = 0; i < N_PARTS && st == HNAS_OK; i++)
            st = parts[i].run(&l);
        ck_assert_msg(st == HNAS_OK || st == HNAS_E_NOMEM, "after %d: %s",
                      (int)k, hnas_status_name(st));
        life_close(&l);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("life");
    int status;

    tcase_set_timeout(t, 600);
    tcase_add_test(t, every_allocation_fails_for_good_until_the_call_is_over);
    tcase_add_test(t, every_allocation_fails_once);
    tcase_add_test(t, a_life_without_memory_ends_well);
    suite_add_tcase(s, t);
    status = run_suite(s);
    fault_clean();
    return status;
}
