#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Run every rule: run.sh BUILD_DIR.  One line each, what failed above it.
[ $# = 1 ] || { echo "usage: run.sh BUILD_DIR" >&2; exit 2; }
here=$(dirname "$0")
failed=0
for rule in "$here"/check_*; do
    name=$(basename "$rule")
    if out=$(sh "$here/one.sh" "$rule" "$1" 2>&1); then
        echo "ok    $name: $(printf '%s\n' "$out" | tail -1)"
    else
        printf '%s\n' "$out" | sed 's/^/      /'
        echo "FAIL  $name"
        failed=1
    fi
done
exit $failed
