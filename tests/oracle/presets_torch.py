# SPDX-License-Identifier: BSD-3-Clause
"""The presets in plain PyTorch, each setting from its publication, and settings beside them
that no preset has; a search of one of them over a few steps."""

import math
from dataclasses import dataclass, field

import torch
from torch.nn import functional as F

from bilevel_torch import Bilevel, Settings
from hyper_torch import beta_decay, l1, l2, zero_one

DARTS = dict(
    order="second_fd",
    relaxation="softmax",
    w_lr=0.025,
    momentum=0.9,
    weight_decay=3e-4,
    clip=5.0,
    alpha_lr=3e-4,
    alpha_betas=(0.5, 0.999),
    alpha_weight_decay=1e-3,
)


@dataclass
class Case:
    """One search; `tau` of (step, steps), `regulariser` of (alpha, lambda, step / steps)."""

    settings: dict
    hypernet: str = "constant"
    scale: str = "log"
    lambda_range: tuple = (1e-4, 1e-1)
    sizes: dict = field(default_factory=dict)
    draws: int = 1
    antithetic: bool = False
    per_image: bool = False
    with_none: bool = True
    monotone: bool = False
    warmup: float = 0.0
    cooldown: float = 0.0
    w_lr_last: float = 0.001
    tau: object = None
    regulariser: object = None
    start: float = 0.3
    net: dict = field(default_factory=dict)


def darts(**changes):
    """DARTS' settings with changes."""
    return {**DARTS, **changes}


CASES = {
    "seed": Case(darts(relaxation="raw"), hypernet="linear", scale="raw"),
    "darts": Case(darts()),
    "darts_l1": Case(darts(), regulariser=lambda alpha, lam, t: l1(alpha, lam)),
    "fair_darts": Case(
        darts(
            order="first",
            relaxation="sigmoid",
            w_lr=0.005,
            alpha_lr=3e-3,
            alpha_betas=(0.9, 0.999),
        ),
        with_none=False,
        regulariser=lambda alpha, lam, t: zero_one(alpha, 10.0),
    ),
    "darts_cc": Case(
        darts(relaxation="gumbel", alpha_lr=1e-3, cost_weight=1.0, raw_cost=True),
        hypernet="piecewise",
        lambda_range=(1e-8, 1e-4),
        per_image=True,
        tau=lambda step, steps: 1 - 0.016 * step,
        net={"knots": 5},
    ),
    "default": Case(
        darts(
            order="first",
            relaxation="gumbel_hard",
            cost_weight=6.0,
            alpha_lr=2e-2,
            alpha_weight_decay=0.0,
            alpha_paths=2,
        ),
        hypernet="linear",
        draws=2,
        antithetic=True,
        monotone=True,
        warmup=0.05,
        cooldown=0.5,
        tau=lambda step, steps: 1 + (0.2 - 1) * step / steps,
    ),
    # beside the presets
    "piecewise": Case(
        darts(cost_weight=3.0),
        hypernet="piecewise",
        sizes={"n": 4},
        regulariser=lambda alpha, lam, t: l2(alpha, 0.01) + beta_decay(alpha, 0.5 * t),
    ),
    "mlp": Case(darts(order="first", relaxation="sigmoid", cost_weight=1.0), hypernet="mlp", sizes={"hidden": 4}),
    "kernels": Case(darts(), net={"embedding": 3}),
    "kernels_lambda": Case(
        darts(order="second_exact"),
        hypernet="linear",
        net={"knots": 5, "embedding": 3, "with_s": True},
    ),
}


def falling(values):
    """The nearest sequence that does not rise, by the min-max formula of isotonic regression."""
    n = len(values)
    mean = lambda a, b: sum(values[a : b + 1]) / (b + 1 - a)
    return [
        min(max(mean(a, b) for b in range(i, n)) for a in range(i + 1)) for i in range(n)
    ]


@torch.no_grad()
def project(b1, cost, zero):
    """Slopes onto the cone: the zero operation first, then by cost, equals in any order."""
    for row, prices in zip(b1, cost):
        level = [(-1.0 if o == zero else float(prices[o]), -float(row[o])) for o in range(len(row))]
        order = sorted(range(len(row)), key=level.__getitem__)
        for o, value in zip(order, falling([float(row[o]) for o in order])):
            row[o] = value


class Search(Bilevel):
    """The steps of a case, with schedules, warm-up and the cone."""

    def __init__(self, net, hyper, case, steps, cost_tables):
        super().__init__(net, hyper, Settings(**case.settings, cost_tables=cost_tables))
        self.case, self.total = case, steps

    def logits(self, x, lam, noise=None, drawn_only=False):
        gates = self.gates(self.hyper(lam), noise)
        s = self.hyper.s(lam)
        taken = self.taken(noise, drawn_only)
        return self.net(x, gates["normal"], gates["reduce"], taken, s)

    def valid_loss(self, batch, lam, noise=None):
        x, y = batch
        alpha = self.hyper(lam)
        loss = F.cross_entropy(self.logits(x, lam, noise), y) + self.penalty(alpha, lam)
        if self.case.regulariser:
            loss = loss + self.case.regulariser(alpha, lam, self.steps / self.total)
        return loss

    def set_schedules(self):
        """Rate and temperature of the step to come."""
        case, first = self.case, self.case.settings["w_lr"]
        turn = (1 + math.cos(math.pi * self.steps / self.total)) / 2
        self.sgd.param_groups[0]["lr"] = case.w_lr_last + (first - case.w_lr_last) * turn
        if case.tau:
            self.settings.tau = case.tau(self.steps, self.total)

    def step(self, train, valid, lams, noise=None):
        """Both losses; no alpha step, and no loss of it, while it is frozen."""
        self.set_schedules()
        valid_loss = math.nan
        first, last = self.case.warmup * self.total, (1 - self.case.cooldown) * self.total
        if first <= self.steps < last:
            valid_loss = self.alpha_step(train, valid, lams, noise)
            if self.case.monotone:
                for kind, table in self.settings.cost_tables.items():
                    project(getattr(self.hyper, kind).b1, table, 0)
        return self.w_step(train, lams, noise), valid_loss
