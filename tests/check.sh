#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Build and run every test; with --full in a browser too, under ThreadSanitizer
# and briefly fuzzed, with figures kept in docs/reliability.json.  Installs the
# Debian packages it needs (as root or through sudo), or says which are missing.
# Ends with one line:
#     N passed, M failed, K skipped
# Every failure and every skip is named above it.
set -u
cd "$(dirname "$0")/.." || exit 1

packages="meson ninja-build gcc g++ pkg-config libblis-dev zlib1g-dev check
 libopenmpi-dev openmpi-bin
 python3 python3-numpy python3-onnx python3-torch clang-format valgrind
 python3-pytest python3-hypothesis mypy python3-tqdm python3-matplotlib
 python3-pip cmake doxygen mandoc locales"
build=build/check
full=0
[ "${1:-}" = --full ] && full=1
[ "$full" = 0 ] || packages="$packages clang clang-tidy cppcheck abigail-tools iproute2"
passed=0 failed=0 skipped=0
log=$(mktemp -d) || exit 1
trap 'rm -rf "$log"' EXIT

say() { printf '%s\n' "$*"; }

install_packages() {
    missing=
    for p in $packages; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $p"
    done
    [ -z "$missing" ] && return
    say "installing:$missing"
    if [ "$(id -u)" = 0 ]; then as=; elif command -v sudo >/dev/null; then as=sudo
    else say "not root and no sudo: please install$missing"; exit 1; fi
    $as apt-get update -qq &&
        $as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends $missing >"$log/apt" 2>&1 ||
        { tail -5 "$log/apt"; say "could not install$missing"; exit 1; }
}

# Whether there is a compiler for aarch64; installs it where it can.
aarch64_compiler() {
    command -v aarch64-linux-gnu-gcc >/dev/null && return
    if [ "$(id -u)" = 0 ]; then as=; elif command -v sudo >/dev/null; then as=sudo
    else return 1; fi
    $as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross \
        >"$log/apt" 2>&1
}

# Whether there is ONNX Runtime for Node.js; installs it below the build folder
# where it can.
onnx_runtime() {
    [ -d $build/node/node_modules/onnxruntime-node ] && return
    if ! command -v npm >/dev/null; then
        if [ "$(id -u)" = 0 ]; then as=; elif command -v sudo >/dev/null; then as=sudo
        else return 1; fi
        $as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends nodejs npm >"$log/apt" 2>&1 || return 1
    fi
    mkdir -p $build/node &&
        timeout 300 npm install --prefix $build/node --ignore-scripts --no-audit \
            --no-fund onnxruntime-node@1 >"$log/npm" 2>&1 &&
        [ -d $build/node/node_modules/onnxruntime-node ]
}

# Whether there is Chromium with its driver; --full installs it where it can.
chromium() {
    command -v chromium >/dev/null && command -v chromedriver >/dev/null && return
    [ "$full" = 1 ] || return
    if [ "$(id -u)" = 0 ]; then as=; elif command -v sudo >/dev/null; then as=sudo
    else return 1; fi
    $as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends chromium chromium-driver >"$log/apt" 2>&1
}

# one NAME COMMAND...: a test that is a command.
one() {
    name=$1
    shift
    if "$@" >"$log/one" 2>&1; then
        passed=$((passed + 1))
        say "ok    $name"
    else
        failed=$((failed + 1))
        say "FAIL  $name"
        sed 's/^/      /' "$log/one" | tail -30
    fi
}

# skip NAME WHY: a test that can't run here.
skip() {
    skipped=$((skipped + 1))
    say "skip  $1: $2"
}

# suite NAME DIR [MESON-TEST-ARGS...]: the tests of a build.
suite() {
    name=$1 dir=$2
    shift 2
    meson test -C "$dir" --no-rebuild "$@" >"$log/suite" 2>&1
    ok=$(sed -n 's/^Ok: *//p' "$log/suite")
    bad=$(sed -n 's/^Fail: *//p; s/^Timeout: *//p' "$log/suite" |
        awk '{s += $1} END {print s + 0}')
    skip=$(sed -n 's/^Skipped: *//p' "$log/suite")
    if [ -z "$ok" ]; then
        say "FAIL  $name: the tests did not run"
        tail -5 "$log/suite"
        failed=$((failed + 1))
        return
    fi
    grep -E 'FAIL|TIMEOUT|SKIP|ERROR' "$log/suite" | sed "s/^/      $name: /"
    [ "$bad" -gt 0 ] && grep -hE ':[FE]:' "$dir"/meson-logs/testlog.txt |
        sed 's/^/      /' | head -40
    say "$([ "$bad" = 0 ] && echo 'ok  ' || echo 'FAIL')  $name: $ok tests passed, $bad failed, ${skip:-0} skipped"
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + ${skip:-0}))
}

# pytests NAME FOLDER BUILD: the tests of a folder against a build's library.
pytests() {
    HNAS_LIBRARY=$PWD/$3/lib/libhnas.so $python -m pytest -q -rfEs \
        -p no:cacheprovider "$2" >"$log/pytest" 2>&1
    last=$(tail -1 "$log/pytest")
    ok=$(echo "$last" | grep -oE '[0-9]+ passed' | cut -d' ' -f1)
    bad=$(echo "$last" | grep -oE '[0-9]+ (failed|error)' |
        awk '{s += $1} END {print s + 0}')
    skip=$(echo "$last" | grep -oE '[0-9]+ skipped' | cut -d' ' -f1)
    [ -n "$ok" ] || bad=$((bad + 1))
    grep -E '^(FAILED|ERROR|SKIPPED)|^E  ' "$log/pytest" | sed 's/^/      /'
    [ -n "$ok" ] || tail -5 "$log/pytest"
    say "$([ "$bad" = 0 ] && echo 'ok  ' || echo 'FAIL')  $1: ${ok:-0} tests passed, $bad failed, ${skip:-0} skipped"
    passed=$((passed + ${ok:-0})) failed=$((failed + bad)) skipped=$((skipped + ${skip:-0}))
}

# configure DIR OPTIONS...: build or end with what the compiler said.
configure() {
    dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@" >"$log/setup" 2>&1 ||
        { tail -20 "$log/setup"; say "0 passed, 1 failed, 0 skipped"; exit 1; }
    ninja -C "$dir" >"$log/build" 2>&1 ||
        { grep -E 'error|FAILED' -A5 "$log/build" | head -40
          say "0 passed, 1 failed, 0 skipped"; exit 1; }
}

install_packages
# a locale with a decimal comma, for the tests that switch to one
mkdir -p $build/locale
[ -d $build/locale/de_DE.UTF-8 ] ||
    localedef --no-archive -i de_DE -f UTF-8 $build/locale/de_DE.UTF-8 ||
    say "no comma locale: localedef failed"
export LOCPATH="$PWD/$build/locale"
python=/usr/bin/python3
say "building (release, warnings are errors)"
configure $build/release -Dwerror=true
suite "release" $build/release
say "building (address and undefined-behaviour sanitizers)"
configure $build/asan -Dbuildtype=debugoptimized -Db_ndebug=false \
    -Db_sanitize=address,undefined -Db_lundef=false
ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    suite "sanitizers" $build/asan --timeout-multiplier 5

one "oracle: the PyTorch side agrees with itself" \
    $python tests/oracle/test_oracle.py
live() {
    mkdir -p "$log/golden" && $python tests/oracle/golden.py "$log/golden" 7 ||
        return 1
    # in double: ten steps in float drift apart on some numbers
    for golden in op_golden_float op_golden_double bilevel_golden_double \
        bilevel_preset_steps_double model_golden_double; do
        HNAS_GOLDEN="$log/golden" $build/release/tests/test_$golden || return 1
    done
}
one "oracle: live cross-check against PyTorch on other numbers" live
for rule in tests/rules/check_*; do
    one "rule: $(basename "$rule")" sh tests/rules/one.sh "$rule" $build/release
done
one "man pages: as --help, mandoc has nothing to say" \
    $python tests/system/test_man.py $build/release
one "install: C and C++ programs build against it" \
    sh tests/abi/check_install.sh $build/release
one "symbols: the library ends, prints and sets nothing" \
    sh tests/abi/check_symbols.sh $build/release
if aarch64_compiler; then
    one "aarch64: the library compiles" sh tests/abi/check_aarch64.sh
else
    skip "aarch64: the library compiles" "no gcc-aarch64-linux-gnu here"
fi
one "programs: contract, resume, refusals" \
    $python tests/system/test_programs.py $build/release
one "programs: damaged checkpoints" \
    $python tests/system/test_hostile.py $build/release
one "kill -9: the resumed search is the unbroken one" \
    $python tests/system/test_kill.py $build/release
one "Ctrl-C: 130 within a second, resumable" \
    $python tests/system/test_interrupt.py $build/release
one "hnas-train: contract, resume, refusals" \
    $python tests/system/test_train.py $build/release
one "hnas-export: contract, genotypes, pictures, refusals" \
    $python tests/system/test_export.py $build/release
if chromium; then
    one "explorer: in Chromium it says what hnas-query says" \
        $python tests/system/test_explorer.py $build/release
else
    skip "explorer: in Chromium it says what hnas-query says" \
        "no chromium and chromium-driver here; check.sh --full installs them"
fi
if onnx_runtime; then
    one "ONNX: ONNX Runtime answers as the library" \
        $python tests/system/test_onnx.py $build/release \
        $build/node/node_modules
else
    one "ONNX: networks pass the checker" \
        $python tests/system/test_onnx.py $build/release
    skip "ONNX: ONNX Runtime answers as the library" \
        "npm can't get onnxruntime-node here"
fi
pytests "python" bindings/python/tests $build/release
one "mpi: ranks give one rank's bits, a dead one ends the job" \
    $python tests/mpi/test_mpi.py $build/release
one "mpi: hnas-train over ranks, a batch shared" \
    $python tests/mpi/test_train.py $build/release
one "mpi: hnas-train, many networks in one queue" \
    $python tests/mpi/test_queue.py $build/release
one "instructions: a tiny step costs no more than it did" \
    $python tests/bench/instructions.py $build/release
one "tutorial: its shell and C blocks run" \
    $python tests/system/test_tutorial.py $build/release c
if [ -d bindings/python ]; then
    one "tutorial: its Python blocks run" \
        $python tests/system/test_tutorial.py $build/release python
else
    skip "tutorial: its Python blocks run" "no bindings/python here"
fi
one "demo: sizes fall with lambda, networks stay good" \
    $python tests/system/test_demo.py $build/release

if [ "$full" = 1 ]; then
    one "ThreadSanitizer: the whole suite" sh tests/reliability/tsan.sh
    one "cppcheck, clang, gcc and clang-tidy have nothing to say" \
        sh tests/reliability/analyze.sh
    one "coverage: 95 % of lines and 85 % of branches of lib/" \
        sh tests/reliability/coverage.sh
    one "ABI: the library is as tests/abi/baseline.abi" \
        sh tests/abi/check_abi.sh $build/release
    one "fuzzing: each reader, and calls, for 20 seconds" \
        sh tests/fuzz/run.sh 20
    if why=$($python tests/mpi/slow_link.py $build/release 2>&1); then
        passed=$((passed + 1))
        say "ok    mpi: one rank's bits over a slow link"
        say "$why" | sed 's/^/      /'
    elif [ $? = 77 ]; then
        skip "mpi: one rank's bits over a slow link" "$why"
    else
        failed=$((failed + 1))
        say "FAIL  mpi: one rank's bits over a slow link"
        say "$why" | sed 's/^/      /' | tail -30
    fi
    one "reliability: the page says what was measured" \
        sh tests/rules/one.sh tests/rules/check_figures.py $build/release
fi

say "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
