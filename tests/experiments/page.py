# SPDX-License-Identifier: BSD-3-Clause
"""Write docs/results.md, and its figures, from docs/results.json.

page.py [--check]

--check: exit 1 where the page is not what the rows give. Rows that are missing are named
on the page; nothing on it is typed in by hand.
"""

import json
import math
import statistics
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from claims import claims, good_sizes  # noqa: E402
from jobs import (  # noqa: E402
    CELLS,
    CHANNELS,
    FACTORS,
    LAMBDAS,
    MARKS,
    NODES,
    PASSES,
    SEEDS,
    SHAPED,
    all_jobs,
)
from reading import (  # noqa: E402
    PUBLISHED,
    at,
    convolutions,
    final,
    long_rows,
    mean,
    percent,
    retrained_accuracy,
    rises,
    searched,
    seconds,
    table,
    time_spent,
    trained,
)
from run import searched as searched_weights  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
ROWS = ROOT / "docs" / "results.json"
PAGE = ROOT / "docs" / "results.md"
FIGURES = ROOT / "docs" / "figures"

TESTED = 10_000  # test images of MNIST

HEAD = f"""# Results

Written by `tests/experiments/page.py` from `results.json` beside this page; every row there comes
from a run of

    /usr/bin/python3 tests/experiments/run.py BUILD_DIR --work DIR [--only PART] [--minutes M]

which leaves out what is done and goes on with what was interrupted. MNIST: 30,000 training and
30,000 validation images of the training set; supernet of {CELLS} cells, {CHANNELS}
channels, {NODES} nodes, batch 128.
Precision is the macro precision in per cent on validation images, with recalibrated batch-norm.
"""


def against_published(rows):
    runs = long_rows(rows)
    if not runs:
        return None
    out = [f"\n## Beside the published table\n\nMean of {len(runs)} seed(s), epochs "
           + " / ".join(map(str, MARKS)) + ".\n"]
    lines = []
    for lam in ("1e-1", "1e-2", "1e-3", "1e-4"):
        cells = [lam]
        for name in ("precision", "inherited_precision"):
            cells.append(" / ".join(percent(mean(at(r, m, name, lam) for r in runs))
                                    for m in MARKS))
        cells += [" / ".join(f"{v:.2f}" for v in PUBLISHED[k][lam]) for k in PUBLISHED]
        lines.append(cells)
    out.append(table(["lambda", "relaxed", "derived, inherited weights", *PUBLISHED], lines))
    return "\n".join(out)


def control(rows):
    runs = {s: rows[f"search/default/{s}"] for s in SEEDS if f"search/default/{s}" in rows}
    if not runs:
        return None
    lines = []
    for seed, run in runs.items():
        sizes = searched(run["path"]["end"])
        nonzero = [x for x in sizes if x > 0]
        best = max(run["pieces"])
        good = good_sizes(run)
        lines.append([seed, len(sizes), rises(sizes), max(sizes), min(nonzero),
                      f"{max(sizes) / min(nonzero):.1f}", len(set(nonzero)), percent(best),
                      len(good), f"{max(good) / min(good):.1f}"])
    text = ("\n## Control over the whole exact path\n\nAccuracy in per cent: of each piece's network "
            "with the search's weights, on the test images.\n\n") + table(
        ["seed", "pieces", "rises with lambda", "largest searched", "smallest above 0",
         "ratio", "different sizes", "best accuracy", "sizes within 1.5 points", "their ratio"],
        lines)
    return text + misses(runs) + every_piece(runs)


def misses(runs):
    """What keeps the smallest network of a path from counting."""
    text = ""
    for seed, run in runs.items():
        smallest, accuracy = min((x, a) for x, a in zip(searched(run["path"]["end"]),
                                                        run["pieces"]) if x > 0)
        under = 100 * (max(run["pieces"]) - accuracy)
        if smallest not in good_sizes(run):
            text += (f" The smallest network of seed {seed} is {under:.2f} points under the best "
                     "one, a little too far to count.")
    return text and "\n\n" + text.strip()


def every_piece(runs):
    """The pieces of the first seed's path, one a line."""
    seed, run = min(runs.items())
    path = run["path"]["end"]
    lines = [[f"{p['interval'][0]:.3g} to {p['interval'][1]:.3g}", size, percent(a)]
             for p, size, a in zip(path["pieces"], searched(path), run["pieces"])]
    return f"\n\nSeed {seed}:\n\n" + table(["lambda", "searched weights", "accuracy"], lines)


def retrained(rows):
    lines = []
    for seed in SEEDS:
        for place, key in trained(rows, seed).items():
            mark, lam = place.split("/")
            net = rows[f"network/{key}"]["result"]
            lines.append([seed, mark, lam, net["params"], percent(net["test_accuracy"]),
                          percent(net["test_precision"]), f"{net['ms_1']:.3f}"])
    if not lines:
        return None
    text = ("\n## Retrained on 60,000 images, tested on 10,000\n\nFresh weights, 5 epochs; a "
            "prediction is of one image on one thread.\n\n") + table(
        ["seed", "epoch", "lambda", "parameters", "accuracy", "precision",
         "milliseconds a prediction"], lines)
    return text + beside_random(rows)


def beside_random(rows):
    row, ours = rows.get("random/default/0"), trained(rows, 0)
    if not row or f"{MARKS[-1]}/{LAMBDAS[0]}" not in ours:
        return ""
    lines = []
    for lam in LAMBDAS:
        net = rows[f"network/{ours[f'{MARKS[-1]}/{lam}']}"]["result"]
        other = sorted(rows[f"network/{k}"]["result"]["test_accuracy"]
                       for k in row["networks"][lam])
        lines.append([lam, net["params"], percent(net["test_accuracy"]),
                      percent(statistics.median(other)), percent(other[0]),
                      percent(other[-1])])
    one = rows[f"network/{ours[f'{MARKS[-1]}/{LAMBDAS[0]}']}"]["result"]["test_accuracy"]
    chance = 100 * math.sqrt(one * (1 - one) / TESTED)
    return (
        "\n\nBeside ten random cells of that size (within 5 %), trained alike. One training of "
        f"each: {TESTED:,} images tell accuracies near {percent(one)} % apart to a standard error "
        f"of {chance:.2f} points each. For the other seeds, whose sizes lie elsewhere, the table at "
        "the top takes the median off a line over log(parameters) between these groups.\n\n"
    ) + table(["lambda", "parameters", "ours", "their median", "worst", "best"], lines)


def budget_line(rows, method, search, lam, passes, spent):
    run = rows[search]
    e = final(run, lam)
    return [method, lam, e["params"], e["macs"], ", ".join(map(str, convolutions(run, lam))),
            percent(e["valid_precision"]), percent(e["inherited_precision"]),
            percent(retrained_accuracy(rows, search, lam)), passes, spent]


def missed(rows):
    """Read off the table; read it again where it changes."""
    normal, reduction = (
        searched_weights({"normal": [], "reduce": [], kind: [[["sep_conv_5x5", 0]]]})
        for kind in ("normal", "reduce"))
    most = sorted(convolutions(run, LAMBDAS[0])[0] for run in long_rows(rows))
    return (f"""

Why fresh training favours the other side at equal size. An edge of the normal cell costs {normal}
parameters with `sep_conv_5x5`, of the reduction cell {reduction:,}. DARTS + L1 puts convolutions on most
edges of the normal cell. A search as short as this one of hard gates leaves it to pools, at any
lambda: most likely since what is drawn seldom is trained little, so that operations without
weights are ahead until the others have caught up. With five times the steps (the table above) the
normal cell has {most[0]} to {most[-1]} convolutions at lambda {LAMBDAS[0]}, and the networks of all sizes are level
with random cells or above them. Rule and
shape differ as well: DARTS keeps two inputs a node, argmax all of them.""")


def budget(rows):
    ours = rows.get("budget/default")
    if not ours:
        return None
    passes = PASSES["default"] * ours["result"]["steps"]
    lines = [budget_line(rows, "one search", "budget/default", lam, f"{passes} in all",
                         f"{time_spent(ours)} in all") for lam in LAMBDAS]
    for name in ("quarter", "whole"):
        for lam in LAMBDAS:
            search = f"budget/l1/{name}/{lam}"
            if search in rows:
                lines.append(budget_line(rows, f"DARTS + L1, {name}", search, lam,
                                         PASSES["darts_l1"] * rows[search]["result"]["steps"],
                                         time_spent(rows[search])))
    text = ("\n## Equal budget\n\nDARTS' softmax gates train all operations of an edge together: "
            "the relaxed supernet is\ngood, and the network of the stated size that is cut out of "
            "it is not before it is retrained (afresh, as above: test accuracy). Seconds after "
            "\"over\" lack the first part of a run that was cut.\n\n")
    return text + table(["method", "lambda", "parameters", "MACs", "convolutions, normal and "
                         "reduction", "precision, relaxed", "precision, inherited", "retrained",
                         "passes", "seconds"], lines) + shaped(rows) + missed(rows)


def shaped(rows):
    """Random cells with two inputs a node, as DARTS' rule leaves them."""
    search, lam = SHAPED
    row = rows.get(f"random/{search}")
    if not row:
        return ""
    other = sorted(rows[f"network/{k}"]["result"]["test_accuracy"] for k in row["networks"][lam])
    return (f"\n\nTen random cells with the inputs of {search}'s network, two a node where ours "
            "has all, and of its size (within 5 %), trained alike: "
            f"{percent(statistics.median(other))} % in the median, {percent(other[0])} to "
            f"{percent(other[-1])}; that network itself: "
            f"{percent(retrained_accuracy(rows, search, lam))}.")


def fashion(rows):
    runs = {preset: rows[f"fashion/{preset}"] for preset in ("default", "darts_cc")
            if f"fashion/{preset}" in rows}
    if not runs:
        return None
    lines = [[preset, f"{e['lambda']:g}", e["params"], e["macs"], percent(e["valid_accuracy"]),
              percent(e["inherited_accuracy"])]
             for preset, run in runs.items() for e in run["result"]["lambda"]]
    paths = [[preset, len(sizes), len(set(sizes)), rises(sizes), max(sizes), min(sizes)]
             for preset, run in runs.items() for sizes in [searched(run["path"]["end"])]]
    setting = next(iter(runs.values()))["options"].split(maxsplit=2)[2]  # behind --preset NAME
    return ("\n## Fashion-MNIST: `darts_cc` beside `default`\n\nBoth with\n"
            f"`{setting}`;\naccuracies on all validation images.\n\n") + table(
        ["preset", "lambda", "parameters", "MACs", "relaxed accuracy", "inherited accuracy"],
        lines) + "\n\nOver the whole exact path, searched weights:\n\n" + table(
        ["preset", "pieces", "different sizes", "rises with lambda", "largest", "smallest"],
        paths) + at_equal_size(runs)


def at_equal_size(runs):
    """The best inherited network of the default that is no larger than one of darts_cc."""
    if len(runs) < 2:
        return ""
    lines = []
    for theirs in runs["darts_cc"]["result"]["lambda"]:
        smaller = [e for e in runs["default"]["result"]["lambda"]
                   if e["params"] <= theirs["params"]]
        ours = max(smaller, key=lambda e: e["inherited_accuracy"], default=None)
        lines.append([f"{theirs['lambda']:g}", theirs["params"],
                      percent(theirs["inherited_accuracy"]), ours["params"] if ours else "-",
                      percent(ours and ours["inherited_accuracy"])])
    return ("\n\nBeside each network of `darts_cc` the best one of `default` at the four lambda that is no "
            "larger (-: none is so small):\n\n"
            + table(["lambda", "parameters", "inherited accuracy", "parameters of `default`",
                     "its inherited accuracy"], lines))


# read off the rows of all three seeds; read them again where they change
TAKEN = """

What the preset takes from it. Hard Gumbel gates: softmax ones leave weights that no single network
can use; soft Gumbel ones do not, and after as many steps they are ahead, but a step of theirs
computes all operations, in about four times the time. Lambda by its logarithm: by itself it gives
nearly one network. Slopes on the cone: a promise rather than a gain, since free ones rose nowhere
in these short searches. Two antithetic draws: four cost twice as much and are not better. Not
chosen here: the cost weight, alpha's rate and the warm-up, because four epochs end before weights
are trained (a longer warm-up and a lower rate give more and larger networks, the lowest rate ones
that are not trained yet). The long searches above chose between cost weights of 5, 6 and 8;
alpha's rate is scaled to the number of steps (`u_span`)."""


def ablation(rows):
    lines = []
    for factor in FACTORS:
        runs = [rows[f"ablation/{factor}/{s}"] for s in SEEDS
                if f"ablation/{factor}/{s}" in rows]
        if not runs:
            continue
        sizes = [searched(r["path"]["end"]) for r in runs]
        span = [max(s) / min(x for x in s if x > 0) for s in sizes if max(s)]
        cells = [factor, len(runs)]
        for lam in LAMBDAS:
            entries = [final(r, lam) for r in runs]
            cells.append(f"{percent(mean(e['inherited_accuracy'] for e in entries))}, "
                         f"{mean(e['params'] for e in entries):.0f}")
        lines.append([*cells, f"{mean(span):.1f}" if span else "-",
                      f"{mean(len(set(s)) for s in sizes):.1f}",
                      f"{mean(rises(s) for s in sizes):.1f}"])
    return lines and (
        "\n## Ablation, one factor at a time from `default`\n\n4 channels, 2 nodes, batch 64, "
        "4 epochs, alpha rate 2e-2. Inherited accuracy in per cent and parameters at each "
        "lambda, and the path: means over the seeds.\n\n") + table(
        ["factor", "seeds", *LAMBDAS, "largest over smallest searched", "sizes",
         "rises with lambda"], lines) + TAKEN


def replica(rows):
    row = rows.get("replica/seed")
    if not row:
        return None
    lines = [[lam, e["params"], percent(e["valid_precision"]),
              percent(e["inherited_precision"])]
             for lam in LAMBDAS for e in [final(row, lam)]]
    pieces = len(row["path"]["end"]["pieces"])
    low, high = row["alpha"][LAMBDAS[0]], row["alpha"][LAMBDAS[-1]]
    moved = sorted(abs(b - a) for a, b in zip(low, high))
    return (f"\n## A replica of the seed\n\nIts preset, raw scale: {pieces} architecture(s) "
            "between 1e-4 and 1e-1. Between these two an alpha moves by "
            f"{moved[len(moved) // 2]:.4f} in the median and {moved[-1]:.4f} at most, while alphas "
            f"lie between {min(low):.2f} and {max(low):.2f}.\n\n") + table(
        ["lambda", "parameters", "precision, relaxed", "precision, inherited"], lines)


def kernels(rows):
    lines = []
    for kind, name in (("stored", "budget/default"), ("generated", "kernels/generated"),
                       ("generated, with lambda", "kernels/generated_lambda")):
        row = rows.get(name)
        if not row:
            continue
        r = row["result"]
        lines.append([kind, r["weights"], r["generator_weights"], r["generated_weights"],
                      *(percent(e["inherited_accuracy"]) for e in r["lambda"])])
    if len(lines) < 2:
        return None
    return "\n## Kernels generated from embeddings\n\n1x1 convolutions; 20 epochs.\n\n" + table(
        ["kernels", "weights trained", "of generators", "kernel weights they stand for",
         *(f"inherited accuracy at {x}" for x in LAMBDAS)], lines)


def missing(rows):
    names = [j.name for j in all_jobs() if j.name not in rows]
    hours = {}
    for name, row in rows.items():
        group = name.split("/")[0], row.get("cores", 2)
        n, sum_ = hours.get(group, (0, 0.0))
        hours[group] = n + 1, sum_ + seconds(row) / 3600
    text = "\n## Time, and what is missing\n\nOn 16 cores as many rows were run side by side, each on one thread.\n\n" + table(
        ["rows", "cores of the machine, shared", "number", "hours"],
        [[g, cores, n, f"{h:.2f}"] for (g, cores), (n, h) in sorted(hours.items()) if h >= 0.005])
    if names:
        groups = Counter(name.split("/")[0] for name in names)
        listed = ", ".join(f"{n} of {group}" for group, n in groups.items())
        text += f"\n\nNot run yet, as `run.py BUILD_DIR --work DIR --list` names them: {listed}."
    return text


def figures(rows):
    return long_rows(rows) and (
        "\n![precision over epochs and parameters over lambda of seed 0; accuracy over "
        "parameters](figures/search.svg)")


def draw(rows):
    """Write the figures of the long searches."""
    runs = long_rows(rows)
    if not runs:
        return
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    FIGURES.mkdir(exist_ok=True)
    matplotlib.rcParams["svg.hashsalt"] = "results"
    figure, axes = pyplot.subplots(1, 3, figsize=(14, 4))
    run = runs[0]
    for lam in LAMBDAS:
        axes[0].plot([int(r["epoch"]) for r in run["log"]],
                     [100 * float(r[f"inherited_precision_{float(lam):g}"])
                      for r in run["log"]], label=f"lambda {lam}")
    axes[0].set(xlabel="epoch", ylabel="precision, inherited, %", ylim=(85, 100))
    axes[0].legend()
    pieces = run["path"]["end"]["pieces"]
    edges = [p["interval"][0] for p in pieces] + [pieces[-1]["interval"][1]]
    axes[1].stairs([p["cost"]["params"] for p in pieces], edges, baseline=None)
    axes[1].set(xlabel="lambda", ylabel="parameters", xscale="log")
    for seed, other in enumerate(runs):
        path = other["path"]["end"]["pieces"]
        axes[2].plot([p["cost"]["params"] for p in path], [100 * a for a in other["pieces"]],
                     "o-", label=f"seed {seed}")
    axes[2].set(xlabel="parameters", ylabel="test accuracy, inherited, %")
    axes[2].locator_params(axis="x", nbins=6)
    axes[2].legend()
    figure.tight_layout()
    figure.savefig(FIGURES / "search.svg", metadata={"Date": None})


def page(rows):
    parts = [claims, against_published, figures, control, retrained, budget, fashion, ablation, replica,
             kernels]
    return "\n".join([HEAD, *[t for t in (p(rows) for p in parts) if t], missing(rows)]) + "\n"


def main():
    rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}
    text = page(rows)
    if "--check" in sys.argv[1:]:
        return PAGE.read_text() != text
    PAGE.write_text(text)
    draw(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
