# SPDX-License-Identifier: BSD-3-Clause
"""What is given by mistake is named, and changes nothing."""
import numpy as np
import pytest
from conftest import World, same

import hnas


def network(w):
    return hnas.Network(w.search.query(1e-2))


MISTAKES = [
    (TypeError, "'a': want a number", lambda w: w.search.query("a")),
    (TypeError, "None: want a number", lambda w: w.search.query(None)),
    (TypeError, "'a': want a number", lambda w: w.search.path().find("a")),
    (TypeError, "net: Hypernet, want hnas.Supernet",
     lambda w: hnas.Bilevel(w.hyper, w.net)),
    (TypeError, "hyper: NoneType, want hnas.Hypernet",
     lambda w: hnas.Bilevel(w.net, None)),
    (TypeError, "net: Bilevel, want hnas.Supernet",
     lambda w: hnas.NetworkSet(w.search, w.search.path())),
    (TypeError, "net: NoneType, want hnas.Supernet",
     lambda w: hnas.Hypernet(None)),
    (TypeError, "preset: NoneType, want text", lambda w: hnas.preset(None)),
    (TypeError, "<hnas.Supernet .*>: want a hnas_hyper",
     lambda w: hnas.Path(w.net, w.net)),
    (TypeError, "arch: Bilevel, want hnas.Arch, a dict or text",
     lambda w: hnas.Network(w.search)),
    (TypeError, "arch: NoneType, want", lambda w: hnas.Arch.read(None)),
    (TypeError, "network: Arch, want hnas.Network",
     lambda w: hnas.Predictor(w.search.query(1e-2))),
    (TypeError, "inherit: Arch, want a Supernet",
     lambda w: network(w).inherit(w.search.query(1e-2))),
    (hnas.ArgumentError, "Arch: it belongs to another context",
     lambda w: hnas.Network(w.search.query(1e-2), ctx=hnas.Context(1))),
    (hnas.UnknownNameError, "kind: 'a', want one of normal, reduce",
     lambda w: w.net.costs("a")),
    (hnas.UnknownNameError, "kind: 'a', want one of normal, reduce",
     lambda w: w.search.query(1e-2).edges("a")),
    (hnas.UnknownNameError, "kind: 'a', want one of weight, arch, buffer",
     lambda w: w.net.count("a")),
    (hnas.UnknownNameError, "table: 'a', want one of normal, reduce",
     lambda w: w.hyper.apply(None, "a", 1e-2)),
    (hnas.RangeError, "budget params: nan, want a finite",
     lambda w: w.search.budget(params=float("nan"))),
    (hnas.RangeError, "budget macs: inf, want a finite",
     lambda w: hnas.NetworkSet(w.net, w.search.path()).budget(
         macs=float("inf"))),
    (TypeError, "index: 'a', want a whole", lambda w: w.search.path()["a"]),
    (TypeError, "index: 0.5, want a whole", lambda w: w.search.path()[0.5]),
    (TypeError, "index: 0.5, want a whole",
     lambda w: hnas.NetworkSet(w.net, w.search.path()).member(0.5)),
    (TypeError, "images: generator, want an array",
     lambda w: network(w).predict(x for x in w.train[0])),
    (TypeError, "images: NoneType, want an array",
     lambda w: hnas.Predictor(network(w)).predict(None)),
    (TypeError, "labels: generator, want an array",
     lambda w: network(w).fit(w.train[0], (y for y in w.train[1]))),
    (TypeError, "epochs: 1.5, want a whole",
     lambda w: w.search.fit(*w.train, epochs=1.5, batch=2)),
    (TypeError, "epochs: 1.5, want a whole",
     lambda w: network(w).fit(*w.train, epochs=1.5, batch=2)),
    (hnas.RangeError, "epochs: -1, want at least 0",
     lambda w: w.search.fit(*w.train, epochs=-1, batch=2)),
    (hnas.RangeError, "epochs: -1, want at least 0",
     lambda w: network(w).fit(*w.train, epochs=-1, batch=2)),
]


@pytest.mark.parametrize("kind, said, use", MISTAKES)
def test_a_mistake_is_named(world, kind, said, use):
    before = world.state()
    with pytest.raises(kind, match=f"^{said}"):
        use(world)
    assert same(world.state(), before)


def test_a_fit_that_does_not_begin_changes_nothing(ctx, pictures):
    x, y = pictures
    w = World(ctx)
    network = hnas.Network(w.search.query(1e-2)).fit(x, y, epochs=1, batch=100)
    for thing, predict in ((network, network.decision_function),
                           (w.search, lambda x: w.search.predict(x, 1e-2))):
        want, images = predict(x[:6]), (thing.mean, thing.std)
        for wrong in (dict(batch=1000), dict(epochs=-1), dict(x=x[:, :4])):
            given = {"x": x // 2, "y": y, "epochs": 1, "batch": 100, **wrong}
            with pytest.raises(ValueError):
                thing.fit(given.pop("x"), given.pop("y"), **given)
            assert (thing.mean, thing.std) == images
        np.testing.assert_array_equal(predict(x[:6]), want)
