# SPDX-License-Identifier: BSD-3-Clause
"""What the experiments were to show, and whether their rows show it."""

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from jobs import LAMBDAS, MARKS, SEEDS  # noqa: E402
from reading import (  # noqa: E402
    PUBLISHED,
    at,
    final,
    long_rows,
    mean,
    percent,
    random_accuracy,
    random_medians,
    retrained_accuracy,
    rises,
    searched,
    seconds,
    table,
    trained,
)

NAMES = ("precision", "inherited_precision")
WITHIN = 0.015  # of the best accuracy: a network that counts
RATIO, SIZES = 8, 8  # largest over smallest of those, and how many between
MEASURES = (("inherited", "inherited_precision"), ("relaxed", "valid_precision"),
            ("retrained", "retrained"))
SLACK = {"quarter": 0.1, "whole": 0.2}  # points, beside DARTS + L1


def line(claim, wanted, measured, met):
    return [claim, wanted, measured, "yes" if met else "**no**"]


def over_published(runs):
    """Points over the better published cell, where they are fewest."""
    for lams, wanted in ((LAMBDAS[1:], 0.0), (LAMBDAS[:1], -0.3)):
        least, where = min(
            (100 * mean(at(r, mark, name, lam) for r in runs)
             - max(PUBLISHED[k][lam][i] for k in PUBLISHED), f"lambda {lam}, epoch {mark}")
            for name in NAMES for lam in lams for i, mark in enumerate(MARKS))
        span = " to ".join(dict.fromkeys((lams[0], lams[-1])))
        yield line(f"relaxed and inherited, lambda {span}, over the better published cell",
                   f"{wanted:g} points or more", f"{least:+.2f} ({where})", least >= wanted)


def over_time(runs):
    """Points lost from a mark to a later one."""
    worst = max(
        100 * (mean(at(r, a, name, lam) for r in runs) - mean(at(r, b, name, lam) for r in runs))
        for name in NAMES for lam in LAMBDAS
        for i, a in enumerate(MARKS) for b in MARKS[i + 1:])
    yield line("a later mark under an earlier one", "0.3 points or less", f"{worst:.2f}",
               worst <= 0.3)


def good_sizes(run):
    """Different searched sizes above 0 whose networks are close to the best."""
    best = max(run["pieces"])
    sizes = zip(searched(run["path"]["end"]), run["pieces"])
    return sorted({size for size, a in sizes if size > 0 and a >= best - WITHIN})


def control(rows):
    every = {s: rows[f"search/default/{s}"] for s in SEEDS if f"search/default/{s}" in rows}
    risen = sum(rises(searched(run["path"]["end"])) for run in every.values())
    yield line("parameters over the whole path", "never rise with lambda", f"{risen} rises",
               risen == 0)
    for seed, run in every.items():
        sizes = good_sizes(run)
        ratio = max(sizes) / min(sizes)
        yield line(f"seed {seed}: largest over smallest size, and sizes between, within 1.5 "
                   "points of the best", f"{RATIO}, {SIZES}",
                   f"{ratio:.1f}, {len(sizes) - 2}", ratio >= RATIO and len(sizes) - 2 >= SIZES)


def beside_random(rows):
    row, ours = rows.get("random/default/0"), trained(rows, 0)
    for lam in LAMBDAS if row else ():
        accuracy = rows[f"network/{ours[f'{MARKS[-1]}/{lam}']}"]["result"]["test_accuracy"]
        median = statistics.median(rows[f"network/{k}"]["result"]["test_accuracy"]
                                   for k in row["networks"][lam])
        yield line(f"retrained at lambda {lam}, beside ten random cells of that size",
                   f"their median, {percent(median)} %", f"{percent(accuracy)} %",
                   accuracy >= median)
    yield from every_seed_beside_random(rows)


def every_seed_beside_random(rows):
    """Points over the random cells' median at each network's own size."""
    medians = random_medians(rows)
    for lam in LAMBDAS if len(medians) > 1 else ():
        keys = [trained(rows, seed)[f"{MARKS[-1]}/{lam}"] for seed in SEEDS]
        ours = [rows[f"network/{k}"]["result"] for k in keys]
        gain = 100 * mean(r["test_accuracy"] - random_accuracy(medians, r["params"])
                          for r in ours)
        yield line(f"retrained at lambda {lam}, mean of {len(ours)} seeds, over the random "
                   "cells' median at their sizes", "0 points or more", f"{gain:+.2f}", gain >= 0)


def point(rows, search, lam, name):
    """Parameters and quality of a search's network at lambda; no quality: not measured."""
    entry = final(rows[search], lam)
    if name == "retrained":
        return entry["params"], retrained_accuracy(rows, search, lam)
    return entry["params"], entry[name]


def gain(rows, ours, run, lam, name):
    """Points over an L1 run, of the best network of a search of ours that is no larger, or
    None."""
    size, quality = point(rows, run, lam, name)
    points = [point(rows, ours, x, name) for x in LAMBDAS]
    return max((100 * (q - quality) for n, q in points if n <= size), default=None)


def worst(gains):
    """Its lambda, and what it is; None where all of ours are larger."""
    larger = [lam for lam, points in gains.items() if points is None]
    where = larger[0] if larger else min(gains, key=gains.get)
    return where, gains[where]


def gain_line(what, gains, slack):
    where, points = worst(gains)
    shown = "all are larger" if points is None else f"{points:+.2f}"
    return line(f"{what}, {len(gains)} of {len(LAMBDAS)} points", f"-{slack} points or more",
                f"{shown} (lambda {where})", points is not None and points >= -slack)


def l1_runs(rows, share, name=None):
    """{lambda: run} of those there are, retrained where that is what is compared."""
    runs = {lam: f"budget/l1/{share}/{lam}" for lam in LAMBDAS
            if f"budget/l1/{share}/{lam}" in rows}
    if name == "retrained":
        runs = {lam: run for lam, run in runs.items() if f"train/{run}" in rows}
    return runs


def equal_budget(rows):
    for share, slack in SLACK.items() if "budget/default" in rows else ():
        for measure, name in MEASURES:
            runs = l1_runs(rows, share, name)
            if name == "retrained" and "train/budget/default" not in rows:
                continue
            if runs:
                yield gain_line(f"{measure}, no larger than DARTS + L1 of the {share} budget",
                                {lam: gain(rows, "budget/default", run, lam, name)
                                 for lam, run in runs.items()}, slack)


def equal_seconds(rows):
    """The long searches, at the pace of the short one, which like the L1 runs had one thread:
    they take less time than one L1 run of the whole budget."""
    searches = [f"search/default/{seed}" for seed in SEEDS if f"search/default/{seed}" in rows]
    timed = [seconds(rows[run]) for run in l1_runs(rows, "whole").values()
             if not rows[run].get("resumed")]
    if not searches or not timed or "budget/default" not in rows:
        return
    short = rows["budget/default"]
    ours = rows[searches[0]]["result"]["steps"] * seconds(short) / short["result"]["steps"]
    for measure, name in MEASURES:
        gains = {}
        for lam, run in l1_runs(rows, "whole", name).items():
            found = [gain(rows, search, run, lam, name) for search in searches]
            gains[lam] = None if None in found else mean(found)
        if gains:
            yield gain_line(f"{measure}, searches of {MARKS[-1]} epochs ({ours:.0f} s at the pace of the "
                            f"short one), no larger than DARTS + L1 of the whole budget ({min(timed):.0f} s or "
                            "more for each that was timed whole)", gains, SLACK["whole"])


def claims(rows):
    """A table: claim, what was wanted, what was measured, whether it holds."""
    runs = long_rows(rows)
    lines = []
    if runs:
        lines += [*over_published(runs), *over_time(runs), *control(rows)]
    lines += [*beside_random(rows), *equal_budget(rows), *equal_seconds(rows)]
    return lines and "\n## What was to be shown\n\nOf the means over the seeds.\n\n" + table(
        ["", "wanted", "measured", "holds"], lines)
