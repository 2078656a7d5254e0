# SPDX-License-Identifier: BSD-3-Clause
"""What the rows of docs/results.json hold, and what was published before them."""

import math
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from jobs import MARKS, SEEDS  # noqa: E402

# the published precision in % at the marks (the seed's table)
PUBLISHED = {
    "linear hypernetwork": {
        "1e-1": (96.35, 95.48, 94.12, 90.63),
        "1e-2": (95.89, 96.72, 91.06, 95.31),
        "1e-3": (95.91, 96.62, 90.64, 95.64),
        "1e-4": (95.97, 96.54, 90.41, 95.75),
    },
    "DARTS + L1": {
        "1e-1": (86.60, 87.40, 89.34, 89.51),
        "1e-2": (84.13, 90.63, 91.91, 92.73),
        "1e-3": (97.65, 97.58, 98.08, 97.95),
        "1e-4": (98.58, 98.89, 98.95, 99.24),
    },
}


def percent(x):
    return "-" if x is None else f"{100 * float(x):.2f}"


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines)


def at(row, mark, name, lam):
    """A column of the log at an epoch, or None."""
    for line in row["log"]:
        if int(line["epoch"]) == mark:
            return float(line[f"{name}_{float(lam):g}"])
    return None


def mean(values):
    values = [v for v in values if v is not None]
    return statistics.mean(values) if values else None


def long_rows(rows):
    return [rows[f"search/default/{s}"] for s in SEEDS if f"search/default/{s}" in rows]


def searched(path):
    return [p["cost"]["params"] - p["cost"]["fixed_params"] for p in path["pieces"]]


def trained(rows, seed):
    """{mark/lambda: key of its network} of a search."""
    found = {}
    for mark in MARKS:
        found.update(rows.get(f"train/default/{seed}/{mark}", {"networks": {}})["networks"])
    return found


def final(run, lam):
    for entry in run["result"]["lambda"]:
        if abs(entry["lambda"] - float(lam)) < 1e-12:
            return entry
    return None


def piece_at(path, lam):
    """The piece of a path that holds lambda."""
    return next(p for p in path["pieces"] if float(lam) <= p["interval"][1])


def convolutions(run, lam):
    """How many edges of the normal and of the reduction cell at lambda, at the end, have one."""
    piece = piece_at(run["path"]["end"], lam)
    return [sum("conv" in op for node in piece[kind] for op, _ in node)
            for kind in ("normal", "reduce")]


def retrained_accuracy(rows, search, lam):
    """Test accuracy of a search's last network at lambda, trained afresh, or None."""
    if search.startswith("search/default/"):
        key = trained(rows, search.rsplit("/", 1)[1]).get(f"{MARKS[-1]}/{lam}")
    else:
        key = rows.get(f"train/{search}", {"networks": {}})["networks"].get(f"end/{lam}")
    return rows[f"network/{key}"]["result"]["test_accuracy"] if key else None


def random_medians(rows):
    """[(parameters, test accuracy)] of the random cells' groups, smallest first."""
    row = rows.get("random/default/0", {"networks": {}})
    groups = [[rows[f"network/{k}"]["result"] for k in keys] for keys in row["networks"].values()]
    return sorted((statistics.median(r["params"] for r in g),
                   statistics.median(r["test_accuracy"] for r in g)) for g in groups)


def random_accuracy(medians, params):
    """The median of random cells of any size: a line over log(parameters) through the two
    groups beside it."""
    i = max(1, sum(n <= params for n, _ in medians[:-1]))
    (n0, a0), (n1, a1) = medians[i - 1:i + 1]
    return a0 + (a1 - a0) * math.log(params / n0) / math.log(n1 / n0)


def seconds(row):
    """Of a search that may have been run in parts: those logged, or those that run.py saw."""
    logged = sum(float(line["seconds"]) for line in row.get("log", []))
    return max(logged, row.get("result", {}).get("seconds", 0), row.get("seconds_here", 0))


def time_spent(row):
    """For a table; of a row that is "resumed", parts were not timed."""
    return f"{'over ' if row.get('resumed') else ''}{seconds(row):.0f}"


def rises(sizes):
    """How often a larger lambda has a larger network."""
    return sum(b > a for a, b in zip(sizes, sizes[1:]))
