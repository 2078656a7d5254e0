# SPDX-License-Identifier: BSD-3-Clause
"""Compare the instructions of tiny search steps with stored figures.

instructions.py BUILD_DIR [--update]

tiny_step runs under valgrind's callgrind, which counts what hnas_search_step executes:
the same number on any machine, whatever else it does. A count that is more than
the tolerance above its figure in instructions.json fails; below it, and with --update in
any case, the figure should be (is) stored anew, in the commit that changed it.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

STORED = Path(__file__).resolve().with_suffix(".json")
CASES = ("c first", "avx2 first", "avx2 hard", "avx2 second_fd")
TOLERANCE = 0.02
SKIPPED = 77


def count(program, case):
    """Instructions of one case; None where the CPU lacks its level."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += ["--toggle-collect=hnas_search_step", str(program), *case.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == SKIPPED:
        return None
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found or int(found[1]) == 0:
        sys.exit(f"{case}: no count:\n{done.stderr[-2000:]}")
    return int(found[1])


def compare(case, now, stored, tolerance):
    """A line of the report, and whether the case fails."""
    if now is None:
        return f"{case}: not counted, the CPU lacks this level", False
    if not stored:
        return f"{case}: {now} instructions, no figure stored: --update", True
    change = now / stored - 1
    text = f"{case}: {now} instructions, {100 * change:+.2f} % of {stored}"
    if change > tolerance:
        return f"{text}: more than {100 * tolerance:g} % above", True
    return (f"{text}: store it with --update" if change < -tolerance else text), False


def main():
    """Count, then compare or store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--update", action="store_true", help="store the counts")
    args = parser.parse_args()
    program = args.build / "tests" / "tiny_step"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(CASES, pool.map(lambda case: count(program, case), CASES)))
    kept = json.loads(STORED.read_text()) if STORED.exists() else {}
    stored = kept.get("instructions", {})
    if args.update:
        stored.update({case: now for case, now in counts.items() if now is not None})
        kept = {"tolerance": kept.get("tolerance", TOLERANCE), "instructions": stored}
        STORED.write_text(json.dumps(kept, indent=1) + "\n")
    tolerance = kept.get("tolerance", TOLERANCE)
    results = [compare(case, counts[case], stored.get(case), tolerance) for case in CASES]
    for text, _ in results:
        print(text)
    sys.exit(any(failed for _, failed in results))


if __name__ == "__main__":
    main()
