#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Static analysis of lib/: analyze.sh [cppcheck|clang...]; without a name, all.
# Every remark is a failure.  What is suppressed, and why:
#   invalidFunctionArg in arch/softmax.c, bilevel/relax.c: a sum of exp over
#   at least one operation is above 0; cppcheck takes the number to be 0.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
python=${PYTHON:-/usr/bin/python3}
failed=0

run_cppcheck() {
    cppcheck -q -j2 --std=c11 --enable=warning,performance,portability \
        --suppress=missingIncludeSystem \
        --suppress=invalidFunctionArg:lib/arch/softmax.c \
        --suppress=invalidFunctionArg:lib/bilevel/relax.c \
        --template='{file}:{line}: {severity}: {message} [{id}]' \
        --error-exitcode=1 -Ilib -Iinclude -i lib/kernel/x86 -i lib/mpi lib
}

# Both builds' sources; those for one CPU with its flags.
run_clang() {
    flags="-std=c11 -fsyntax-only -Werror -Wall -Wextra -Wpedantic -Wshadow
 -Wformat=2 -Wundef -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wcomma
 -Wnull-dereference -Wunreachable-code
 -Wloop-analysis -Wpointer-arith -Wwrite-strings
 -Wno-format-nonliteral -Iinclude -Ilib -DHN_X86"
    cpu="-mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq"
    find lib -name '*.c' ! -path 'lib/mpi/*' ! -path 'lib/kernel/x86/*' |
        sort >"$work/sources"
    find lib/kernel/x86 -name '*.c' | sort >"$work/cpu"
    # shellcheck disable=SC2086
    xargs clang $flags <"$work/sources" &&
        xargs clang $flags -DHN_REAL_DOUBLE <"$work/sources" &&
        xargs clang $flags $cpu <"$work/cpu"
}

for tool in ${*:-cppcheck clang}; do
    case $tool in
    cppcheck | clang) ;;
    *) echo "$tool: want cppcheck or clang" >&2; exit 2 ;;
    esac
    "run_$tool" >"$work/log" 2>&1
    status=$?
    n=$(grep -cE ': (warning|error|performance|portability|fatal error): ' "$work/log")
    [ $status = 0 ] && [ "$n" = 0 ] || { failed=1; head -60 "$work/log"; }
    echo "$tool: $n remarks, status $status"
    [ $failed = 1 ] || $python tests/reliability/page.py put "$tool" \
        "$n remarks on lib/" || exit 1
done
exit $failed
