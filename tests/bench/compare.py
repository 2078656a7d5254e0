# SPDX-License-Identifier: BSD-3-Clause
"""Measure the library beside PyTorch, row by row, and write the page of results.

compare.py BUILD_DIR [--rounds R] [--only NAME,NAME] [--write docs/performance.md [--elsewhere]]

Each round runs a row's contestants (the library, the peer in both layouts) one after
the other, so that noise of a shared machine meets all alike; kept are medians over the
rounds of each run's median, and the largest peak memory. With --write, results go to a
.json beside the page, which holds each row's last result, and the page is written anew
from all of it; without --only every row is measured, with --only "" none. --elsewhere: the
page speaks of another machine, and the rows go into tables of this one.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from page import ELSEWHERE, page, table  # noqa: E402
from rows import IN_PLACE, ROWS  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Missing(Exception):
    """A contestant that this version of the library lacks."""


def in_place(build):
    """hnas-bench of a build inside the build, made when it is first asked for."""
    folder = build / IN_PLACE
    setup = ["meson", "setup", str(folder), str(ROOT), "--buildtype=release", "-Db_ndebug=true"]
    options = ["-Dtests=false", "-Dmpi=disabled", "-Dc_args=-DHN_IMAGES_IN_PLACE"]
    if not (folder / "build.ninja").exists():
        subprocess.run([*setup, *options], check=True, capture_output=True)
    subprocess.run(["ninja", "-C", str(folder), "examples/hnas-bench"], check=True,
                   capture_output=True)
    return folder / "examples" / "hnas-bench"


def run(words, build):
    """The JSON object that a contestant prints last."""
    settings = dict(os.environ)
    while "=" in words[0]:
        settings.update([words[0].split("=", 1)])
        words = words[1:]
    if words[0] == IN_PLACE:
        command = [str(in_place(Path(build).resolve())), *words[1:]]
    elif words[0] == "hnas-bench":
        command = [str(Path(build).resolve() / "examples" / "hnas-bench"), *words[1:]]
    else:
        command = [sys.executable, str(HERE / words[0]), *words[1:]]
    done = subprocess.run(
        command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return json.loads(done.stdout.strip().splitlines()[-1])
    message = (done.stderr.strip().splitlines() or ["no message"])[-1]
    if done.returncode == 2:
        raise Missing(message)
    raise RuntimeError(f"{' '.join(command)}: {message}")


def pick(row, result):
    """What is kept of a contestant's result."""
    if row.key == "limits":
        return peaks_of(result)
    if row.key != "kernels":
        return result[row.key]
    wanted = row.kind == "products"
    return [k for k in result["kernels"] if k["name"].startswith("gemm") == wanted]


def peaks_of(result):
    """Of a row of limits: the machine's rates, or what a step does and takes."""
    if "kernels" in result and isinstance(result["kernels"], list):
        peak = next(k for k in result["kernels"] if k["name"] == "multiply-add")
        return {"gflops": peak["gflops"]}
    names = ("gbs", "median_ms", "flops", "moved_bytes")
    return {name: result[name] for name in names if name in result}


def middle(values):
    """The median of numbers, and of each in a dict; of lists of kernels, each kernel's run of
    the median rate."""
    if isinstance(values[0], dict):
        return {k: statistics.median(v[k] for v in values) for k in values[0]}
    if not isinstance(values[0], list):
        return statistics.median(values)
    entries = [sorted(runs, key=lambda k: k["gflops"]) for runs in zip(*values)]
    return [runs[len(runs) // 2] for runs in entries]


def measure(row, build, rounds):
    """Medians and peaks by contestant."""
    values = {label: [] for label in row.labels}
    peaks = dict.fromkeys(row.labels, 0)
    level = gpu = pytorch = None
    for number in range(rounds):
        for label in row.labels:
            result = run(row.command(label), build)
            values[label].append(pick(row, result))
            peaks[label] = max(peaks[label], result.get("peak_bytes") or 0)
            level = result.get("level", result.get("kernels", level))
            gpu = result.get("gpu") or gpu
            pytorch = result.get("pytorch", pytorch)
            value = result.get(row.key)
            shown = "done" if value is None or isinstance(value, list) else f"{value:.6g}"
            text = f"{row.name}: round {number + 1}/{rounds}, {label}: {shown}"
            print(text, file=sys.stderr, flush=True)
    return {
        "values": {label: middle(v) for label, v in values.items()},
        "peak_bytes": peaks,
        "rounds": rounds,
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine() + (f", {gpu}" if gpu else ""),
        "level": level,
        **({"pytorch": pytorch} if pytorch else {}),
    }


def machine():
    """What it runs on."""
    model = platform.processor() or platform.machine()
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            model = text.split(":")[1].strip()
            break
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def names(text):
    """The rows of --only."""
    chosen = [name for name in text.split(",") if name]
    for name in chosen:
        if name not in ROWS:
            raise argparse.ArgumentTypeError(f"{name}: known are {', '.join(ROWS)}")
    return chosen


def keep(path, results, elsewhere=False):
    """Add results to those of earlier runs; returns all."""
    every = json.loads(path.read_text()) if path.exists() else {}
    others = every.setdefault(ELSEWHERE, {})
    if elsewhere:
        others.setdefault(machine(), {}).update(results)
    else:
        every.update(results)
    ordered = {name: every[name] for name in (*ROWS, ELSEWHERE) if name in every}
    lines = (f"{json.dumps(name)}: {json.dumps(result)}" for name, result in ordered.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return ordered


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=names, default=list(ROWS), metavar="NAME,NAME")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--elsewhere", action="store_true")
    args = parser.parse_args()
    failed = False
    for name in args.only:
        try:
            result = {name: measure(ROWS[name], args.build, args.rounds)}
        except Missing as missing:
            print(f"{name}: not measured: {missing}", file=sys.stderr)
            continue
        except RuntimeError as error:
            print(f"{name}: failed: {error}", file=sys.stderr)
            failed = True
            continue
        print(table(ROWS[name], result[name]), flush=True)
        if args.write:
            keep(args.write.with_suffix(".json"), result, args.elsewhere)
    if args.write:
        args.write.write_text(page(keep(args.write.with_suffix(".json"), {})))
    sys.exit(failed)


if __name__ == "__main__":
    main()
