# SPDX-License-Identifier: BSD-3-Clause
"""Funcs on the tape, and funcs written in Python."""
import numpy as np
import pytest
from hypothesis import given, strategies as st

import hnas

FUNCS = {
    "affine": (lambda t, x: t.affine(x, -2, 0.5), lambda x: -2 * x + 0.5),
    "relu": (lambda t, x: t.relu(x), lambda x: np.maximum(x, 0)),
    "add": (lambda t, x: t.add(x, x), lambda x: 2 * x),
    "mul": (lambda t, x: t.mul(x, x), lambda x: x * x),
}


@pytest.mark.parametrize("name", FUNCS)
@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
       seed=st.integers(0, 9))
def test_values_and_gradients(name, shape, seed):
    ours, theirs = FUNCS[name]
    a = np.random.default_rng(seed).uniform(0.2, 2, shape).astype(np.float32)
    a *= np.random.default_rng(seed + 1).choice([-1, 1], shape)
    with hnas.Context(threads=1) as ctx:
        x, tape = hnas.Tensor(a, ctx, wanted=True), hnas.Tape(ctx)
        y = ours(tape, x)
        np.testing.assert_allclose(y.numpy(), theirs(a), rtol=1e-6)
        tape.backward(tape.sum(y))
        h = 1e-3
        slope = (theirs(a.astype(float) + h) - theirs(a.astype(float) - h)) / (
            2 * h)
        np.testing.assert_allclose(x.gradient, slope, rtol=1e-4)


def test_a_tape_is_reset_deferred_and_swept(ctx):
    x, tape = hnas.Tensor([1.0, -2.0], ctx, wanted=True), hnas.Tape(ctx)
    tape.defer()
    loss = tape.sum(tape.mul(x, x))
    assert len(tape) == 2 and tape.memory[0] > 0
    tape.run()
    tape.backward(loss)
    tape.reset()
    assert len(tape) == 0
    with pytest.raises(hnas.StateError):
        loss.item()
    tape.backward(tape.sum(x))
    np.testing.assert_array_equal(x.gradient, [3, -3])
    x.clear_gradient()
    np.testing.assert_array_equal(x.gradient, [0, 0])
    tape.reset(gradient=False)
    with pytest.raises(hnas.StateError, match="not without gradients"):
        tape.backward(tape.sum(x))


def test_funcs_without_a_tape_give_leaves(ctx):
    y = hnas.NoTape(ctx).relu(np.array([-1.0, 2.0]))
    np.testing.assert_array_equal(y.numpy(), [0, 2])


@given(st.lists(st.integers(1, 4), min_size=0, max_size=4), st.booleans())
def test_a_func_in_numpy_has_its_own_gradient(shape, deferred):
    rng = np.random.default_rng(1)
    a, b = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    with hnas.Context(threads=2) as ctx:
        x, y = (hnas.Tensor(v, ctx, copy=True, wanted=True) for v in (a, b))
        tape = hnas.Tape(ctx)
        if deferred:
            tape.defer()
        z = tape.apply(lambda p, q: np.sin(p) * q,
                       lambda d, out, p, q: (d * np.cos(p) * q, d * np.sin(p)),
                       [x, y], shape)
        tape.backward(tape.sum(z))
        np.testing.assert_allclose(z.numpy(), np.sin(a) * b, rtol=1e-5,
                                   atol=1e-6)
        np.testing.assert_allclose(x.gradient, np.cos(a) * b, rtol=1e-5,
                                   atol=1e-6)
        np.testing.assert_allclose(y.gradient, np.sin(a), rtol=1e-5, atol=1e-6)


def test_exceptions_in_a_func_come_out_whole(ctx):
    class Mine(Exception):
        pass

    def forward(x):
        raise Mine("forward", x.shape)

    def backward(d, out, x):
        raise Mine("backward")

    x, tape = hnas.Tensor([1.0, 2.0], ctx, wanted=True), hnas.Tape(ctx)
    with pytest.raises(Mine) as e:
        tape.apply(forward, None, [x], (2,))
    assert e.value.args == ("forward", (2,))
    assert "forward" in [f.name for f in e.traceback]
    tape.reset()
    y = tape.apply(np.negative, backward, [x], (2,))
    with pytest.raises(Mine, match="backward"):
        tape.backward(tape.sum(y))
    tape.reset()
    with pytest.raises(ValueError, match="broadcast"):
        tape.apply(lambda x: np.zeros(3), None, [x], (2,))
    tape.reset()
    y = tape.apply(np.negative, lambda d, out, x: (d, d), [x], (2,))
    with pytest.raises(ValueError, match="2 gradients for 1 inputs"):
        tape.backward(tape.sum(y))
    tape.reset()
    with pytest.raises(hnas.UnsupportedError):
        tape.backward(tape.sum(tape.apply(np.negative, None, [x], (2,))))


def test_inputs_of_a_func_are_read_only(ctx):
    def forward(x):
        x[0] = 5
        return x

    with pytest.raises(ValueError, match="read-only"):
        hnas.Tape(ctx).apply(forward, None, [np.ones(2)], (2,))


def test_norm_keeps_running_statistics(ctx):
    norm, tape = hnas.Norm(3, affine=True, ctx=ctx), hnas.Tape(ctx)
    x = np.random.default_rng(0).normal(2, 3, (4, 3, 5, 5)).astype(np.float32)
    y = tape.batch_norm(x, norm).numpy()
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-5)
    norm.update(1.0)
    np.testing.assert_allclose(norm.running_mean.numpy(), x.mean((0, 2, 3)),
                               rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(),
                               x.var((0, 2, 3), ddof=1), rtol=1e-4)
    assert norm.weight.shape == (3,)
    assert hnas.Norm(3, ctx=ctx).bias is None


def test_the_rest_of_the_funcs_computes(ctx):
    tape, rng = hnas.Tape(ctx), np.random.default_rng(2)
    x = rng.standard_normal((2, 4, 6, 6)).astype(np.float32)
    w = rng.standard_normal((3, 4, 1, 1)).astype(np.float32)
    want = np.einsum("nchw,oc->nohw", x, w[:, :, 0, 0])
    np.testing.assert_allclose(tape.conv2d(x, w).numpy(), want, rtol=1e-4,
                               atol=1e-5)
    assert tape.conv2d(x, w, stride=(2, 1)).shape == (2, 3, 3, 6)
    d = rng.standard_normal((4, 1, 3, 3)).astype(np.float32)
    deep = tape.depthwise_conv2d(x, d, pad=1)
    assert deep.shape == x.shape
    both = tape.separable_conv2d(x, d, w, pad=2, dilation=2, stride=2)
    assert both.shape == (2, 3, 3, 3)
    half = tape.factorized_reduce(x, w, w)
    assert half.shape == (2, 6, 3, 3)
    assert tape.max_pool_3x3(x, 2).shape == (2, 4, 3, 3)
    np.testing.assert_allclose(
        tape.avg_pool_3x3(np.ones_like(x)).numpy(), 1, rtol=1e-6)
    cat = tape.concat([x, deep])
    np.testing.assert_array_equal(cat.numpy()[:, :4], x)
    pooled = tape.global_avg_pool(x)
    np.testing.assert_allclose(pooled.numpy(), x.mean((2, 3)), atol=1e-6)
    logits = tape.linear(pooled, w[:, :, 0, 0], np.ones(3))
    np.testing.assert_allclose(
        logits.numpy(), x.mean((2, 3)) @ w[:, :, 0, 0].T + 1, rtol=1e-4,
        atol=1e-5)
    p = np.exp(logits.numpy())
    p /= p.sum(1, keepdims=True)
    loss = tape.cross_entropy(logits, [0, 2])
    assert loss.item() == pytest.approx(
        -np.log(p[[0, 1], [0, 2]]).mean(), rel=1e-5)
    gates = np.array([[0.25, 0.75]], np.float32)
    np.testing.assert_allclose(
        tape.mix([x, deep], gates, [0, 1]).numpy(),
        0.25 * x + 0.75 * deep.numpy(), rtol=1e-5, atol=1e-6)
    alpha = rng.standard_normal((3, 4)).astype(np.float32)
    soft = tape.relax_softmax(alpha, 0.5).numpy()
    np.testing.assert_allclose(soft.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(tape.relax_sigmoid(alpha).numpy(),
                               1 / (1 + np.exp(-alpha)), rtol=1e-5)
    hard = tape.relax_gumbel(alpha, np.zeros_like(alpha), hard=True).numpy()
    np.testing.assert_array_equal(hard.argmax(1), alpha.argmax(1))
    assert tape.weighted_norm(alpha, np.ones_like(alpha), 2).item() == \
        pytest.approx((alpha ** 2).sum(), rel=1e-5)


def test_a_tangent_gives_products_of_second_derivatives(ctx):
    a, v = np.array([1.0, -2.0, 3.0]), np.array([0.5, 1.0, -1.0])
    x, tape = hnas.Tensor(a, ctx, wanted=True), hnas.Tape(ctx)
    loss = tape.sum(tape.mul(tape.mul(x, x), x))  # sum of x^3
    moved = tape.tangent(loss, [x], [v])
    assert moved.item() == pytest.approx((3 * a * a * v).sum())
    tape.backward(moved)
    np.testing.assert_allclose(x.gradient, 6 * a * v, rtol=1e-6)
    with pytest.raises(ValueError, match="0 directions for 1 leaves"):
        hnas.Tape(ctx).tangent(loss, [x], [])


def test_a_label_beyond_the_classes_is_named(ctx):
    with pytest.raises(hnas.RangeError, match="label"):
        hnas.Tape(ctx).cross_entropy(np.zeros((1, 2)), [5])
