#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Doxygen over the public headers has nothing to warn of.
cd "$(dirname "$0")/../.." || exit 2
command -v doxygen >/dev/null || { echo "doxygen is not installed"; exit 1; }
out=$(mktemp -d) || exit 2
trap 'rm -rf "$out"' EXIT
{ cat docs/Doxyfile; echo "OUTPUT_DIRECTORY = $out"; } >"$out/Doxyfile"
warnings=$(doxygen "$out/Doxyfile" 2>&1) || { echo "$warnings"; exit 1; }
[ -z "$warnings" ] || { echo "$warnings" | sed "s,^$PWD/,,"; exit 1; }
for h in include/hnas/*.h include/hnas/*.hpp; do # it did read them
    name=$(basename "$h" | sed 's/\./_8/; s/_/__/g; s/__8/_8/')
    [ -f "$out/html/$name.html" ] || { echo "$h: no page"; exit 1; }
done
echo "doxygen, $(ls include/hnas/*.h* | wc -l) headers: nothing to mend"
