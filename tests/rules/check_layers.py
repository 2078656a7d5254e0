#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Read the #include lines of lib/: a floor sees only the floors below it."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
import source  # noqa: E402

FLOORS = {"base": 0, "kernel": 1, "core": 2, "tensor": 3, "tape": 4, "func": 5,
          "op": 6, "hyper": 6, "optim": 6, "net": 7, "arch": 8, "bilevel": 9,
          "model": 9, "io": 10, "mpi": 0}
TOP = 11  # lib/hnas.c
# Where a file never includes a sibling: only builtin.c knows the set.
SETS = {"func", "op", "hyper"}
INCLUDE = re.compile(r'(?m)^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]')


def allowed_siblings(floor, path):
    stem = os.path.splitext(os.path.basename(path))[0]
    return {f"{floor}/{floor}.h", f"{floor}/builtin.h", f"{floor}/{stem}.h"}


def why_not(path, kind, target):
    """What is wrong with one include, or None."""
    floor = path.split("/")[1] if path.count("/") > 1 else None
    if target.endswith(".c"):
        return "a source file"
    if target == "blis.h":
        return None if path == "lib/kernel/gemm.c" else "only kernel/gemm.c may"
    if kind == "<" and not os.path.exists(os.path.join(source.ROOT, "lib",
                                                       target)):
        return None
    if target.startswith("hnas/"):
        known = os.path.exists(os.path.join(source.ROOT, "include", target))
        return None if known else "no such public header"
    other = target.split("/")[0]
    if "/" not in target or other not in FLOORS:
        return "want \"floor/file.h\""
    mine = TOP if floor is None else FLOORS[floor]
    if other == "io" and floor != "io":
        return "nothing includes io"
    if other == floor:
        if floor in SETS and os.path.basename(path) != "builtin.c" and \
                target not in allowed_siblings(floor, path):
            return "a sibling; only builtin.c knows the set"
        return None
    if FLOORS[other] > mine:
        return f"upward: floor {FLOORS[other]} from floor {mine}"
    if FLOORS[other] == mine:
        return f"sideways: both are floor {mine}"
    return None


report = source.Report()
n = 0
for path in source.files("lib"):
    if path.count("/") > 1 and path.split("/")[1] not in FLOORS:
        report.fail(path, 1, "in no known floor")
        continue
    text = source.read(path)
    plain = re.sub(r"/\*.*?\*/", source.blank, text, flags=re.S)
    for m in INCLUDE.finditer(plain):
        n += 1
        why = why_not(path, m.group(1), m.group(2))
        if why:
            report.fail(path, source.line_of(plain, m.start()),
                        f"includes {m.group(2)}: {why}")
report.end(f"layers, {n} includes")
