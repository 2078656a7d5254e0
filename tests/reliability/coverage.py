#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Lines and branches of lib/ that a run reached, floor by floor.

    coverage.py BUILD_DIR           the table; keeps the figure; fails under the least
    coverage.py BUILD_DIR --no-keep the table alone
    coverage.py BUILD_DIR FILE...   what no test reached of these files

Reads what gcov says of each object as JSON.  A source is compiled several
times, for real = float and = double: a line or a branch counts as reached
where one of them got there.
"""
import collections
import json
import os
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
LEAST = {"lines": 95.0, "branches": 85.0}


def objects(build):
    """The notes of every object of the library that ran or could have."""
    for folder, _, names in os.walk(os.path.join(build, "lib")):
        for name in names:
            if name.endswith(".gcno"):
                yield os.path.join(folder, name)


def reports(notes):
    """What gcov says, an object a line."""
    for at in range(0, len(notes), 40):
        run = subprocess.run(
            ["gcov", "--json-format", "--stdout", "--branch-probabilities",
             *notes[at:at + 40]], capture_output=True, text=True, check=False)
        if run.returncode:  # as counters of another build
            sys.exit(run.stderr or f"gcov: status {run.returncode}")
        for line in run.stdout.splitlines():
            if line.startswith("{"):
                yield json.loads(line)


class File:
    """Of one source: how often each line ran, and each branch of a line."""

    def __init__(self):
        self.lines = collections.Counter()
        self.branches = {}

    def add(self, line):
        number = line["line_number"]
        self.lines[number] += line["count"]
        taken = [branch["count"] for branch in line["branches"]]
        known = self.branches.get(number)
        if known is None or len(known) != len(taken):
            # another build has other jumps: keep the better known one
            if known is None or reached(taken) * len(known) > reached(known) * len(taken):
                self.branches[number] = taken
        else:
            self.branches[number] = [a + b for a, b in zip(known, taken)]

    def sums(self):
        """(lines reached, lines, branches reached, branches)"""
        branches = [count for of in self.branches.values() for count in of]
        return (sum(count > 0 for count in self.lines.values()), len(self.lines),
                reached(branches), len(branches))


def reached(counts):
    return sum(count > 0 for count in counts)


def measure(build):
    """{path below lib/: File}; a source only counts if it has code."""
    files = collections.defaultdict(File)
    for report in reports(list(objects(build))):
        where = report["current_working_directory"]
        for file in report["files"]:
            path = os.path.normpath(os.path.join(where, file["file"]))
            path = os.path.relpath(path, os.path.join(ROOT, "lib"))
            if path.startswith(".."):
                continue
            for line in file["lines"]:
                files[path].add(line)
    return files


def share(part, whole):
    return 100.0 * part / whole if whole else 100.0


def table(files):
    """Print the floors; the two shares of all."""
    floors = collections.defaultdict(lambda: [0, 0, 0, 0])
    for path, file in files.items():
        for name in (os.path.dirname(path) or path, "all"):
            floors[name] = [a + b for a, b in zip(floors[name], file.sums())]
    print(f"{'':12} {'lines':>16} {'branches':>18}")
    for name in sorted(floors, key=lambda name: (name == "all", name)):
        a, b, c, d = floors[name]
        print(f"{name:12} {a:6} of {b:6} {share(a, b):6.1f} % "
              f"{c:6} of {d:6} {share(c, d):6.1f} %")
    a, b, c, d = floors["all"]
    return {"lines": share(a, b), "branches": share(c, d)}


def text_of(path):
    with open(os.path.join(ROOT, "lib", path), encoding="utf-8") as file:
        return file.read().split("\n")


def list_missing(files, wanted):
    """Each line that did not run, or one of whose branches was never taken."""
    for path in sorted(files):
        if not any(path.startswith(name.removeprefix("lib/")) for name in wanted):
            continue
        text = text_of(path)
        for number, count in sorted(files[path].lines.items()):
            branches = files[path].branches[number]
            if count == 0:
                print(f"lib/{path}:{number}: never:   {text[number - 1].strip()}")
            elif reached(branches) < len(branches):
                print(f"lib/{path}:{number}: {reached(branches)} of {len(branches)}:"
                      f"  {text[number - 1].strip()}")


def main(build, *wanted):
    files = measure(build)
    if not files:
        sys.exit(f"{build}: no counters, want a build with -Db_coverage=true")
    if wanted == ("--no-keep",):
        table(files)
        return 0
    if wanted:
        list_missing(files, wanted)
        return 0
    shares = table(files)
    figure = f"{shares['lines']:.1f} % of lines, {shares['branches']:.1f} % of branches"
    print(figure)
    bad = [f"{name}: {shares[name]:.2f} %, want {least} %"
           for name, least in LEAST.items() if shares[name] < least]
    if bad:
        print("\n".join(bad))
        return 1
    return subprocess.run([sys.executable, os.path.join(ROOT, "tests/reliability/page.py"),
                           "put", "coverage", figure]).returncode


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
