# SPDX-License-Identifier: BSD-3-Clause
"""Operations alone, and new ones written in Python."""
import gc

import numpy as np
import pytest
from conftest import World, same

import hnas


def tanh(x, stride):
    return np.tanh(x[:, :, ::stride, ::stride])


def tanh_back(dy, x, y, stride):
    dx = np.zeros_like(x)
    dx[:, :, ::stride, ::stride] = dy * (1 - y * y)
    return dx


def scaled(x, stride, w):
    return x[:, :, ::stride, ::stride] * w[:, 0, :, :][None]


def scaled_back(dy, x, y, stride, w):
    dx = np.zeros_like(x)
    dx[:, :, ::stride, ::stride] = dy * w[:, 0, :, :][None]
    dw = (dy * x[:, :, ::stride, ::stride]).sum((0, 2, 3))
    return dx, dw[:, None, None, None]


def scaled_weights(channels, stride):
    return {"scale.weight": (channels, 1, 1, 1)}


def check_gradients(op, shape, atol=2e-3):
    """Central differences of sum(dy * y) along random directions."""
    rng = np.random.default_rng(7)
    x = rng.uniform(0.1, 1, shape) * rng.choice([-1, 1], shape)
    x = x.astype(np.float32)
    y = op.forward(x)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    dx, dw = op.backward(dy), op.gradients()
    h, u = 1e-2, rng.standard_normal(shape).astype(np.float32)
    u /= np.abs(u).max()
    up, down = op.forward(x + h * u), op.forward(x - h * u)
    assert ((up.astype(float) - down) * dy).sum() / (2 * h) == pytest.approx(
        (dx * u).sum(), abs=atol * dy.size ** 0.5, rel=2e-2)
    for name, grad in dw.items():
        w = op.state_dict()[name]
        u = rng.standard_normal(w.shape).astype(np.float32)
        ends = []
        for sign in (1, -1):
            op.load_state_dict({name: w + sign * h * u}, strict=False)
            ends.append(op.forward(x).astype(float))
        op.load_state_dict({name: w}, strict=False)
        assert ((ends[0] - ends[1]) * dy).sum() / (2 * h) == pytest.approx(
            (grad * u).sum(), abs=atol * dy.size ** 0.5, rel=2e-2)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", ["none", "skip_connect", "avg_pool_3x3",
                                  "dil_conv_3x3", "conv_7x1_1x7"])
def test_a_bundled_operation_alone(ctx, name, stride):
    op = hnas.Op(ctx, name, channels=4, stride=stride)
    y = op.forward(np.ones((2, 4, 7, 5)))
    assert y.shape == (2, 4, -(-7 // stride), -(-5 // stride))
    assert op.backward(y).shape == (2, 4, 7, 5)
    assert op.cost(7, 5).params == op.count()
    check_gradients(op, (2, 4, 7, 5))


def test_backward_comes_after_forward(ctx):
    op = hnas.Op(ctx, "skip_connect", channels=2)
    with pytest.raises(hnas.StateError, match="forward comes first"):
        op.backward(np.ones(1))
    op.forward(np.ones((1, 2, 3, 3)))
    op.backward(np.ones((1, 2, 3, 3)))
    with pytest.raises(hnas.StateError):
        op.backward(np.ones((1, 2, 3, 3)))
    with pytest.raises(hnas.UnknownNameError, match="sep_conv_9x9"):
        hnas.Op(ctx, "sep_conv_9x9")


@pytest.mark.parametrize("stride", [1, 2])
def test_operations_in_numpy_have_their_gradients(ctx, stride):
    hnas.register_op(ctx, "tanh", forward=tanh, backward=tanh_back)
    hnas.register_op(ctx, "scaled", forward=scaled, backward=scaled_back,
                     weights=scaled_weights)
    assert ctx.ops[-2:] == ("tanh", "scaled")
    gc.collect()
    x = np.random.default_rng(0).standard_normal((3, 5, 6, 7))
    op = hnas.Op(ctx, "tanh", channels=5, stride=stride)
    np.testing.assert_allclose(op.forward(x), tanh(x, stride), rtol=1e-5,
                               atol=1e-6)
    check_gradients(op, x.shape)
    check_gradients(hnas.Op(ctx, "scaled", channels=5, stride=stride), x.shape)


def bottleneck_create(builder, channels, stride):
    return (builder.weight("conv.weight", (channels, channels, 1, 1)),
            builder.norm("bn", channels), stride)


def bottleneck(tape, state, x):
    weight, norm, stride = state
    return tape.batch_norm(tape.conv2d(x, weight, stride=stride, relu=True),
                           norm)


def bottleneck_cost(channels, stride, height, width):
    return {"params": channels * channels,
            "macs": channels * channels * height * width // stride ** 2}


def register_all(ctx):
    hnas.register_op(ctx, "tanh", forward=tanh, backward=tanh_back)
    hnas.register_op(ctx, "scaled", forward=scaled, backward=scaled_back,
                     weights=scaled_weights)
    hnas.register_op(ctx, "bottleneck", create=bottleneck_create,
                     apply=bottleneck, cost=bottleneck_cost)


@pytest.mark.parametrize("cost, said", [
    ((-5, 0, 0), "params -5, want"), ((0, 2 ** 70, 0), "macs 118059162071"),
    ((0, 0, 0.5), "bytes 0.5, want"), ((0, float("nan"), 0), "macs nan, want"),
    ({"macs": -1}, "macs -1, want"), ({"parms": 1}, "parms, want some of"),
    ((1, 2), "want .params, macs, bytes.")])
def test_a_cost_is_a_whole_number_from_0(ctx, cost, said):
    hnas.register_op(ctx, "mine", forward=lambda x, stride: x,
                     cost=lambda *_: cost)
    with pytest.raises(ValueError, match="^mine: cost: .*" + said):
        hnas.Supernet(ctx, ops=["none", "mine"], channels=2, cells=1, nodes=1)
    op = hnas.Op(ctx, "mine")
    with pytest.raises(ValueError, match="^mine: cost: .*" + said):
        op.cost(4, 4)


def test_costs_may_be_numpys_numbers(ctx):
    hnas.register_op(ctx, "mine", forward=lambda x, stride: x,
                     cost=lambda *_: {"params": np.int64(2), "bytes": 3.0})
    assert hnas.Op(ctx, "mine").cost(4, 4) == (2, 0, 3)


NEW = ["none", "tanh", "scaled", "bottleneck", "sep_conv_3x3"]


def test_new_operations_are_searched_saved_and_trained(tmp_path, pictures):
    x, y = pictures
    path = str(tmp_path / "s.safetensors")
    with hnas.Context(threads=2) as ctx:
        register_all(ctx)
        w = World(ctx, ops=NEW)
        check_gradients(hnas.Op(ctx, "bottleneck", channels=4), (2, 4, 5, 5))
        first = w.search.loss(*w.train, 1e-2)
        for _ in range(10):
            info = w.search.step(w.train, w.train)
        assert np.isfinite(info.train_loss) and first != info.train_loss
        w.search.save(path)
        want = w.search.query(1e-2).to_dict()
        state = w.net.state_dict()
        network = hnas.Network(w.search.query(1e-2)).fit(x, y, epochs=1)
        assert network.score(x, y) > 0.3
    with hnas.Context(threads=1) as ctx:
        with pytest.raises(hnas.UnknownNameError, match="tanh"):
            hnas.Bilevel.load(path, ctx)
        register_all(ctx)
        again = hnas.Bilevel.load(path, ctx)
        assert again.query(1e-2).to_dict() == want
        assert same(again.net.state_dict(), state)


@pytest.mark.parametrize("where", ["create", "apply", "forward", "backward",
                                   "cost", "result"])
def test_an_exception_comes_out_of_the_call_that_ran(ctx, where):
    class Mine(Exception):
        pass

    armed = []

    def fail(at):
        if at == where and (armed or at in ("create", "cost")):
            raise Mine(at)

    def create(builder, channels, stride):
        fail("create")
        return stride

    def forward(x):
        fail("forward")
        return x[:, :, :4, :4]

    def backward(d, out, x):
        fail("backward")
        dx = np.zeros_like(x)
        dx[:, :, :4, :4] = d
        return dx

    def apply(tape, state, x):
        fail("apply")
        if armed and where == "result":
            return 5
        n, c, h, w = x.shape
        return tape.apply(forward, backward, [x],
                          (n, c, h // state, w // state))

    def cost(*_):
        fail("cost")
        return 0, 0, 0

    hnas.register_op(ctx, "fragile", create=create, apply=apply, cost=cost)
    kind = TypeError if where == "result" else Mine

    def build():
        net = hnas.Supernet(ctx, image=(1, 8, 8), classes=2, channels=2,
                            cells=1, nodes=1, ops=["fragile"])
        return hnas.Bilevel(net, hnas.Hypernet(net), relax="softmax",
                            monotone=False)

    if where in ("create", "cost"):
        with pytest.raises(Mine, match=where):
            build()
        assert not [e for e in ctx._core.entries
                    if e.destroy is hnas._lib.hnas_supernet_destroy]
        return
    search = build()
    batch = (np.ones((2, 1, 8, 8), np.float32), np.zeros(2))
    armed.append(1)
    before = search.net.state_dict()
    with pytest.raises(kind):
        search.step(batch, batch)
    assert same(search.net.state_dict(), before) and search.steps == 0
    armed.clear()
    assert search.step(batch, batch).step == 1


def test_an_operation_without_tangent_has_no_exact_second_order(ctx):
    register_all(ctx)
    w = World(ctx, ops=["none", "tanh", "bottleneck"], order="second_exact",
              relax="softmax", monotone=False)
    with pytest.raises(hnas.UnsupportedError, match="tanh"):
        w.search.step(w.train, w.valid)
    composed = World(ctx, ops=["none", "bottleneck"], order="second_exact",
                     relax="softmax", monotone=False)
    assert composed.search.step(composed.train, composed.valid).step == 1


def test_what_is_missing_is_said(ctx):
    with pytest.raises(TypeError, match="want forward"):
        hnas.register_op(ctx, "nothing")
    hnas.register_op(ctx, "tanh", forward=tanh, backward=tanh_back)
    with pytest.raises(hnas.UnknownNameError, match="tanh"):
        hnas.register_op(ctx, "tanh", forward=tanh, backward=tanh_back)
    with pytest.raises(hnas.UnknownNameError):
        hnas.register_op(ctx, "Bad name", forward=tanh)
