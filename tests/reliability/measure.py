#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Run what shows a promise, keep its figure for docs/reliability.md.

    measure.py BUILD_DIR            every promise and every campaign, about 15 minutes
    measure.py BUILD_DIR promises   the promises alone
    measure.py BUILD_DIR NAME...    these

A check that fails keeps nothing, is named, and makes the status 1.
"""
import os
import re
import subprocess
import sys
import time

import page

PYTHON = "/usr/bin/python3"
TIMEOUT_S = 1800


class Row:
    """Commands, and what to tell of what they print: pairs of a pattern with one
    group and words; groups are added up where they are numbers."""

    def __init__(self, *commands, tells, **env):
        self.commands, self.tells, self.env = commands, tells, env


def tests(*names):
    """The commands of some test programs."""
    return [["@/tests/test_" + name + "_float"] for name in names]


CASES = ((r"Checks: (\d+), Failures: 0, Errors: 0", "cases"),)
HELD = r" (?:cycles|steps): (.*)"
SHAPES = ((r"(\d+) shapes", "shapes"),)
KERNELS = tests(*("kernel_" + name for name in ("conv", "dwconv", "gemm", "mix", "norm", "pool")))

ROWS = {
    "life": Row(*tests("faults_life"), tells=(
        (r"(\d+) allocations failed for good", "allocations failed for good"),
        (r"(\d+) allocations failed once", "failed once"))),
    "limit": Row(*tests("faults_limit"), tells=CASES),
    "damage": Row(*tests("faults_damage"), tells=(
        (r"(\d+) bytes flipped", "bytes flipped, as many lengths"),
        (r"(\d+) bytes forged", "bytes forged"))),
    "saves": Row(*tests("faults_saves", "faults_keeps"), tells=(
        (r"(\d+) failing calls", "failing calls"),)),
    "kill": Row([PYTHON, "tests/system/test_kill.py", "@"], tells=((r"(\d+) kills", "kills"),)),
    "hostile": Row(*tests("io_idx", "io_json", "io_safetensors", "io_genotype"),
                   [PYTHON, "tests/system/test_hostile.py", "@"], tells=CASES),
    "poison": Row(*tests("faults_poison"), tells=CASES),
    "on_nan": Row(*tests("faults_on_nan", "faults_planted"), tells=CASES),
    "reentry": Row(*tests("faults_reentry"), tells=CASES),
    "mode": Row(*tests("faults_mode"), tells=CASES),
    "hosts": Row(*tests("faults_hosts"), tells=(
        (r"8 contexts: (.*)", ""), (r"(\d+) cancels", "cancels"))),
    "kernels": Row(*KERNELS, tells=SHAPES),
    "products": Row([PYTHON, "tests/rules/check_sizes.py"], tells=(
        (r"sizes, (\d+) calls: nothing", "calls"),)),
    "symbols": Row(["sh", "tests/abi/check_symbols.sh", "@"], tells=(
        (r"(\d+) calls, none of them banned", "calls of others, none of them banned"),)),
    "map": Row([PYTHON, "tests/rules/check_map.py", "@"], tells=((r"map, (\d+) names", "names"),)),
    "options": Row(*tests("faults_sizes"), tells=CASES),
    "interrupt": Row([PYTHON, "tests/system/test_interrupt.py", "@"], tells=(
        (r"(\d+) interrupts", "interrupts"), (r"slowest ([\d.]+) s", "max"))),
    "campaign.kill": Row([PYTHON, "tests/system/test_kill.py", "@", "100", "2"], tells=(
        (r"(\d+) kills", "kills"),)),
    "campaign.keeps": Row(*tests("faults_keeps"), tells=(
        (r"(\d+) kills inside", "kills inside a save"),)),
    "campaign.shapes": Row(*KERNELS, tells=SHAPES, HNAS_SHAPES="8"),
    "campaign.hosts": Row(*tests("faults_hosts"), tells=((r"(\d+ steps: .*)", ""), (r"(\d+ cycles: .*)", "")),
                          HNAS_STEPS="20000", HNAS_CYCLES="2000"),
}


def told(row, text):
    """The figure in what a row printed, None where a part is missing."""
    parts = []
    for pattern, words in row.tells:
        found = re.findall(pattern, text)
        if not found:
            return None
        if all(group.isdigit() for group in found):
            found = [f"{sum(map(int, found)):,}"]
        parts.append(" ".join([words, found[0]] if words == "at most" else [found[0], words]).strip())
    return "; ".join(parts)


def measure(name, build):
    """Run a row's commands; whether all went well."""
    row, text = ROWS[name], ""
    began_s = time.monotonic()
    for command in row.commands:
        command = [part.replace("@", build) for part in command]
        done = subprocess.run(command, cwd=page.ROOT, env={**os.environ, **row.env}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=TIMEOUT_S, check=False)
        text += done.stdout
        if done.returncode:
            print(f"FAIL {name}: {' '.join(command)}: status {done.returncode}\n{done.stdout[-1500:]}")
            return False
    figure = told(row, text)
    if not figure:
        print(f"FAIL {name}: no figure in what was printed\n{text[-500:]}")
        return False
    page.main(["put", name, figure])
    print(f"{name}: {figure} ({time.monotonic() - began_s:.0f} s)", flush=True)
    return True


def main(build, *names):
    if names == ("promises",):
        names = [name for name in ROWS if not name.startswith("campaign.")]
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        sys.exit(f"{unknown[0]}: want one of {', '.join(ROWS)}")
    results = [measure(name, os.path.abspath(build)) for name in names or ROWS]
    print(f"{sum(results)} shown, {len(results) - sum(results)} failed")
    return not all(results)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
