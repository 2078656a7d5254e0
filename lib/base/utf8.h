/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that claim to be text. */
#ifndef HN_BASE_UTF8_H
#define HN_BASE_UTF8_H

/* Bytes of the UTF-8 character at p, 1..4; 0: none is there. */
int hn_utf8_length(const char *p, const char *end);

/* Make a string one line of UTF-8: what is no character of it, and control
 * characters, become question marks. */
void hn_utf8_clean(char *text);

#endif
