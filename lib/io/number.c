/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers as text, in the C locale and rounded to nearest, whatever the process
 * has set. */
#define _XOPEN_SOURCE 700
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fpmode.h"
#include "io/json.h"

/* The C library converts by the calling thread's locale, so that this is the
 * C one for the moment. */
struct c_locale {
    locale_t c, before;
    uint64_t mode;
};

static int enter(struct c_locale *l)
{
    l->c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!l->c)
        return -1;
    l->before = uselocale(l->c);
    l->mode = hn_fp_enter();
    return 0;
}

static void leave(struct c_locale *l)
{
    hn_fp_leave(l->mode);
    uselocale(l->before);
    freelocale(l->c);
}

int hn_number_parse(double *out, const char *text)
{
    struct c_locale l;

    if (enter(&l) != 0)
        return -1;
    *out = strtod(text, NULL);
    leave(&l);
    return 0;
}

int hn_number_format(char text[HN_NUMBER_BYTES], double value)
{
    struct c_locale l;

    if (enter(&l) != 0)
        return -1;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, HN_NUMBER_BYTES, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    leave(&l);
    return 0;
}
