#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The export list equals the functions of the headers, and the symbols of the
library that was built: check_map.py BUILD_DIR."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
import source  # noqa: E402

MAP = "lib/libhnas.map"
report = source.Report()
text = source.read(MAP)
listed = {}
for m in re.finditer(r"(?m)^\s*(\w+);", text):
    if m.group(1) in listed:
        report.fail(MAP, source.line_of(text, m.start(1)),
                    f"{m.group(1)}: listed twice")
    listed[m.group(1)] = source.line_of(text, m.start(1))
if list(listed) != sorted(listed):
    report.fail(MAP, 1, "the names are not sorted")

declared = {}
for path in source.files("include", ext=".h"):
    plain = source.code(source.read(path))
    for m in re.finditer(r"(?m)^HNAS_API\b[^;(]*?\b(hnas_\w+)\s*\(", plain):
        declared[m.group(1)] = (path, source.line_of(plain, m.start()))
for name in sorted(set(declared) - set(listed)):
    report.fail(*declared[name], f"{name}: not in {MAP}")
for name in sorted(set(listed) - set(declared)):
    report.fail(MAP, listed[name], f"{name}: declared nowhere")

if len(sys.argv) > 1:
    library = os.path.join(sys.argv[1], "lib", "libhnas.so")
    r = subprocess.run(["nm", "-D", "--defined-only", library],
                       capture_output=True, text=True, check=False)
    if r.returncode:
        report.fail(library, 1, r.stderr.strip() or "nm failed")
    exported = {line.split()[2].split("@")[0] for line in r.stdout.splitlines()
                if len(line.split()) == 3 and line.split()[1] != "A"}
    for name in sorted(set(listed) - exported):
        report.fail(MAP, listed[name], f"{name}: not in the library")
    for name in sorted(exported - set(listed)):
        report.fail(library, 1, f"{name}: exported, but not listed")
report.end(f"map, {len(listed)} names")
