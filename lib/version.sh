#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Print the version (or with "abi" the ABI number) that version.h states.
header=$(dirname "$0")/../include/hnas/version.h
number() { sed -n "s/^#define HNAS_$1 \([0-9]*\)\$/\1/p" "$header"; }
if [ "$1" = abi ]; then
    number ABI
else
    echo "$(number VERSION_MAJOR).$(number VERSION_MINOR).$(number VERSION_PATCH)"
fi
