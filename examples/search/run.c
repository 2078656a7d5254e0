/* SPDX-License-Identifier: BSD-3-Clause */
#include "search/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/data.h"
#include "common/folder.h"
#include "common/latency.h"
#include "common/program.h"
#include "common/progress.h"
#include "common/ranks.h"

/* ---- data: the first part trains w, the rest u ---- */

static int open_batches(struct run *r, hnas_batches **out, int is_valid,
                        int shuffle, int is_shared)
{
    hnas_batches_opts o;
    hnas_status st;

    hnas_batches_opts_init(&o, sizeof o);
    o.batch = r->config->batch;
    o.first = is_valid ? r->n_train : 0;
    o.count = is_valid ? r->n_valid : r->n_train;
    o.shuffle = shuffle;
    o.partial = is_valid && !shuffle;
    o.stream = is_valid ? 2 : 1;
    if (is_shared) {
        o.rank = ranks_rank();
        o.n_ranks = ranks_count();
    }
    o.mean = r->mean;
    o.std = r->std;
    st = hnas_batches_create(out, r->ctx, r->data, &o);
    return st < 0 ? library_failure(r->ctx, st, 0) : 0;
}

static int split_data(struct run *r, int64_t n_images)
{
    const struct config *c = r->config;

    r->n_valid = llround((double)n_images * c->valid_fraction);
    r->n_train = n_images - r->n_valid;
    if (r->n_train < c->batch || r->n_valid < c->batch)
        return failure("--valid-fraction %g of %lld images: %lld to train, "
                       "%lld to validate, want at least a batch of %lld each",
                       c->valid_fraction, (long long)n_images,
                       (long long)r->n_train, (long long)r->n_valid,
                       (long long)c->batch);
    return 0;
}

static int open_data(struct run *r)
{
    int64_t dims[4];
    double moments[2];
    int rc = data_open(&r->data, r->ctx, r->config->data, 0);

    if (rc)
        return rc;
    hnas_dataset_get_dims(r->data, dims);
    r->classes = hnas_dataset_get_classes(r->data);
    rc = data_moments(moments, r->ctx, r->data, 1);
    if (rc)
        return rc;
    r->mean = moments[0];
    r->std = moments[1];
    rc = split_data(r, dims[0]);
    if (!rc)
        rc = open_batches(r, &r->train, 0, 1, 1);
    if (!rc)
        rc = open_batches(r, &r->valid, 1, 1, 1);
    if (!rc)
        rc = open_batches(r, &r->sample, 0, 1, 0);
    if (!rc)
        rc = open_batches(r, &r->check, 1, 0, 0);
    if (rc)
        return rc;
    r->per_epoch = hnas_batches_get_count(r->train);
    r->logits =
        malloc((size_t)(r->config->batch * r->classes) * sizeof *r->logits);
    r->labels = malloc((size_t)r->config->batch * sizeof *r->labels);
    if (!r->logits || !r->labels || confusion_init(&r->confusion, r->classes))
        return failure("%lld classes: out of memory", (long long)r->classes);
    return 0;
}

/* ---- the parts of a new search ---- */

static hnas_status create_net(struct run *r)
{
    const struct config *c = r->config;
    hnas_supernet_opts o;
    int64_t dims[4];

    hnas_dataset_get_dims(r->data, dims);
    hnas_supernet_opts_init(&o, sizeof o);
    memcpy(o.image, dims + 1, sizeof o.image);
    o.classes = r->classes;
    o.channels = c->channels;
    o.cells = (int32_t)c->cells;
    o.nodes = (int32_t)c->nodes;
    o.n_ops = c->n_ops;
    o.ops = c->op_names;
    o.head = c->head;
    o.kernels = c->kernels;
    o.embedding = (int32_t)c->embedding;
    o.knots = (int32_t)c->knots;
    o.scale = c->scale;
    o.lambda_lo = c->range[0];
    o.lambda_hi = c->range[1];
    return hnas_supernet_create(&r->net, r->ctx, &o);
}

static hnas_status create_hyper(struct run *r)
{
    const struct config *c = r->config;
    hnas_hyper_opts o = c->base.hyper;

    o.kind = c->hypernet;
    o.init_std = c->init_std;
    o.knots = (int32_t)c->knots;
    o.scale = c->scale;
    o.lambda_lo = c->range[0];
    o.lambda_hi = c->range[1];
    hnas_supernet_fit_hyper(r->net, &o);
    return hnas_hyper_create(&r->hyper, r->ctx, &o);
}

/* A table is measured or read once; from now on it is in the search's file. */
static int set_costs(struct run *r)
{
    const struct config *c = r->config;
    const char *file = strcmp(c->cost, "latency") ? c->cost : NULL;

    if (c->metric != HNAS_COST_TABLE)
        return 0;
    if (!file && ranks_count() > 1)
        return usage_error("--cost latency: %d ranks would measure each its "
                           "own, want a file",
                           (int)ranks_count());
    return latency_set(r->ctx, r->net, file, c->batch);
}

static int create_search(struct run *r)
{
    hnas_search_opts o;
    hnas_status st = create_net(r);
    int rc = 0;

    if (st == HNAS_E_NAME)
        return usage_error("--ops: %s", hnas_context_message(r->ctx));
    config_search_opts(r->config, r->per_epoch, &o);
    if (st == HNAS_OK)
        rc = set_costs(r);
    if (rc)
        return rc;
    if (st == HNAS_OK)
        st = create_hyper(r);
    if (st == HNAS_OK)
        st = hnas_search_create(&r->search, r->net, r->hyper, &o);
    return st < 0 ? library_failure(r->ctx, st, 1) : 0;
}

/* ---- resuming: the saved text says which context to open ---- */

/* Where an older checkpoint had to do, say so once. */
static void note_age(struct run *r, int32_t age)
{
    r->has_good = age == 0;
    if (!age || r->fell_back[0])
        return;
    snprintf(r->fell_back, sizeof r->fell_back, "search.safetensors.%d",
             (int)age);
    if (ranks_rank() == 0)
        fprintf(stderr, "hnas-search: %s, step %lld\n",
                hnas_context_message(r->ctx),
                (long long)hnas_search_get_steps(r->search));
}

static int load(struct run *r)
{
    char path[PATH_SIZE];
    hnas_status st;
    int32_t age;

    if (files_path(path, r, "search.safetensors"))
        return EXIT_FAILED;
    st = hnas_search_load_kept(&r->search, r->ctx, path, &age);
    if (st < 0)
        return library_failure(r->ctx, st, 0);
    note_age(r, age);
    return 0;
}

static int read_saved(struct run *r, const unsigned char *given)
{
    int rc = program_open(&r->ctx, 1, 0);

    if (!rc)
        rc = load(r);
    if (!rc)
        rc = config_resume(r->config, given, hnas_search_get_text(r->search));
    hnas_search_destroy(r->search);
    hnas_context_destroy(r->ctx);
    r->search = NULL;
    r->ctx = NULL;
    return rc;
}

/* Schedules are as long as the first run was asked for. */
static void note_schedule(const struct run *r)
{
    hnas_search_opts o;

    hnas_search_get_opts(r->search, &o, sizeof o);
    if (o.bilevel.total_steps && r->last_step > o.bilevel.total_steps)
        note("steps beyond %lld lie behind the schedules: rates stay at their "
             "last%s",
             (long long)o.bilevel.total_steps,
             o.bilevel.cooldown > 0 ? ", alpha as it is" : "");
}

int run_open(struct run *r, struct config *c, const unsigned char *given)
{
    int rc = 0;

    memset(r, 0, sizeof *r);
    r->config = c;
    r->lock = -1;
    if (c->out && !ranks_rank())
        rc = folder_lock(&r->lock, c->out); /* before a file of it is read */
    if (!rc && c->resume)
        rc = read_saved(r, given);
    if (!rc)
        rc = program_open(&r->ctx, c->threads, c->seed);
    if (!rc)
        rc = ranks_join(r->ctx);
    if (!rc)
        rc = open_data(r);
    if (!rc && is_interrupted())
        rc = EXIT_INTERRUPTED;
    if (!rc)
        rc = c->resume ? load(r) : create_search(r);
    if (!rc && c->resume)
        rc = files_read_sums(r);
    if (rc)
        return rc;
    r->net = hnas_search_get_net(r->search);
    r->hyper = hnas_search_get_hyper(r->search);
    r->last_step = c->epochs ? c->epochs * r->per_epoch : c->steps;
    if (c->steps && c->steps < r->last_step)
        r->last_step = c->steps;
    if (c->resume && !ranks_rank())
        note_schedule(r);
    if (ranks_rank())
        c->out = NULL; /* the first writes for all */
    return files_prepare(r);
}

void run_close(struct run *r)
{
    const int owns_parts = r->search && !r->config->resume;

    hnas_search_destroy(r->search);
    if (owns_parts || !r->search) {
        hnas_hyper_destroy(r->hyper);
        hnas_supernet_destroy(r->net);
    }
    hnas_batches_destroy(r->train);
    hnas_batches_destroy(r->valid);
    hnas_batches_destroy(r->sample);
    hnas_batches_destroy(r->check);
    hnas_dataset_destroy(r->data);
    confusion_finish(&r->confusion);
    free(r->logits);
    free(r->labels);
    free(r->step_ms);
    free(r->networks);
    hnas_context_destroy(r->ctx);
    folder_unlock(&r->lock);
}

/* ---- steps ---- */

/* The batch of a step is a function of the step alone. */
static hnas_status batch_of(hnas_batches *batches, int64_t step,
                            hnas_batch *batch)
{
    const int64_t n = hnas_batches_get_count(batches);

    return hnas_batches_get(batches, step / n, step % n, &batch->images,
                            &batch->labels);
}

/* What a step counts towards its epoch's row. */
static void add_losses(struct run *r, const hnas_step_info *info)
{
    if (isfinite(info->train_loss)) {
        r->train_sum += info->train_loss;
        r->n_train_sum++;
    }
    if (isfinite(info->valid_loss)) {
        r->valid_sum += info->valid_loss;
        r->n_valid_sum++;
    }
}

static void note_left_out(const struct run *r, hnas_status st)
{
    if (ranks_rank() == 0)
        fprintf(stderr, "hnas-search: step %lld %s: %s\n",
                (long long)hnas_search_get_steps(r->search),
                st == HNAS_SKIPPED ? "skipped" : "rolled back",
                hnas_context_message(r->ctx));
}

static int one_step(struct run *r, hnas_step_info *info)
{
    const int64_t step = hnas_search_get_steps(r->search);
    const double began_s = now_s();
    hnas_batch train, valid;
    hnas_status st = batch_of(r->train, step, &train);

    if (st == HNAS_OK)
        st = batch_of(r->valid, step, &valid);
    if (st == HNAS_OK)
        st = hnas_search_step(r->search, &train, &valid, NULL, 0, info);
    if (st == HNAS_STOPPED || (st == HNAS_E_STOPPED && is_interrupted())) {
        set_interrupted();
        return 0;
    }
    if (st < 0)
        return library_failure(r->ctx, st, 0);
    if (st == HNAS_SKIPPED || st == HNAS_ROLLED_BACK)
        note_left_out(r, st);
    r->n_left_out += st != HNAS_OK;
    r->w_rate = info->w_rate;
    r->step_ms[r->n_step_ms++] = 1e3 * (now_s() - began_s);
    add_losses(r, info);
    return 0;
}

static int stop_when_interrupted(struct run *r)
{
    const int rc = r->config->out ? files_save(r) : 0;

    if (r->config->out && !rc)
        fprintf(stderr,
                "hnas-search: interrupted at step %lld; go on with "
                "--resume --out %s\n",
                (long long)hnas_search_get_steps(r->search), r->config->out);
    return rc ? rc : EXIT_INTERRUPTED;
}

static int32_t ask_interrupt(void *user, int64_t step, int32_t pass)
{
    (void)user;
    (void)step;
    (void)pass;
    return was_interrupted_here();
}

/* Its row, its mark, its checkpoint.  A row that was interrupted or failed
 * leaves the sums as they are: the next run writes it first. */
static int end_epoch(struct run *r)
{
    int rc = log_after_epoch(r);

    if (rc && rc != EXIT_INTERRUPTED)
        files_save(r);
    if (rc)
        return rc;
    r->train_sum = r->valid_sum = 0;
    r->n_train_sum = r->n_valid_sum = r->n_left_out = 0;
    rc = count_unchanged(r);
    if (!rc && is_mark(r))
        rc = files_keep_mark(r);
    return rc ? rc : files_save(r);
}

static int is_end_of_epoch(const struct run *r)
{
    return hnas_search_get_steps(r->search) % r->per_epoch == 0 &&
           r->n_train_sum + r->n_left_out;
}

/* Whether --patience is at its end. */
static int is_settled(const struct run *r)
{
    const struct config *c = r->config;

    return c->patience > 0 && r->n_unchanged >= c->patience;
}

int run_steps(struct run *r)
{
    int64_t step = hnas_search_get_steps(r->search);
    const int64_t first = step, n = r->last_step - step;
    struct progress progress;
    hnas_step_info info = {0};
    int rc = 0;

    r->began_s = r->row_began_s = now_s();
    r->step_ms = calloc((size_t)(n > 0 ? n : 1), sizeof *r->step_ms);
    if (!r->step_ms)
        return failure("%lld steps: out of memory", (long long)n);
    hnas_search_set_progress(r->search, ask_interrupt, NULL);
    progress_begin(&progress, first, r->last_step,
                   (r->last_step + r->per_epoch - 1) / r->per_epoch);
    if (is_end_of_epoch(r))
        rc = end_epoch(r);
    while (step < r->last_step && !rc && !is_interrupted() && !is_settled(r)) {
        rc = one_step(r, &info);
        if (rc || hnas_search_get_steps(r->search) == step)
            break; /* a step that was done is counted, interrupted or not */
        step = hnas_search_get_steps(r->search);
        progress_step(&progress, (step - 1) / r->per_epoch + 1, step,
                      info.train_loss, info.w_rate,
                      step == r->last_step ||
                          (!progress.is_terminal && step % r->per_epoch == 0));
        if (is_end_of_epoch(r))
            rc = end_epoch(r);
    }
    progress_end(&progress);
    hnas_search_set_progress(r->search, NULL, NULL);
    if ((!rc || rc == EXIT_INTERRUPTED) && is_interrupted())
        return stop_when_interrupted(r);
    if (!rc && step % r->per_epoch && r->config->out)
        rc = files_save(r); /* it ended within an epoch */
    return rc;
}
