# SPDX-License-Identifier: BSD-3-Clause
"""Images uint8, float32 and normalised mean the same wherever they are used."""
import numpy as np
import pytest
from conftest import World

import hnas


@pytest.fixture
def fitted(ctx, pictures):
    """A search that was fit on uint8, and all ways to give 20 images."""
    w = World(ctx)
    w.search.fit(*pictures, epochs=1, batch=100)
    mean, std = hnas.Dataset(*pictures, ctx).moments()
    assert (w.search.mean, w.search.std) == (mean, std) != (0, 1)
    x, y = pictures[0][:20], pictures[1][:20]
    unit = (x / 255).astype(np.float32)
    w.ways = [x, x[:, None], unit, x / 255, hnas.Dataset(x, y, ctx),
              hnas.Tensor(((unit - mean) / std)[:, None], ctx)]
    return w


def all_alike(use, ways):
    got = [use(x) for x in ways]
    for g in got[1:]:
        np.testing.assert_allclose(g, got[0], rtol=1e-3, atol=1e-3)
    return got[0]


def test_a_search_normalises_as_its_fit_did(fitted, tmp_path):
    search = fitted.search
    want = all_alike(lambda x: search.predict(x, 1e-2), fitted.ways)

    def calibrated(x):
        search.calibrate(x, 1e-2)
        return search.predict(x, 1e-2)

    assert not np.allclose(all_alike(calibrated, fitted.ways), want)
    search.restore_norms()
    search.save(tmp_path / "search.safetensors")
    with hnas.Context(threads=1) as other:
        again = hnas.Bilevel.load(tmp_path / "search.safetensors", other)
        np.testing.assert_array_equal(again.predict(fitted.ways[0], 1e-2),
                                      search.predict(fitted.ways[0], 1e-2))


def test_networks_normalise_as_the_search_that_they_inherit(fitted):
    search, path = fitted.search, fitted.search.path()
    for source in (search, search.net):
        network = hnas.Network(path[0]).inherit(source).calibrate(
            fitted.ways[0])
        want = all_alike(network.decision_function, fitted.ways)
        all_alike(lambda x: network.calibrate(x).decision_function(
            fitted.ways[0]), fitted.ways)
        all_alike(lambda x: network.evaluate(x, None if isinstance(
            x, hnas.Dataset) else fitted.ways[4].arrays()[1]).accuracy,
            fitted.ways)
        with hnas.Predictor(network) as p:
            np.testing.assert_allclose(
                all_alike(p.decision_function, fitted.ways), want, rtol=1e-3,
                atol=1e-3)
    members = hnas.NetworkSet(search.net, path)
    assert (members.mean, members.std) == (search.mean, search.std)
    np.testing.assert_allclose(all_alike(lambda x: members.calibrate(
        x).predictor().decision_function(x), fitted.ways), want, rtol=1e-3,
        atol=1e-3)
    assert hnas.NetworkSet(search.net, path, mean=0.5).mean == 0.5


def test_a_second_search_over_a_net_knows_its_images(fitted):
    again = hnas.Bilevel(fitted.net, fitted.hyper)
    assert (again.mean, again.std) == (fitted.search.mean, fitted.search.std)
    again.mean, again.std = 0.25, 0.5
    assert (fitted.net.mean, fitted.net.std) == (0.25, 0.5)


def test_what_is_not_normalised_by_itself_refuses_uint8(fitted):
    x, y = fitted.ways[1], np.zeros(20)
    gates = {k: np.full((5, 4), 0.25) for k in ("normal", "reduce")}
    network = hnas.Network(fitted.search.query(1e-2))
    network.begin()
    for use in (lambda: fitted.search.loss(x, y, 1e-2),
                lambda: fitted.search.step((x, y), fitted.valid),
                lambda: fitted.search.gradient((x, y), fitted.valid, 1e-2),
                lambda: network.step(x, y),
                lambda: fitted.net.apply(hnas.Tape(fitted.ctx), x, gates)):
        with pytest.raises(hnas.ElementTypeError, match="uint8, want float32"):
            use()


def test_a_data_set_goes_on_where_calibration_stands(fitted):
    x = fitted.ways[0]
    members = hnas.NetworkSet(fitted.net, fitted.search.path())
    data = [hnas.Dataset(part, np.zeros(10), fitted.ctx)
            for part in (x[:10], x[10:])]

    def calibrated(a, b):
        members.calibrate(a).calibrate(b, first=False)
        return members.predictor().decision_function(x)

    np.testing.assert_allclose(calibrated(*data), calibrated(x[:10], x[10:]),
                               rtol=1e-3, atol=1e-3)
