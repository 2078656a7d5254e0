/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file version.h
 * API and ABI numbers.  The build reads them from here.
 *
 * The API number follows semantic versioning; until 1.0 a minor number may
 * change the API.  The ABI number is the soname's.
 */
#ifndef HNAS_VERSION_H
#define HNAS_VERSION_H

#include "export.h"

/** Version of the interface, as it was when the host was compiled. */
#define HNAS_VERSION_MAJOR 0
/** Likewise; until 1.0 it may change the interface. */
#define HNAS_VERSION_MINOR 1
/** Likewise; it changes no interface. */
#define HNAS_VERSION_PATCH 0

/** ABI number: the soname is libhnas.so.HNAS_ABI. */
#define HNAS_ABI 0

HNAS_BEGIN_DECLS

/**
 * Tell the version of the library that runs, as "0.1.0".
 *
 * Shapes     a NUL-terminated string.
 * Units      none.
 * Ownership  static, never released.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const char *hnas_version(void);

/**
 * Tell the ABI number of the library that runs.
 *
 * Shapes     none.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_abi(void);

/**
 * Tell the version of BLIS that the library runs with, as "0.9.0".
 *
 * Shapes     a NUL-terminated string; NULL: the library was built without.
 * Units      none.
 * Ownership  static, never released.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const char *hnas_blis_version(void);

HNAS_END_DECLS

#endif
