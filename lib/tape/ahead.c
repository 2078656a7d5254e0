/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory beside arithmetic.  A stage goes through a batch image by image, and
 * most of what its nodes read comes from memory.  What they will read is
 * listed once a stage (moved.c); while convolutions compute, their kernels
 * fetch from the list what the nodes behind them read, no further ahead than
 * the cache holds. */
#include "tape/image.h"

/* Halves of a real for each one written.  One is what memory delivers beside
 * a convolution of few channels; more than two only wait for it. */
enum { SLOWEST = 1, FASTEST = 2 };

static int64_t image_reals(const struct hnas_tape *tape)
{
    return tape->n_reads ? tape->read[tape->n_reads - 1].end : 0;
}

static hnas_status grow(struct hnas_tape *tape)
{
    const int64_t capacity = tape->read_capacity ? 2 * tape->read_capacity : 64;
    struct hn_read *read =
        hn_alloc_array(&tape->ctx->alloc, (size_t)capacity, sizeof *read);

    if (!read)
        return HNAS_E_NOMEM;
    for (int64_t i = 0; i < tape->n_reads; i++)
        read[i] = tape->read[i];
    hn_free(&tape->ctx->alloc, tape->read);
    tape->read = read;
    tape->read_capacity = capacity;
    return HNAS_OK;
}

void hn_reads_add(struct hnas_tape *tape, const real *image, int64_t n_reals)
{
    struct hn_read *r;

    if (tape->n_reads == tape->read_capacity && tape->listed == HNAS_OK)
        tape->listed = grow(tape);
    if (tape->listed < 0)
        return;
    r = &tape->read[tape->n_reads];
    r->at = image;
    r->n_reals = n_reals;
    r->end = image_reals(tape) + n_reals;
    tape->n_reads++;
}

void hn_reads_close(struct hnas_tape *tape, int64_t n_images)
{
    if (image_reals(tape) * n_images <= tape->ctx->ahead_reals)
        tape->n_reads = 0;
}

void hn_ahead_begin(struct hn_worker *w, const struct hnas_tape *tape,
                    int64_t first, int64_t last)
{
    w->reading = (struct hn_reading){
        .tape = tape->n_reads && HN_IMAGES_APART ? tape : NULL,
        .image = first,
        .next_image = first,
        .last = last};
    w->ahead = (struct hn_ahead){.halves = FASTEST};
}

/* How much to fetch beside what is written, so that it is spread evenly: by
 * the image before. */
static int64_t share(const struct hn_worker *w)
{
    const int64_t n = image_reals(w->reading.tape), written = w->ahead.written;
    const int64_t halves = written ? (2 * n + written - 1) / written : FASTEST;

    return halves < SLOWEST ? SLOWEST : halves > FASTEST ? FASTEST : halves;
}

void hn_ahead_reach(struct hn_worker *w, const struct hn_node *node,
                    int64_t image)
{
    struct hn_reading *r = &w->reading;

    if (!r->tape)
        return;
    if (image != r->image) {
        w->ahead.halves = share(w);
        w->ahead.written = 0;
        r->image = image;
    }
    r->done = node->n_reads;
    if (r->next_image > image ||
        (r->next_image == image && r->next > node->n_reads))
        return;
    r->next_image = image; /* too late for what lies before */
    r->next = node->n_reads;
    w->ahead.p = w->ahead.end = NULL;
}

static int64_t reals_before(const struct hnas_tape *tape, int64_t read)
{
    return read ? tape->read[read - 1].end : 0;
}

/* The next image of the list, unless it is too far ahead. */
static void take_next(struct hn_worker *w)
{
    struct hn_reading *r = &w->reading;
    const struct hnas_tape *tape = r->tape;
    const struct hn_read *read;
    int64_t far;

    if (r->next == tape->n_reads) {
        r->next = 0;
        r->next_image++;
    }
    if (r->next_image >= r->last)
        return;
    read = &tape->read[r->next];
    far = (r->next_image - r->image) * image_reals(tape) + read->end -
          reals_before(tape, r->done);
    if (far > tape->ctx->ahead_reals)
        return;
    w->ahead.p = read->at + r->next_image * read->n_reals;
    w->ahead.end = w->ahead.p + read->n_reals;
    r->next++;
}

struct hn_ahead *hn_ahead(struct hn_worker *w)
{
    if (!w->reading.tape)
        return NULL;
    if (w->ahead.p >= w->ahead.end)
        take_next(w);
    return &w->ahead;
}
