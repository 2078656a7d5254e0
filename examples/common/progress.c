/* SPDX-License-Identifier: BSD-3-Clause */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"
#include "ranks.h"

void progress_begin(struct progress *p, int64_t first, int64_t total,
                    int64_t epochs)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    memset(p, 0, sizeof *p);
    p->is_quiet = ranks_rank() != 0;
    p->is_terminal =
        !p->is_quiet && isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
    p->has_colour = p->is_terminal && !(no_colour && *no_colour);
    p->began_s = p->said_s = now_s();
    p->first = first;
    p->total = total;
    p->epochs = epochs;
}

static void put_left(char *text, size_t size, double seconds)
{
    const long s = (long)(seconds + 0.5);

    if (s >= 3600)
        snprintf(text, size, "%ld h %02ld min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        snprintf(text, size, "%ld min %02ld s", s / 60, s % 60);
    else
        snprintf(text, size, "%ld s", s);
}

void progress_step(struct progress *p, int64_t epoch, int64_t step, double loss,
                   double rate, int must)
{
    const double now = now_s();
    const double pause_s = p->is_terminal ? 0.2 : 10;
    const double each = (now - p->began_s) / (double)(step - p->first);
    char left[32];

    if (p->is_quiet || (now - p->said_s < pause_s && !must))
        return;
    p->said_s = now;
    put_left(left, sizeof left, each * (double)(p->total - step));
    fprintf(stderr,
            "%s%sepoch %lld/%lld%s  step %lld/%lld  loss %.4f  rate %.4f  "
            "%.1f ms a step  %s left%s",
            p->is_terminal ? "\r\033[K" : "", p->has_colour ? "\033[1m" : "",
            (long long)epoch, (long long)p->epochs,
            p->has_colour ? "\033[0m" : "", (long long)step,
            (long long)p->total, loss, rate, 1e3 * each, left,
            p->is_terminal ? "" : "\n");
    fflush(stderr);
    p->is_open = p->is_terminal;
}

void progress_note(struct progress *p, const char *what, double value)
{
    if (!p->is_terminal)
        return;
    fprintf(stderr, "%s%s %g", p->is_open ? "\r\033[K" : "", what, value);
    fflush(stderr);
    p->is_open = 1;
}

void progress_end(struct progress *p)
{
    if (p->is_open)
        fputc('\n', stderr);
    p->is_open = 0;
}
