# SPDX-License-Identifier: BSD-3-Clause
"""The package of this tree, and small things to try it on."""
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
sys.path.insert(0, os.path.normpath(os.path.join(HERE, "..")))

import numpy as np  # noqa: E402
import pytest  # noqa: E402

import hnas  # noqa: E402

try:
    from hypothesis import settings
    settings.register_profile("here", deadline=None, max_examples=25,
                              database=None, derandomize=True)
    settings.load_profile("here")
except ImportError:
    pass

# a job in the background is started with Ctrl-C ignored
signal.signal(signal.SIGINT, signal.default_int_handler)

OPS = ["none", "skip_connect", "max_pool_3x3", "sep_conv_3x3"]


@pytest.fixture
def ctx():
    with hnas.Context(threads=2, seed=3) as c:
        yield c


class World:
    """A tiny search and batches for it."""

    def __init__(self, ctx, ops=None, hyper=None, **settings):
        self.ctx = ctx
        self.net = hnas.Supernet(ctx, image=(1, 8, 8), classes=3, channels=2,
                                 cells=3, nodes=2, ops=ops or OPS)
        self.hyper = hnas.Hypernet(self.net, **(hyper or {}))
        settings.setdefault("warmup", 0.0)
        self.search = hnas.Bilevel(self.net, self.hyper, **settings)
        self.train, self.valid = self.batch(1), self.batch(2)

    def batch(self, seed, n=6):
        rng = np.random.default_rng(seed)
        return (rng.standard_normal((n, 1, 8, 8)).astype(np.float32),
                rng.integers(0, 3, n).astype(np.int32))

    def state(self):
        return {**self.net.state_dict(), **self.hyper.state_dict()}


@pytest.fixture
def world(ctx):
    return World(ctx)


def same(a, b):
    """Whether two state_dicts agree in every bit."""
    return a.keys() == b.keys() and all(
        a[k].tobytes() == b[k].tobytes() for k in a)


@pytest.fixture(scope="session")
def pictures():
    """600 easy images uint8 of three classes."""
    rng = np.random.default_rng(0)
    y = np.arange(600) % 3
    x = rng.integers(0, 80, (600, 8, 8))
    for i, c in enumerate(y):
        x[i, 2 * c:2 * c + 3] += 150
    return x.astype(np.uint8), y.astype(np.int32)
