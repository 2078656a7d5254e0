#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Fuzz each reader, and sequences of calls, under the address and
# undefined-behaviour sanitizers: run.sh SECONDS|RUNSx [TARGET...], as 20 or
# 5000000x, of each.  Needs clang.
# What is found stays in build/fuzz/found, new inputs in build/fuzz/corpus.
# Of a campaign, RUNSx, executions and findings go to docs/reliability.json, and
# onto the page.  It may end early (SIGUSR1 to the target) and be started again:
# executions since the last finding count, as noted in build/fuzz/runs.
set -u
cd "$(dirname "$0")/../.." || exit 1
[ $# -ge 1 ] || { echo "usage: run.sh SECONDS|RUNSx [TARGET...]" >&2; exit 2; }
case $1 in
*x) most_runs=${1%x} is_campaign=1 ;;
*) length=-max_total_time=$1 is_campaign=0 ;;
esac
shift
build=${HNAS_BUILD:-build/fuzz}
targets=${*:-$(ls tests/fuzz/fuzz_*.c | sed 's,.*/fuzz_,,; s,\.c$,,')}
mkdir -p $build/found $build/runs

# make_target DIR TARGET [SETUP...]: DIR's program of a target
make_target() {
    dir=$1 program=tests/fuzz/fuzz_$2
    shift 2
    [ -f $dir/build.ninja ] || CC=clang meson setup $dir -Dfuzz=true \
        -Dexamples=false -Dmpi=disabled -Dblis=disabled -Db_lundef=false \
        -Dbuildtype=debugoptimized -Db_ndebug=false \
        -Db_sanitize=address,undefined "$@" >$build/setup.log 2>&1 ||
        { tail -5 $build/setup.log; return 1; }
    ninja -j2 -C $dir $program >$build/ninja.log 2>&1 ||
        { grep -E 'error' -A5 $build/ninja.log | head -20; return 1; }
}

failed=0
for t in $targets; do
    mkdir -p $build/corpus/$t
    before=0
    if [ $is_campaign = 1 ]; then
        [ ! -f $build/runs/$t ] || before=$(cat $build/runs/$t)
        length=-runs=$((before < most_runs ? most_runs - before : 1))
    fi
    dir=$build most=20000 setup=
    # a byte is a call or one of few values: longer sequences, what the code
    # compares with and many samples of a path tell little and take long
    [ "$t" != calls ] || dir=$build/calls most=96 \
        setup="-Dc_args=-fno-sanitize-coverage=trace-cmp -DHN_PATH_SAMPLES=32"
    make_target $dir $t ${setup:+"$setup"} || exit 1
    ASAN_OPTIONS=malloc_context_size=8:quarantine_size_mb=8 \
        UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        $dir/tests/fuzz/fuzz_$t "$length" -entropic=0 -timeout=25 \
        -max_len=$most -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix=$build/found/$t- $build/corpus/$t \
        tests/fuzz/corpus/$t >$build/$t.log 2>&1
    status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' $build/$t.log)
    if [ -z "$runs" ]; then
        echo "fuzz_$t did not run:"
        tail -5 $build/$t.log
        failed=1
        continue
    fi
    findings=$([ $status = 0 ] && echo 0 || echo 1)
    [ $status = 0 ] || { failed=1; grep -E 'SUMMARY|not as expected|^ *#[0-9]+ .* in (hn|hnas)_' $build/$t.log | head -8; }
    echo "$t: $runs executions, $findings findings"
    [ $is_campaign = 1 ] || continue
    runs=$((before + runs))
    [ $findings = 0 ] && echo $runs >$build/runs/$t || rm -f $build/runs/$t
    "${PYTHON:-/usr/bin/python3}" tests/reliability/page.py put "fuzz.$t" \
        "$runs executions, $findings findings" || failed=1
done
exit $failed
