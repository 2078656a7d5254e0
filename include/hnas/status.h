/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file status.h
 * What every call that can fail returns.
 *
 * Zero is success, a positive value a normal outcome that the caller may
 * want to know, a negative value a failure.  After a failure the outputs are
 * NULL, every argument is as it was, and the context holds one line that
 * names the argument, its value and what was wanted (hnas_context_message).
 * A NULL argument may leave no line: then an earlier one stays.  The values
 * never change.
 */
#ifndef HNAS_STATUS_H
#define HNAS_STATUS_H

#include "export.h"

HNAS_BEGIN_DECLS

/** Outcome of a call: 0, a positive outcome or a negative error. */
typedef int32_t hnas_status;

enum {
    HNAS_OK = 0,           /**< done */
    HNAS_FINISHED = 1,     /**< no call answers it yet */
    HNAS_EXTRAPOLATED = 2, /**< lambda lies outside the stored range */
    HNAS_STOPPED = 3,      /**< a callback asked to stop */
    HNAS_END = 4,          /**< no call answers it yet */
    HNAS_INFEASIBLE = 5,   /**< nothing fits, the nearest is given */
    HNAS_SKIPPED = 6,      /**< a step that is not finite was left out */
    HNAS_ROLLED_BACK = 7,  /**< likewise, and the state kept last is back */

    HNAS_E_ARG = -1,         /**< NULL or contradictory argument */
    HNAS_E_SHAPE = -2,       /**< wrong rank, size or layout */
    HNAS_E_RANGE = -3,       /**< number outside its range, or NaN */
    HNAS_E_TYPE = -4,        /**< wrong element type */
    HNAS_E_NAME = -5,        /**< unknown or doubled name */
    HNAS_E_STATE = -6,       /**< call not allowed in this state */
    HNAS_E_UNSUPPORTED = -7, /**< valid, but this build or object can't */
    HNAS_E_NOMEM = -10,      /**< out of memory */
    HNAS_E_THREAD = -11,     /**< no call answers it yet */
    HNAS_E_NAN = -20,        /**< NaN or infinity where a number is needed */
    HNAS_E_OP = -21,         /**< code of the host failed */
    HNAS_E_STOPPED = -22,    /**< the context's poll asked to stop */
    HNAS_E_IO = -30,         /**< open, read, write or rename failed */
    HNAS_E_FORMAT = -31,     /**< not the format, or a damaged file */
    HNAS_E_TRUNCATED = -32,  /**< the file ends too early */
    HNAS_E_LIMIT = -33,      /**< larger than the stated limit */
    HNAS_E_MISMATCH = -34,   /**< valid, but made for something else */
    HNAS_E_COMM = -40        /**< another rank failed, or is silent */
};

/**
 * Name a status, as "HNAS_E_SHAPE".
 *
 * Shapes     returns a NUL-terminated string; an unknown value gives
 *            "HNAS_UNKNOWN".
 * Units      none.
 * Ownership  static, never released.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const char *hnas_status_name(hnas_status status);

HNAS_END_DECLS

#endif
