#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a step of the preset `default` sends and costs on 1, 2 and 4 ranks of
this machine, beside the model of docs/scaling.md.

    python3 tests/mpi/measure.py BUILD_DIR [--steps N] [--only traffic|paper]
        [--busy] [--write]

--write puts the tables into docs/scaling.md; `paper` is the model alone, of the
page's traffic and docs/performance.json.  What is sent is the same on any
machine; times are not taken where others compute, unless --busy says so.  Each
rank has one thread.  A step's traffic is the difference of two runs, of N + 2
and of 2 steps, so that what comes before and after the steps drops out; its
time is the median.  What P ranks can compute on this machine's cores is
measured by P searches beside each other that share nothing: that is T(P)."""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from launch import command, finish  # noqa: E402

DOCS = os.path.join(HERE, "..", "..", "docs")
PAGE = os.path.join(DOCS, "scaling.md")
DATA = os.path.join(HERE, "..", "..", "examples", "data", "mnist-sample")
SETTINGS = ["--preset", "default", "--data", DATA, "--cells", "3", "--channels",
            "16", "--nodes", "4", "--threads", "1", "--eval-images", "16",
            "--report-lambda", "0.01", "--json",
            "--warmup", "0", "--cooldown", "0"]  # alpha moves in every step
FEW = 2
TRAFFIC_STEPS = 4
SUMMED = "sums", "messages", "bytes", "comm_seconds", "overlap_seconds"
# name, latency of a message in seconds, bytes a second of a link
LINKS = (("1 GbE, TCP", 50e-6, 0.117e9), ("10 GbE, TCP", 20e-6, 1.25e9),
         ("100 Gb InfiniBand", 2e-6, 12.5e9))
PAPER = 1, 2, 4, 8, 16, 32, 64, 256, 1024


def search(build, folder, steps, batch=64):
    return [os.path.join(build, "examples", "hnas-search"), *SETTINGS,
            "--batch", str(batch), "--steps", str(steps), "--out",
            os.path.join(folder, "run")]


def difference(few, many, steps):
    """Of a step: what `many` did more."""
    step = {k: (many.get(k, 0) - few.get(k, 0)) / steps for k in SUMMED}
    step["seconds"] = many["step_ms_median"] / 1e3
    step["share"] = step["comm_seconds"] / step["seconds"]
    return step


def of_ranks(build, folder, ranks, steps, order):
    env = {"HNAS_SUMS": order}
    said = [json.loads(finish(ranks, search(build, folder, n), env=env)[0])
            for n in (FEW, FEW + steps)]
    return difference(*said, steps)


def beside(build, folder, copies, steps, batch=64):
    """The step of searches that share nothing but the machine."""
    runs = []
    for i in range(copies):
        own = os.path.join(folder, str(i))
        os.makedirs(own, exist_ok=True)
        runs.append(subprocess.Popen(
            command(1, search(build, own, FEW + steps, batch)), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
    said = [json.loads(p.communicate(timeout=500)[0]) for p in runs]
    return sum(s["step_ms_median"] for s in said) / copies / 1e3


def link(build, launch=lambda program: command(2, [program])):
    """Seconds of a small message and bytes a second between two ranks."""
    run = launch(os.path.join(build, "tests", "mpi_link"))
    said = dict(line.split() for line in subprocess.run(
        run, capture_output=True, text=True, timeout=120,
        check=True).stdout.splitlines())
    return float(said["latency_us"]) * 1e-6, float(said["gb_per_s"]) * 1e9


def rounds(ranks):
    return (ranks - 1).bit_length()


def model(compute, ranks, sums, size, latency, bandwidth):
    """compute: seconds that the whole batch takes a rank among `ranks`."""
    return compute / ranks + rounds(ranks) * (sums * latency + size / bandwidth)


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as f:
        name = re.search(r"model name\s*: (.*)", f.read())
    return (f"{os.cpu_count()} cores, {name.group(1) if name else 'unknown'}, "
            f"{os.getloadavg()[0]:.1f} other processes ready to run")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(map(str, r)) + " |" for r in rows]


def traffic(build):
    """What a step sends: a row an order and a number of ranks."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for ranks in 2, 4:
            for order in "fixed", "any":
                env = {"HNAS_SUMS": order}
                run = search(build, folder, TRAFFIC_STEPS, 16)
                said = json.loads(finish(ranks, run, env=env)[0])
                rows.append({"ranks": ranks, "order": order,
                             **{k: said[k] / TRAFFIC_STEPS for k in SUMMED}})
    return rows


def traffic_lines(rows):
    return table(("ranks", "order", "sums", "messages", "bytes"),
                 [(r["ranks"], r["order"], f"{r['sums']:.0f}",
                   f"{r['messages']:.0f}", f"{r['bytes']:.0f}") for r in rows])


def traffic_told():
    """The row of two ranks on the page: what the model needs."""
    with open(PAGE, encoding="utf-8") as f:
        sums, size = re.search(r"\| 2 \| fixed \| (\d+) \| \d+ \| (\d+) \|",
                               f.read()).groups()
    return [{"ranks": 2, "order": "fixed", "sums": int(sums),
             "bytes": int(size)}]


def times(build, steps):
    """Rows of times, and what a link between two ranks gives."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        given = link(build)
        for ranks in 1, 2, 4:
            alone = beside(build, folder, ranks, steps)
            for order in ("fixed", "any") if ranks > 1 else ("fixed",):
                s = of_ranks(build, folder, ranks, steps, order)
                s.update(ranks=ranks, order=order, alone=alone)
                rows.append(s)
    two = next(r for r in rows if r["ranks"] == 2)
    for r in rows:
        r["model"] = model(r["alone"], r["ranks"], two["sums"], two["bytes"],
                           *given)
    return rows, given


def times_lines(build, steps):
    where = machine()
    rows, (latency, bandwidth) = times(build, steps)
    lines = [f"On {where}. A message between two ranks takes "
             f"{latency * 1e6:.0f} us, a large one {bandwidth / 1e9:.2f} GB/s. "
             "T(P): the step of P searches beside each other that share "
             "nothing.", ""]
    return lines + table(
        ("ranks", "order", "in communication, ms", "share", "overlapped, ms",
         "T(P), ms", "step, ms", "model, ms"),
        [(r["ranks"], r["order"], f"{r['comm_seconds'] * 1e3:.0f}",
          f"{r['share']:.0%}", f"{r['overlap_seconds'] * 1e3:.0f}",
          f"{r['alone'] * 1e3:.0f}", f"{r['seconds'] * 1e3:.0f}",
          f"{r['model'] * 1e3:.0f}") for r in rows])


def stops(compute, sums, size, latency, bandwidth):
    """The last doubling that saves a tenth of a step or more."""
    def step(ranks):
        return model(compute, ranks, sums, size, latency, bandwidth)

    ranks = 1
    while ranks < 1 << 16 and step(2 * ranks) < 0.9 * step(ranks):
        ranks *= 2
    return ranks


def paper_lines(rows):
    """Two cores a rank: the batch of 64, and larger ones that cost as many
    times more.  What is sent does not depend on the batch."""
    with open(os.path.join(DOCS, "performance.json"), encoding="utf-8") as f:
        compute = json.load(f)["default"]["values"]["ours"] / 1e3
    two = next(r for r in rows if r["ranks"] == 2 and r["order"] == "fixed")
    sums, size = round(two["sums"]), round(two["bytes"])  # as the page tells
    lines = []
    for batch in 64, 512, 8192:
        t = compute * batch / 64
        for name, latency, bandwidth in LINKS:
            steps = [model(t, p, sums, size, latency, bandwidth)
                     for p in PAPER]
            lines.append((batch, name,
                          *(f"{s * 1e3:.0f}" if p <= batch else "–"
                            for p, s in zip(PAPER, steps)),
                          min(stops(t, sums, size, latency, bandwidth), batch)))
    return table(("batch", "link", *map(str, PAPER), "pays up to"), lines)


def put(name, lines):
    """Between the page's marks of that name."""
    with open(PAGE, encoding="utf-8") as f:
        text = f.read()
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(before + begin + "\n".join(lines) + "\n" + end + after)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--steps", type=int, default=8)
    p.add_argument("--only", choices=("traffic", "paper"))
    p.add_argument("--busy", action="store_true")
    p.add_argument("--write", action="store_true")
    args = p.parse_args()
    build = os.path.abspath(args.build)
    if not args.only and not args.busy and os.getloadavg()[0] > 0.5:
        sys.exit(f"{machine()}, want at most 0.5: times would not be its own; "
                 "--only traffic, or --busy")
    rows = traffic_told() if args.only == "paper" else traffic(build)
    tables = {"paper": paper_lines(rows)}
    if args.only != "paper":
        tables["traffic"] = traffic_lines(rows)
    if not args.only:
        tables["times"] = times_lines(build, args.steps)
    for name, lines in tables.items():
        print("\n".join(lines + [""]))
        if args.write:
            put(name, lines)


if __name__ == "__main__":
    main()
