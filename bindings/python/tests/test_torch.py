# SPDX-License-Identifier: BSD-3-Clause
"""A live comparison with PyTorch: the same weights on both sides by the names
of state_dict, then losses and every gradient, of operations and of whole
supernets over random shapes.

The reference is written from the formulas, apart from the library; it runs in
double, the library in float32.
"""
import os
import sys

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings, strategies as st

import hnas

torch = pytest.importorskip("torch")
sys.path.insert(0, os.path.join(ROOT, "tests", "oracle"))
import bilevel_torch  # noqa: E402
import hnas_torch  # noqa: E402
import hyper_torch  # noqa: E402

torch.set_num_threads(1)
ALL = ("none", "skip_connect", "avg_pool_3x3", "max_pool_3x3", "sep_conv_3x3",
       "sep_conv_5x5", "sep_conv_7x7", "dil_conv_3x3", "dil_conv_5x5",
       "conv_7x1_1x7")


def to_torch(state):
    return {k: torch.from_numpy(v).double() for k, v in state.items()}


def distance(a, b):
    """The largest difference, relative to the largest value of a tensor but
    not below what float32 leaves of the whole."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    assert a.shape == b.shape
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-2))


def compare(ours, theirs, bound):
    assert ours.keys() == theirs.keys()
    far = {n: distance(ours[n], theirs[n]) for n in ours}
    assert all(d < bound for d in far.values()), max(far, key=far.get)


def gradients(module):
    return {n: np.zeros(p.shape) if p.grad is None else p.grad.numpy()
            for n, p in module.named_parameters()}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("stride", [1, 2])
def test_operations(ctx, name, stride):
    rng = np.random.default_rng(ALL.index(name) * 2 + stride)
    for _ in range(3):
        n, c, h, w = (int(v) for v in (rng.integers(1, 5),
                                       2 * rng.integers(1, 6),
                                       rng.integers(3, 12),
                                       rng.integers(3, 12)))
        ours = hnas.Op(ctx, name, channels=c, stride=stride)
        theirs = hnas_torch.make_op(name, c, stride).double()
        assert set(theirs.state_dict()) == set(ours.state_dict())
        theirs.load_state_dict(to_torch(ours.state_dict()))
        x = rng.standard_normal((n, c, h, w)).astype(np.float32)
        dy = rng.standard_normal(ours.forward(x).shape).astype(np.float32)
        xt = torch.from_numpy(x).double().requires_grad_(True)
        yt = theirs(xt)
        if yt.requires_grad:
            yt.backward(torch.from_numpy(dy).double())
        assert distance(ours.forward(x), yt.detach()) < 1e-5
        grad = np.zeros_like(x) if xt.grad is None else xt.grad.numpy()
        assert distance(ours.backward(dy), grad) < 1e-4
        compare(ours.gradients(), gradients(theirs), 1e-4)


class Hyper(torch.nn.Module):
    """alpha = s b1 + b2 for both kinds, under the library's names."""

    def __init__(self, state):
        super().__init__()
        self.params = {}
        for name, value in to_torch(state).items():
            self.params[name] = torch.nn.Parameter(value)
            self.register_parameter(name.replace(".", "_"), self.params[name])

    def alpha(self, kind, s):
        return s * self.params[f"hyper.{kind}.b1"] + \
            self.params[f"hyper.{kind}.b2"]


def random_state(rng, state, scale):
    return {k: (scale * rng.standard_normal(v.shape)).astype(np.float32)
            for k, v in state.items()}


@st.composite
def spaces(draw):
    ops = draw(st.lists(st.sampled_from(ALL), min_size=2, max_size=5,
                        unique=True))
    return {
        "image": (draw(st.integers(1, 3)), draw(st.integers(6, 13)),
                  draw(st.integers(6, 13))),
        "classes": draw(st.integers(2, 5)),
        "channels": 2 * draw(st.integers(1, 4)),
        "cells": draw(st.integers(1, 5)), "nodes": draw(st.integers(1, 3)),
        "ops": ops, "stem_multiplier": draw(st.integers(1, 3))}


def logits_loss(net, x, y, gates):
    return torch.nn.functional.cross_entropy(
        net(x, gates["normal"], gates["reduce"]), y)


@settings(max_examples=40)
@given(spaces(), st.integers(0, 10**6), st.sampled_from(
    ["raw", "softmax", "sigmoid"]), st.sampled_from(["raw", "log"]))
def test_whole_supernets(space, seed, relax, scale):
    rng = np.random.default_rng(seed)
    n, lam = int(rng.integers(2, 6)), float(10 ** rng.uniform(-4, -1))
    with hnas.Context(threads=2, seed=seed) as ctx:
        net = hnas.Supernet(ctx, **space)
        hyper = hnas.Hypernet(net, scale=scale)
        hyper.load_state_dict(random_state(rng, hyper.state_dict(), 0.5))
        search = hnas.Bilevel(net, hyper, relax=relax, monotone=False,
                              cost_weight=0.0)
        x = rng.standard_normal((n, *space["image"])).astype(np.float32)
        y = rng.integers(0, space["classes"], n)
        ours = search.loss(x, y, lam)

        theirs = hnas_torch.Supernet(**space).double()
        theirs.load_state_dict(to_torch(net.state_dict()))
        h = Hyper(hyper.state_dict())
        s = hyper.scale(lam)
        gates = {}
        for kind in ("normal", "reduce"):
            if f"hyper.{kind}.b1" in h.params:
                gates[kind] = hyper_torch.relax(h.alpha(kind, s), relax, 1.0,
                                                None)
            else:
                gates[kind] = None
        loss = logits_loss(theirs, torch.from_numpy(x).double(),
                           torch.from_numpy(y), gates)
        loss.backward()
        assert abs(ours - float(loss)) < 1e-5 * max(1, abs(float(loss)))
        compare(net.gradients(), gradients(theirs), 1e-3)
        compare(hyper.gradients(),
                {k: p.grad.numpy() for k, p in h.params.items()}, 1e-3)


@settings(max_examples=20)
@given(spaces(), st.integers(0, 10**6))
def test_gates_of_the_callers(space, seed):
    rng = np.random.default_rng(seed)
    with hnas.Context(threads=1, seed=seed) as ctx:
        net = hnas.Supernet(ctx, **space)
        search = hnas.Bilevel(net, hnas.Hypernet(net), monotone=False)
        x = rng.standard_normal((4, *space["image"])).astype(np.float32)
        y = rng.integers(0, space["classes"], 4)
        rows, cols = len(net.edges), len(space["ops"])
        given_gates = {k: rng.uniform(0, 1, (rows, cols)).astype(np.float32)
                       for k in ("normal", "reduce") if net.kind(k)[0]}
        tensors = {k: hnas.Tensor(g, ctx, wanted=True)
                   for k, g in given_gates.items()}
        ours = search.loss(x, y, 1e-2, gates=tensors)
        theirs = hnas_torch.Supernet(**space).double()
        theirs.load_state_dict(to_torch(net.state_dict()))
        gates = {k: torch.from_numpy(g).double().requires_grad_(True)
                 for k, g in given_gates.items()}
        loss = logits_loss(theirs, torch.from_numpy(x).double(),
                           torch.from_numpy(y),
                           {k: gates.get(k) for k in ("normal", "reduce")})
        loss.backward()
        assert abs(ours - float(loss)) < 1e-5 * max(1, abs(float(loss)))
        compare(net.gradients(), gradients(theirs), 1e-3)
        compare({k: t.gradient for k, t in tensors.items()},
                {k: g.grad.numpy() for k, g in gates.items()}, 1e-3)


@pytest.mark.parametrize("order", ["first", "second_fd", "second_exact"])
def test_some_steps(ctx, order):
    """Ten steps on both sides: the same losses, close weights."""
    space = {"image": (1, 8, 8), "classes": 3, "channels": 4, "cells": 3,
             "nodes": 2, "ops": ("none", "skip_connect", "sep_conv_3x3",
                                 "avg_pool_3x3")}
    net = hnas.Supernet(ctx, **space)
    hyper = hnas.Hypernet(net)
    search = hnas.Bilevel(net, hyper, preset="darts", order=order, l1=0.0,
                          cost_weight=0.0, monotone=False)
    theirs = hnas_torch.Supernet(**space).double()
    theirs.load_state_dict(to_torch(net.state_dict()))
    h = Hyper(hyper.state_dict())
    o = search._opts().bilevel

    class Tables(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = h

        def forward(self, lam):
            s = hyper.scale(lam)
            return {k: h.alpha(k, s) for k in ("normal", "reduce")}

    reference = bilevel_torch.Bilevel(theirs, Tables(), bilevel_torch.Settings(
        order=order, w_lr=o.w_rate, momentum=o.w.momentum,
        weight_decay=o.w.weight_decay, clip=o.w.clip,
        virtual_clip=bool(o.virtual_clip), alpha_lr=o.u_rate,
        alpha_betas=(o.u.beta1, o.u.beta2),
        alpha_weight_decay=o.u.weight_decay))
    rng = np.random.default_rng(4)
    for _ in range(4):
        batches = []
        for _ in range(2):
            x = rng.standard_normal((8, 1, 8, 8)).astype(np.float32)
            batches.append((x, rng.integers(0, 3, 8)))
        info = search.step(*batches, lam=1e-2)
        train, valid = reference.step(
            *[(torch.from_numpy(x).double(), torch.from_numpy(y))
              for x, y in batches], [1e-2])
        assert info.train_loss == pytest.approx(train, rel=1e-4)
        assert info.valid_loss == pytest.approx(valid, rel=1e-4)
    names = {n: p.detach().numpy() for n, p in theirs.named_parameters()}
    mine = net.state_dict()
    compare({n: mine[n] for n in names}, names, 1e-3)
