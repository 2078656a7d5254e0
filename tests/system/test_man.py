#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Man pages: mandoc finds nothing, and each page has the options of --help
with the same arguments, no more and no less: test_man.py BUILD_DIR."""
import os
import re
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PAGES = os.path.join(ROOT, "docs", "man")
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS",
            "EXAMPLES", "SEE ALSO"]
failed = 0


def fail(message):
    global failed
    print("FAIL:", message)
    failed += 1


def lint(page):
    """What mandoc says, but that our own pages are not installed."""
    r = subprocess.run(["mandoc", "-T", "lint", page], capture_output=True,
                       text=True, check=False)
    return [line for line in (r.stdout + r.stderr).splitlines()
            if not re.search(r"referenced manual not found: Xr hnas-\w+ 1",
                             line)]


def of_help(program):
    text = subprocess.run([program, "--help"], capture_output=True, text=True,
                          check=True).stdout
    return dict(re.findall(r"(?m)^  --([\w-]+)(?: (\S+))?", text))


def of_page(text):
    return dict(re.findall(r"(?m)^\.It Fl Fl ([\w-]+)(?: Ar (\S+))?$", text))


def check(name, program):
    page = os.path.join(PAGES, name + ".1")
    with open(page, encoding="utf-8") as f:
        text = f.read()
    for line in lint(page):
        fail(line)
    said, written = of_help(program), of_page(text)
    if len(said) < 8:
        fail(f"{name} --help: {len(said)} options, which is too few")
    for option in sorted(said.keys() | written.keys()):
        if option not in written:
            fail(f"{name}.1: without --{option}")
        elif option not in said:
            fail(f"{name}.1: --{option}, which the program does not know")
        elif said[option] != written[option]:
            fail(f"{name}.1: --{option} {written[option]}, want "
                 f"{said[option]!r}")
    for section in SECTIONS:
        if f"\n.Sh {section}\n" not in text:
            fail(f"{name}.1: without section {section}")
    for other in re.findall(r"(?m)^\.Xr (\S+) 1", text):
        if not os.path.exists(os.path.join(PAGES, other + ".1")):
            fail(f"{name}.1: refers to {other}(1), which there is not")
    return len(said)


def main(build):
    names = sorted(n[:-2] for n in os.listdir(PAGES) if n.endswith(".1"))
    programs = sorted(n for n in os.listdir(os.path.join(build, "examples"))
                      if re.fullmatch(r"hnas-[a-z]+", n))
    if names != programs:
        fail(f"pages of {names}, programs {programs}")
    n = sum(check(name, os.path.join(build, "examples", name))
            for name in names if name in programs)
    print(f"man: {len(names)} pages, {n} options, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: test_man.py BUILD_DIR")
    sys.exit(main(sys.argv[1]))
