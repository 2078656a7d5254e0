# SPDX-License-Identifier: BSD-3-Clause
"""Where a search starts from, and how it and a training go on."""
import numpy as np
import pytest

import hnas
from conftest import World


def test_darts_cc_starts_by_the_predecessors_of_an_edge(ctx):
    net = hnas.Supernet(ctx, channels=2, nodes=4, cells=3)
    hyper = hnas.Hypernet(net, preset="darts_cc")
    knots = np.abs(hyper.state_dict()["hyper.normal.knots"]).max((0, 2))
    for n in (2, 3, 4, 5):
        of_node = [i for i, (_, to) in enumerate(net.edges) if to == n]
        bound = 1 / np.sqrt(8 * len(of_node))
        assert 0.9 * bound < knots[of_node].max() <= bound


def test_a_search_goes_on_with_its_own_epochs(ctx, pictures, tmp_path):
    x, y = pictures
    search = World(ctx).search.fit(x, y, epochs=1, batch=50)
    steps, path = search.steps, str(tmp_path / "search.safetensors")
    search.save(path)
    for s in search, hnas.Bilevel.load(path, ctx):
        with pytest.raises(hnas.StateError, match="epochs of 6 steps, this "
                           "data, batch and valid_fraction make 3"):
            s.fit(x, y, epochs=4, batch=100)
        assert s.steps == steps
    with pytest.warns(UserWarning, match="beyond 6 lie behind the schedules"):
        search.fit(x, y, epochs=2, batch=50)
    assert search.steps == 2 * steps


def test_a_fit_leaves_the_steps_of_tau_alone(ctx, pictures):
    search = World(ctx, tau=(1.0, 0.2)).search
    search.fit(*pictures, epochs=1, batch=50)
    assert search._opts().tau_steps == 1
    assert search._opts().bilevel.rate_steps == 6


def test_a_training_is_not_resumed_behind_its_schedule(ctx, pictures,
                                                       tmp_path):
    arch = World(ctx).search.query(1e-3)
    path = str(tmp_path / "net.safetensors")
    network = hnas.Network(arch).fit(*pictures, epochs=1, batch=100)
    network.save(path)
    for n in network, hnas.Network.load(path, ctx):
        with pytest.raises(hnas.StateError, match="epochs 5, 30 steps, the "
                           "training was begun for 6"):
            n.fit(*pictures, epochs=5, batch=100, resume=True)


def test_onnx_files_tell_how_images_are_normalised(ctx, pictures, tmp_path):
    network = hnas.Network(World(ctx).search.query(1e-3))
    network.fit(*pictures, epochs=1, batch=100).to_onnx(tmp_path / "net.onnx")
    assert f'"mean": {network.mean!r}'.encode() in \
        (tmp_path / "net.onnx").read_bytes()


def test_whole_numbers_other_than_bytes_are_no_images(ctx, pictures):
    x, y = pictures
    for images in x.astype(np.int64), x.tolist():
        with pytest.raises(hnas.ElementTypeError, match="images: int64, want "
                           "uint8"):
            hnas.Dataset(images, y, ctx)


def test_a_query_outside_the_range_warns(world):
    with pytest.warns(UserWarning, match="lambda 5 lies outside 0.0001..0.1"):
        world.search.query(5.0)


def test_a_budget_of_latency_wants_a_measurement(world):
    members = hnas.NetworkSet(world.net, world.search.path())
    with pytest.raises(hnas.StateError, match=r"want measure\(\) first"):
        members.budget(latency_us=50.0)


def test_pictures_are_part_of_the_package(world):
    vars(hnas).pop("plot", None)  # another test may have imported it
    assert hnas.plot.path.__doc__
    with pytest.raises(hnas.UnknownNameError, match="metric: 'latency'"):
        hnas.plot.path(world.search.path(), "latency", ax=object())
