#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The size and the manners of the sources."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
import source  # noqa: E402

LONGEST_FILE, LONGEST_FUNCTION = 500, 70
SPDX = "SPDX-License-Identifier: BSD-3-Clause"
LIBRARY_REFUSES = {
    "allocates outside base/alloc.c":
        r"(?<![.>\w])(?:malloc|calloc|realloc|free|aligned_alloc|strdup|"
        r"posix_memalign|alloca)\s*\(",
    "prints": r"\b(?:v?f?printf|puts|putchar|fputs|perror|fwrite)\s*\(",
    "ends the process": r"\b(?:_?exit|_Exit|abort|quick_exit|atexit)\s*\(",
    "touches the environment": r"\b(?:secure_)?(?:getenv|setenv|putenv|"
                               r"unsetenv)\s*\(",
    "touches signal handlers": r"\b(?:signal|sigaction|raise|kill)\s*\(",
}
TOP = {"meson.build", "meson_options.txt", "COPYING", "README.md", "include",
       "lib", "examples", "tests", "docs", "bindings"}
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
RULES = os.path.join("tests", "rules", "check_sources.py")

report = source.Report()


def check_license(path, text):
    head = text.split("\n", 2)[:2]
    at = 1 if head[0].startswith("#!") else 0
    if len(head) <= at or SPDX not in head[at]:
        report.fail(path, 1, "without its SPDX line")


def static_data(text):
    """Offsets of static objects at file scope that can change; functions,
    const objects, types and constants fall away."""
    depth, start = 0, 0
    text = source.without_preprocessor(text)
    for m in re.finditer(r"[{};]", text):
        c = m.group(0)
        if depth == 0 and c in "{;":
            yield start, text[start:m.start()]
        depth += (c == "{") - (c == "}")
        if depth == 0:
            start = m.end()


def is_mutable(statement):
    """Whether a statement at file scope begins a variable that can change."""
    s = " ".join(statement.split())
    if not s or re.match(r"(?:typedef|enum|_Static_assert|=)", s):
        return False
    head = s.split("=")[0].strip()
    if re.match(r"(?:static )?(?:const )?(?:struct|union) \w+$", head):
        return False  # a type
    if "(" in re.sub(r"__attribute__\s*\(\(.*?\)\)|\(\*", "", head):
        return False  # a function
    if re.match(r"extern\b", head) or not re.search(r"\w+\s+\*?\s*\w+", head):
        return False
    if "*" in head:  # the pointer itself must be const
        return not re.search(r"\*\s*const\b[^*]*$", head)
    return not re.search(r"\bconst\b", head)


def check_library(path, text, plain):
    for why, pattern in LIBRARY_REFUSES.items():
        if "allocates" in why and path == "lib/base/alloc.c":
            continue
        for m in re.finditer(pattern, plain):
            report.fail(path, source.line_of(plain, m.start()),
                        f"{m.group(0).rstrip('( ')}: {why}")
    if path.endswith(".c"):
        for at, statement in static_data(plain):
            if is_mutable(statement):
                at += len(statement) - len(statement.lstrip())
                report.fail(path, source.line_of(plain, at),
                            "data that can change at file scope")
    for m in re.finditer(r"(?m)^[ \t]+static\s+(?!const\b)[^;({]*[;={]",
                         plain):
        if not re.search(r"\bconst\b|\binline\b", m.group(0)):
            report.fail(path, source.line_of(plain, m.start()),
                        "static data that can change")


lengths = []
every = source.files(".", ext=(".c", ".h", ".py", ".sh", ".cpp", "meson.build"))
for path in every:
    text = source.read(path)
    check_license(path, text)
    if path != RULES:
        for m in UNFINISHED.finditer(text):
            report.fail(path, source.line_of(text, m.start()),
                        f"{m.group(0)}: unfinished")
    if not path.endswith((".c", ".h")):
        continue
    plain = source.code(text)
    ours = path.startswith(("lib/", "include/", "examples/"))
    n_lines = text.count("\n")
    if ours and n_lines > LONGEST_FILE:
        report.fail(path, 1, f"{n_lines} lines, want at most {LONGEST_FILE}")
    for name, first, last in source.functions(plain):
        if ours:
            lengths.append(last - first + 1)
            if last - first + 1 > LONGEST_FUNCTION:
                report.fail(path, first, f"{name}: {last - first + 1} lines, "
                            f"want at most {LONGEST_FUNCTION}")
    if path.startswith("lib/"):
        check_library(path, text, plain)

tracked = subprocess.run(["git", "ls-files"], cwd=source.ROOT, check=False,
                         capture_output=True, text=True).stdout.split("\n")
for name in sorted({p.split("/")[0] for p in tracked if p} - TOP):
    if not name.startswith("."):
        report.fail(name, 1, "does not belong at the top level")

formatted = [p for p in every if p.endswith((".c", ".h", ".cpp"))]
tool = shutil.which("clang-format-14") or shutil.which("clang-format")
if not tool:
    report.fail(".clang-format", 1, "clang-format 14 is not installed")
else:
    r = subprocess.run([tool, "--dry-run", *formatted], cwd=source.ROOT,
                       capture_output=True, text=True, check=False)
    for line in sorted(set(re.findall(r"(?m)^(\S+?):\d+:\d+: \w+:",
                                      r.stderr))):
        report.fail(line, 1, "not as clang-format 14 has it")
lengths.sort()
p50, p90 = (lengths[len(lengths) * q // 100] for q in (50, 90))
report.end(f"sources, {len(every)} files, {len(lengths)} functions of p50 "
           f"{p50}, p90 {p90}, at most {lengths[-1]} lines")
