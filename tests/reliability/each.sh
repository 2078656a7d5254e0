# SPDX-License-Identifier: BSD-3-Clause
# Sourced by valgrind.sh and msan.sh, which define `program TEST`: run one.

# each FIGURE PATTERN TEST...: run tests one after the other and count; of what
# a failing one prints, the lines of the pattern are shown.  The counts are kept
# as that figure, "": they are not.
each() {
    figure=$1 pattern=$2 passed=0 failed=0
    shift 2
    report=$(mktemp) || return 1
    for t in "$@"; do
        if program "$t" >"$report" 2>&1; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAIL $t"
            grep -aE "$pattern" "$report" | head -30
        fi
    done
    rm -f "$report"
    counts="$passed programs passed, $failed failed"
    echo "$counts"
    [ -z "$figure" ] || "${PYTHON:-/usr/bin/python3}" "$root/tests/reliability/page.py" \
        put "$figure" "$counts" || return 1
    [ $failed = 0 ]
}
