/* SPDX-License-Identifier: BSD-3-Clause */
#include "latency.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "program.h"

enum {
    MOST_BYTES = 16 << 20,
    REPEAT = 9,
    MODE = HNAS_TAPE_NO_GRADIENT | HNAS_TAPE_RUNNING_STATS
};

/* One operation at one shape; of a batch. */
struct sample {
    int32_t op;
    int64_t channels, stride, size[2];
    double us; /* of an image */
};

struct meter {
    hnas_context *ctx;
    hnas_supernet *net;
    hnas_supernet_opts opts;
    hnas_tape *tape;
    int64_t batch, repeat;
    struct sample *sample;
    int32_t n_samples;
    double *total[HNAS_N_KINDS]; /* [E * O] over all cells */
};

/* ---- timing ---- */

static hnas_status make_images(hnas_tensor **out, struct meter *m,
                               int64_t channels, const int64_t size[2])
{
    const int64_t dims[4] = {m->batch, channels, size[0], size[1]};
    const int64_t n = dims[0] * dims[1] * dims[2] * dims[3];
    float *value = malloc((size_t)n * sizeof *value);
    uint32_t state = 1;
    hnas_status st = value ? HNAS_OK : HNAS_E_NOMEM;

    *out = NULL;
    for (int64_t i = 0; i < n && value; i++) {
        state = state * 1664525u + 1013904223u;
        value[i] = (float)(state >> 8) / 8388608.0f - 1;
    }
    if (st == HNAS_OK)
        st = hnas_tensor_create(out, m->ctx, HNAS_FLOAT32, 4, dims);
    if (st == HNAS_OK)
        st = hnas_tensor_set(*out, HNAS_FLOAT32, value, n);
    free(value);
    return st;
}

/* One pass of an operation behind a pool, which is not timed: it leaves the
 * images as the operation finds them in a cell. */
static hnas_status time_op(struct meter *m, hnas_op *op, hnas_tensor *images,
                           double *us)
{
    hnas_tensor *x = NULL, *y = NULL;
    hnas_status st = hnas_tape_reset(m->tape, MODE);
    double began_s;

    if (st == HNAS_OK)
        st = hnas_max_pool_3x3(&x, m->tape, images, 1);
    began_s = now_s();
    hnas_tape_defer(m->tape);
    if (st == HNAS_OK)
        st = hnas_op_apply(&y, m->tape, op, x);
    if (st == HNAS_OK)
        st = hnas_tape_run(m->tape);
    *us = 1e6 * (now_s() - began_s) / (double)m->batch;
    hnas_tensor_unref(x);
    hnas_tensor_unref(y);
    return st;
}

static hnas_status measure_op(struct meter *m, struct sample *s)
{
    const hnas_op_desc desc = {sizeof desc, s->channels, s->stride};
    const char *name = m->opts.ops[s->op];
    const hnas_op_table *table;
    hnas_tensor *images = NULL;
    hnas_op *op = NULL;
    hnas_status st = hnas_op_find(&table, m->ctx, name);

    s->us = 0;
    if (st < 0 || table->flags & HNAS_OP_ZERO)
        return st; /* zeros are never computed */
    st = make_images(&images, m, s->channels, s->size);
    if (st == HNAS_OK)
        st = hnas_op_create(&op, m->ctx, name, &desc);
    s->us = INFINITY;
    for (int64_t i = -1; i < m->repeat && st == HNAS_OK; i++) {
        double us;

        st = time_op(m, op, images, &us);
        s->us = i < 0 ? s->us : fmin(s->us, us);
    }
    hnas_tape_reset(m->tape, MODE);
    hnas_op_destroy(op);
    hnas_tensor_unref(images);
    return st;
}

/* What an operation takes at a shape, measured once. */
static hnas_status find_sample(struct meter *m, const struct sample *want,
                               double *us)
{
    struct sample *s = m->sample, *more;
    hnas_status st;

    for (int32_t i = 0; i < m->n_samples; i++, s++)
        if (s->op == want->op && s->channels == want->channels &&
            s->stride == want->stride && s->size[0] == want->size[0] &&
            s->size[1] == want->size[1]) {
            *us = s->us;
            return HNAS_OK;
        }
    more = realloc(m->sample, (size_t)(m->n_samples + 1) * sizeof *more);
    if (!more)
        return HNAS_E_NOMEM;
    m->sample = more;
    s = &more[m->n_samples++];
    *s = *want;
    st = measure_op(m, s);
    *us = s->us;
    return st;
}

/* ---- rows ---- */

static void put_row(struct json *j, const struct meter *m, int32_t kind,
                    int32_t from, int32_t to, const struct sample *s,
                    int32_t cells)
{
    json_open(j, '{');
    json_key(j, "kind");
    json_string(j, kind == HNAS_NORMAL ? "normal" : "reduce");
    json_key(j, "edge");
    json_open(j, '[');
    json_int(j, from);
    json_int(j, to);
    json_close(j, ']');
    json_key(j, "op");
    json_string(j, m->opts.ops[s->op]);
    json_key(j, "stride");
    json_int(j, s->stride);
    json_key(j, "shape");
    json_open(j, '[');
    json_int(j, s->channels);
    json_int(j, s->size[0]);
    json_int(j, s->size[1]);
    json_close(j, ']');
    json_key(j, "cells");
    json_int(j, cells);
    json_key(j, "us");
    json_real(j, s->us);
    json_close(j, '}');
}

/* The cells of a kind that are as large as a given one; 0 where an earlier
 * one was. */
static int32_t count_alike(const struct meter *m, int32_t cell,
                           const hnas_cell_info *info)
{
    int32_t n = 0;

    for (int32_t i = 0; i < m->opts.cells; i++) {
        hnas_cell_info other;

        hnas_supernet_get_cell(m->net, i, &other);
        if (memcmp(&other, info, sizeof other))
            continue;
        if (i < cell)
            return 0;
        n++;
    }
    return n;
}

static hnas_status write_edge(struct json *j, struct meter *m, int32_t edge,
                              int32_t from, int32_t to,
                              const hnas_cell_info *info, int32_t cells)
{
    const int is_input = from < 2;
    const int64_t *size = is_input ? info->in_size : info->out_size;
    struct sample s = {.channels = info->channels,
                       .stride = is_input && info->kind == HNAS_REDUCE ? 2 : 1,
                       .size = {size[0], size[1]}};
    hnas_status st = HNAS_OK;

    for (s.op = 0; s.op < m->opts.n_ops && st == HNAS_OK; s.op++) {
        st = find_sample(m, &s, &s.us);
        m->total[info->kind][edge * m->opts.n_ops + s.op] += cells * s.us;
        put_row(j, m, info->kind, from, to, &s, cells);
    }
    return st;
}

static hnas_status write_rows(struct json *j, struct meter *m)
{
    hnas_status st = HNAS_OK;

    for (int32_t c = 0; c < m->opts.cells; c++) {
        int32_t cells, edge = 0;
        hnas_cell_info info;

        hnas_supernet_get_cell(m->net, c, &info);
        cells = count_alike(m, c, &info);
        for (int32_t to = 2; to < 2 + m->opts.nodes && cells; to++)
            for (int32_t from = 0; from < to && st == HNAS_OK; from++)
                st = write_edge(j, m, edge++, from, to, &info, cells);
    }
    return st;
}

/* ---- what is not searched ---- */

/* The operation that costs least of those that are computed; -1: none. */
static int32_t find_cheapest(const struct meter *m, int32_t n, double *cost)
{
    int32_t best = -1;

    for (int32_t o = 0; o < m->opts.n_ops; o++) {
        const hnas_op_table *table;
        double sum = 0;

        if (hnas_op_find(&table, m->ctx, m->opts.ops[o]) < 0 ||
            table->flags & HNAS_OP_ZERO)
            continue;
        for (int32_t i = o; i < n; i += m->opts.n_ops)
            sum += m->total[0][i] + m->total[1][i];
        if (best < 0 || sum < *cost) {
            best = o;
            *cost = sum;
        }
    }
    return best;
}

static hnas_status make_gates(hnas_tensor *gates[2], struct meter *m, int32_t n,
                              int32_t op)
{
    const int64_t dims[2] = {n / m->opts.n_ops, m->opts.n_ops};
    float *value = calloc((size_t)n, sizeof *value);
    hnas_status st = value ? HNAS_OK : HNAS_E_NOMEM;

    for (int32_t i = op; i < n && value; i += m->opts.n_ops)
        value[i] = 1;
    for (int k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++) {
        st = hnas_tensor_create(&gates[k], m->ctx, HNAS_FLOAT32, 2, dims);
        if (st == HNAS_OK)
            st = hnas_tensor_set(gates[k], HNAS_FLOAT32, value, n);
    }
    free(value);
    return st;
}

static hnas_status time_net(struct meter *m, hnas_tensor *images,
                            hnas_tensor *const gates[2], double *us)
{
    hnas_tensor *logits = NULL;
    const double began_s = now_s();
    hnas_supernet_pass pass;
    hnas_status st = hnas_tape_reset(m->tape, MODE);

    hnas_supernet_pass_init(&pass, sizeof pass);
    pass.gates[0] = gates[0];
    pass.gates[1] = gates[1];
    pass.flags = HNAS_CELL_HARD | HNAS_CELL_DRAWN_ONLY;
    pass.lambda = m->opts.lambda_lo; /* costs alike at any */
    if (st == HNAS_OK)
        st = hnas_supernet_apply_at(&logits, m->tape, m->net, images, &pass);
    *us = 1e6 * (now_s() - began_s) / (double)m->batch;
    hnas_tensor_unref(logits);
    return st;
}

/* The whole network with the cheapest operation on every edge, less these
 * operations. */
static hnas_status measure_fixed(struct meter *m, int32_t n, double *us)
{
    hnas_tensor *images = NULL, *gates[2] = {NULL, NULL};
    double cost = 0;
    const int32_t op = find_cheapest(m, n, &cost);
    hnas_status st =
        make_images(&images, m, m->opts.image[0], m->opts.image + 1);

    if (st == HNAS_OK)
        st = make_gates(gates, m, n, op < 0 ? 0 : op);
    *us = INFINITY;
    for (int64_t i = -1; i < m->repeat && st == HNAS_OK; i++) {
        double one;

        st = time_net(m, images, gates, &one);
        *us = i < 0 ? *us : fmin(*us, one);
    }
    *us = fmax(*us - cost, 0);
    hnas_tensor_unref(images);
    hnas_tensor_unref(gates[0]);
    hnas_tensor_unref(gates[1]);
    return st;
}

/* ---- the table ---- */

/* The processor's name, where the system tells it. */
static void put_processor(struct json *j)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[512] = "";

    while (f && fgets(line, sizeof line, f) && strncmp(line, "model name", 10))
        line[0] = '\0';
    if (f)
        fclose(f);
    line[strcspn(line, "\n")] = '\0';
    if (strchr(line, ':')) {
        json_key(j, "processor");
        json_string(j, strchr(line, ':') + 1 + (strchr(line, ':')[1] == ' '));
    }
}

static void put_machine(struct json *j, const struct meter *m)
{
    json_key(j, "machine");
    json_open(j, '{');
    put_processor(j);
    json_key(j, "kernels");
    json_string(j, hnas_context_get_kernels(m->ctx));
    json_key(j, "gemm");
    json_string(j, hnas_context_get_gemm(m->ctx));
    json_key(j, "threads");
    json_int(j, hnas_context_get_threads(m->ctx));
    json_key(j, "batch");
    json_int(j, m->batch);
    json_close(j, '}');
}

static hnas_status write_table(FILE *f, struct meter *m, int32_t n)
{
    struct json j;
    double fixed = 0;
    hnas_status st;

    json_begin(&j, f);
    json_open(&j, '{');
    json_key(&j, "unit");
    json_string(&j, "us");
    put_machine(&j, m);
    json_key(&j, "rows");
    json_open(&j, '[');
    st = write_rows(&j, m);
    json_close(&j, ']');
    if (st == HNAS_OK)
        st = measure_fixed(m, n, &fixed);
    json_key(&j, "fixed");
    json_real(&j, fixed);
    json_close(&j, '}');
    fputc('\n', f);
    return st;
}

int latency_write(FILE *f, hnas_context *ctx, hnas_supernet *net, int64_t batch,
                  int64_t repeat)
{
    struct meter m = {.ctx = ctx, .net = net, .batch = batch, .repeat = repeat};
    int32_t n_edges, n_ops;
    hnas_status st;

    hnas_supernet_get_opts(net, &m.opts, sizeof m.opts);
    hnas_supernet_get_kind(net, HNAS_NORMAL, NULL, &n_edges, &n_ops);
    for (int k = 0; k < HNAS_N_KINDS; k++)
        m.total[k] = calloc((size_t)(n_edges * n_ops), sizeof(double));
    st = m.total[0] && m.total[1] ? HNAS_OK : HNAS_E_NOMEM;
    if (st == HNAS_OK)
        st = hnas_tape_create(&m.tape, ctx);
    if (st == HNAS_OK)
        st = write_table(f, &m, n_edges * n_ops);
    hnas_tape_destroy(m.tape);
    free(m.total[0]);
    free(m.total[1]);
    free(m.sample);
    return st < 0 ? library_failure(ctx, st, 0) : 0;
}

/* A whole file, or NULL after a message. */
static char *read_file(const char *path, size_t *length)
{
    FILE *f = fopen(path, "rb");
    char *text = malloc(MOST_BYTES + 1);

    *length = f && text ? fread(text, 1, MOST_BYTES + 1, f) : 0;
    if (f && text && !ferror(f) && *length <= MOST_BYTES) {
        fclose(f);
        return text;
    }
    failure("--cost %s: %s; want params, macs, bytes, latency or a table", path,
            f && text && !ferror(f) ? "larger than 16 MiB" : strerror(errno));
    if (f)
        fclose(f);
    free(text);
    return NULL;
}

int latency_set(hnas_context *ctx, hnas_supernet *net, const char *file,
                int64_t batch)
{
    char *text = NULL;
    size_t length = 0;
    hnas_status st;
    int rc = 0;

    if (file) {
        text = read_file(file, &length);
        rc = text ? 0 : EXIT_FAILED;
    } else {
        FILE *f = open_memstream(&text, &length);

        rc = f ? latency_write(f, ctx, net, batch, REPEAT)
               : failure("--cost latency: %s", strerror(errno));
        if (f && fclose(f) && !rc)
            rc = failure("--cost latency: out of memory");
    }
    st = rc ? HNAS_OK : hnas_supernet_read_cost_table(net, text, length);
    free(text);
    if (st < 0)
        rc = failure("--cost %s: %s", file ? file : "latency",
                     hnas_context_message(ctx));
    return rc;
}
