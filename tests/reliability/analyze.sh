#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Static analysis of lib/: analyze.sh [cppcheck|clang|gcc|tidy...]; without a
# name, all.  Every remark is a failure.  What is suppressed, and why:
#   invalidFunctionArg in arch/softmax.c, bilevel/relax.c: a sum of exp over
#   at least one operation is above 0; cppcheck takes the number to be 0.
#   null-dereference in io/onnx.c, of both: a parameter that is looked up by name
#   is one that the network has.
# clang-tidy's checks, and why some are left out: clang-tidy.yaml.  One remark is
# answered where it stands, in tensor/params.c.  The vector code of kernel/x86 is
# left out: its macros and intrinsics are not what these checks know.
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

# The analyzer of gcc, file by file: it follows calls within a file.
run_gcc() {
    status=0
    for f in $(find lib -name '*.c' ! -path 'lib/mpi/*' ! -path 'lib/kernel/x86/*' | sort); do
        case $f in
        lib/io/onnx.c) less=-Wno-analyzer-null-dereference ;;
        *) less= ;;
        esac
        case $f in
        lib/base/* | lib/core/*) told= ;;
        *) told="-D_GNU_SOURCE= -include tests/reliability/analyzed.h" ;;
        esac
        # shellcheck disable=SC2086
        gcc -fanalyzer -O1 -std=c11 $told -Iinclude -Ilib $less -c -o "$work/o" "$f" || status=1
    done
    return $status
}

tidy() {
    clang-tidy --quiet --config-file=tests/reliability/clang-tidy.yaml \
        --warnings-as-errors='*' "$1" -- -std=c11 $2 -Iinclude -Ilib 2>/dev/null
}

run_tidy() {
    status=0
    for f in lib/base/*.c lib/core/*.c; do
        tidy "$f" "" || status=1
    done
    for f in lib/[!bc]*/*.c lib/bilevel/*.c lib/hnas.c; do
        case $f in lib/mpi/*) continue ;; esac # wants Open MPI's headers
        tidy "$f" "-D_GNU_SOURCE= -include tests/reliability/analyzed.h" || status=1
    done
    return $status
}

for tool in ${*:-cppcheck clang gcc tidy}; do
    case $tool in
    cppcheck | clang | gcc | tidy) ;;
    *) echo "$tool: want cppcheck, clang, gcc or tidy" >&2; exit 2 ;;
    esac
    where=" on lib/"
    "run_$tool" >"$work/log" 2>&1
    status=$?
    n=$(grep -cE ': (warning|error|performance|portability|fatal error): ' "$work/log")
    [ $status = 0 ] && [ "$n" = 0 ] || { failed=1; head -60 "$work/log"; }
    echo "$tool: $n remarks, status $status"
    [ $failed = 1 ] || $python tests/reliability/page.py put "$tool" \
        "$n remarks$where" || exit 1
done
exit $failed
