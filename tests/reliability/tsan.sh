#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The whole suite under ThreadSanitizer: tsan.sh [MESON-TEST-ARGS...].
# Builds in build/tsan; a report of a race fails its test.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${HNAS_BUILD:-build/tsan}
mkdir -p "$build"
[ -f "$build/build.ninja" ] || meson setup "$build" -Dexamples=false \
    -Dmpi=disabled -Dbuildtype=debugoptimized -Db_ndebug=false \
    -Db_sanitize=thread -Db_lundef=false >"$build/setup.log" 2>&1 ||
    { tail -5 "$build/setup.log"; exit 1; }
ninja -j2 -C "$build" >"$build/ninja.log" 2>&1 ||
    { grep -E 'error|FAILED' -A5 "$build/ninja.log" | head -20; exit 1; }
TSAN_OPTIONS="exitcode=66 history_size=7 die_after_fork=0" \
    meson test -C "$build" --no-rebuild --timeout-multiplier 10 "$@" \
    >"$build/test.log" 2>&1
status=$?
ok=$(sed -n 's/^Ok: *//p' "$build/test.log")
bad=$(sed -n 's/^Fail: *//p; s/^Timeout: *//p' "$build/test.log" |
    awk '{s += $1} END {print s + 0}')
[ -n "$ok" ] || { tail -5 "$build/test.log"; exit 1; }
grep -E 'FAIL|TIMEOUT' "$build/test.log"
races=$(grep -c '^WARNING: ThreadSanitizer' "$build/meson-logs/testlog.txt")
grep '^SUMMARY: ThreadSanitizer' "$build/meson-logs/testlog.txt" | sort | uniq -c
echo "$ok tests passed, $bad failed, $races reports"
[ $# -gt 0 ] || ${PYTHON:-/usr/bin/python3} tests/reliability/page.py put tsan \
    "$ok tests passed, $bad failed, $races reports" || exit 1
[ $status = 0 ] && [ "$races" = 0 ]
