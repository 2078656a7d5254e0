# SPDX-License-Identifier: BSD-3-Clause
"""The demo's search keeps its promise: test_demo.py BUILD_DIR.

Runs the search of examples/demo.sh (the options stand there, once) and checks that
sizes fall with lambda and that every derived network is good with inherited weights.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAMBDAS = [1e-4, 1e-3, 1e-2, 1e-1]


def demo_options():
    """The options between the markers of demo.sh."""
    text = (ROOT / "examples" / "demo.sh").read_text()
    block = text.split('options="')[1].split('"')[0]
    return block.replace("\\\n", " ").split()


def main():
    """Run and check."""
    search = Path(sys.argv[1]) / "examples" / "hnas-search"
    with tempfile.TemporaryDirectory() as out:
        command = [str(search), *demo_options(), "--out", out, "--json"]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    report = json.loads(done.stdout)
    rows = report["lambda"]
    assert [row["lambda"] for row in rows] == LAMBDAS, rows
    for row in rows:
        print(row)
        assert row["inherited_accuracy"] >= 0.93, row
        # with batch-norm's statistics of other draws it is 0.035 to 0.07 less
        assert row["valid_accuracy"] >= row["inherited_accuracy"] - 0.025, row
    sizes = [row["params"] for row in rows]
    assert sizes == sorted(sizes, reverse=True), sizes
    assert len(set(sizes)) >= 3, sizes
    print(f"sizes {sizes}, {report['seconds']:.0f} s")


if __name__ == "__main__":
    main()
