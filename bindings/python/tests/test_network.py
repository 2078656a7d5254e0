# SPDX-License-Identifier: BSD-3-Clause
"""Discrete networks and data sets."""
import gzip
import os
import signal
import struct

import numpy as np
import pytest
from conftest import World, same

import hnas


@pytest.fixture
def arch(world):
    return world.search.query(1e-4)


def test_fit_predict_score(arch, pictures):
    x, y = pictures
    network = hnas.Network(arch, channels=4).fit(x[:480], y[:480], epochs=3,
                                                 batch=32)
    assert len(network.history) == 3 and network.steps == 45
    assert network.history[-1] < network.history[0]
    labels = network.predict(x[480:])
    assert labels.shape == (120,)
    accuracy = network.score(x[480:], y[480:])
    assert accuracy == pytest.approx((labels == y[480:]).mean())
    assert accuracy > 0.9
    scores = network.evaluate(x[480:], y[480:])
    assert scores.accuracy == accuracy and scores.confusion.sum() == 120
    hole = x[480:].astype(np.float32)
    hole[3, 5, 5] = np.nan
    with pytest.raises(hnas.NotFiniteError, match="image 3"):
        network.predict(hole)
    p = network.predict_proba(x[480:])
    np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_array_equal(p.argmax(1), labels)
    np.testing.assert_allclose(
        network.decision_function(x[480:], batch=7),
        network.decision_function(x[480:]), rtol=1e-5, atol=1e-5)


def test_labels_are_wanted_wherever_they_are_used(ctx, arch, pictures):
    x, y = pictures
    network, search = hnas.Network(arch), World(ctx).search
    before = network.state_dict(), search.net.state_dict()
    for use in (network.fit, network.score, network.evaluate, search.fit):
        with pytest.raises(TypeError, match="labels: none, want one for each"):
            use(x)
        with hnas.Dataset(x, y, ctx) as data:
            with pytest.raises(TypeError, match="a Dataset has its own"):
                use(data, y)
    assert same(network.state_dict(), before[0])
    assert same(search.net.state_dict(), before[1])
    network.calibrate(x)
    with hnas.Dataset(x, y, ctx) as data:
        assert network.score(data) == network.score(x, y)
        np.testing.assert_array_equal(network.predict(x),
                                      network.predict(data))


def test_the_shape_comes_from_the_search_unless_it_is_given(world, arch):
    network = hnas.Network(arch)
    assert network.settings["channels"] == 2
    assert network.cost.params == arch.cost.params
    wide = hnas.Network(arch.to_dict(), ctx=world.ctx, image=(1, 8, 8),
                        classes=3, nodes=2, channels=4, cells=6, affine=True)
    assert wide.settings["affine"] and wide.count() == wide.cost.params
    with pytest.raises(hnas.RangeError):
        hnas.Network(arch, channels=0)


def test_steps_one_by_one(world, arch):
    network = hnas.Network(arch)
    with pytest.raises(hnas.StateError):
        network.step(*world.train)
    network.begin(w_lr=(0.1, 0.01), total_steps=4, average=0.5)
    first = network.step(*world.train)
    assert first.step == 1 and first.rate == pytest.approx(0.1)
    assert np.any(network.gradients()["head.weight"])
    before = network.state_dict()["head.weight"]
    network.swap_average()
    assert not np.array_equal(network.state_dict()["head.weight"], before)
    network.swap_average()
    np.testing.assert_array_equal(network.state_dict()["head.weight"], before)


def test_a_training_that_was_cut_goes_on_bit_for_bit(arch, pictures,
                                                     tmp_path):
    x, y = pictures
    path = str(tmp_path / "net.safetensors")
    how = {"epochs": 2, "batch": 50, "label_smoothing": 0.1}
    whole = hnas.Network(arch).fit(x, y, **how)

    def cut(network, epoch, loss):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        hnas.Network(arch).fit(x, y, checkpoint=path, callback=cut, **how)
    resumed = hnas.Network.load(path, arch._ctx)
    assert resumed.steps == 12 and resumed.mean == whole.mean
    resumed.fit(x, y, resume=True, **how)
    assert same(resumed.state_dict(), whole.state_dict())
    resumed.save(path)
    again = hnas.Network.load(path, arch._ctx)
    np.testing.assert_array_equal(again.predict(x), whole.predict(x))
    assert again.history == resumed.history


def test_a_callback_ends_a_fit(arch, pictures):
    network = hnas.Network(arch).fit(*pictures, epochs=5, batch=100,
                                     callback=lambda n, e, l: e == 1)
    assert len(network.history) == 2


def test_a_search_fits_arrays_and_data_sets(ctx, pictures):
    x, y = pictures
    with hnas.Dataset(x, y, ctx) as data:
        a = World(ctx).search.fit(data, epochs=1, batch=50)
        b = World(ctx).search.fit(x, y, epochs=1, batch=50)
    assert same(a.net.state_dict(), b.net.state_dict())
    assert a.mean == b.mean != 0 and a.settings["total_steps"] == 6
    seen = []
    World(ctx).search.fit(x, y, epochs=9, batch=50,
                          callback=lambda s, e: seen.append(e) or True)
    assert len(seen) == 1 and seen[0].epoch == 0
    with pytest.raises(ValueError, match="at least a batch of 512"):
        World(ctx).search.fit(x, y, batch=512)


def test_data_sets(ctx, pictures):
    x, y = pictures
    data = hnas.Dataset(x, y, ctx)
    assert data.shape == (600, 1, 8, 8) and len(data) == 600
    assert data.classes == 3
    mean, std = data.moments()
    assert mean == pytest.approx((x / 255).mean())
    assert std == pytest.approx((x / 255).std())
    images, labels = data.arrays(mean, std)
    np.testing.assert_allclose(images[:, 0], (x / 255 - mean) / std, rtol=1e-5,
                               atol=1e-6)
    np.testing.assert_array_equal(labels, y)
    batches = data.batches(64, partial=True)
    assert len(batches) == 10
    assert sum(len(labels.numpy()) for _, labels in batches.epoch(0)) == 600
    one, two = batches.get(0, 3)[0].numpy(True), batches.get(1, 3)[0].numpy(
        True)
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(batches.get(0, 3)[0].numpy(), one)
    with pytest.raises(hnas.RangeError):
        batches.get(0, 10)
    data.close()
    assert batches.closed
    with pytest.raises(ValueError, match="600 images, 2 labels"):
        World(ctx).search.fit(x, y[:2])


def test_idx_files(ctx, tmp_path):
    x = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    for prefix in ("train", "t10k"):
        image = struct.pack(">IIII", 0x803, 2, 3, 4) + x.tobytes()
        label = struct.pack(">II", 0x801, 2) + bytes([1, 0])
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(image)
        with gzip.open(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", "wb") as f:
            f.write(label)
    data = hnas.Dataset.open(str(tmp_path), train=False, ctx=ctx)
    images, labels = data.arrays()
    np.testing.assert_allclose(images[:, 0], x / 255, rtol=1e-6)
    assert labels.tolist() == [1, 0]
    with pytest.raises(hnas.FileError, match="nor .gz"):
        hnas.Dataset.open(str(tmp_path / "none"), ctx=ctx)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(image[:20])
    with pytest.raises(hnas.TruncatedError):
        hnas.Dataset.open(str(tmp_path), train=False, ctx=ctx)
