# SPDX-License-Identifier: BSD-3-Clause
"""Predictors, sets of networks, costs of one's own, formats."""
import threading

import numpy as np
import pytest
from conftest import OPS, World

import hnas


def trained(ctx):
    w = World(ctx, alpha_lr=0.1)
    for i in range(6):
        w.search.step(w.batch(i), w.batch(50 + i))
    return w


def test_a_predictor_predicts_what_its_network_does(ctx, pictures):
    x, y = pictures
    w = trained(ctx)
    network = hnas.Network(w.search.query(1e-4)).fit(x, y, epochs=1)
    with hnas.Predictor(network) as p, p.share(2) as other:
        want = network.decision_function(x)
        network.close()
        np.testing.assert_allclose(p.decision_function(x), want, rtol=1e-4,
                                   atol=1e-4)
        np.testing.assert_array_equal(other.predict(x), want.argmax(1))
        got = []
        threads = [threading.Thread(
            target=lambda q: got.append(q.predict(x)), args=(q,))
            for q in (p, other)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(got) == 2 and (got[0] == got[1]).all()
        with pytest.raises(hnas.ShapeError):
            p.predict(x[:, :4])
        with pytest.raises(hnas.RangeError):
            p.switch(1)
        with pytest.raises(hnas.NotFiniteError, match="image 0"):
            p.predict(np.full_like(x[:2], np.nan, np.float32))
        assert p.current == 0


def test_a_predictor_raises_what_its_operation_raised(ctx):
    class Mine(Exception):
        pass

    def forward(x, stride):
        if armed:
            raise Mine("forward")
        return x[:, :, ::stride, ::stride]

    armed = []
    hnas.register_op(ctx, "mine", forward=forward,
                     backward=lambda dy, x, y, stride: np.zeros_like(x))
    w = World(ctx, ops=["mine"])
    x, _ = w.train
    with hnas.Predictor(hnas.Network(w.search.query(1e-4))) as p:
        want = p.decision_function(x)
        armed.append(1)
        with pytest.raises(Mine, match="forward"):
            p.predict(x)
        with pytest.raises(Mine, match="forward"):
            p.share()
        armed.clear()
        hnas.Tape(ctx).close()
        np.testing.assert_array_equal(p.decision_function(x), want)


def test_a_predictor_normalises_what_its_network_does(ctx, pictures):
    x, y = pictures
    w = trained(ctx)
    network = hnas.Network(w.search.query(1e-4)).fit(x, y, epochs=1)
    assert network.mean != 0 and network.std != 1
    want = network.decision_function(x)
    unit = (x / 255).astype(np.float32)
    with hnas.Predictor(network) as p, p.share() as other:
        for images in (x, unit, unit[::-1][::-1], (x / 255)):
            np.testing.assert_allclose(network.decision_function(images),
                                       want, rtol=1e-3, atol=1e-3)
            for q in (p, other):
                np.testing.assert_allclose(q.decision_function(images), want,
                                           rtol=1e-3, atol=1e-3)


def test_a_set_normalises_what_its_networks_do(ctx, pictures):
    x, _ = pictures
    w = trained(ctx)
    unit = (x / 255).astype(np.float32)
    networks = hnas.NetworkSet(w.net, w.search.path(), mean=0.2, std=0.3)
    got = []
    for images in (x, unit):
        networks.calibrate(images)
        network = networks.network(0)
        network.calibrate(images, batch=600)
        want = network.decision_function(x)
        for again in (x, unit):
            got.append(networks.predictor().decision_function(again))
            np.testing.assert_allclose(got[-1], want, rtol=1e-3, atol=1e-3)
    assert all(np.allclose(g, got[0], rtol=1e-3, atol=1e-3) for g in got)


def test_a_set_switches_between_the_pieces_of_a_path(ctx, tmp_path):
    w = trained(ctx)
    x, _ = w.train
    path = w.search.path()
    networks = hnas.NetworkSet(w.net, path).calibrate(x)
    assert len(networks) == len(path)
    assert [m.cost for m in networks.members] == [p.cost for p in path.pieces]
    assert np.isnan(networks.member(0).latency_us)
    with pytest.raises(hnas.StateError):
        networks.budget(latency_us=1e9)
    networks.measure(3)
    assert networks.member(0).latency_us > 0
    with networks.predictor() as p:
        for i in range(len(networks)):
            p.switch(i)
            assert p.current == i
            np.testing.assert_allclose(
                p.decision_function(x),
                networks.network(i).decision_function(x), rtol=1e-4, atol=1e-5)
    networks.save(tmp_path / "set.safetensors")
    again = hnas.NetworkSet.load(tmp_path / "set.safetensors", ctx)
    np.testing.assert_array_equal(again.predictor().predict(x),
                                  networks.predictor().predict(x))
    assert again.members == networks.members
    lam = float(np.sqrt(path.piece(0).lo * path.piece(0).hi))
    assert networks.find(lam) == 0
    sizes = [p.cost.params for p in path.pieces]
    assert networks.budget(params=max(sizes)) == sizes.index(max(sizes))
    assert networks.budget(latency_us=1e9) >= 0
    with pytest.raises(hnas.InfeasibleError):
        networks.budget(params=1)
    with pytest.raises(ValueError, match="outside"):
        networks.find(9.0)
    with pytest.raises(IndexError):
        networks.member(len(networks))


def test_a_data_set_calibrates_a_set(ctx, pictures):
    w = World(ctx)
    path = w.search.path()
    data = hnas.Dataset(*pictures, ctx)
    mean, std = data.moments()
    networks = hnas.NetworkSet(w.net, path, mean=mean, std=std).calibrate(data)
    assert networks.network(0).predict(data).shape == (600,)


def test_costs_of_ones_own(ctx):
    w = World(ctx)
    assert np.isnan(w.search.query(1e-2).table_cost)
    table = {k: 0.5 * w.net.costs(k, "params") for k in ("normal", "reduce")}
    with pytest.raises(ValueError, match="want .5, 4."):
        w.net.set_cost_table({"normal": np.zeros((2, 4))})
    w.net.set_cost_table(table, fixed=10.0)
    np.testing.assert_array_equal(w.net.costs("normal", "table"),
                                  table["normal"])
    search = hnas.Bilevel(w.net, w.hyper, cost="table", alpha_lr=0.1,
                          warmup=0.0)
    for i in range(5):
        search.step(w.batch(i), w.batch(20 + i))
    path = search.path()
    for i, arch in enumerate(path):
        own = 10 + 0.5 * (arch.cost.params - arch.fixed_cost.params)
        assert arch.table_cost == pytest.approx(own)
        assert path.cost_of(i, "latency_us") == pytest.approx(own)
    best = search.budget(latency_us=1e9)
    assert best.table_cost == max(a.table_cost for a in path)
    with pytest.raises(hnas.InfeasibleError) as e:
        search.budget(latency_us=1.0)
    assert e.value.smallest == min(a.table_cost for a in path)
    with pytest.raises(hnas.StateError):
        w.net.set_cost_table(table)


def test_generated_weights(ctx, tmp_path):
    net = hnas.Supernet(ctx, image=(1, 8, 8), classes=3, channels=2, cells=3,
                        nodes=1, ops=OPS, head="generated", head_knots=3,
                        kernels="generated_lambda", embedding=4)
    search = hnas.Bilevel(net, hnas.Hypernet(net), monotone=False,
                          relax="softmax")
    batch = (np.ones((4, 1, 8, 8), np.float32), np.zeros(4))
    assert search.step(batch, batch).step == 1
    ends = [search.loss(*batch, lam) for lam in (1e-4, 1e-1)]
    assert ends[0] != ends[1]
    arch = search.query(1e-3)
    network = hnas.Network(arch).inherit(search)
    search.calibrate(batch[0], arch=arch)
    network.calibrate(batch[0], batch=4)
    gates = {k: np.full((len(net.edges), len(OPS)), 0.25)
             for k in ("normal", "reduce")}
    tape = hnas.Tape(ctx)
    assert net.apply(tape, batch[0], gates, lam=1e-3).shape == (4, 3)
    with pytest.raises(hnas.RangeError):
        net.apply(tape.reset(), batch[0], gates)
    network.to_onnx(tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").stat().st_size > 1000


def test_formats_of_an_architecture(world):
    arch = world.search.query(1e-2, rule="top2")
    again = hnas.Arch.read(arch.genotype(), world.ctx)
    assert again == arch and again.cost.params == -1
    assert hnas.Arch.read(arch.to_dict(), world.ctx) == arch
    assert arch.to_svg().startswith("<svg") and arch._repr_svg_()
    assert "digraph" in arch.to_dot()
    with pytest.raises(hnas.FormatError):
        hnas.Arch.read("nothing of the kind", world.ctx)
