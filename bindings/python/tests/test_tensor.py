# SPDX-License-Identifier: BSD-3-Clause
"""Arrays in and out: memory shared where it can be, values always right."""
import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import hnas

dtypes = st.sampled_from([np.float32, np.float64, np.int32, np.uint8])
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=5)


@st.composite
def arrays(draw):
    """An array of any supported type, cut, flipped and turned."""
    dtype = draw(dtypes)
    a = draw(hnp.arrays(dtype, draw(shapes), elements=st.integers(0, 100)))
    a = a.transpose(draw(st.permutations(range(a.ndim))))
    index = tuple(slice(None, None, draw(st.sampled_from([1, 2, -1])))
                  for _ in range(a.ndim))
    return np.asarray(a[index])


@given(arrays())
def test_values_go_in_and_out(a):
    with hnas.Context(threads=1) as ctx:
        t = hnas.Tensor(a, ctx)
        assert t.shape == a.shape and t.dtype == a.dtype
        assert t.size == a.size
        np.testing.assert_array_equal(t.numpy(), a)
        np.testing.assert_array_equal(t.numpy(copy=True), a)


@given(arrays())
def test_memory_is_shared_both_ways(a):
    a = np.array(a)
    with hnas.Context(threads=1) as ctx:
        t = hnas.Tensor(a, ctx)
        a[...] = 7
        assert (t.numpy(copy=True) == 7).all()
        t.numpy()[...] = 9
        assert (a == 9).all()
        assert not np.shares_memory(t.numpy(copy=True), a)


@pytest.mark.parametrize("a", [
    np.zeros((2, 2)).view(np.float64)[:, ::-1], np.arange(3, dtype=np.int32)])
def test_a_copy_is_made_where_it_is_asked_for(ctx, a):
    t = hnas.Tensor(a, ctx, copy=True)
    assert not np.shares_memory(t.numpy(), a)


def test_read_only_and_odd_strides_are_copied(ctx):
    a = np.zeros(3, np.float32)
    a.flags.writeable = False
    t = hnas.Tensor(a, ctx)
    t.set(np.ones(3))
    assert (a == 0).all() and (t.numpy() == 1).all()
    packed = np.zeros(4, np.dtype([("x", "u1"), ("y", "f4")]))
    assert hnas.Tensor(packed["y"], ctx).shape == (4,)


def test_what_has_no_place_is_refused(ctx):
    with pytest.raises(hnas.ElementTypeError, match="complex64"):
        hnas.Tensor(np.zeros(3, np.complex64), ctx)
    with pytest.raises(hnas.ShapeError, match="want at most 4 axes"):
        hnas.Tensor(np.zeros((1,) * 5, np.float32), ctx)
    with pytest.raises(hnas.ShapeError):
        hnas.Tensor(np.zeros((2, 0), np.float32), ctx)
    t = hnas.Tensor(np.zeros((2, 3), np.float32), ctx)
    with pytest.raises(hnas.ShapeError, match=r"\(3, 2\), want \(2, 3\)"):
        t.set(np.zeros((3, 2)))
    with pytest.raises(hnas.RangeError):
        t.view(2, 0, 1)


@pytest.mark.parametrize("value", [0.7, np.nan, np.inf, 2.0 ** 31, 2 ** 32,
                                   -2 ** 31 - 1, 1j, "1", None])
def test_whole_numbers_are_never_made_of_others(ctx, world, value):
    x, _ = world.train
    labels = [value] + [0] * (len(x) - 1)
    for use in (lambda: hnas.Dataset(x, labels, ctx),
                lambda: world.search.loss(x, labels, 1e-2),
                lambda: hnas.Tape(ctx).cross_entropy(np.zeros((6, 3)),
                                                     labels)):
        with pytest.raises(ValueError, match="^labels: "):
            use()
    with pytest.raises(ValueError, match="^array: "):
        hnas.Tensor([value], ctx, dtype=np.int32)
    whole = hnas.Tensor([1, 2], ctx)
    with pytest.raises(ValueError, match="^tensor: "):
        whole.set([3, value])
    assert whole.numpy().tolist() == [1, 2]
    whole.set([3.0, -2.0 ** 31])
    assert whole.numpy().tolist() == [3, -2 ** 31]


def test_numbers_that_have_no_place_are_refused(ctx, world):
    with pytest.raises(ValueError, match="1099511627776, want -2147483648"):
        hnas.Tensor([2 ** 40], ctx)
    with pytest.raises(ValueError, match="-1..3, want 0..255 as uint8"):
        hnas.Tensor([-1, 3], ctx, dtype=np.uint8)
    x, y = world.train
    for images in (x + 0j, x.astype(str)):
        with pytest.raises(ValueError, match="^images: .* want real numbers"):
            hnas.Dataset(images, y, ctx)
        with pytest.raises(ValueError, match="^images: .* want real numbers"):
            world.search.loss(images, y, 1e-2)
    op = hnas.Op(ctx, "skip_connect", channels=1)
    with pytest.raises(ValueError, match="want real numbers"):
        op.forward(x + 0j)
    state = world.net.state_dict()
    state["head.bias"] = state["head.bias"] + 1j
    with pytest.raises(ValueError, match="^head.bias: .* want real numbers"):
        world.net.load_state_dict(state)


def test_a_view_shares_a_part(ctx):
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    v = hnas.Tensor(a, ctx).view(1, 1, 2)
    np.testing.assert_array_equal(v.numpy(), a[:, 1:3])
    v.set(np.zeros((3, 2)))
    assert (a[:, 1:3] == 0).all() and a[0, 3] == 3


def test_an_array_is_kept_while_the_library_reads_it(ctx):
    class Array(np.ndarray):
        pass

    a = np.ones(5, np.float32).view(Array)
    alive = weakref.ref(a)
    t = hnas.Tensor(a, ctx, wanted=True)
    tape = hnas.Tape(ctx)
    loss = tape.sum(t)
    del a, t
    gc.collect()
    assert alive() is not None or loss.item() == 5
    tape.backward(loss)
    loss.close()
    tape.close()
    gc.collect()
    assert alive() is None


def test_arrays_outlive_tensor_and_context():
    ctx = hnas.Context(threads=1)
    net = hnas.Supernet(ctx, channels=2, cells=1, nodes=1)
    weight = net.tensor("head.weight").numpy()
    copy = weight.copy()
    core = ctx._core
    net.close()
    ctx.close()
    gc.collect()
    np.testing.assert_array_equal(weight, copy)
    assert core.pointer is not None
    del weight
    gc.collect()
    assert core.pointer is None


def test_scalars_and_arrays_by_protocol(ctx):
    t = hnas.Tensor(np.float32(2.5), ctx)
    assert float(t) == 2.5 and t.shape == ()
    assert np.asarray(hnas.Tensor([1.0, 2.0], ctx)).sum() == 3
    with pytest.raises(ValueError, match="2 elements"):
        float(hnas.Tensor([1.0, 2.0], ctx))
