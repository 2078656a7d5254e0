/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/utf8.h"

int hn_utf8_length(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;
    const int n = u[0] < 0x80   ? 1
                  : u[0] < 0xc2 ? 0
                  : u[0] < 0xe0 ? 2
                  : u[0] < 0xf0 ? 3
                  : u[0] < 0xf5 ? 4
                                : 0;

    if (n > end - p)
        return 0;
    for (int i = 1; i < n; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    if ((u[0] == 0xe0 && u[1] < 0xa0) || /* longer than need be */
        (u[0] == 0xf0 && u[1] < 0x90) ||
        (u[0] == 0xed && u[1] > 0x9f) || /* surrogates */
        (u[0] == 0xf4 && u[1] > 0x8f))   /* above U+10FFFF */
        return 0;
    return n;
}

void hn_utf8_clean(char *text)
{
    const char *end = text;

    while (*end)
        end++;
    while (text < end) {
        const int n = hn_utf8_length(text, end);

        if (n == 0 || (unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
        text += n ? n : 1;
    }
}
