/* SPDX-License-Identifier: BSD-3-Clause */
/* A host that answers every image in time, whatever else it has to do.
 *
 *     adaptive_host DIRECTORY [SEARCH]
 *
 * DIRECTORY holds MNIST's IDX files; SEARCH is what hnas-search has saved (a
 * short search is made where none is named).  All networks of its path become
 * one set over shared weights.  Each frame has a deadline; what other work has
 * left of it is the budget of the prediction, and the largest network that
 * fits is switched to.  Times move with the machine's load, so a controller
 * learns by how much the measured ones are exceeded. */
#include <hnas/hnas.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { BATCH = 32, STEPS = 60, CALIBRATIONS = 8, IMAGES = 200, CLASSES = 10 };

struct host {
    hnas_context *ctx;
    hnas_supernet *net; /* of the search, or our own */
    hnas_hyper *hyper;
    hnas_search *search;
    hnas_dataset *data[2]; /* training, test */
    hnas_batches *train, *valid, *test;
    hnas_path *path;
    hnas_set *set;
    hnas_predictor *predictor;
    hnas_tensor *images, *labels; /* of the test, borrowed */
    hnas_array pixels;            /* of images */
    double mean, std;
    double slowdown; /* the controller's: time taken over time measured */
};

static double now_us(void)
{
    struct timespec t;

    timespec_get(&t, TIME_UTC);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

/* ---- data ---- */

static hnas_status open_data(struct host *h, const char *directory)
{
    static const char *const names[2] = {"train", "t10k"};
    hnas_status st = HNAS_OK;

    for (int i = 0; i < 2 && st == HNAS_OK; i++) {
        char images[1024], labels[1024];

        snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte.gz", directory,
                 names[i]);
        snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte.gz", directory,
                 names[i]);
        st = hnas_dataset_open_idx(&h->data[i], h->ctx, images, labels);
    }
    return st == HNAS_OK
               ? hnas_dataset_moments(h->data[0], 0, &h->mean, &h->std)
               : st;
}

static hnas_status open_batches(struct host *h)
{
    hnas_batches_opts o;
    hnas_status st;

    hnas_batches_opts_init(&o, sizeof o);
    o.batch = BATCH;
    o.mean = h->mean;
    o.std = h->std;
    o.count = 3000;
    st = hnas_batches_create(&h->train, h->ctx, h->data[0], &o);
    o.first = 3000;
    if (st == HNAS_OK)
        st = hnas_batches_create(&h->valid, h->ctx, h->data[0], &o);
    o.first = 0;
    o.count = o.batch = IMAGES;
    if (st == HNAS_OK)
        st = hnas_batches_create(&h->test, h->ctx, h->data[1], &o);
    if (st == HNAS_OK)
        st = hnas_batches_get(h->test, 0, 0, &h->images, &h->labels);
    return st == HNAS_OK ? hnas_tensor_get_array(h->images, &h->pixels) : st;
}

/* ---- a short search ---- */

static hnas_status create_search(struct host *h)
{
    static const char *const ops[] = {"none", "skip_connect", "max_pool_3x3",
                                      "sep_conv_3x3", "sep_conv_5x5"};
    hnas_supernet_opts n;
    hnas_hyper_opts y;
    hnas_search_opts s;
    hnas_status st;

    hnas_supernet_opts_init(&n, sizeof n);
    n.channels = 4;
    n.cells = 3;
    n.nodes = 2;
    n.n_ops = 5;
    n.ops = ops;
    st = hnas_supernet_create(&h->net, h->ctx, &n);
    hnas_hyper_opts_init(&y, sizeof y);
    if (st == HNAS_OK) {
        hnas_supernet_fit_hyper(h->net, &y);
        st = hnas_hyper_create(&h->hyper, h->ctx, &y);
    }
    hnas_search_opts_init(&s, sizeof s);
    s.bilevel.total_steps = STEPS;
    s.bilevel.w_rate = 0.1;
    if (st == HNAS_OK)
        st = hnas_search_create(&h->search, h->net, h->hyper, &s);
    return st;
}

static hnas_status get_batch(hnas_batches *from, int64_t step,
                             hnas_batch *batch)
{
    const int64_t n = hnas_batches_get_count(from);

    return hnas_batches_get(from, step / n, step % n, &batch->images,
                            &batch->labels);
}

static hnas_status make_search(struct host *h)
{
    hnas_status st = create_search(h);

    printf("a search of %d steps, whose networks know little: name a SEARCH "
           "of your own for better ones\n",
           STEPS);
    for (int64_t i = 0; i < STEPS && st >= 0; i++) {
        hnas_batch train = {NULL, NULL}, valid = {NULL, NULL};

        st = get_batch(h->train, i, &train);
        if (st >= 0)
            st = get_batch(h->valid, i, &valid);
        if (st >= 0)
            st = hnas_search_step(h->search, &train, &valid, NULL, 0, NULL);
    }
    return st < 0 ? st : HNAS_OK;
}

/* ---- the set ---- */

static hnas_status calibrate(struct host *h)
{
    hnas_status st = HNAS_OK;

    for (int i = 0; i < CALIBRATIONS && st == HNAS_OK; i++) {
        hnas_batch batch = {NULL, NULL};

        st = get_batch(h->train, i, &batch);
        if (st == HNAS_OK)
            st = hnas_set_calibrate(h->set, batch.images, i == 0);
    }
    return st;
}

static hnas_status make_set(struct host *h)
{
    hnas_supernet *net = hnas_search_get_net(h->search);
    hnas_status st =
        hnas_path_create(&h->path, net, hnas_search_get_hyper(h->search), NULL);

    if (st == HNAS_OK)
        st = hnas_set_create(&h->set, net, h->path);
    if (st == HNAS_OK)
        st = calibrate(h);
    if (st == HNAS_OK)
        st = hnas_set_measure(h->set, 101);
    if (st == HNAS_OK)
        st = hnas_set_create_predictor(&h->predictor, h->set, 1);
    return st;
}

/* ---- the controller ---- */

/* The slowest network that is expected to end in time.  A tenth is kept back;
 * where nothing fits, the fastest has to do. */
static hnas_status choose(struct host *h, double left_us, int32_t *index)
{
    hnas_status st =
        hnas_set_find_latency(index, h->set, 0.9 * left_us / h->slowdown);

    return st < 0 ? st : hnas_predictor_switch(h->predictor, *index);
}

/* Trust a slower machine at once and a faster one little by little; a single
 * interruption counts for no more than a factor of four. */
static void learn(struct host *h, int32_t index, double took_us)
{
    hnas_set_member m;
    double ratio;

    hnas_set_get_member(h->set, index, &m);
    ratio = fmin(fmax(took_us / m.latency_us, 0.5), 4);
    h->slowdown += (ratio > h->slowdown ? 0.5 : 0.05) * (ratio - h->slowdown);
}

/* ---- frames ---- */

static void work_until(double end_us)
{
    while (now_us() < end_us)
        continue;
}

struct phase {
    const char *what;
    double other; /* work beside the network, as a share of the frame */
};

struct count {
    int right, in_time, chosen[4096];
};

static hnas_status frame(struct host *h, int i, double frame_us,
                         const struct phase *phase, struct count *c)
{
    hnas_array image = h->pixels;
    const double began_us = now_us();
    const int32_t *labels;
    hnas_array array;
    float logits[CLASSES];
    double start_us, end_us;
    int32_t index = 0, best = 0;
    hnas_status st;

    image.dims[0] = 1;
    image.data = (float *)h->pixels.data + i * h->pixels.strides[0];
    work_until(began_us + phase->other * frame_us);
    start_us = now_us();
    st = choose(h, began_us + frame_us - start_us, &index);
    if (st >= 0)
        st = hnas_predictor_run(h->predictor, &image, logits, CLASSES);
    if (st >= 0)
        st = hnas_tensor_get_array(h->labels, &array);
    if (st < 0)
        return st;
    end_us = now_us();
    learn(h, index, end_us - start_us);
    for (int32_t k = 1; k < CLASSES; k++)
        best = logits[k] > logits[best] ? k : best;
    labels = array.data;
    c->right += best == labels[i];
    c->in_time += end_us - began_us <= frame_us;
    c->chosen[index < 4096 ? index : 4095]++;
    return HNAS_OK;
}

static void report(const struct host *h, const struct phase *phase,
                   const struct count *c)
{
    int32_t most = 0, n_used = 0;
    hnas_set_member m;

    for (int32_t i = 0; i < 4096; i++) {
        n_used += c->chosen[i] > 0;
        most = c->chosen[i] > c->chosen[most] ? i : most;
    }
    hnas_set_get_member(h->set, most, &m);
    printf("%-28s %4d%% in time, %4d%% right, %2d networks; most often lambda "
           "%.2g: %lld parameters, %.0f us\n",
           phase->what, 100 * c->in_time / IMAGES, 100 * c->right / IMAGES,
           (int)n_used, m.lo, (long long)m.cost.params, m.latency_us);
}

static hnas_status run(struct host *h)
{
    static const struct phase phases[] = {
        {"all of the frame is ours:", 0},
        {"other work takes two thirds:", 0.67},
        {"other work takes half:", 0.5},
        {"all of it is ours again:", 0},
    };
    hnas_status st;
    int32_t slowest;
    hnas_set_member m;
    double frame_us;

    st = hnas_set_find_latency(&slowest, h->set, INFINITY);
    if (st < 0)
        return st;
    hnas_set_get_member(h->set, slowest, &m);
    frame_us = 1.5 * m.latency_us;
    printf("%d networks; a frame takes %.0f us\n",
           (int)hnas_set_get_count(h->set), frame_us);
    h->slowdown = 1;
    for (size_t p = 0; p < sizeof phases / sizeof phases[0]; p++) {
        static struct count c;

        memset(&c, 0, sizeof c);
        for (int i = 0; i < IMAGES && st >= 0; i++)
            st = frame(h, i, frame_us, &phases[p], &c);
        if (st < 0)
            return st;
        report(h, &phases[p], &c);
    }
    return HNAS_OK;
}

static void destroy(struct host *h)
{
    hnas_predictor_destroy(h->predictor);
    hnas_set_destroy(h->set);
    hnas_path_destroy(h->path);
    hnas_search_destroy(h->search);
    hnas_hyper_destroy(h->hyper); /* NULL: the search's own */
    hnas_supernet_destroy(h->net);
    hnas_batches_destroy(h->train);
    hnas_batches_destroy(h->valid);
    hnas_batches_destroy(h->test);
    hnas_dataset_destroy(h->data[0]);
    hnas_dataset_destroy(h->data[1]);
    hnas_context_destroy(h->ctx);
}

int main(int argc, char **argv)
{
    static struct host h;
    hnas_status st;

    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: adaptive_host DIRECTORY [SEARCH]\n");
        return 2;
    }
    st = hnas_context_create(&h.ctx, NULL);
    if (st == HNAS_OK)
        st = open_data(&h, argv[1]);
    if (st == HNAS_OK)
        st = open_batches(&h);
    if (st == HNAS_OK)
        st = argc == 3 ? hnas_search_load(&h.search, h.ctx, argv[2])
                       : make_search(&h);
    if (st == HNAS_OK)
        st = make_set(&h);
    if (st == HNAS_OK)
        st = run(&h);
    if (st < 0)
        fprintf(stderr, "%s: %s\n", hnas_status_name(st),
                h.ctx ? hnas_context_message(h.ctx) : "");
    destroy(&h);
    return st < 0;
}
