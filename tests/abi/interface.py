#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What abidw (libabigail) says of a library, less what is no promise: interface.py LIBRARY.

Types that no public header defines are left as names, those that no exported
function reaches are left out, as are places in sources.  Prints XML that
abidiff reads.
"""
import subprocess
import sys
import xml.etree.ElementTree as ET

PUBLIC = "include/hnas/"
PLACES = ("filepath", "line", "column", "address", "language", "mangled-name", "access")


def is_private(element):
    """Whether a struct is defined outside the headers."""
    path = element.get("filepath", "")
    return element.tag in ("class-decl", "union-decl") and path and PUBLIC not in path


def close(element):
    """Leave a private struct's name alone."""
    for child in list(element):
        element.remove(child)
    for key in ("size-in-bits", "line", "column", "alignment-in-bits"):
        element.attrib.pop(key, None)
    element.set("is-declaration-only", "yes")
    element.set("visibility", "default")


def references(element):
    """The types that an element or what it holds names."""
    return {e.get(key) for e in element.iter()
            for key in ("type-id", "naming-typedef-id", "id") if e.get(key)}


def reach(functions, types):
    """The ids of the types that functions name, directly or not."""
    found, waiting = set(), set().union(*(references(f) for f in functions))
    while waiting:
        name = waiting.pop()
        if name in found or name not in types:
            continue
        found.add(name)
        waiting |= references(types[name])
    return found


def reduce(corpus):
    """The corpus with one unit: exported functions, and the types they need."""
    functions, types = {}, {}
    for unit in corpus.findall("abi-instr"):
        for e in list(unit):
            if is_private(e):
                close(e)
            if e.tag == "function-decl":
                functions[e.get("name")] = e
            elif e.get("id") and (e.get("id") not in types or len(e)):
                types[e.get("id")] = e
        corpus.remove(unit)
    # abidw leaves the symbol out where it met a declaration first
    exported = {s.get("name"): f"{s.get('name')}@@{s.get('version')}"
                for s in corpus.iter("elf-symbol")}
    kept = [f for name, f in sorted(functions.items()) if name in exported]
    unit = ET.SubElement(corpus, "abi-instr", {"address-size": "64", "language": "LANG_C11"})
    unit.extend(types[t] for t in sorted(reach(kept, types)))
    for f in kept:
        f.set("elf-symbol-id", exported[f.get("name")])
    unit.extend(kept)
    for e in unit.iter():
        for key in PLACES:
            e.attrib.pop(key, None)
        if e.tag == "parameter":
            e.attrib.pop("name", None)
        if e.tag in ("function-decl", "var-decl"):
            for key in ("visibility", "binding", "size-in-bits"):
                e.attrib.pop(key, None)
    unit.set("language", "LANG_C11")
    for needed in corpus.findall("elf-needed"):
        corpus.remove(needed)


def main(library):
    text = subprocess.run(["abidw", "--no-corpus-path", "--no-comp-dir-path", "--type-id-style",
                           "hash", library], check=True, capture_output=True, text=True).stdout
    corpus = ET.fromstring(text)
    reduce(corpus)
    for e in corpus.iter():
        e.tail = "\n"
        e.text = "\n" if len(e) > 1 else None
        if len(e) == 1:
            e[0].tail = None
    ET.ElementTree(corpus).write(sys.stdout, encoding="unicode")
    print()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
