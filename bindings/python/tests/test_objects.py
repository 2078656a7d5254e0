# SPDX-License-Identifier: BSD-3-Clause
"""Lives and deaths: close in any order, any number of times, or never."""
import copy
import gc
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from conftest import HERE, World
from hypothesis import given, strategies as st

import hnas


def run(code, **env):
    """A program of its own."""
    path = os.pathsep.join([os.path.dirname(HERE), HERE])
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore::ImportWarning", "-c",
         code], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        timeout=60, env={**os.environ, "PYTHONPATH": path, **env})


def test_close_may_be_repeated_and_the_object_says_so(ctx):
    net = hnas.Supernet(ctx, channels=2, cells=1, nodes=1)
    assert not net.closed
    for _ in range(3):
        net.close()
    assert net.closed and "closed" in repr(net)
    with pytest.raises(hnas.StateError, match="Supernet: it is closed"):
        net.state_dict()
    for _ in range(3):
        ctx.close()
    with pytest.raises(hnas.StateError, match="context: it is closed"):
        hnas.Supernet(ctx)


def test_every_object_says_what_it_is(world):
    data, arch = hnas.Dataset(*world.train, world.ctx), \
        world.search.query(1e-2)
    t, u = (hnas.Tensor([1.0], world.ctx, wanted=True) for _ in range(2))
    things = {
        data: "<hnas.Dataset (6, 1, 8, 8) float32 classes=2>",
        data.batches(2): "<hnas.Batches 3 of 2>",
        t: "<hnas.Tensor (1,) float32>",
        hnas.Tape(world.ctx): "<hnas.Tape nodes=0>",
        hnas.Norm(2, ctx=world.ctx): "<hnas.Norm>",
        hnas.SGD([t], ctx=world.ctx): "<hnas.SGD params=1 steps=0>",
        hnas.Problem(min, min, [t], [u], ctx=world.ctx):
            "<hnas.Problem w=1 u=1 steps=0>",
        hnas.Cell(1, channels=2, ctx=world.ctx):
            "<hnas.Cell nodes=1 edges=2 channels=2>",
        hnas.Op(world.ctx, "skip_connect"):
            "<hnas.Op skip_connect channels=16 stride=1>",
        hnas.Predictor(hnas.Network(arch)): "<hnas.Predictor classes=3>",
        hnas.NetworkSet(world.net, world.search.path()):
            "<hnas.NetworkSet members=1 classes=3>",
        arch: repr(arch), world.ctx: repr(world.ctx)}
    for thing, said in things.items():
        assert repr(thing) == said and " at 0x" not in said
    for thing in things:
        thing.close()
        assert repr(thing) == f"<hnas.{type(thing).__name__} closed>"


def test_with_closes():
    with hnas.Context(threads=1) as ctx, hnas.Tape(ctx) as tape:
        pass
    assert tape.closed and ctx.closed


def test_closing_a_net_closes_what_needs_it(world):
    path = world.search.path()
    arch = path[0]
    world.net.close()
    assert world.search.closed and path.closed
    assert not arch.closed and arch.cost.params > 0
    assert not world.hyper.closed


@given(st.permutations(["net", "hyper", "search", "path", "ctx", "arch"]))
def test_any_order_of_close_is_fine(order):
    w = World(hnas.Context(threads=1))
    things = {"net": w.net, "hyper": w.hyper, "search": w.search,
              "path": w.search.path(), "arch": w.search.query(1e-2),
              "ctx": w.ctx}
    for name in order:
        things[name].close()
    assert w.ctx._core.pointer is None


@given(st.permutations(["net", "hyper", "search", "path", "ctx"]),
       st.booleans())
def test_any_order_of_collection_is_fine(order, cyclic):
    w = World(hnas.Context(threads=1))
    things = {"net": w.net, "hyper": w.hyper, "search": w.search,
              "path": w.search.path(), "ctx": w.ctx}
    del w
    if cyclic:
        things["self"] = things
        del things
    else:
        for name in order:
            del things[name]
    gc.collect()


def test_nothing_is_left_in_the_library_after_collection(ctx):
    held = []
    for _ in range(3):
        w = World(ctx)
        w.search.step(w.train, w.valid)
        w.search.path()[0]
        del w
        gc.collect()
        hnas.Tape(ctx).close()
        held.append(ctx.memory[0])
        assert len(ctx._core.entries) == 0
    assert held[0] == held[1] == held[2]


def test_a_tape_outlives_none_of_its_inputs(ctx):
    tape = hnas.Tape(ctx)
    loss = tape.sum(tape.mul(np.ones(4), np.full(4, 2.0)))
    gc.collect()
    assert loss.item() == 8
    tape.close()
    with pytest.raises(hnas.StateError):
        loss.item()


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_nothing_of_the_library_can_be_copied(way, world, capfd):
    arch = world.search.query(1e-2)
    network = hnas.Network(arch)
    data = hnas.Dataset(world.train[0], world.train[1], world.ctx)
    path = world.search.path()
    things = {
        world.ctx: "make another", hnas.Tape(world.ctx): "make another",
        data: "make another", data.batches(2): "make another",
        hnas.Tensor([1.0], world.ctx): "numpy",
        world.net: "state_dict", world.hyper: "state_dict",
        hnas.Op(world.ctx, "skip_connect"): "state_dict",
        arch: "to_dict", path: "to_dict", world.search: "save and load",
        network: "save and load", hnas.Predictor(network): "share",
        hnas.NetworkSet(world.net, path): "save and load"}
    for thing, instead in things.items():
        with pytest.raises(TypeError, match=f"^{type(thing).__name__}: it "
                           f"can't be copied or pickled.* {instead}"):
            way(thing)
        with pytest.raises(TypeError, match="can't be copied or pickled"):
            way({"in": [thing]} if way is not copy.copy else thing)
        gc.collect()
        assert not thing.closed
    assert capfd.readouterr() == ("", "")


def test_the_interpreter_ends_with_everything_open():
    r = run("from conftest import *\n"
            "w = World(hnas.Context(threads=2, log=print))\n"
            "w.search.step(w.train, w.valid)\n"
            "v = w.net.tensor('head.weight').numpy()\n"
            "p = w.search.path(); t = hnas.Tape(w.ctx)\n"
            "loop = [w]; loop.append(loop)\n"
            "print('end')\n")
    assert (r.returncode, r.stdout, r.stderr) == (0, "end\n", "")


def test_the_interpreter_ends_while_a_thread_computes():
    r = run("from conftest import *\nimport threading, time\n"
            "ctx = hnas.Context(threads=1)\n"
            "net = hnas.Supernet(ctx, image=(3, 32, 32), channels=16)\n"
            "b = hnas.Bilevel(net, hnas.Hypernet(net))\n"
            "x = np.zeros((32, 3, 32, 32), np.float32); y = np.zeros(32)\n"
            "threading.Thread(target=b.loss, args=(x, y, 1e-2),\n"
            "                 daemon=True).start()\n"
            "time.sleep(0.2)\nprint('end')\n")
    assert (r.returncode, r.stdout) == (0, "end\n"), r.stderr


PREDICTING = """from conftest import *
import threading, time
ctx = hnas.Context(threads=1)
net = hnas.Supernet(ctx, image=(3, 16, 16), classes=3, channels=8, cells=3)
arch = hnas.Bilevel(net, hnas.Hypernet(net)).query(1e-4)
p = hnas.Predictor(hnas.Network(arch))
x = np.random.default_rng(0).standard_normal((96, 3, 16, 16), np.float32)
want, n, last = p.decision_function(x), [0], []
core = ctx._core

def work():
    try:
        while True:
            assert np.array_equal(p.decision_function(x), want)
            n[0] += 1
    except Exception as e:
        last.append(repr(e))

def wait():
    before = n[0]
    while n[0] < before + 2:
        time.sleep(0.001)
    time.sleep(0.01)

thread = threading.Thread(target=work, daemon=True)
thread.start()
wait()
"""


@pytest.mark.parametrize("what", ["p", "ctx"])
def test_what_is_closed_while_a_thread_predicts_waits_for_it(what):
    r = run(PREDICTING + f"for _ in range(2): {what}.close()\n"
            "thread.join(); print(last[0], p._entry.pointer)\n"
            "ctx.close(); print(core.pointer, core.entries)\n")
    assert (r.returncode, r.stdout) == (
        0, "StateError('Predictor: it is closed') None\nNone set()\n"), \
        r.stderr


def test_the_interpreter_ends_while_a_thread_predicts():
    r = run(PREDICTING + "print('end'); sys.exit(0)\n")
    assert (r.returncode, r.stdout) == (0, "end\n"), r.stderr


def test_a_predictor_need_not_wait_for_a_step_of_its_context(world):
    x, _ = world.train
    p = hnas.Predictor(hnas.Network(world.search.query(1e-2)))
    got = []

    def progress(step, number):
        thread = threading.Thread(target=lambda: got.append(p.predict(x)))
        thread.start()
        thread.join(10)

    world.search.set_progress(progress)
    world.search.step(world.train, world.valid)
    assert got and all((g == p.predict(x)).all() for g in got)


def test_threads_take_turns_on_a_context(world):
    errors, losses = [], []

    def work():
        try:
            for _ in range(5):
                losses.append(world.search.loss(*world.train, 1e-2))
                hnas.Tape(world.ctx).close()
        except Exception as e:  # pylint: disable=broad-except
            errors.append(e)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors and len(losses) == 20 and len(set(losses)) == 1


def test_a_forked_child_can_compute(world):
    want = world.search.loss(*world.train, 1e-2)
    child = os.fork()
    if child == 0:
        ok = world.search.loss(*world.train, 1e-2) == want
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_objects_of_two_contexts_do_not_mix(ctx):
    with hnas.Context(threads=1) as other:
        a, b = hnas.Tensor([1.0], ctx), hnas.Tensor([1.0], other)
        with pytest.raises(hnas.ArgumentError, match="another context"):
            hnas.Tape(ctx).add(a, b)
        with pytest.raises(hnas.ArgumentError, match="another context"):
            hnas.Bilevel(World(ctx).net, World(other).hyper)
    with pytest.raises(TypeError, match="want hnas.Context"):
        hnas.Supernet("ctx")


def test_the_default_context_comes_back_after_close():
    a = hnas.default_context()
    assert hnas.default_context() is a
    a.close()
    assert not hnas.default_context().closed


NOT_IN_C = [
    ("threads", lambda w: hnas.Context(threads=2 ** 32 + 1)),
    ("seed", lambda w: hnas.Context(seed=-1)),
    ("cpu_mask", lambda w: hnas.Context(cpu_mask=2 ** 32)),
    ("cells", lambda w: hnas.Supernet(w.ctx, cells=2 ** 32 + 1)),
    ("channels", lambda w: hnas.Supernet(w.ctx, channels=2 ** 64 + 2)),
    ("image", lambda w: hnas.Supernet(w.ctx, image=(1, 8, 2 ** 64 + 8))),
    ("knots", lambda w: hnas.Hypernet(w.net, kind="piecewise",
                                      knots=2 ** 32 + 3)),
    ("draws", lambda w: hnas.Bilevel(w.net, w.hyper, draws=2 ** 32 + 1)),
    ("relax", lambda w: hnas.Bilevel(w.net, w.hyper, relax=2 ** 32)),
    ("total_steps", lambda w: hnas.Bilevel(w.net, w.hyper,
                                           total_steps=2 ** 64)),
    ("rule", lambda w: w.search.query(1e-2, rule=2 ** 32)),
    ("limit", lambda w: w.search.budget(params=1e30)),
    ("classes", lambda w: hnas.Network(w.search.query(1e-2),
                                       classes=2 ** 64 + 3)),
    ("image", lambda w: hnas.Network(w.search.query(1e-2),
                                     image=(1, 8, 2 ** 64 + 8))),
    ("total_steps", lambda w: hnas.Network(w.search.query(1e-2)).begin(
        total_steps=2 ** 64 + 1)),
    ("threads", lambda w: hnas.Predictor(hnas.Network(w.search.query(1e-2)),
                                         threads=2 ** 32 + 1)),
    ("index", lambda w: hnas.Predictor(hnas.Network(
        w.search.query(1e-2))).switch(2 ** 32)),
    ("threads", lambda w: hnas.Predictor(hnas.Network(
        w.search.query(1e-2))).share(2 ** 32 + 1)),
    ("batch", lambda w: hnas.Dataset(*w.train, w.ctx).batches(2 ** 64 + 2)),
    ("epoch", lambda w: hnas.Dataset(*w.train, w.ctx).batches(2).get(
        2 ** 64, 0)),
    ("axis", lambda w: w.net.tensor("head.bias").view(2 ** 32, 0, 1)),
    ("first", lambda w: w.net.tensor("head.bias").view(0, 2 ** 64, 1)),
    ("stride", lambda w: hnas.Tape(w.ctx).conv2d(
        np.ones((1, 1, 4, 4)), np.ones((1, 1, 1, 1)), stride=2 ** 64 + 1)),
    ("stride", lambda w: hnas.Tape(w.ctx).max_pool_3x3(
        np.ones((1, 1, 4, 4)), 2 ** 64 + 1)),
    ("index", lambda w: hnas.Tape(w.ctx).mix(
        [np.ones((1, 1, 4, 4))], np.ones((1, 1)), [2 ** 64])),
    ("stride", lambda w: hnas.Op(w.ctx, "skip_connect", stride=2 ** 64 + 1)),
    ("from", lambda w: hnas.Cell(1, [(2 ** 32, 2)], ctx=w.ctx)),
    ("outputs", lambda w: hnas.Cell(1, outputs=[2 ** 32 + 2], ctx=w.ctx)),
    ("version", lambda w: hnas.register_op(
        w.ctx, "mine", forward=lambda x, stride: x, version=2 ** 32 + 1)),
]


@pytest.mark.parametrize("name, use", NOT_IN_C)
def test_a_number_that_c_cannot_hold_is_named(world, name, use):
    with pytest.raises(ValueError, match=rf"^{name}: -?\d+, want"):
        use(world)


def test_what_is_no_whole_number_is_named(world):
    for use in (lambda: hnas.Context(threads=1.5),
                lambda: hnas.Supernet(world.ctx, cells=3.0),
                lambda: hnas.Tape(world.ctx).max_pool_3x3(
                    np.ones((1, 1, 4, 4)), 1.5),
                lambda: world.net.tensor("head.bias").view(0, "0", 1)):
        with pytest.raises(TypeError, match="^(threads|cells|stride|first): "
                           ".*, want a whole number"):
            use()
    with pytest.raises(ValueError, match="image: .*, want 3 numbers"):
        hnas.Supernet(world.ctx, image=(8, 8))
    assert hnas.Context(threads=np.int64(1), seed=2 ** 64 - 1).seed == \
        2 ** 64 - 1


def test_a_context_holds_no_more_than_its_limit():
    with pytest.raises(hnas.OutOfMemoryError, match="^context: out of memory"):
        hnas.Context(memory_limit=100)
    ctx = hnas.Context(threads=1, memory_limit=1 << 20)
    with pytest.raises(hnas.OutOfMemoryError, match="held of at most 0.00105"):
        hnas.Supernet(ctx, image=(3, 32, 32))


def test_settings_that_no_context_takes_are_named():
    with pytest.raises(hnas.RangeError, match="threads: 1000, want 0..256"):
        hnas.Context(threads=1000)
    with pytest.raises(hnas.UnknownNameError, match="'fast', want one of"):
        hnas.Context(gemm="fast")
