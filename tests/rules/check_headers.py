#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Each public header compiles alone, as C99 and as C++, and keeps out what
would break an ABI or a binding."""
import os
import re
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
import source  # noqa: E402

FLAGS = ["-fsyntax-only", "-pedantic", "-Wall", "-Wextra", "-Wstrict-prototypes",
         "-Werror", "-I", os.path.join(source.ROOT, "include")]
WAYS = {
    "C99": (os.environ.get("CC", "cc"), ".c", ["-std=c99"] + FLAGS),
    "C++": (os.environ.get("CXX", "c++"), ".cpp",
            ["-std=c++11"] + [f for f in FLAGS if "prototypes" not in f]),
}
REFUSED = [
    (r"\blong\b", "long: its size differs; use int64_t"),
    (r"\bFILE\b", "FILE belongs to a C library"),
    (r"\.\.\.", "varargs can't be bound"),
    (r"\binline\b", "an inline function is compiled into the host"),
    (r"(?m)^[^(){}]*\w[ \t]+\w+[ \t]*:[ \t]*\d+[ \t]*;", "a bit-field"),
    (r"\b(?:bool|_Bool|wchar_t|time_t|va_list)\b", "a type without fixed size"),
]


def structs(text):
    """Names of the structs that a header lets callers see whole."""
    return set(re.findall(r"\}\s*(hnas_\w+)\s*;", text))


report = source.Report()
headers = source.files("include", ext=".h")
plain = {path: source.code(source.read(path)) for path in headers}
values = set().union(*(structs(text) for text in plain.values()))
with tempfile.TemporaryDirectory() as folder:
    for path in headers:
        for way, (compiler, suffix, flags) in WAYS.items():
            alone = os.path.join(folder, "alone" + suffix)
            with open(alone, "w", encoding="utf-8") as f:
                name = os.path.relpath(path, "include")
                f.write(f'#include "{name}"\n#include "{name}"\n')
            r = subprocess.run([*shlex.split(compiler), *flags, alone], capture_output=True,
                               text=True, check=False)
            if r.returncode:
                first = re.search(r"error: .*", r.stderr)
                report.fail(path, 1, f"does not compile alone as {way}: " +
                            (first.group(0) if first else r.stderr.strip()))
for path, text in plain.items():
    for pattern, why in REFUSED:
        for m in re.finditer(pattern, text):
            report.fail(path, source.line_of(text, m.start()), why)
    for m in re.finditer(r"[(,]\s*(?:const\s+)?(hnas_\w+)\s+\w+\s*(?=[,)])",
                         text):
        if m.group(1) in values:
            report.fail(path, source.line_of(text, m.start()),
                        f"{m.group(1)} by value")
    for m in re.finditer(r"(?m)^HNAS_API\s+(?:const\s+)?(hnas_\w+)\s+hnas_\w+"
                         r"\s*\(", text):
        if m.group(1) in values:
            report.fail(path, source.line_of(text, m.start()),
                        f"returns {m.group(1)} by value")
report.end(f"headers, {len(headers)} alone as C99 and as C++")
