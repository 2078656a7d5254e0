# SPDX-License-Identifier: BSD-3-Clause
"""What one thread closes while another one uses it."""
import ctypes
import threading

import numpy as np
import pytest
from conftest import World

import hnas
from hnas import _core
from hnas._library import lib

MAKE = {
    "arch": lambda w: w.search.query(1e-2),
    "batches": lambda w: hnas.Dataset(*w.train, w.ctx).batches(2),
    "ctx": lambda w: w.ctx,
    "data": lambda w: hnas.Dataset(*w.train, w.ctx),
    "hyper": lambda w: w.hyper,
    "net": lambda w: w.net,
    "network": lambda w: hnas.Network(w.search.query(1e-2)),
    "op": lambda w: hnas.Op(w.ctx, "sep_conv_3x3", channels=2),
    "optim": lambda w: hnas.SGD([hnas.Tensor([1.0], w.ctx, wanted=True)],
                                ctx=w.ctx),
    "path": lambda w: w.search.path(),
    "predictor": lambda w: hnas.Predictor(hnas.Network(w.search.query(1e-2))),
    "search": lambda w: w.search,
    "set": lambda w: hnas.NetworkSet(w.net, w.search.path()),
    "tape": lambda w: hnas.Tape(w.ctx),
    "tensor": lambda w: hnas.Tensor(np.ones((2, 3), np.float32), w.ctx,
                                    wanted=True),
}
USES = [
    ("arch", lambda a: a.rule), ("arch", lambda a: a.lam),
    ("arch", lambda a: a.interval), ("arch", lambda a: a.cost),
    ("arch", lambda a: a.table_cost), ("arch", lambda a: a.edges("normal")),
    ("arch", hash), ("arch", lambda a: a == a), ("arch", repr),
    ("arch", lambda a: a.to_dict()), ("arch", hnas.Network),
    ("batches", len), ("batches", lambda b: b.get(0, 0)),
    ("ctx", lambda c: c.threads), ("ctx", lambda c: c.seed),
    ("ctx", lambda c: c.kernels), ("ctx", lambda c: c.gemm),
    ("ctx", lambda c: c.memory), ("ctx", lambda c: c.ops),
    ("ctx", lambda c: hnas.Tape(c)), ("ctx", repr),
    ("data", lambda d: d.shape), ("data", lambda d: d.classes),
    ("data", len), ("data", lambda d: d.moments()),
    ("hyper", lambda h: h.settings), ("hyper", lambda h: h.alpha(1e-2)),
    ("hyper", lambda h: h.gradients()), ("hyper", repr),
    ("net", lambda n: n.settings), ("net", lambda n: n.kind("reduce")),
    ("net", lambda n: n.kinds()), ("net", lambda n: n.count()),
    ("net", lambda n: n.costs("normal")),
    ("net", lambda n: n.tensor("head.bias")), ("net", hnas.Hypernet),
    ("net", lambda n: n.load_state_dict(
        {"head.bias": np.zeros(3, np.float32)}, strict=False)),
    ("network", lambda n: n.settings), ("network", lambda n: n.steps),
    ("network", lambda n: n.cost), ("network", lambda n: n.count(None)),
    ("network", hnas.Predictor), ("network", lambda n: n.begin()),
    ("op", lambda o: o.count()), ("op", lambda o: o.cost(8, 8)),
    ("optim", lambda o: o.steps), ("optim", lambda o: o.step(0.1)),
    ("path", lambda p: p.sampled), ("path", len),
    ("path", lambda p: p.piece(0)), ("path", lambda p: p.find(1e-2)),
    ("path", lambda p: p.cost_of(0, "latency_us")), ("path", lambda p: p[0]),
    ("path", lambda p: p.change(0)),
    ("predictor", lambda p: p.current), ("predictor", lambda p: p.share()),
    ("search", lambda s: s.steps), ("search", lambda s: s.nan_steps),
    ("search", lambda s: s.settings), ("search", lambda s: s.query(1e-2)),
    ("search", lambda s: s.cancel()), ("search", lambda s: s.text),
    ("set", len), ("set", lambda s: s.member(0)),
    ("set", lambda s: s.find(1e-2)), ("set", lambda s: s.network(0)),
    ("tape", lambda t: t.memory), ("tape", len),
    ("tape", lambda t: t.add([1.0], [2.0])),
    ("tensor", lambda t: t.size), ("tensor", lambda t: t.shape),
    ("tensor", lambda t: t.dtype), ("tensor", lambda t: t.numpy()),
    ("tensor", lambda t: t.numpy(copy=True)), ("tensor", lambda t: t.gradient),
    ("tensor", lambda t: t.set(np.zeros((2, 3)))),
    ("tensor", lambda t: t.view(0, 0, 1)),
]


class Watched:
    """Functions of the library that look whether what they get is there."""

    def __init__(self, monkeypatch, thing):
        self.thing, self.closing, self.calls = thing, None, 0
        self.pointer = thing._entry.pointer
        self.address = ctypes.cast(self.pointer, ctypes.c_void_p).value
        for name in hnas._abi.FUNCTIONS:
            if not name.endswith(("_destroy", "_unref")):
                monkeypatch.setattr(lib, name, self.watched(getattr(lib, name)))

    def watched(self, real):
        def called(*arguments):
            if any(isinstance(a, ctypes._Pointer) and ctypes.cast(
                    a, ctypes.c_void_p).value == self.address
                   for a in arguments):
                self.calls += 1
                self.close(0.02)
                assert self.thing._entry.pointer is not None, "it is gone"
            return real(*arguments)

        called.whole = real.whole
        return called

    def close(self, seconds):
        """Close it on another thread, which may have to wait."""
        if self.closing is None:
            self.closing = threading.Thread(target=self.thing.close)
            self.closing.start()
        self.closing.join(seconds)


def used(watched, use):
    """Whether it could be used, or said that it is closed."""
    try:
        use(watched.thing)
        ended = True
    except hnas.StateError as e:
        ended = "it is closed" in str(e)
    watched.close(10)
    assert watched.thing.closed and watched.thing._entry.pointer is None
    return ended


@pytest.mark.parametrize("kind, use", USES)
def test_what_is_closed_during_a_call_waits_for_its_end(world, monkeypatch,
                                                        kind, use):
    watched = Watched(monkeypatch, MAKE[kind](world))
    assert used(watched, use) and watched.calls


@pytest.mark.parametrize("kind, use", USES)
def test_what_is_closed_before_a_call_is_not_given_to_it(world, monkeypatch,
                                                         kind, use):
    watched, check = Watched(monkeypatch, MAKE[kind](world)), _core.check

    def close_first(function, arguments):
        watched.close(0.1)  # a caller may have the lock already
        check(function, arguments)

    monkeypatch.setattr(_core, "check", close_first)
    assert used(watched, use)
