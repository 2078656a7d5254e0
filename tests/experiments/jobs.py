# SPDX-License-Identifier: BSD-3-Clause
"""What is run for docs/results.md: searches, trainings, and the order of them.

A job is a name, a kind and what its kind needs. Names are keys of docs/results.json, so
a job that is changed needs a new name.
"""

from dataclasses import dataclass, field
from typing import Optional

LAMBDAS = ("1e-4", "1e-3", "1e-2", "1e-1")
MARKS = (30, 50, 70, 100)
SEEDS = (0, 1, 2)

# the supernet of every MNIST row but the ablation's; with 3 nodes a path has room for
# ten sizes: 18 edges of two cells change at most a few times each
CELLS, CHANNELS, NODES = 3, 8, 3
MNIST = (
    f"--data mnist --cells {CELLS} --channels {CHANNELS} --nodes {NODES} --batch 128 "
    "--eval-images 5000"
)
# 4.5e-3 is the rate that the preset has for 23,400 steps, written out
LONG = (
    f"{MNIST} --epochs 100 --alpha-lr 4.5e-3 --eval-every 5 --marks 30,50,70,100 --keep-marks"
)
FIFTH = f"{MNIST} --epochs 20 --eval-every 20"
SHORT = (
    "--data mnist --cells 3 --channels 4 --nodes 2 --batch 64 --eval-images 5000 "
    "--epochs 4 --eval-every 4"
)


@dataclass
class Job:
    """kind: search, train (of each architecture of a search) or random (cells of its sizes)."""

    name: str
    kind: str
    options: str = ""
    of: Optional[str] = None  # the search that a training looks at
    marks: tuple = ()  # epochs of it; () is its end, which a training calls "end"
    lams: tuple = LAMBDAS  # where a training or random cells derive
    pieces: bool = False  # of a search: evaluate every network of its path
    group: str = field(default="")


def long_searches():
    return [
        Job(f"search/default/{seed}", "search", f"--preset default {LONG} --seed {seed}",
            marks=MARKS, pieces=True, group="long")
        for seed in SEEDS
    ]


def trainings():
    jobs = [
        Job(f"train/default/{seed}/{mark}", "train", of=f"search/default/{seed}",
            marks=(mark,), group="long")
        for mark in reversed(MARKS)
        for seed in SEEDS
    ]
    return [*jobs, Job("random/default/0", "random", of="search/default/0", group="long")]


# forward and backward passes a step: two draws of lambda for alpha and one for w; virtual
# step, validation, two differences and w
PASSES = {"default": 3, "darts_l1": 5}


def equal_budget():
    """One search of S passes against DARTS with L1, one run a lambda, of S and of S/4."""
    jobs = [Job("budget/default", "search", f"--preset default {FIFTH}", group="budget")]
    for name, share in (("quarter", 4), ("whole", 1)):
        epochs = 20 * PASSES["default"] // PASSES["darts_l1"] // share
        setting = FIFTH.replace("--epochs 20 --eval-every 20",
                                f"--epochs {epochs} --eval-every {epochs}")
        for lam in LAMBDAS:
            jobs.append(
                Job(f"budget/l1/{name}/{lam}", "search",
                    f"--preset darts_l1 {setting} --lambda {lam} --report-lambda {lam}",
                    group="budget")
            )
    return jobs


def budget_trainings():
    """The networks of the equal budget, trained afresh: the cut harms no one then."""
    searches = {"budget/default": LAMBDAS}
    for name in ("quarter", "whole"):
        searches.update((f"budget/l1/{name}/{lam}", (lam,)) for lam in LAMBDAS)
    return [Job(f"train/{name}", "train", of=name, marks=("end",), lams=lams, group="budget")
            for name, lams in searches.items()]


# a network of it has two inputs a node, ours all: are random cells of that shape as good?
SHAPED = ("budget/l1/quarter/1e-3", "1e-3")


def shaped_cells():
    search, lam = SHAPED
    return [Job(f"random/{search}", "random", of=search, lams=(lam,), group="budget")]


def fashion():
    shape = "--data fashion-mnist --cells 3 --channels 16 --nodes 4 --batch 64 --epochs 10"
    return [
        Job(f"fashion/{preset}", "search",
            f"--preset {preset} {shape} --eval-every 10 --eval-images 5000", group="fashion")
        for preset in ("default", "darts_cc")
    ]


# a twelfth of the steps that the default's rate of alpha is made for
RATE = {"--alpha-lr": "2e-2"}
FACTORS = {
    "default": {},
    "scale raw": {"--scale": "raw"},
    "relax softmax": {"--relax": "softmax", "--tau": "1"},
    "relax gumbel": {"--relax": "gumbel"},
    "5 knots": {"--hypernet": "piecewise", "--knots": "5"},
    "1 draw": {"--sample": "uniform", "--draws": "1"},
    "4 draws": {"--draws": "4"},
    "sandwich 3": {"--sample": "sandwich", "--draws": "3"},
    "free slopes": {"--monotone": "off"},
    "cost_weight 0.3": {"--cost-weight": "0.3"},
    "cost_weight 1": {"--cost-weight": "1"},
    "cost_weight 3": {"--cost-weight": "3"},
    "cost_weight 10": {"--cost-weight": "10"},
    "cost_weight 30": {"--cost-weight": "30"},
    "alpha rate 1e-2": {"--alpha-lr": "1e-2"},
    "alpha rate 5e-3": {"--alpha-lr": "5e-3"},
    "alpha rate 4e-2": {"--alpha-lr": "4e-2"},
    "tau to 0.5": {"--tau": "1:0.5:linear"},
    "tau to 0.05": {"--tau": "1:0.05:linear"},
    "no warm-up": {"--warmup": "0"},
    "warm-up a third": {"--warmup": "0.333"},
    "no cooldown": {"--cooldown": "0"},
    "all operations": {"--alpha-paths": "0"},
    "l2 1e-3": {"--l2": "1e-3"},
}


def ablation():
    jobs = []
    for seed in SEEDS:
        for factor, changed in FACTORS.items():
            options = " ".join(f"{k} {v}" for k, v in {**RATE, **changed}.items())
            jobs.append(Job(f"ablation/{factor}/{seed}", "search",
                            f"--preset default {SHORT} {options} --seed {seed}",
                            group="ablation"))
    return jobs


def replica():
    return [Job("replica/seed", "search",
                f"--preset seed {MNIST} --epochs 10 --eval-every 10", group="replica")]


def kernels():
    """Generated 1x1 convolutions, beside the stored ones of budget/default."""
    return [
        Job(f"kernels/{kind}", "search", f"--preset default {FIFTH} --kernels {kind}",
            group="kernels")
        for kind in ("generated", "generated_lambda")
    ]


def all_jobs():
    return [*ablation(), *long_searches(), *trainings(), *equal_budget(), *budget_trainings(), *shaped_cells(),
            *fashion(), *replica(), *kernels()]
