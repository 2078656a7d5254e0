#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What the suite reaches of lib/: coverage.sh [SUITE...].  Builds in build/cov
# with gcov's counters, runs the suite once and fails under 95 % of lines or
# 85 % of branches.  Names of suites: only these, and no figure is kept.
#     coverage.sh --list FILE...    what no test reached of some files
# Overlays for a CPU are left out: tests/kernel compares them with plain C, whose
# lines count.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${HNAS_BUILD:-build/cov}
python=${PYTHON:-/usr/bin/python3}
if [ "${1:-}" = --list ]; then
    shift
    exec $python tests/reliability/coverage.py "$build" "$@"
fi
# -O1 makes the suite fit in 20 minutes of one core;
# condition of && and || its own, as the source has them
honest="-fprofile-update=atomic -fno-inline --param=logical-op-non-short-circuit=0"
mkdir -p "$build"
[ -f "$build/build.ninja" ] || meson setup "$build" -Dexamples=false \
    -Dmpi=disabled -Dbuildtype=debug -Doptimization=1 -Db_ndebug=true \
    -Db_coverage=true -Dc_args="$honest" \
    >"$build/setup.log" 2>&1 || { tail -5 "$build/setup.log"; exit 1; }
suites=
for suite; do suites="$suites --suite $suite"; done
[ $# -gt 0 ] || ninja -j2 -C "$build" >"$build/ninja.log" 2>&1 ||
    { grep -E 'error|FAILED' -A5 "$build/ninja.log" | head -20; exit 1; }
find "$build" -name '*.gcda' -delete
# shellcheck disable=SC2086
meson test -C "$build" $suites --timeout-multiplier 10 >"$build/test.log" 2>&1 ||
    { grep -E 'FAIL|TIMEOUT|ERROR' "$build/test.log"; exit 1; }
[ $# = 0 ] || keep=--no-keep
$python tests/reliability/coverage.py "$build" ${keep:-}
