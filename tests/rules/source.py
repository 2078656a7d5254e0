# SPDX-License-Identifier: BSD-3-Clause
"""What the rules share: the files of the tree, C without comments, functions,
and the report."""
import os
import re
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", ".."))
SKIPPED = {".git", "__pycache__", "subprojects"}


def files(*folders, ext=(".c", ".h")):
    """Paths relative to the root, sorted; build folders are left out."""
    found = []
    for folder in folders or (".",):
        for path, dirs, names in os.walk(os.path.join(ROOT, folder)):
            dirs[:] = [d for d in dirs if d not in SKIPPED
                       and not d.startswith("build")
                       and not os.path.exists(
                           os.path.join(path, d, "build.ninja"))]
            for name in names:
                full = os.path.relpath(os.path.join(path, name), ROOT)
                if name.endswith(ext):
                    found.append(full)
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def blank(match):
    """White space of the same shape."""
    return re.sub(r"[^\n]", " ", match.group(0))


TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'
                    r"'(?:\\.|[^'\\\n])*'", re.S)


def code(text):
    """C with comments, strings and characters blanked, lines kept."""
    return TOKENS.sub(blank, text)


def without_preprocessor(text):
    return re.sub(r"(?m)^[ \t]*#(?:.*\\\n)*.*", blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def functions(text):
    """(name, first line, last line) of each function body, of blanked C."""
    text = without_preprocessor(text)
    for m in re.finditer(r"(?m)^\{", text):
        end = text.find("\n}", m.start())
        if end < 0:
            continue
        head = text[:m.start()].rstrip()
        start = max(head.rfind("\n\n"), head.rfind(";\n"), head.rfind("}\n"))
        name = re.search(r"(\w+)\s*\(", head[start + 1:])
        if head.endswith(")") and name:
            first = start + 1 + re.search(r"\S", head[start + 1:]).start()
            yield name.group(1), line_of(text, first), line_of(text, end + 1)


class Report:
    """Collects what failed and ends the script."""

    def __init__(self):
        self.n = 0

    def fail(self, path, line, message):
        print(f"{path}:{line}: {message}")
        self.n += 1

    def end(self, what):
        print(f"{what}: {self.n or 'nothing'} to mend")
        sys.exit(1 if self.n else 0)
