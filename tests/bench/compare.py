# SPDX-License-Identifier: BSD-3-Clause
"""Time one search step of hnas-bench and of the PyTorch peer, side by side.

compare.py BUILD_DIR [--rounds R] [--write FILE]

Each round runs ours and both layouts of the peer one after the other, so that noise
of a shared machine meets all alike; the table shows medians over rounds of each run's
median, and the ratio to the peer's better layout.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAYOUTS = ("channels_last", "nchw")
SETTING = ["--cells", "3", "--nodes", "4", "--channels", "16", "--batch", "64"]
SETTING += ["--image", "1x28x28", "--classes", "10", "--threads", "2"]
ORDERS = {"first": "first order", "second_fd": "second order (finite differences)"}


def run(command):
    """The JSON object a command prints last."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def ours(build, order, repeat):
    """One run of hnas-bench."""
    bench = Path(build) / "examples" / "hnas-bench"
    command = [str(bench), "step", "--preset", "darts_cc", "--order", order]
    return run(command + SETTING + ["--repeat", str(repeat), "--json"])


def peer(layout, order, repeat):
    """One run of the PyTorch peer."""
    command = [sys.executable, str(HERE / "peer.py"), "--layout", layout, "--order", order]
    return run(command + SETTING + ["--repeat", str(repeat)])


def measure(build, order, rounds):
    """Median milliseconds and largest memory of each contestant."""
    times = {name: [] for name in ("ours", *LAYOUTS)}
    peak = dict.fromkeys(times, 0)
    for _ in range(rounds):
        results = {"ours": ours(build, order, 7)}
        for layout in LAYOUTS:
            results[layout] = peer(layout, order, 3)
        for name, result in results.items():
            times[name].append(result["median_ms"])
            peak[name] = max(peak[name], result["peak_bytes"])
    return {name: statistics.median(t) for name, t in times.items()}, peak


def row(order, times, peak):
    """A line of the table."""
    best = min(times[layout] for layout in LAYOUTS)
    cells = [ORDERS[order], f"{times['ours'] / 1e3:.2f} s"]
    cells += [f"{times[layout] / 1e3:.2f} s" for layout in LAYOUTS]
    cells += [f"**{best / times['ours']:.1f}**", f"{peak['ours'] / 1e9:.2f} GB"]
    cells += [f"{min(peak[layout] for layout in LAYOUTS) / 1e9:.1f} GB"]
    return "| " + " | ".join(cells) + " |"


def machine():
    """What it ran on."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":")[1].strip()
            break
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def table(build, rounds):
    """The page."""
    lines = [
        "# Performance",
        "",
        "One search step of the DARTS-CC Fashion-MNIST supernet (1x28x28, batch 64, 3 cells,",
        "16 channels, 4 nodes, 8 operations, Gumbel gates an image), 2 threads, against the",
        "same mathematics in plain PyTorch (`tests/bench/peer.py`), warm. Written by",
        "",
        "    /usr/bin/python3 tests/bench/compare.py BUILD_DIR --write docs/performance.md"
        f" --rounds {rounds}",
        "",
        f"on: {machine()}. Medians over {rounds} alternating round(s).",
        "",
        "| step | libhnas | PyTorch channels_last | PyTorch NCHW | times faster than the "
        "better | peak, libhnas | peak, PyTorch |",
        "|---|---|---|---|---|---|---|",
    ]
    for order in ORDERS:
        lines.append(row(order, *measure(build, order, rounds)))
    return "\n".join(lines) + "\n"


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    page = table(args.build, args.rounds)
    print(page)
    if args.write:
        args.write.write_text(page)


if __name__ == "__main__":
    main()
