#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""No figure on a page is typed in: docs/performance.md, docs/results.md and
docs/reliability.md are what the stored rows give, README's table repeats rows
of the first, and the model of docs/scaling.md takes its time.

    check_figures.py
"""
import importlib
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
import source  # noqa: E402

# the rows of README's table, in its order
README = ("default", "first", "second_fd", "discrete", "predict_1")
report = source.Report()


def written_by(folder, rows):
    """What the module `page` of a folder makes of rows."""
    sys.path.insert(0, os.path.join(source.ROOT, "tests", folder))
    sys.modules.pop("page", None)
    text = importlib.import_module("page").page(rows)
    sys.path.pop(0)
    return text


def check_page(path, folder):
    """Compare a page with the rows beside it, and return them."""
    name = path.replace(".md", ".json")
    if not os.path.exists(os.path.join(source.ROOT, name)):
        return None
    rows = json.loads(source.read(name))
    ours, theirs = source.read(path), written_by(folder, rows)
    if ours != theirs:
        pairs = zip(ours.split("\n"), theirs.split("\n"))
        line = next((i for i, (a, b) in enumerate(pairs, 1) if a != b), 1)
        report.fail(path, line, f"not what {name} gives; write the page anew")
    return rows


def check_row(number, cells, result):
    """libhnas, PyTorch, times faster, both peaks."""
    values, peaks = result["values"], result["peak_bytes"]
    theirs, side = min((v, k) for k, v in values.items() if k != "ours")
    exact = (values["ours"], theirs, theirs / values["ours"],
             peaks["ours"] / 1e9, peaks[side] / 1e9)
    for cell, value in zip(cells, exact):
        shown = re.match(r"\d+(?:\.(\d+))?", cell)
        digits = len(shown.group(1) or "") if shown else 0
        if not shown or float(shown.group(0)) != float(f"{value:.{digits}f}"):
            report.fail("README.md", number, f"{cell}, measured {value:.4g}")


def check_readme(rows):
    lines = source.read("README.md").split("\n")
    head = next(i for i, line in enumerate(lines)
                if line.startswith("| a step of |"))
    for name, line in zip(README, range(head + 2, len(lines))):
        cells = [c.strip() for c in lines[line].strip("| ").split(" | ")]
        check_row(line + 1, cells[1:], rows[name])


def check_scaling():
    sys.path.insert(0, os.path.join(source.ROOT, "tests", "mpi"))
    measure = importlib.import_module("measure")
    text = source.read("docs/scaling.md")
    for line in measure.paper_lines(measure.traffic_told()):
        if line not in text:
            report.fail("docs/scaling.md", text.count("\n", 0, text.index("<!-- paper -->")) + 1,
                        f"want {line}; tests/mpi/measure.py --only paper --write")


check_readme(check_page("docs/performance.md", "bench"))
check_page("docs/results.md", "experiments")
check_page("docs/reliability.md", "reliability")
check_scaling()
report.end("figures")
