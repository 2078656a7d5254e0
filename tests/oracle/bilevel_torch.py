# SPDX-License-Identifier: BSD-3-Clause
"""The bilevel step in plain PyTorch: gradients of three orders, then both updates.

A *problem* has two lists of leaf tensors, `w` and `u`, and two functions without
arguments, `train_loss()` and `valid_loss()`, evaluated at the current values.
"""

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Callable, Optional, Sequence

import torch
from torch.nn import functional as F

from hnas_torch import tracking
from hyper_torch import KINDS, cost_gates, expected_cost, limit_paths, relax


@dataclass
class Problem:
    """Two losses of weights w and architecture parameters u."""

    w: Sequence[torch.Tensor]
    u: Sequence[torch.Tensor]
    train_loss: Callable[[], torch.Tensor]
    valid_loss: Callable[[], torch.Tensor]


@dataclass
class Virtual:
    """The weight optimizer's settings, as the virtual step sees them."""

    lr: float
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    clip: Optional[float] = None
    buffers: Optional[Sequence[torch.Tensor]] = None


def gradient(loss, tensors, create_graph=False):
    """d loss / d tensors, zeros where a tensor has no part in it."""
    grads = torch.autograd.grad(loss, tensors, create_graph=create_graph, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, grads)]


def global_norm(tensors):
    """The Euclidean norm of all entries together."""
    return torch.stack([t.norm() for t in tensors]).norm()


def clip_coefficient(grads, clip):
    """kappa: what a clip by global norm multiplies the gradient with."""
    if clip is None:
        return 1.0
    return min(1.0, float(clip / (global_norm(grads) + 1e-6)))


@contextmanager
def moved(tensors, values):
    """Within the block `tensors` hold `values`; afterwards their own bits again."""
    saved = [t.detach().clone() for t in tensors]
    _assign(tensors, values)
    try:
        yield
    finally:
        _assign(tensors, saved)


@torch.no_grad()
def _assign(tensors, values):
    for tensor, value in zip(tensors, values):
        tensor.copy_(value)


@torch.no_grad()
def virtual_weights(problem, opt):
    """w', the weights after the training step to come, and xi kappa nu."""
    with torch.enable_grad():
        grads = gradient(problem.train_loss(), problem.w)
    kappa = clip_coefficient(grads, opt.clip)
    buffers = opt.buffers or [torch.zeros_like(w) for w in problem.w]
    moved_to = []
    for w, g, buf in zip(problem.w, grads, buffers):
        d = kappa * g + opt.weight_decay * w
        buf = opt.momentum * buf + d
        direction = d + opt.momentum * buf if opt.nesterov else buf
        moved_to.append(w - opt.lr * direction)
    nu = 1 + opt.momentum if opt.nesterov else 1.0
    return moved_to, opt.lr * kappa * nu


def valid_at(problem, weights):
    """L_val, its u gradient and v, its w gradient, at the weights given."""
    with moved(problem.w, weights):
        loss = problem.valid_loss()
        grads = gradient(loss, [*problem.u, *problem.w])
    n = len(problem.u)
    return loss.detach(), grads[:n], grads[n:]


def first_order(problem, opt=None):
    """L_val and its u gradient at w."""
    loss = problem.valid_loss()
    return loss.detach(), gradient(loss, problem.u)


def second_fd(problem, opt, radius=0.01):
    """L_val at w' and the unrolled gradient, its second term by finite differences."""
    weights, factor = virtual_weights(problem, opt)
    loss, grads, v = valid_at(problem, weights)
    norm = float(global_norm(v))
    if norm == 0:
        return loss, grads
    r = radius / norm
    plus = _train_gradient_at(problem, [w.detach() + r * d for w, d in zip(problem.w, v)])
    minus = _train_gradient_at(problem, [w.detach() - r * d for w, d in zip(problem.w, v)])
    step = factor / (2 * r)
    return loss, [g - step * (p - m) for g, p, m in zip(grads, plus, minus)]


def _train_gradient_at(problem, weights):
    with moved(problem.w, weights):
        return gradient(problem.train_loss(), problem.u)


def second_exact(problem, opt):
    """L_val at w' and the unrolled gradient, its second term by a double backward."""
    weights, factor = virtual_weights(problem, opt)
    loss, grads, v = valid_at(problem, weights)
    train_grads = gradient(problem.train_loss(), problem.w, create_graph=True)
    inner = sum((g * d).sum() for g, d in zip(train_grads, v) if g.requires_grad)
    mixed = gradient(inner, problem.u)
    return loss, [g - factor * m for g, m in zip(grads, mixed)]


ORDERS = {"first": first_order, "second_fd": second_fd, "second_exact": second_exact}


@dataclass
class Settings:
    """One bilevel step; the defaults are those of DARTS."""

    order: str = "second_fd"
    relaxation: str = "softmax"
    tau: float = 1.0
    w_lr: float = 0.025
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    clip: Optional[float] = 5.0
    virtual_clip: bool = False
    alpha_lr: float = 3e-4
    alpha_betas: tuple = (0.5, 0.999)
    alpha_weight_decay: float = 1e-3
    cost_weight: float = 0.0
    raw_cost: bool = False
    cost_tables: Optional[dict] = None
    regularisers: Sequence[Callable] = field(default_factory=list)
    alpha_paths: int = 0


class Bilevel:
    """Supernet and hypernetwork under one alpha step and one w step at a time."""

    def __init__(self, net, hyper, settings):
        self.net, self.hyper, self.settings = net, hyper, settings
        self.w, self.u = list(net.parameters()), list(hyper.parameters())
        self.steps = 0
        self.sgd = torch.optim.SGD(
            self.w,
            settings.w_lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=settings.nesterov,
        )
        self.adam = torch.optim.Adam(
            self.u,
            settings.alpha_lr,
            betas=settings.alpha_betas,
            weight_decay=settings.alpha_weight_decay,
        )

    def gates(self, alpha, noise=None):
        """{kind: p} of {kind: alpha}."""
        s, noise = self.settings, noise or {}
        return {k: relax(alpha[k], s.relaxation, s.tau, noise.get(k)) for k in KINDS}

    def limited(self, lam, noise):
        """The noise of an alpha pass: -inf for operations that take no part."""
        paths = self.settings.alpha_paths
        if not paths:
            return noise
        alpha = self.hyper(lam)
        return {k: limit_paths(alpha[k], noise[k], paths) for k in KINDS}

    def taken(self, noise, drawn_only):
        """Who takes part, as Supernet wants it."""
        if drawn_only or not self.settings.alpha_paths:
            return drawn_only
        return tuple(noise[k].isfinite().tolist() for k in KINDS)

    def logits(self, x, lam, noise=None, drawn_only=False):
        """The supernet's answer at lambda."""
        gates = self.gates(self.hyper(lam), noise)
        taken = self.taken(noise, drawn_only)
        return self.net(x, gates["normal"], gates["reduce"], taken)

    def train_loss(self, batch, lam, noise=None, drawn_only=False):
        """Cross-entropy."""
        x, y = batch
        return F.cross_entropy(self.logits(x, lam, noise, drawn_only), y)

    def valid_loss(self, batch, lam, noise=None):
        """Cross-entropy, penalty and regularisers."""
        alpha = self.hyper(lam)
        loss = self.train_loss(batch, lam, noise) + self.penalty(alpha, lam)
        return loss + sum(term(alpha) for term in self.settings.regularisers)

    def penalty(self, alpha, lam):
        """cost_weight lambda C(p)."""
        s = self.settings
        if not s.cost_weight:
            return 0.0
        gates = {k: cost_gates(alpha[k], s.relaxation, s.tau) for k in KINDS}
        return s.cost_weight * lam * expected_cost(gates, s.cost_tables, s.raw_cost)

    def problem(self, train, valid, lam, noise=None):
        """The problem of one draw of lambda."""
        noise = self.limited(lam, noise)
        return Problem(
            self.w,
            self.u,
            lambda: self.train_loss(train, lam, noise),
            lambda: self.valid_loss(valid, lam, noise),
        )

    def virtual(self):
        """The weight optimizer as it stands."""
        s = self.settings
        buffers = [self.sgd.state[w].get("momentum_buffer") for w in self.w]
        return Virtual(
            lr=self.sgd.param_groups[0]["lr"],
            momentum=s.momentum,
            nesterov=s.nesterov,
            weight_decay=s.weight_decay,
            clip=s.clip if s.virtual_clip else None,
            buffers=None if buffers[0] is None else buffers,
        )

    def step(self, train, valid, lams, noise=None):
        """Alpha step over the draws `lams`, then w step with one of them: both losses."""
        valid_loss = self.alpha_step(train, valid, lams, noise)
        return self.w_step(train, lams, noise), valid_loss

    def alpha_step(self, train, valid, lams, noise=None):
        """Adam on the gradient averaged over the draws; returns the average L_val."""
        compute = ORDERS[self.settings.order]
        losses, total = [], [torch.zeros_like(u) for u in self.u]
        for lam in lams:
            loss, grads = compute(self.problem(train, valid, lam, noise), self.virtual())
            losses.append(float(loss))
            total = [t + g / len(lams) for t, g in zip(total, grads)]
        for u, g in zip(self.u, total):
            u.grad = g
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return sum(losses) / len(losses)

    def w_step(self, train, lams, noise=None):
        """SGD on the training loss at draw number (step mod M); returns that loss."""
        lam = lams[self.steps % len(lams)]
        drawn_only = self.settings.relaxation == "gumbel_hard"
        with tracking(self.net):
            loss = self.train_loss(train, lam, noise, drawn_only)
            grads = gradient(loss, self.w)
        kappa = clip_coefficient(grads, self.settings.clip)
        for w, g in zip(self.w, grads):
            w.grad = kappa * g
        self.sgd.step()
        self.sgd.zero_grad(set_to_none=True)
        self.steps += 1
        return float(loss)
