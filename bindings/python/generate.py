#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write hnas/_abi.py from the public headers.

generate.py           writes it
generate.py --check   says whether it is what the headers give
"""
import argparse
import keyword
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HEADERS = os.path.join(HERE, "..", "..", "include", "hnas")
OUTPUT = os.path.join(HERE, "hnas", "_abi.py")
FIRST = ["export.h", "status.h", "version.h", "context.h", "tensor.h"]
PLAIN = {
    "void": "None", "int32_t": "c_int32", "uint32_t": "c_uint32",
    "int64_t": "c_int64", "uint64_t": "c_uint64", "uint8_t": "c_uint8",
    "size_t": "c_size_t", "float": "c_float", "double": "c_double",
    "char": "c_char", "hnas_status": "c_int32",
}
WHOLE = set(PLAIN.values()) - {"None", "c_char", "c_float", "c_double"}
HEAD = '''# SPDX-License-Identifier: BSD-3-Clause
"""The C interface as ctypes sees it.  Written by generate.py from the public
headers; not to be edited."""
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_double,
                    c_float, c_int32, c_int64, c_size_t, c_uint8, c_uint32,
                    c_uint64, c_void_p)
from typing import Any, Dict, List, Tuple

__all__ = ["FUNCTIONS", "WHOLE"]
_used = (c_char, c_float, c_uint8, c_uint32, c_uint64)
'''


class Refused(Exception):
    """A declaration that this script can't read."""


def read_headers(folder):
    """[(name, text without comments and preprocessor)], includes first."""
    names = sorted(n for n in os.listdir(folder) if n.endswith(".h"))
    text = {}
    for name in names:
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            text[name] = re.sub(r"/\*.*?\*/|//[^\n]*", " ", f.read(),
                                flags=re.S)
    order = []

    def visit(name):
        for other in re.findall(r'#include "(\w+\.h)"', text[name]):
            if other not in order and other != name:
                visit(other)
        if name not in order:
            order.append(name)

    for name in [n for n in FIRST if n in text] + names:
        visit(name)
    return [(name, text[name]) for name in order]


def constants(text):
    """[(name, value)] of #define and enum; values are whole numbers."""
    found = []
    for m in re.finditer(r"(?m)^#define (HNAS_\w+) (-?\w+)\s*$", text):
        found.append((m.group(1), int(m.group(2), 0)))
    for body in re.findall(r"\benum\s*\{(.*?)\}", text, re.S):
        value = -1
        for item in body.split(","):
            if not item.strip():
                continue
            name, _, given = (s.strip() for s in item.partition("="))
            value = int(given, 0) if given else value + 1
            found.append((name, value))
    return found


def blank_blocks(text):
    """Leave out preprocessor lines, enums and the braces of C++."""
    text = re.sub(r"(?m)^[ \t]*#(?:.*\\\n)*.*$", " ", text)
    text = re.sub(r"\benum\s*\{.*?\}\s*;", " ", text, flags=re.S)
    return re.sub(r"\bHNAS_(?:BEGIN|END)_DECLS\b", " ", text)


def statements(text):
    """Declarations at file scope, each without its semicolon."""
    depth = start = 0
    for m in re.finditer(r"[{};]", text):
        depth += (m.group() == "{") - (m.group() == "}")
        if m.group() == ";" and depth == 0:
            yield " ".join(text[start:m.start()].split())
            start = m.end()


class Types:
    """What is known of the names so far."""

    def __init__(self, values):
        self.values = values
        self.opaque, self.structs, self.callbacks = set(), set(), set()

    def pointer(self, base, stars):
        """The ctypes name of `base` behind so many stars."""
        if base == "char" and stars:
            return self.wrap("c_char_p", stars - 1)
        if base == "void" and stars:
            return self.wrap("c_void_p", stars - 1)
        if base in PLAIN:
            return self.wrap(PLAIN[base], stars)
        if base in self.opaque and stars == 0:
            raise Refused(f"{base} by value")
        if base in self.opaque | self.structs | self.callbacks:
            return self.wrap(base, stars)
        raise Refused(f"unknown type {base}")

    @staticmethod
    def wrap(name, stars):
        for _ in range(stars):
            name = f"POINTER({name})"
        return name

    def length(self, text):
        return int(text) if text.isdigit() else self.values[text]

    def callback(self, result, params):
        types = [self.pointer(*split(result)[:2])]
        types += [self.parameter(p)[1] for p in arguments(params)]
        return f"CFUNCTYPE({', '.join(types)})"

    def parameter(self, text):
        """(name, type): an array is a pointer here."""
        base, stars, name, lengths = split(text)
        if base == "char" and stars == 1 and not is_const(text):
            return name, "POINTER(c_char)"
        return name, self.pointer(base, stars + len(lengths))

    def field(self, text):
        """(name, type): an array is one here."""
        base, stars, name, lengths = split(text)
        kind = self.pointer(base, stars)
        for n in lengths:
            kind = f"{kind} * {self.length(n)}"
        return name, kind


def is_const(text):
    return re.match(r"\s*const\b", text) is not None


def split(text):
    """(base type, stars, name, [lengths]) of a declarator."""
    lengths = re.findall(r"\[(\w*)\]", text)
    text = re.sub(r"\[\w*\]", " ", text)
    stars = text.count("*")
    words = [w for w in re.findall(r"\w+", text) if w not in ("const", "struct")]
    if not 1 <= len(words) <= 2:
        raise Refused(f"declaration: {text}")
    return words[0], stars, words[1] if len(words) > 1 else "", lengths


def arguments(text):
    text = text.strip()
    return [] if text == "void" else [p.strip() for p in text.split(",")]


def read_struct(types, body):
    """[(name, type)] of a struct's fields, pointers to functions too."""
    fields = []
    for line in body.split(";"):
        line = " ".join(line.split())
        m = re.match(r"(.*?)\(\s*\*\s*(\w+)\s*\)\s*\((.*)\)$", line)
        if m:
            fields.append((m.group(2), types.callback(m.group(1), m.group(3))))
        elif line:
            fields.append(types.field(line))
    return fields


def read_statement(types, s, out):
    """Append what a declaration means to out."""
    if s.startswith("HNAS_API"):
        m = re.match(r"HNAS_API (.*?)\b(hnas_\w+) ?\((.*)\)$", s)
        base, stars, _, _ = split(m.group(1))
        params = [types.parameter(p) for p in arguments(m.group(3))]
        out.append(("function", m.group(2), types.pointer(base, stars), params))
        return
    m = re.match(r"typedef (?:struct )?(\w+) (\w+)$", s)
    if m and m.group(2) in PLAIN:
        return
    if m:
        types.opaque.add(m.group(2))
        out.append(("opaque", m.group(2)))
        return
    m = re.match(r"typedef struct (\w+) ?\{(.*)\} (\w+)$", s)
    if m:
        out.append(("struct", m.group(3), read_struct(types, m.group(2))))
        types.structs.add(m.group(3))
        return
    m = re.match(r"typedef (.*?)\( ?\* ?(\w+) ?\) ?\((.*)\)$", s)
    if not m:
        raise Refused(s)
    out.append(("callback", m.group(2),
                types.callback(m.group(1), m.group(3))))
    types.callbacks.add(m.group(2))


def read(folder=HEADERS):
    """(constants, declarations) of the headers of a folder."""
    headers = read_headers(folder)
    values = [c for _, text in headers for c in constants(text)]
    types, out = Types(dict(values)), []
    for name, text in headers:
        for s in statements(blank_blocks(text)):
            try:
                read_statement(types, s, out)
            except (Refused, AttributeError, KeyError) as e:
                raise SystemExit(f"{name}: can't read \"{s}\": {e}") from e
    return values, out


def pack(begin, items, end, indent):
    """Items in lines of at most 79 columns."""
    lines, line = [], begin
    for i, item in enumerate(items):
        item += end if i + 1 == len(items) else ","
        if len(line) + 1 + len(item) > 79 and line.strip():
            lines.append(line.rstrip())
            line = " " * indent
        line += ("" if line.endswith(("[", "(", "{")) or not line.strip() else " ")
        line += item
    lines.append(line if items else begin + end)
    return lines


def write_struct(name, fields):
    lines = ["", "", f"class {name}(Structure):"]
    lines.append("    _fields_ = [")
    for field, kind in fields:
        field += "_" * keyword.iskeyword(field)
        lines += pack("        (", [f'"{field}"', kind], "),", 9)
    return lines + ["    ]"]


def write(values, declarations):
    """The text of _abi.py."""
    lines = [HEAD]
    lines += [f"{name} = {value}" for name, value in values]
    functions = []
    for d in declarations:
        if d[0] == "opaque":
            lines += ["", "", f"class {d[1]}(Structure):", "    pass"]
        elif d[0] == "struct":
            lines += write_struct(d[1], d[2])
        elif d[0] == "callback":
            lines += ["", ""] + pack(f"{d[1]} = CFUNCTYPE(",
                                     d[2][len("CFUNCTYPE("):-1].split(", "),
                                     ")", 4)
        else:
            functions.append(d)
    lines += ["", "", "# name: (result, arguments)",
              "FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {"]
    for _, name, result, params in sorted(functions):
        kinds = [kind for _, kind in params]
        lines += pack(f'    "{name}": ({result}, [', kinds, "]),", 8)
    lines += ["}", "", "# name: {index of an argument that is a whole number: its "
              "name}", "WHOLE: Dict[str, Dict[int, str]] = {"]
    for _, name, _, params in sorted(functions):
        found = [f'{i}: "{param}"' for i, (param, kind) in enumerate(params)
                 if kind in WHOLE]
        if found:
            lines += pack(f'    "{name}": {{', found, "},", 8)
    return "\n".join(lines + ["}", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = write(*read())
    if not check:
        with open(OUTPUT, "w", encoding="utf-8") as f:
            f.write(text)
        return 0
    with open(OUTPUT, encoding="utf-8") as f:
        same = f.read() == text
    if not same:
        print(f"{os.path.relpath(OUTPUT)}: not what the headers give; run "
              f"{os.path.relpath(__file__)}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
