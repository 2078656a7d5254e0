/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as a sequence of public calls on one small world: any order, odd
 * values, missing objects. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { MOST_CALLS = 24, N_LOGITS = 16, SIDE = 2 };

struct input {
    const uint8_t *p, *end;
};

struct world {
    hnas_supernet *net;
    hnas_hyper *hyper;
    hnas_search *search;
    hnas_path *path;
    hnas_arch *arch;
    hnas_model *model;
    hnas_set *set;
    hnas_predictor *predictor;
    hnas_batch batch;
    hnas_context *ctx;
};

static uint8_t byte(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

/* Mostly small, now and then odd. */
static int32_t integer(struct input *in)
{
    static const int32_t odd[] = {0,    -1,      INT32_MIN, INT32_MAX,
                                  1000, 1 << 20, 65536,     -7};
    const uint8_t b = byte(in);

    return b < 248 ? b % 5 : odd[b - 248];
}

/* Of what a net has: at most two, now and then odd. */
static int32_t few(struct input *in)
{
    const int32_t n = integer(in);

    return n > 2 && n < 5 ? n - 2 : n;
}

static double number(struct input *in)
{
    static const double some[] = {1e-3, 1e-4,  1e-1, 1e-2,     3e-3,   0,
                                  -1,   1e300, NAN,  INFINITY, 5e-324, 1};

    return some[byte(in) % (sizeof some / sizeof *some)];
}

/* Overwrite a few 4-byte fields of options behind their size. */
static void disturb(struct input *in, void *opts, size_t first, size_t bytes)
{
    for (int n = byte(in) % 4; n > 0; n--) {
        const size_t at = first + byte(in) * 4u % (bytes - first);

        if (at + sizeof(double) <= bytes && byte(in) % 2) {
            const double value = number(in);

            memcpy((char *)opts + at / 8 * 8, &value, sizeof value);
        } else {
            const int32_t value = integer(in);

            memcpy((char *)opts + at, &value, sizeof value);
        }
    }
}

/* ---- destroying: whoever borrows goes first ---- */

static void drop_search(struct world *w)
{
    hnas_search_destroy(w->search);
    w->search = NULL;
}

static void drop_set(struct world *w)
{
    hnas_predictor_destroy(w->predictor);
    hnas_set_destroy(w->set);
    w->predictor = NULL;
    w->set = NULL;
}

static void drop_net(struct world *w)
{
    drop_search(w);
    drop_set(w);
    hnas_path_destroy(w->path);
    hnas_hyper_destroy(w->hyper);
    hnas_supernet_destroy(w->net);
    w->path = NULL;
    w->hyper = NULL;
    w->net = NULL;
}

/* ---- calls ---- */

static void make_net(struct world *w, struct input *in)
{
    hnas_supernet_opts o;
    const size_t behind = offsetof(hnas_supernet_opts, head);
    const char *const *last;
    hnas_status st;

    drop_net(w);
    hnas_supernet_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = SIDE;
    o.classes = 2;
    o.channels = 1 + byte(in) % 2;
    o.stem_multiplier = 1;
    o.cells = few(in);
    o.nodes = few(in);
    last = o.ops + o.n_ops - 1;
    o.ops += byte(in) % o.n_ops; /* and the one beside it */
    o.n_ops = o.ops < last && o.cells < 3 ? 2 : 1;
    disturb(in, &o, behind, sizeof o);
    st = hnas_supernet_create(&w->net, w->ctx, &o);
    fuzz_check(st, w->net);
}

static void make_hyper(struct world *w, struct input *in)
{
    static const char *const names[] = {"normal", "reduce"};
    hnas_hyper_opts o;
    hnas_status st;

    drop_search(w);
    hnas_hyper_destroy(w->hyper);
    w->hyper = NULL;
    if (!w->net)
        return;
    hnas_hyper_opts_init(&o, sizeof o);
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        int32_t n_cells, n_edges, n_ops;

        hnas_supernet_get_kind(w->net, k, &n_cells, &n_edges, &n_ops);
        o.names[o.n_tables] = names[k];
        o.rows[o.n_tables] = n_edges;
        o.cols[o.n_tables] = n_ops;
        o.n_tables += n_cells > 0;
    }
    o.kind = integer(in);
    disturb(in, &o, offsetof(hnas_hyper_opts, scale),
            offsetof(hnas_hyper_opts, n_tables));
    st = hnas_hyper_create(&w->hyper, w->ctx, &o);
    fuzz_check(st, w->hyper);
}

static void make_search(struct world *w, struct input *in)
{
    hnas_search_opts o;
    hnas_status st;

    drop_search(w);
    hnas_search_opts_init(&o, sizeof o);
    o.bilevel.warmup = 0;
    disturb(in, &o, sizeof o.size, sizeof o);
    o.bilevel.size = sizeof o.bilevel;
    /* a search seldom made would not be searched */
    memset(o.bilevel.reserved, 0, sizeof o.bilevel.reserved);
    memset(o.bilevel.w.reserved, 0, sizeof o.bilevel.w.reserved);
    memset(o.bilevel.u.reserved, 0, sizeof o.bilevel.u.reserved);
    st = hnas_search_create(&w->search, w->net, w->hyper, &o);
    fuzz_expect(!w->search == (st < 0), "a search or a failure");
}

static void make_path(struct world *w, struct input *in)
{
    hnas_path_opts o;
    hnas_status st;

    drop_set(w);
    hnas_path_destroy(w->path);
    hnas_path_opts_init(&o, sizeof o);
    disturb(in, &o, sizeof o.size, sizeof o);
    st = hnas_path_create(&w->path, w->net, w->hyper, &o);
    fuzz_expect(!w->path == (st < 0), "a path or a failure");
}

static void make_arch(struct world *w, struct input *in)
{
    hnas_status st;

    hnas_arch_destroy(w->arch);
    if (byte(in) % 2)
        st = hnas_path_get_arch(&w->arch, w->path, integer(in));
    else
        st = hnas_arch_derive(&w->arch, w->net, w->hyper, number(in),
                              integer(in));
    fuzz_expect(!w->arch == (st < 0), "an architecture or a failure");
}

static void make_model(struct world *w, struct input *in)
{
    hnas_model_opts o;
    hnas_status st;

    hnas_model_destroy(w->model);
    hnas_model_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = SIDE;
    o.classes = 2;
    o.channels = 1 + byte(in) % 2;
    o.stem_multiplier = 1;
    o.cells = few(in);
    o.nodes = few(in);
    disturb(in, &o, offsetof(hnas_model_opts, affine), sizeof o);
    st = hnas_model_create(&w->model, w->ctx, w->arch, &o);
    fuzz_expect(!w->model == (st < 0), "a network or a failure");
}

static void make_set(struct world *w, struct input *in)
{
    hnas_status st;

    drop_set(w);
    st = hnas_set_create(&w->set, w->net, w->path);
    fuzz_expect(!w->set == (st < 0), "a set or a failure");
    st = hnas_set_create_predictor(&w->predictor, w->set, 1 + byte(in) % 2);
    fuzz_expect(!w->predictor == (st < 0), "a predictor or a failure");
}

static void step(struct world *w, struct input *in)
{
    const double lambda[2] = {number(in), number(in)};
    hnas_batch odd = w->batch;

    if (byte(in) % 8 == 0)
        odd.labels = odd.images;
    hnas_search_step(w->search, &w->batch, &odd, lambda, byte(in) % 3, NULL);
}

static void train(struct world *w, struct input *in)
{
    hnas_train_opts o;

    hnas_train_opts_init(&o, sizeof o);
    disturb(in, &o, offsetof(hnas_train_opts, rate), sizeof o);
    if (byte(in) % 2)
        hnas_model_train(w->model, &o);
    hnas_model_step(w->model, &w->batch, NULL);
    if (w->model && byte(in) % 2)
        hnas_model_swap_average(w->model);
}

static void predict(struct world *w, struct input *in)
{
    float logits[N_LOGITS];
    const int64_t count = byte(in) % 4 ? 4 : integer(in);

    hnas_model_predict(w->model, w->batch.images, logits,
                       count > N_LOGITS ? N_LOGITS : count);
    hnas_search_predict(w->search, byte(in) % 2 ? w->arch : NULL, number(in),
                        w->batch.images, byte(in), logits, 4);
    hnas_search_calibrate(w->search, byte(in) % 2 ? w->arch : NULL, number(in),
                          w->batch.images, byte(in), byte(in) % 2);
    if (w->search && byte(in) % 2)
        hnas_search_restore_norms(w->search);
}

static void run_predictor(struct world *w, struct input *in)
{
    float logits[N_LOGITS];
    hnas_array a;

    if (hnas_tensor_get_array(w->batch.images, &a) < 0)
        return;
    hnas_predictor_switch(w->predictor, integer(in));
    hnas_predictor_run(w->predictor, &a, logits, byte(in) % 4 ? 4 : 5);
    if (w->set)
        hnas_set_find(w->set, number(in));
}

static void query(struct world *w, struct input *in)
{
    size_t length;
    int32_t index;
    char text[64];

    hnas_path_find_budget(&index, w->path, integer(in), integer(in));
    if (w->path)
        hnas_path_find(w->path, number(in));
    hnas_path_write_json(w->path, text, byte(in) % sizeof text, &length);
    hnas_arch_write_json(w->arch, text, byte(in) % sizeof text, &length);
    hnas_arch_write_text(w->arch, text, byte(in) % sizeof text, &length);
    hnas_arch_write_svg(w->arch, NULL, 0, &length);
}

static void gradient(struct world *w, struct input *in)
{
    hnas_search_gradient(w->search, &w->batch, &w->batch, number(in));
    if (w->search && byte(in) % 2)
        hnas_search_cancel(w->search);
}

static void inherit(struct world *w, struct input *in)
{
    hnas_predictor *p = NULL, *q = NULL;

    if (w->model && w->net)
        hnas_model_inherit(w->model, hnas_supernet_get_params(w->net));
    hnas_predictor_create(&p, w->model, integer(in));
    if (p)
        hnas_predictor_share(&q, p, 1);
    hnas_predictor_destroy(p);
    hnas_predictor_destroy(q);
}

static void drop(struct world *w, struct input *in)
{
    const uint8_t which = byte(in) % 4;

    if (which == 0)
        drop_net(w);
    if (which == 1)
        drop_set(w);
    if (which == 2) {
        hnas_arch_destroy(w->arch);
        w->arch = NULL;
    }
    if (which == 3) {
        hnas_model_destroy(w->model);
        w->model = NULL;
    }
}

static void (*const calls[])(struct world *, struct input *) = {
    make_net,   make_hyper, make_search, make_path,     make_arch,
    make_model, make_set,   step,        train,         predict,
    query,      gradient,   inherit,     run_predictor, drop,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t image[3] = {1, SIDE, SIDE};
    struct input in = {data, data + size};
    struct world w = {.ctx = fuzz_context()};

    fuzz_bound(512 << 10); /* a thousand cells fail soon */
    fuzz_begin();
    fuzz_batch(&w.batch, w.ctx, image, 2, 2);
    for (int n = 0; n < MOST_CALLS && in.p < in.end; n++)
        calls[byte(&in) % (sizeof calls / sizeof *calls)](&w, &in);
    drop_net(&w);
    hnas_arch_destroy(w.arch);
    hnas_model_destroy(w.model);
    fuzz_batch_finish(&w.batch);
    fuzz_end();
    return 0;
}
