/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file export.h
 * What every other public header needs: linkage, visibility, fixed-width types.
 */
#ifndef HNAS_EXPORT_H
#define HNAS_EXPORT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define HNAS_BEGIN_DECLS extern "C" {
#define HNAS_END_DECLS }
#else
#define HNAS_BEGIN_DECLS
#define HNAS_END_DECLS
#endif

/** Marks an exported function. */
#if defined(__GNUC__)
#define HNAS_API __attribute__((visibility("default")))
#else
#define HNAS_API
#endif

#endif
