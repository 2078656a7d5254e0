/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run is made of: data, network, settings of a saved one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/arch.h"
#include "common/data.h"
#include "common/json.h"
#include "common/program.h"
#include "common/ranks.h"
#include "train/train.h"

/* ---- data ---- */

static int open_batches(struct train *t, hnas_batches **out,
                        const hnas_dataset *set, hnas_batches_opts *o)
{
    hnas_status st;

    o->batch = t->s->batch;
    o->mean = t->mean;
    o->std = t->std;
    st = hnas_batches_create(out, t->ctx, set, o);
    return st < 0 ? library_failure(t->ctx, st, 0) : 0;
}

/* Changed images to train on, plain ones for statistics and the test. */
static int make_batches(struct train *t)
{
    const struct settings *s = t->s;
    hnas_batches_opts o;
    int64_t dims[4];
    int rc;

    hnas_dataset_get_dims(t->train_set, dims);
    if (s->batch > dims[0])
        return failure("--batch %lld: want at most %lld, the images of --data "
                       "%s",
                       (long long)s->batch, (long long)dims[0], s->data);
    hnas_batches_opts_init(&o, sizeof o);
    o.stream = 3;
    rc = open_batches(t, &t->sample, t->train_set, &o);
    if (s->augment)
        o.shift = (dims[2] < dims[3] ? dims[2] : dims[3]) / 8;
    o.flip = s->flip;
    o.cutout = s->cutout;
    o.rank = t->rank;
    o.n_ranks = t->n_ranks;
    if (!rc)
        rc = open_batches(t, &t->train, t->train_set, &o);
    hnas_batches_opts_init(&o, sizeof o);
    o.shuffle = 0;
    o.partial = 1;
    if (!rc)
        rc = open_batches(t, &t->test, t->test_set, &o);
    return rc;
}

static int open_data(struct train *t)
{
    double moments[2];
    int rc = data_open(&t->train_set, t->ctx, t->s->data, 0);

    if (!rc)
        rc = data_open(&t->test_set, t->ctx, t->s->data, 1);
    if (!rc)
        rc = data_moments(moments, t->ctx, t->train_set, t->n_ranks > 1);
    if (rc)
        return rc;
    t->mean = moments[0];
    t->std = moments[1];
    return 0;
}

/* Refuse images that a network is not for. */
static int check_data(const struct train *t, const int64_t image[3],
                      int64_t classes)
{
    const int64_t have = hnas_dataset_get_classes(t->train_set);
    int64_t d[4];

    hnas_dataset_get_dims(t->train_set, d);
    if (!memcmp(d + 1, image, 3 * sizeof *image) && have == classes)
        return 0;
    return failure("--data %s: images of %lldx%lldx%lld in %lld classes, want "
                   "%lldx%lldx%lld in %lld, as the network has",
                   t->s->data, (long long)d[1], (long long)d[2],
                   (long long)d[3], (long long)have, (long long)image[0],
                   (long long)image[1], (long long)image[2],
                   (long long)classes);
}

/* ---- a new network ---- */

static hnas_status build(struct train *t, const hnas_arch *arch, int32_t nodes,
                         int32_t stem_multiplier)
{
    const struct settings *s = t->s;
    hnas_model_opts o;
    int64_t dims[4];

    hnas_dataset_get_dims(t->train_set, dims);
    hnas_model_opts_init(&o, sizeof o);
    memcpy(o.image, dims + 1, sizeof o.image);
    o.classes = hnas_dataset_get_classes(t->train_set);
    o.channels = s->channels;
    o.cells = (int32_t)s->cells;
    o.nodes = nodes;
    o.stem_multiplier = stem_multiplier;
    o.affine = s->affine;
    o.auxiliary = s->aux_weight > 0;
    return hnas_model_create(&t->model, t->ctx, arch, &o);
}

hnas_status train_path(hnas_path **out, hnas_search *search,
                       const struct settings *s)
{
    hnas_search_opts o;
    hnas_path_opts p;

    o.size = sizeof o;
    hnas_search_get_opts(search, &o, sizeof o);
    hnas_path_opts_init(&p, sizeof p);
    p.rule = s->rule < 0 ? o.rule : s->rule;
    p.theta = s->has_theta ? s->theta : o.theta;
    return hnas_path_create(out, hnas_search_get_net(search),
                            hnas_search_get_hyper(search), &p);
}

/* At lambda, or that of a piece. */
static hnas_status find_arch(hnas_arch **out, hnas_search *search,
                             const struct settings *s, double theta)
{
    hnas_path *path = NULL;
    hnas_status st;

    if (s->piece < 0) {
        st = arch_derive(out, search, s->lambda, s->rule, theta);
        arch_note_range(st, s->lambda);
        return st;
    }
    st = train_path(&path, search, s);
    if (st == HNAS_OK)
        st = hnas_path_get_arch(out, path, s->piece);
    hnas_path_destroy(path);
    return st;
}

static hnas_status build_of_search(struct train *t, hnas_search *search)
{
    struct settings *s = t->s;
    hnas_supernet *net = hnas_search_get_net(search);
    hnas_supernet_opts n;
    hnas_search_opts o;
    const hnas_params *weights;
    hnas_arch *arch = NULL;
    hnas_status st;

    n.size = sizeof n;
    o.size = sizeof o;
    hnas_supernet_get_opts(net, &n, sizeof n);
    hnas_search_get_opts(search, &o, sizeof o);
    s->cells = s->cells ? s->cells : n.cells;
    s->channels = s->channels ? s->channels : n.channels;
    s->rule = s->rule < 0 ? o.rule : s->rule;
    st = find_arch(&arch, search, s, s->has_theta ? s->theta : o.theta);
    if (st >= 0)
        st = build(t, arch, n.nodes, n.stem_multiplier);
    if (st == HNAS_OK && s->inherit)
        st = hnas_supernet_get_weights_at(&weights, net, s->lambda);
    if (st == HNAS_OK && s->inherit)
        st = hnas_model_inherit(t->model, weights);
    hnas_arch_destroy(arch);
    return st;
}

static int check_inherited(const struct train *t, hnas_search *search)
{
    hnas_supernet_opts n;

    n.size = sizeof n;
    hnas_supernet_get_opts(hnas_search_get_net(search), &n, sizeof n);
    return check_data(t, n.image, n.classes);
}

static int create_of_search(struct train *t)
{
    hnas_search *search = NULL;
    hnas_status st = hnas_search_load(&search, t->ctx, t->s->search);
    int rc = 0;

    if (st == HNAS_OK && t->s->inherit)
        rc = check_inherited(t, search);
    if (st == HNAS_OK && !rc)
        st = build_of_search(t, search);
    if (st < 0)
        rc = library_failure(t->ctx, st, search && st == HNAS_E_RANGE);
    else if (!rc && t->s->has_theta && t->s->rule != HNAS_RULE_THRESHOLD)
        rc = usage_error("--theta: needs --rule threshold");
    hnas_search_destroy(search);
    return rc;
}

static int create_of_arch(struct train *t)
{
    struct settings *s = t->s;
    hnas_arch *arch;
    hnas_status st;
    int rc;

    s->cells = s->cells ? s->cells : 3;
    s->channels = s->channels ? s->channels : 16;
    rc = arch_open(&arch, t->ctx, s->arch);
    if (rc)
        return rc;
    st = build(t, arch, arch_nodes(arch), 3);
    hnas_arch_destroy(arch);
    if (st == HNAS_E_MISMATCH)
        return failure("--arch %s: %s", s->arch, hnas_context_message(t->ctx));
    return st < 0 ? library_failure(t->ctx, st, 1) : 0;
}

static int begin_training(struct train *t)
{
    const struct settings *s = t->s;
    hnas_train_opts o;
    hnas_status st;

    hnas_train_opts_init(&o, sizeof o);
    o.rate = s->w_lr[0];
    o.rate_last = s->w_lr[1];
    o.total_steps = t->last_step;
    o.rate_steps = t->per_epoch;
    o.drop_path = s->drop_path;
    o.aux_weight = s->aux_weight;
    o.label_smoothing = s->label_smoothing;
    o.average = s->ema;
    st = hnas_model_train(t->model, &o);
    return st < 0 ? library_failure(t->ctx, st, 1) : 0;
}

/* ---- a saved one ---- */

static int load(struct train *t, const char *path)
{
    hnas_status st = hnas_model_load(&t->model, t->ctx, path);

    return st < 0 ? library_failure(t->ctx, st, 0) : 0;
}

/* Where an older checkpoint had to do, say so once. */
static void note_age(struct train *t, int32_t age)
{
    const char *slash = strrchr(t->s->out, '/');

    t->has_good = age == 0;
    if (!age || t->fell_back[0])
        return;
    snprintf(t->fell_back, sizeof t->fell_back, "%.*s.%d",
             (int)sizeof t->fell_back - 8, slash ? slash + 1 : t->s->out,
             (int)age);
    if (t->rank == 0)
        fprintf(stderr, "hnas-train: %s, step %lld\n",
                hnas_context_message(t->ctx),
                (long long)hnas_model_get_steps(t->model));
}

/* Files beside --out are looked at only where --keep says whose they are. */
static int load_kept(struct train *t)
{
    const char *path = t->s->out;
    int32_t age = 0;
    const hnas_status st =
        t->s->keep > 1 ? hnas_model_load_kept(&t->model, t->ctx, path, &age)
                       : hnas_model_load(&t->model, t->ctx, path);

    if (st < 0)
        return library_failure(t->ctx, st, 0);
    note_age(t, age);
    return 0;
}

static double saved_real(const char *text, const char *key, double missing)
{
    char value[64];

    return json_member(text, key, value, sizeof value) < 0
               ? missing
               : strtod(value, NULL);
}

/* A network goes on with the images that it was made for. */
static int take_moments(struct train *t)
{
    const char *text = hnas_model_get_text(t->model);
    const double mean = saved_real(text, "mean", t->mean);
    const double std = saved_real(text, "std", t->std);

    if (t->s->resume && (mean != t->mean || std != t->std))
        return failure("--data %s: other images than the saved training had",
                       t->s->data);
    t->mean = mean;
    t->std = std;
    return 0;
}

/* The saved text says which seed to open the context with. */
static int read_saved(struct train *t, const unsigned char *given)
{
    int rc = program_open(&t->ctx, 1, 0);

    if (!rc)
        rc = load_kept(t);
    if (!rc)
        rc = settings_resume(t->s, given, hnas_model_get_text(t->model));
    hnas_model_destroy(t->model);
    hnas_context_destroy(t->ctx);
    t->model = NULL;
    t->ctx = NULL;
    return rc;
}

static int open_saved(struct train *t)
{
    int rc = t->s->eval ? load(t, t->s->eval) : load_kept(t);
    hnas_model_opts o;

    if (rc)
        return rc;
    o.size = sizeof o;
    hnas_model_get_opts(t->model, &o, sizeof o);
    rc = check_data(t, o.image, o.classes);
    return rc ? rc : take_moments(t);
}

static int open_network(struct train *t)
{
    const struct settings *s = t->s;

    if (s->eval || s->resume)
        return open_saved(t);
    return s->search ? create_of_search(t) : create_of_arch(t);
}

/* Steps an epoch takes; of a network that is evaluated: took, with the batch
 * that its text tells of. */
static int64_t count_steps(const struct train *t)
{
    const int64_t now = hnas_batches_get_count(t->train);
    int64_t dims[4];
    double batch;

    if (!t->s->eval)
        return now;
    hnas_dataset_get_dims(t->train_set, dims);
    batch = saved_real(hnas_model_get_text(t->model), "batch", 0);
    return batch >= 1 && batch <= (double)dims[0] ? dims[0] / (int64_t)batch
                                                  : now;
}

int train_open(struct train *t, struct settings *s, const unsigned char *given,
               struct queue *queue)
{
    hnas_model_opts o;
    int rc = 0;

    memset(t, 0, sizeof *t);
    t->s = s;
    t->queue = queue;
    t->rank = queue ? 0 : ranks_rank();
    t->n_ranks = queue ? 1 : ranks_count();
    t->lock.fd = -1;
    if (s->out && !s->eval && !t->rank)
        rc = file_lock(&t->lock, s->out); /* before it is read */
    if (!rc && s->resume && !s->eval)
        rc = read_saved(t, given);
    if (!rc)
        rc = program_open(&t->ctx, s->threads, s->seed);
    if (!rc && !queue)
        rc = ranks_join(t->ctx);
    if (!rc)
        rc = open_data(t);
    if (!rc && is_interrupted())
        rc = EXIT_INTERRUPTED;
    if (!rc)
        rc = open_network(t);
    if (!rc)
        rc = make_batches(t);
    if (rc)
        return rc;
    if (t->rank)
        s->out = NULL; /* the first writes for all */
    t->per_epoch = count_steps(t);
    t->last_step = s->epochs * t->per_epoch;
    o.size = sizeof o;
    hnas_model_get_opts(t->model, &o, sizeof o);
    t->confusion = calloc((size_t)(o.classes * o.classes), sizeof(int64_t));
    if (!t->confusion)
        return failure("%lld classes: out of memory", (long long)o.classes);
    return s->eval || s->resume ? 0 : begin_training(t);
}

void train_close(struct train *t)
{
    hnas_batches_destroy(t->train);
    hnas_batches_destroy(t->sample);
    hnas_batches_destroy(t->test);
    hnas_dataset_destroy(t->train_set);
    hnas_dataset_destroy(t->test_set);
    hnas_model_destroy(t->model);
    hnas_context_destroy(t->ctx);
    free(t->confusion);
    file_unlock(&t->lock);
}
