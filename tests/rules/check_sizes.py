#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Memory from the host's hooks is asked for without arithmetic that could wrap.

    hn_alloc, hn_zalloc   bytes: a sizeof, or a name; what is computed goes through
                          hn_alloc_array, hn_alloc_dims, hn_size_mul or hn_size_add
    hn_alloc_array        count: no product of two variables and no shift; a number
                          may stand beside a count, which is one of things in memory
    hn_alloc_dims         dimensions likewise; it multiplies them

What a tape takes from its arena is not looked at: sizes of tensors, which were
checked when they were made.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
import source  # noqa: E402

CALL = re.compile(r"\b(hn_z?alloc|hn_alloc_array|hn_alloc_dims)\s*\(")
SIZEOF = re.compile(r"\bsizeof\s*(?:\([^()]*\)|\**[\w.>\[\]-]+)")
CAST = re.compile(r"\((?:const )?(?:size_t|u?int\d+_t|int)(?: ?\*)?\)|\(int64_t\[\]\)")
NUMBER = r"(?:\d+|[A-Z][A-Z0-9_]*)"


def arguments(text, start):
    """Those of a call whose parenthesis opens before start, bare of casts."""
    depth, parts, at = 1, [], start
    for end in range(start, len(text)):
        c = text[end]
        depth += (c in "([{") - (c in ")]}")
        if depth == 0 or (depth == 1 and c == ","):
            parts.append(CAST.sub("", SIZEOF.sub("SIZEOF", text[at:end])))
            at = end + 1
        if depth == 0:
            break
    return [" ".join(part.split()) for part in parts]


def is_product(argument):
    """Whether two things that vary are multiplied, or one is shifted."""
    factors = re.sub(rf"\b{NUMBER} \* | \* {NUMBER}\b(?!\()", "", argument)
    return "*" in factors.removeprefix("*") or "<<" in argument


def wrong(name, given):
    """What is to be said of a call, or None."""
    if name in ("hn_alloc", "hn_zalloc"):
        if re.search(r"[*+/%]|<<|[^-]-[^>]", given[-1].removeprefix("*")):
            return f"{name}: {given[-1]}: computed, want hn_alloc_array or hn_alloc_dims"
    elif any(is_product(part) for part in given[1:]):
        return f"{name}: {', '.join(given[1:])}: a product, want hn_alloc_dims"
    return None


def main():
    report = source.Report()
    n = 0
    for path in source.files("lib"):
        if path.startswith("lib/base/alloc."):
            continue
        text = source.code(source.read(path))
        for call in CALL.finditer(text):
            n += 1
            said = wrong(call.group(1), arguments(text, call.end()))
            if said:
                report.fail(path, source.line_of(text, call.start()), said)
    if n < 50:
        report.fail("lib", 1, f"{n} calls found: the rule does not see them")
    report.end(f"sizes, {n} calls")


main()
