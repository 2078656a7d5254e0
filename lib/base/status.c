/* SPDX-License-Identifier: BSD-3-Clause */
#include "hnas/status.h"

static const struct {
    hnas_status status;
    const char *name;
} names[] = {
    {HNAS_OK, "HNAS_OK"},
    {HNAS_FINISHED, "HNAS_FINISHED"},
    {HNAS_EXTRAPOLATED, "HNAS_EXTRAPOLATED"},
    {HNAS_STOPPED, "HNAS_STOPPED"},
    {HNAS_END, "HNAS_END"},
    {HNAS_INFEASIBLE, "HNAS_INFEASIBLE"},
    {HNAS_SKIPPED, "HNAS_SKIPPED"},
    {HNAS_ROLLED_BACK, "HNAS_ROLLED_BACK"},
    {HNAS_E_ARG, "HNAS_E_ARG"},
    {HNAS_E_SHAPE, "HNAS_E_SHAPE"},
    {HNAS_E_RANGE, "HNAS_E_RANGE"},
    {HNAS_E_TYPE, "HNAS_E_TYPE"},
    {HNAS_E_NAME, "HNAS_E_NAME"},
    {HNAS_E_STATE, "HNAS_E_STATE"},
    {HNAS_E_UNSUPPORTED, "HNAS_E_UNSUPPORTED"},
    {HNAS_E_NOMEM, "HNAS_E_NOMEM"},
    {HNAS_E_THREAD, "HNAS_E_THREAD"},
    {HNAS_E_NAN, "HNAS_E_NAN"},
    {HNAS_E_OP, "HNAS_E_OP"},
    {HNAS_E_STOPPED, "HNAS_E_STOPPED"},
    {HNAS_E_IO, "HNAS_E_IO"},
    {HNAS_E_FORMAT, "HNAS_E_FORMAT"},
    {HNAS_E_TRUNCATED, "HNAS_E_TRUNCATED"},
    {HNAS_E_LIMIT, "HNAS_E_LIMIT"},
    {HNAS_E_MISMATCH, "HNAS_E_MISMATCH"},
    {HNAS_E_COMM, "HNAS_E_COMM"},
};

const char *hnas_status_name(hnas_status status)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].status == status)
            return names[i].name;
    return "HNAS_UNKNOWN";
}
