/* SPDX-License-Identifier: BSD-3-Clause */
/* The explorer page, explorer.html as embed.py makes it an array. */
#ifndef HN_IO_EXPLORER_H
#define HN_IO_EXPLORER_H

#include <stddef.h>

/* NUL-terminated; the length without the NUL.  Where HN_EXPLORER_MARK stands
 * the data go. */
extern const unsigned char hn_explorer_page[];
extern const size_t hn_explorer_bytes;

#define HN_EXPLORER_MARK "@DATA@"

#endif
