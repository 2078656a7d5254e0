#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Compile the library without overlays for aarch64, warnings as errors; not the
# MPI adapter, whose headers are those of this machine.
# check_aarch64.sh; CC_AARCH64 names the compiler, HNAS_JOBS its processes.
set -eu
cd "$(dirname "$0")/../.."
cc=${CC_AARCH64:-aarch64-linux-gnu-gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# zlib's headers are the same for every machine; only the library would not be.
echo '#include <zlib.h>' | ${CC:-cc} -M -E -x c - |
    tr ' ' '\n' | grep -E '/z(lib|conf)\.h$' |
    while read -r header; do cp "$header" "$work"; done
for real in float double; do
    flags="-std=c11 -O2 -fPIC -fvisibility=hidden -ffp-contract=off -Wall -Wextra
 -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
 -Wwrite-strings -Wvla -Wundef -Werror -isystem $work -Iinclude -Ilib"
    [ $real = float ] || flags="$flags -DHN_REAL_DOUBLE"
    find lib -name '*.c' ! -path 'lib/kernel/x86/*' ! -path 'lib/mpi/*' | sort >"$work/sources"
    # shellcheck disable=SC2086
    xargs -P "${HNAS_JOBS:-2}" -I{} $cc $flags -c {} -o /dev/null <"$work/sources"
    echo "$(wc -l <"$work/sources") files, real = $real"
done
