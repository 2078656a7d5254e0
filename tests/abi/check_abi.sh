#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# abidiff of the built library against the stored interface: check_abi.sh
# BUILD_DIR [--update].  A change that is meant is stored with --update in the
# commit that makes it; additions are told, and need it too.  Needs libabigail.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
lib=$1/lib/libhnas.so
stored=$root/tests/abi/baseline.abi
python=${PYTHON:-/usr/bin/python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v abidiff >/dev/null || { echo "no abidiff: install abigail-tools"; exit 1; }
$python "$root/tests/abi/interface.py" "$lib" >"$work/now.abi"
n=$(grep -c '<function-decl' "$work/now.abi")
[ "$n" = "$(nm -D --defined-only "$lib" | grep -c ' T hnas_')" ] ||
    { echo "$lib: abidw describes $n functions, not all"; exit 1; }
[ "${2:-}" != --update ] || { cp "$work/now.abi" "$stored"; echo "stored $n functions"; exit 0; }
abidiff --no-unreferenced-symbols "$stored" "$work/now.abi" >"$work/diff" || {
    cat "$work/diff"
    echo "the ABI changed; docs/abi.md says what may"
    exit 1
}
$python "$root/tests/reliability/page.py" put abi "$n functions, no change"
echo "$n functions as in tests/abi/baseline.abi"
