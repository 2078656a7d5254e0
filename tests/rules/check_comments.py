#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every exported function has a comment: an imperative first line, then all
labels in their order, aligned."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
import source  # noqa: E402

LABELS = ["Shapes", "Units", "Ownership", "Gradient", "Threads", "Errors",
          "Source", "Since"]
WORDS = "|".join(LABELS)


def comment_before(lines, at):
    """The comment that ends on the line above, or None."""
    if at == 0 or not lines[at - 1].rstrip().endswith("*/"):
        return None
    first = at - 1
    while first > 0 and "/**" not in lines[first]:
        first -= 1
    return lines[first:at] if lines[first] == "/**" else None


def faults(comment):
    """What is wrong with a comment."""
    if comment is None:
        return ["no comment of its own that starts with /**"]
    body = [line[3:] if line.startswith(" * ") else "" for line in
            comment[1:-1]]
    found = [m.group(1) for m in
             (re.match(rf"({WORDS})\b", line) for line in body) if m]
    wrong = []
    if not body or not re.match(r"[A-Z][a-z]+(?:[ ,:.]|$)", body[0]):
        wrong.append("the first line is no sentence")
    elif body[0].split()[0].endswith("s") and body[0].split()[0] != "Process":
        wrong.append(f"the first line is not imperative: {body[0].split()[0]}")
    missing = [label for label in LABELS if label not in found]
    if missing:
        wrong.append("without " + ", ".join(missing))
    elif found != LABELS:
        wrong.append("labels out of order or doubled: " + ", ".join(found))
    for line in body:
        m = re.match(rf"({WORDS})( *)(.*)$", line)
        if m and (len(m.group(1) + m.group(2)) != 11 or not m.group(3)):
            wrong.append(f"{m.group(1)}: want text from column 15 on")
    return wrong


report = source.Report()
n = 0
for path in source.files("include", ext=".h"):
    text = source.read(path)
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if not line.startswith("HNAS_API"):
            continue
        n += 1
        name = re.search(r"\b(hnas_\w+)\s*\(", " ".join(lines[at:at + 3]))
        name = name.group(1) if name else "?"
        for fault in faults(comment_before(lines, at)):
            report.fail(path, at + 1, f"{name}: {fault}")
report.end(f"comments, {n} functions")
