/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts that are values of options. */
#include <string.h>

#include "options.h"
#include "program.h"

/* The first byte that is not part of UTF-8, NULL: all are. */
static const unsigned char *find_foreign(const char *text)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;

    while (*p) {
        const int n = *p < 0x80           ? 0
                      : (*p >> 5) == 0x6  ? 1
                      : (*p >> 4) == 0xe  ? 2
                      : (*p >> 3) == 0x1e ? 3
                                          : -1;
        uint32_t code = n > 0 ? *p & (0x3fu >> n) : *p;

        if (n < 0)
            return p;
        for (int i = 1; i <= n; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return p;
            code = code << 6 | (p[i] & 0x3fu);
        }
        if (code < least[n] || code > 0x10ffff || (code >> 11) == 0x1b)
            return p;
        p += n + 1;
    }
    return NULL;
}

int option_check_text(const char *name, const char *text)
{
    const unsigned char *foreign = find_foreign(text);

    if (!foreign)
        return 0;
    return usage_error("--%s %.*s: then byte 0x%02x, want UTF-8, as files keep "
                       "the name",
                       name, (int)(foreign - (const unsigned char *)text), text,
                       *foreign);
}

int option_split(const char *option, char *text, const char **names,
                 int32_t most, int32_t *n)
{
    char *name;

    for (*n = 0; (name = strsep(&text, ",")) != NULL;) {
        if (!*name)
            return usage_error("--%s: an empty name, want names between commas",
                               option);
        if (*n == most)
            return usage_error("--%s: more than %d names", option, (int)most);
        for (int32_t i = 0; i < *n; i++)
            if (!strcmp(names[i], name))
                return usage_error("--%s: %.80s twice", option, name);
        names[(*n)++] = name;
    }
    return 0;
}
