#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A part of the suite under MemorySanitizer, with the plain kernels and the
# built-in matrix product: msan.sh [TEST...].  TEST: floor_file, as io_json;
# without one, those below, and the figure is kept.  Needs clang.  Builds in
# build/msan; a read of what nobody wrote fails its test.  It does not see what
# zlib writes, so no test of the list reads gz files, and it does not look at
# what functions of libc read (tests/support/check_main.h): valgrind.sh does.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
build=${HNAS_BUILD:-build/msan}
mkdir -p "$build"
[ -f "$build/build.ninja" ] || CC=clang meson setup "$build" \
    -Dexamples=false -Dmpi=disabled -Dblis=disabled -Dbuildtype=debugoptimized \
    -Db_ndebug=false -Db_sanitize=memory -Db_lundef=false >"$build/setup.log" 2>&1 ||
    { tail -5 "$build/setup.log"; exit 1; }
tests=${*:-base_arena tensor_tensor kernel_gemm kernel_norm tape_tape
 func_convolution op_golden optim_adam hyper_hyper arch_derive bilevel_step
 bilevel_search model_train model_predictor io_json}
programs=$(for t in $tests; do echo "tests/test_${t}_float"; done)
# shellcheck disable=SC2086
ninja -j2 -C "$build" $programs >"$build/ninja.log" 2>&1 ||
    { grep -E 'error|FAILED' -A5 "$build/ninja.log" | head -20; exit 1; }

. "$root/tests/reliability/each.sh"

program() {
    CK_TIMEOUT_MULTIPLIER=20 "$build/tests/test_${1}_float"
}

keep=msan
[ $# = 0 ] || keep=
# shellcheck disable=SC2086
each "$keep" 'WARNING|^ *#[0-9]+ .* in (hn|hnas)_|SUMMARY|:[FE]:' $tests
