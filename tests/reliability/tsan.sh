#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What shares memory between threads, under ThreadSanitizer: tsan.sh [TEST...],
# a test as bilevel_step; `all` for every test, which takes hours.  Builds in
# build/tsan; a report of a race fails its test.  Left out, since they start no
# thread or start them as one of the list does:
#     the double build         the same sources over another number
#     arch hyper optim fuzz    and the readers of io: one thread
#     kernel                   one thread; overlays are built without sanitizers
#     faults                   but for these: the same steps thousands of times
#     bilevel, model           likewise: gradients, nomem, steady
# A child's threads after a fork are a case that it can't follow ("dup thread"):
# test_hosts.c leaves that one out under it.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${HNAS_BUILD:-build/tsan}
threaded="base_pool core_poll tape_ranks tape_tape func_convolution func_image
 func_apply op_golden net_supernet bilevel_ranks bilevel_search bilevel_step
 model_train model_predictor model_set model_ranks faults_hosts faults_mode
 faults_reentry faults_on_nan io_batches io_rows io_search_file"
mkdir -p "$build"
[ -f "$build/build.ninja" ] || meson setup "$build" -Dexamples=false \
    -Dmpi=disabled -Dbuildtype=debugoptimized -Db_ndebug=false \
    -Db_sanitize=thread -Db_lundef=false >"$build/setup.log" 2>&1 ||
    { tail -5 "$build/setup.log"; exit 1; }
case ${1:-} in
"") tests=$threaded ;;
all) tests=$(meson introspect --targets "$build" | grep -o '"name": "test_[a-z_]*_float"' |
    sed 's/.*"test_//; s/_float"//' | sort -u) ;;
*) tests=$* ;;
esac
programs=$(for t in $tests; do echo "tests/test_${t}_float"; done)
# shellcheck disable=SC2086
ninja -j2 -C "$build" $programs >"$build/ninja.log" 2>&1 ||
    { grep -E 'error|FAILED' -A5 "$build/ninja.log" | head -20; exit 1; }

# One test; its report stays beside the build where there is one.
run_one() {
    TSAN_OPTIONS="exitcode=66 history_size=7 die_after_fork=0" \
        "$build/tests/test_${1}_float" >"$build/$1.log" 2>&1
}

passed=0 failed=0 races=0
for t in $tests; do
    if run_one "$t"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $t: $build/$t.log"
        grep -hE '^SUMMARY: ThreadSanitizer|:[FE]:' "$build/$t.log" | sort | uniq -c | head -10
    fi
    races=$((races + $(grep -c '^WARNING: ThreadSanitizer' "$build/$t.log")))
done
echo "$passed tests passed, $failed failed, $races reports"
[ -n "${1:-}" ] || ${PYTHON:-/usr/bin/python3} tests/reliability/page.py put tsan \
    "$passed tests passed, $failed failed, $races reports" || exit 1
[ $failed = 0 ] && [ "$races" = 0 ]
