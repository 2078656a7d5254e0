#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The tables of docs/presets.md against what the presets store: a search of
one step each, read back from config.json and the search's own settings.

    check_presets.py BUILD_DIR
"""
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))
import source  # noqa: E402
from test_programs import write_images  # noqa: E402

PAGE = "docs/presets.md"
UNUSED = "–"
IMAGES = 256  # two batches of the largest
ROW = re.compile(r"^\| (?:`([\w-]+)`|(option|setting)) \| (.*) \|$")


def rows():
    """(line, name, {preset: value}) of both tables."""
    presets = None
    for number, line in enumerate(source.read(PAGE).split("\n"), 1):
        match = ROW.match(line)
        if not match:
            continue
        cells = [cell.strip() for cell in match.group(3).split(" | ")]
        if match.group(2):
            presets = cells
        else:
            yield number, match.group(1), dict(zip(presets, cells))


def numbers(text):
    """The numbers between colons, or None."""
    try:
        return [float(part) for part in str(text).split(":")]
    except ValueError:
        return None


def is_equal(shown, stored):
    if isinstance(stored, bool):
        return shown == ("on" if stored else "off")
    a, b = numbers(shown), numbers(stored)
    return a == b if a is not None and b is not None else shown == stored


def stored_settings(build, folder, preset, *extra):
    """What a search of one step of the smallest net stores; options win."""
    out = os.path.join(folder, preset)
    subprocess.run(
        [os.path.join(build, "examples", "hnas-search"), "--preset", preset,
         "--data", os.path.join(folder, "data"), "--channels", "2", "--nodes",
         "1", "--steps", "1", "--threads", "1", "--report-lambda", "1e-4",
         "--out", out, *extra], check=True, capture_output=True)
    with open(os.path.join(out, "search.safetensors"), "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        metadata = json.loads(file.read(size))["__metadata__"]
    inner = json.loads(metadata["settings"])
    with open(os.path.join(out, "config.json")) as file:
        options = json.load(file)
    return {**inner["hyper"], **inner["search"], **options}


def main():
    report = source.Report()
    build, n = sys.argv[1], 0
    with tempfile.TemporaryDirectory() as folder:
        stored = {}
        os.mkdir(os.path.join(folder, "data"))
        write_images(os.path.join(folder, "data"), IMAGES)
        for line, name, values in rows():
            for preset, shown in values.items():
                if preset not in stored:
                    stored[preset] = stored_settings(build, folder, preset)
                n += 1
                if shown == UNUSED:
                    continue
                if name not in stored[preset]:
                    report.fail(PAGE, line, f"{name}: no such setting")
                elif not is_equal(shown, stored[preset][name]):
                    report.fail(PAGE, line, f"{name} of {preset}: {shown}, "
                                f"stored is {stored[preset][name]}")
        if len(stored) != 6:
            report.fail(PAGE, 1, f"{len(stored)} presets, want 6")
        deep = stored_settings(build, folder, "darts_cc", "--cells", "8",
                               "--report-lambda", "1e-7")
        if not is_equal("1e-10:1e-6", deep["lambda-range"]) or \
                deep["rule"] != "top2":
            report.fail(PAGE, 1, "darts_cc of 8 cells is another one")
    report.end(f"presets, {n} values")


main()
