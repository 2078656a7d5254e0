# SPDX-License-Identifier: BSD-3-Clause
"""A search: losses, steps, queries, paths, budgets, files."""
import json
import os
import subprocess

import numpy as np
import pytest
from conftest import OPS, ROOT, World, same
from hypothesis import given, strategies as st

import hnas


def numeric(search, named, name, index, batch, h):
    """The slope of the loss along one number of a named tensor."""
    state = named.state_dict()
    value, ends = state[name].copy(), []
    for sign in (1, -1):
        moved = value.copy()
        moved[index] += sign * h
        named.load_state_dict({name: moved}, strict=False)
        ends.append(search.loss(*batch, 1e-2))
    named.load_state_dict({name: value}, strict=False)
    return (ends[0] - ends[1]) / (2 * h)


def test_loss_leaves_all_gradients(ctx):
    w = World(ctx, relax="softmax")
    value = w.search.loss(*w.train, 1e-2)
    grads = {**w.net.gradients(), **w.hyper.gradients()}
    assert "stem.conv.weight" in grads and "hyper.normal.b1" in grads
    assert "stem.bn.running_mean" not in grads
    for named, name, index, h in (
            (w.net, "head.bias", (1,), 1e-2),
            (w.net, "stem.bn.weight", (2,), 1e-3),
            (w.hyper, "hyper.reduce.b2", (0, 3), 1e-2)):
        slope = numeric(w.search, named, name, index, w.train, h)
        assert grads[name][index] == pytest.approx(slope, rel=0.05, abs=2e-3)
    assert w.search.loss(*w.train, 1e-2) == value
    assert w.search.loss(*w.train, 1e-2, kind="valid") != value


def test_gates_take_the_place_of_lambda(ctx):
    w = World(ctx, relax="softmax")
    alpha = w.hyper.alpha(1e-2)
    gates = {k: np.exp(a) / np.exp(a).sum(1, keepdims=True)
             for k, a in alpha.items()}
    want = w.search.loss(*w.train, 1e-2)
    assert w.search.loss(*w.train, 1e-2, gates=gates) == \
        pytest.approx(want, rel=1e-5)
    assert not np.any(w.hyper.gradients()["hyper.normal.b2"])
    one = {k: np.eye(4)[[1] * len(a)] for k, a in alpha.items()}
    tensors = {k: hnas.Tensor(g, ctx, wanted=True) for k, g in one.items()}
    w.search.loss(*w.train, 1e-2, gates=tensors)
    assert np.any(tensors["normal"].gradient)
    with pytest.raises(hnas.ShapeError, match="gates"):
        w.search.loss(*w.train, 1e-2, gates={**one, "reduce": np.ones((2, 4))})
    with pytest.raises(hnas.ArgumentError, match="gates"):
        w.search.loss(*w.train, 1e-2, gates=one, kind="valid")


def test_a_step_at_given_lambdas(world):
    info = world.search.step(world.train, world.valid, lam=[1e-3, 1e-2])
    assert info.step == 1 and info.lam == 1e-3
    assert world.search.step(world.train, world.valid, lam=5e-2).lam == 5e-2
    with pytest.raises(hnas.RangeError, match="outside the stored range"):
        world.search.step(world.train, world.valid, lam=1.0)
    assert world.search.steps == 2


def test_batches_that_do_not_fit_are_named(world):
    x, y = world.train
    for batch, kind in (((x[:, :, :4], y), hnas.ShapeError),
                        ((x[0], y), hnas.ShapeError),
                        ((x, y[:2]), hnas.ShapeError),
                        ((x, y + 9), hnas.RangeError),
                        ((np.uint8(x), y), hnas.ElementTypeError),
                        ((x * np.nan, y), hnas.NotFiniteError)):
        with pytest.raises(kind):
            world.search.step(batch, world.valid)
    with pytest.raises(ValueError, match="want .images, labels."):
        world.search.step((x,), world.valid)
    assert world.search.steps == 0


@given(st.sampled_from(["NHWC", "flipped", "float64", "cut"]))
def test_any_layout_gives_the_same_loss(layout):
    with hnas.Context(threads=1) as ctx:
        w = World(ctx)
        x, y = w.train
        given_x = {
            "NHWC": np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(
                0, 3, 1, 2),
            "flipped": x[:, :, ::-1].copy()[:, :, ::-1],
            "float64": x.astype(np.float64),
            "cut": np.pad(x, ((0, 0), (0, 0), (1, 2), (3, 1)))[
                :, :, 1:-2, 3:-1]}[layout]
        np.testing.assert_array_equal(given_x, x)
        assert w.search.loss(given_x, y.astype(np.int64), 1e-2) == \
            w.search.loss(x, y, 1e-2)


def test_the_gradient_of_a_step(ctx):
    w = World(ctx, order="second_fd", relax="sigmoid", monotone=False)
    g = w.search.gradient(w.train, w.valid, 1e-2)
    assert set(g) == {f"hyper.{k}.{b}" for k in ("normal", "reduce")
                      for b in ("b1", "b2")}
    assert np.any(g["hyper.normal.b1"])


def trained(ctx, steps=8, **settings):
    w = World(ctx, alpha_lr=0.1, **settings)
    for i in range(steps):
        w.search.step(w.batch(i), w.batch(100 + i))
    return w


def test_queries_agree_with_the_path(ctx):
    w = trained(ctx)
    for rule in ("argmax", "top2", "top2_raw", "threshold"):
        path = w.search.path(rule)
        assert not path.sampled and len(path.pieces) == len(path)
        for i, piece in enumerate(path.pieces):
            lam = float(np.sqrt(piece.lo * piece.hi))
            arch = w.search.query(lam, rule)
            assert arch == path[i] and hash(arch) == hash(path[i])
            assert arch.cost == piece.cost and path.find(lam) == i
            lo, hi = arch.interval
            assert lo == pytest.approx(piece.lo) and \
                hi == pytest.approx(piece.hi)
            assert arch.rule == rule and arch.lam == lam
        d = path.to_dict()
        assert d["rule"] == rule and len(d["pieces"]) == len(path)
        assert path.change(0) == ""


def test_an_arch_tells_all(world):
    arch = world.search.query(1e-2)
    d = arch.to_dict()
    assert d["lambda"] == 1e-2 and d["status"] == "ok"
    assert d["cost"]["params"] == arch.cost.params
    assert d["cost"]["fixed_params"] == arch.fixed_cost.params
    flat = [(op, source, 2 + j) for j, node in enumerate(d["normal"])
            for op, source in node]
    assert flat == arch.edges("normal")
    assert hnas.Arch.from_dict(world.net, d) == arch
    assert hnas.Arch.from_alpha(world.net, world.hyper.alpha(1e-2)) == arch
    assert world.search.query(1.0).to_dict()["status"] == "extrapolated"
    assert world.search.query(1.0).interval is None
    with pytest.raises(hnas.RangeError):
        world.search.query(float("nan"))
    with pytest.raises(hnas.UnknownNameError, match="'best', want one of"):
        world.search.query(1e-2, rule="best")
    bare = world.search.query(1e-2, rule="threshold", theta=0.9)
    assert len(bare.warnings) == 8
    assert sum("has no input" in w for w in bare.warnings) == 4
    with pytest.raises(hnas.MismatchError):
        hnas.Arch.from_dict(world.net, {**d, "normal": d["normal"][:1]})


def test_budgets(ctx):
    w = trained(ctx)
    path = w.search.path()
    sizes = [p.cost.params for p in path.pieces]
    arch = w.search.budget(params=max(sizes))
    assert arch.cost.params == max(sizes)
    assert w.search.budget(macs=10**9).to_dict()["status"] == "ok"
    with pytest.raises(hnas.InfeasibleError) as e:
        w.search.budget(params=min(sizes) - 1)
    assert e.value.smallest == min(sizes)
    assert e.value.to_dict() == {"status": "infeasible",
                                 "smallest": min(sizes)}
    for wrong in ({}, {"params": 1, "macs": 1}):
        with pytest.raises(TypeError, match="want one of"):
            w.search.budget(**wrong)
    with pytest.raises(hnas.UnknownNameError, match="size"):
        w.search.budget(size=3)
    quality = [-s for s in sizes]
    assert path.pareto(quality) == [sizes.index(min(sizes))]


def test_a_saved_search_goes_on_bit_for_bit(ctx, tmp_path):
    w, path = trained(ctx, 3), tmp_path / "s.safetensors"
    w.search.save(path, "a text")
    with hnas.Context(threads=1) as other:
        again = hnas.Bilevel.load(path, other)
        assert again.text == "a text" and again.steps == 3
        assert again.net.settings == w.net.settings
        assert again.hyper.settings == w.hyper.settings
        assert again.step(w.train, w.valid) == \
            w.search.step(w.train, w.valid)
        assert same(again.net.state_dict(), w.net.state_dict())
        net = again.net
        again.close()
        assert net.closed and again.hyper.closed
    with pytest.raises(hnas.FileError, match="nowhere"):
        hnas.Bilevel.load(tmp_path / "nowhere", ctx)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(hnas.Error):
        hnas.Bilevel.load(path, ctx)


def test_hnas_query_says_the_same(ctx, tmp_path):
    library = hnas.library_path
    program = os.path.join(os.path.dirname(library), "..", "examples",
                           "hnas-query")
    if not os.path.exists(program):
        pytest.skip("hnas-query is not beside the library")
    w, path = trained(ctx), str(tmp_path / "s.safetensors")
    w.search.save(path)

    def ask(*options):
        return json.loads(subprocess.run(
            [program, path, *options, "--json"], check=True,
            stdout=subprocess.PIPE).stdout)

    assert ask("--lambda", "3e-3") == w.search.query(3e-3).to_dict()
    assert ask("--path", "--rule", "top2") == w.search.path("top2").to_dict()
    assert ask("--budget", "params=99999") == \
        w.search.budget(params=99999).to_dict()


def test_state_dicts_are_checked_before_anything_is_written(world):
    before = world.net.state_dict()
    other = {k: v + 1 for k, v in before.items()}
    del other["head.bias"]
    with pytest.raises(hnas.UnknownNameError, match="missing: head.bias"):
        world.net.load_state_dict(other)
    other["head.bias"] = np.zeros(7)
    with pytest.raises(hnas.ShapeError, match=r"head.bias.*\(7,\)"):
        world.net.load_state_dict(other)
    for value in (np.full(3, 1j), ["a", "b", "c"]):
        other["head.bias"] = value
        with pytest.raises(ValueError, match="^head.bias: .*real numbers"):
            world.net.load_state_dict(other)
    with pytest.raises(hnas.UnknownNameError, match="unknown: extra"):
        world.net.load_state_dict({**before, "extra": 1})
    assert same(world.net.state_dict(), before)
    world.net.load_state_dict({"head.bias": np.ones(3), "extra": 1},
                              strict=False)
    assert (world.net.state_dict()["head.bias"] == 1).all()
    assert world.net.kinds()["head.bias"] == "weight"
    assert world.net.kinds()["stem.bn.running_var"] == "buffer"


def test_the_sizes_of_the_method(ctx):
    net = hnas.Supernet(ctx, image=(3, 32, 32), classes=10, channels=16,
                        cells=8, nodes=4)
    assert net.count() == 1930618 and net.ops == list(hnas.DARTS_OPS)
    assert net.kind("normal") == (6, 14, 8)
    assert net.costs("normal").shape == (14, 8)
    assert len(net.edges) == 14 and net.fixed_cost.params > 0
    assert net.tensor("cells.0.preprocess0.conv.weight").shape == \
        (16, 48, 1, 1)


@pytest.mark.parametrize("preset", hnas.PRESETS)
def test_presets_step(ctx, preset):
    p = hnas.preset(preset, ctx)
    net = hnas.Supernet(ctx, image=(1, 8, 8), classes=3, channels=2, cells=3,
                        nodes=1, preset=preset)
    assert net.ops == p["ops"]
    search = hnas.Bilevel(net, hnas.Hypernet(net, preset=preset),
                          preset=preset)
    batch = (np.ones((4, 1, 8, 8), np.float32), np.zeros(4))
    assert np.isfinite(search.step(batch, batch).train_loss)
    lam = search.hyper.lambda_range[0]
    assert np.isfinite(search.loss(*batch, lam))


@pytest.mark.parametrize("kind", ["linear", "constant", "piecewise", "mlp"])
def test_hypernetworks(ctx, kind):
    w = World(ctx, hyper={"kind": kind, "lambda_range": (1e-3, 1.0)},
              monotone=False, cost_weight=0.0)
    assert w.hyper.settings["kind"] == kind
    assert w.hyper.lambda_range == (1e-3, 1.0)
    assert w.hyper.scale(1.0) == 1 and w.hyper.unscale(-1) == 1e-3
    alpha = w.hyper.alpha(0.1)
    tape = hnas.Tape(ctx)
    got = w.hyper.apply(tape, "reduce", 0.1).numpy()
    np.testing.assert_allclose(got, alpha["reduce"], rtol=1e-4, atol=1e-7)
    names = set(w.hyper.state_dict())
    assert {"linear": "hyper.normal.b1", "constant": "hyper.normal.b2",
            "piecewise": "hyper.normal.knots",
            "mlp": "hyper.normal.w2"}[kind] in names
    assert w.search.path().sampled == (kind == "mlp")
    with pytest.raises(hnas.RangeError):
        hnas.Hypernet(w.net, lambda_range=(1.0, 0.5))


def test_projection_makes_sizes_fall(ctx):
    w = World(ctx)
    rng = np.random.default_rng(0)
    w.hyper.load_state_dict(
        {k: rng.standard_normal(v.shape)
         for k, v in w.hyper.state_dict().items()})
    cost = w.net.costs("normal")
    w.hyper.project("normal", cost, [o == "none" for o in OPS])
    b1 = w.hyper.state_dict()["hyper.normal.b1"]
    for row, c in zip(b1, cost):
        for i in range(1, 4):
            assert row[0] >= row[i] - 1e-6
            assert all(row[i] >= row[j] - 1e-6 for j in range(1, 4)
                       if c[i] < c[j])


def test_prediction_of_relaxed_and_derived_networks(world):
    x, _ = world.train
    arch = world.search.query(1e-2)
    world.search.calibrate(x, arch=arch)
    logits = world.search.predict(x, arch=arch)
    network = hnas.Network(arch).inherit(world.net)
    np.testing.assert_allclose(network.decision_function(x), logits,
                               rtol=1e-4, atol=1e-5)
    world.search.restore_norms()
    relaxed = world.search.predict(x, 1e-2, draw=1)
    assert relaxed.shape == (6, 3) and np.isfinite(relaxed).all()
    with pytest.raises(TypeError, match="want one of lam and arch"):
        world.search.predict(x)


@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_a_step_that_is_not_finite_is_left_out(ctx, tmp_path, policy):
    w = World(ctx, on_nan=policy)
    assert w.search.settings["on_nan"] == policy
    w.search.step(w.train, w.valid)
    w.train[0][0, 0, 0, 0] = np.nan
    before = w.state()
    info = w.search.step(w.train, w.valid)
    assert info.step == w.search.steps == 2
    assert np.isnan(info.train_loss) and np.isnan(info.u_norm)
    key = "skipped" if policy == "skip" else "rolled_back"
    assert w.search.nan_steps == {"skipped": 0, "rolled_back": 0, key: 1}
    assert same(w.state(), before)  # rate_steps 1: a state before each step
    path = tmp_path / "search.safetensors"
    w.search.save(path)
    assert hnas.Bilevel.load(path, ctx).nan_steps[key] == 1
    w.search.sums.add(info)
    assert w.search.sums.n_train == 0


def test_a_step_that_is_not_finite_raises_by_default(ctx):
    w = World(ctx)
    w.valid[0][0, 0, 0, 0] = np.inf
    with pytest.raises(hnas.NotFiniteError):
        w.search.step(w.train, w.valid)
    assert w.search.steps == 0
    with pytest.raises(hnas.UnknownNameError, match="skip, rollback"):
        World(ctx, on_nan="again")


def test_a_name_alone_is_no_list_of_operations(ctx):
    for ops in ("none", b"none", [1], ["none", 2]):
        with pytest.raises(TypeError, match="^ops: .*want a list of names"):
            hnas.Supernet(ctx, ops=ops)
    for ops in ("none", ["none", 2], [["none"], "none"]):
        with pytest.raises(TypeError, match="^ops: .*want a list of names"):
            hnas.Cell(1, ops=ops, ctx=ctx)
    assert hnas.Cell(1, ops=tuple(OPS), ctx=ctx).ops == [OPS, OPS]
    assert hnas.Supernet(ctx, ops=tuple(OPS)).ops == OPS


def test_a_cell_of_its_own_shape(ctx):
    cell = hnas.Cell(2, [(0, 1), (1, 2, 2), (0, 2, 2)],
                     [["skip_connect"], OPS, ["none", "avg_pool_3x3"]],
                     inputs=1, channels=4, outputs=[2], ctx=ctx)
    assert cell.edges == [(0, 1), (0, 2), (1, 2)]
    x = np.random.default_rng(0).standard_normal((2, 4, 6, 6))
    gates = hnas.Tensor(np.full((3, 4), 0.25), ctx, wanted=True)
    tape = hnas.Tape(ctx)
    y = cell.apply(tape, [x], gates)
    assert y.shape == (2, 4, 3, 3)
    tape.backward(tape.sum(tape.mul(y, y)))
    assert np.any(cell.gradients()["edges.1_2.sep_conv_3x3.pw1.weight"])
    assert np.any(gates.gradient)
    with pytest.raises(ValueError, match="3 inputs, want 1"):
        cell.apply(tape, [x] * 3, gates)
    with pytest.raises(ValueError, match="1 lists for 3 edges"):
        hnas.Cell(2, cell.edges, [OPS], inputs=1, ctx=ctx)
    darts = hnas.Cell(nodes=4, ctx=ctx)
    assert len(darts.edges) == 14
