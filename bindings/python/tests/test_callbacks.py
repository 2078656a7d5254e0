# SPDX-License-Identifier: BSD-3-Clause
"""Python called from C: what it gets, and what becomes of its exceptions."""
import gc
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from conftest import World, same

import hnas


class Mine(Exception):
    pass


def test_the_log_gets_each_failure():
    lines = []
    with hnas.Context(threads=1, log=lambda *a: lines.append(a)) as ctx:
        with pytest.raises(hnas.ShapeError) as e:
            hnas.Tape(ctx).add(np.zeros(2), np.zeros(3))
    assert lines == [("error", str(e.value))]


def test_an_exception_in_the_log_comes_out_of_the_call():
    def log(*_):
        raise Mine("log")

    with hnas.Context(threads=1, log=log) as ctx:
        with pytest.raises(Mine, match="log") as e:
            hnas.Tape(ctx).add(np.zeros(2), np.zeros(3))
        assert any("log" == f.name for f in e.traceback)
        assert hnas.Tape(ctx).sum(np.ones(3)).item() == 3


def test_progress_is_told_each_pass_and_can_stop(world):
    calls = []
    world.search.set_progress(lambda *a: calls.append(a))
    world.search.step(world.train, world.valid)
    gc.collect()
    world.search.step(world.train, world.valid)
    assert calls[0] == (0, 0) and (1, 0) in calls
    before = world.state()
    world.search.set_progress(lambda step, number: number == 1)
    with pytest.raises(hnas.StoppedError):
        world.search.step(world.train, world.valid)
    assert same(world.state(), before) and world.search.steps == 2
    world.search.set_progress(None)
    world.search.step(world.train, world.valid)
    assert world.search.steps == 3


def test_an_exception_in_progress_undoes_the_step(world):
    def progress(step, number):
        if number == 2:
            raise Mine("progress")

    before = world.state()
    world.search.set_progress(progress)
    with pytest.raises(Mine):
        world.search.step(world.train, world.valid)
    assert same(world.state(), before) and world.search.steps == 0


def test_the_poll_stops_a_call():
    asked = []

    def poll():
        asked.append(time.monotonic())
        return len(asked) == 2

    with hnas.Context(threads=1, poll=poll) as ctx:
        net = hnas.Supernet(ctx, image=(3, 32, 32), channels=16)
        b = hnas.Bilevel(net, hnas.Hypernet(net))
        x, y = np.ones((16, 3, 32, 32), np.float32), np.zeros(16, np.int32)
        with pytest.raises(hnas.StoppedError, match="poll"):
            b.loss(x, y, 1e-2)
        assert len(asked) == 2
        assert np.isfinite(b.loss(x[:2], y[:2], 1e-2))


def test_an_exception_in_the_poll_comes_out():
    def poll():
        raise Mine("poll")

    with hnas.Context(threads=1, poll=poll) as ctx:
        w = World(ctx)
        with pytest.raises(Mine):
            for _ in range(1000):
                w.search.step(w.train, w.valid)


def test_cancel_from_another_thread(world):
    world.search.cancel()
    with pytest.raises(hnas.StoppedError):
        world.search.step(world.train, world.valid)
    assert world.search.step(world.train, world.valid).step == 1


def failing(x):
    raise Mine("forward")


def test_an_exception_stays_in_the_thread_it_was_raised_in(ctx):
    def forward(x, stride):
        return x[:, :, ::stride, ::stride] if threading.current_thread() is \
            threading.main_thread() else failing(x)

    def predict():
        try:
            predictor.predict(w.train[0])
        except Exception as e:  # pylint: disable=broad-except
            got.append(e)

    def progress(step, number):
        thread = threading.Thread(target=predict)
        thread.start()
        thread.join()

    hnas.register_op(ctx, "mine", forward=forward,
                     backward=lambda dy, x, y, stride: np.zeros_like(x))
    w, got = World(ctx, ops=["mine"]), []
    predictor = hnas.Predictor(hnas.Network(w.search.query(1e-4)))
    w.search.set_progress(progress)
    assert w.search.step(w.train, w.valid).step == 1
    assert got and {type(e) for e in got} == {Mine}


def test_an_exception_that_a_callback_catches_ends_nothing_else(world):
    def progress(step, number):
        with pytest.raises(Mine):
            hnas.Tape(world.ctx).apply(failing, None, [np.ones(2)], [2])
        got.append(number)

    got = []
    world.search.set_progress(progress)
    assert world.search.step(world.train, world.valid).step == 1
    assert len(got) > 1


@pytest.mark.parametrize("way", ["progress", "network", "predictor", "loss"])
def test_control_c_ends_the_body_of_a_callback(ctx, way):
    def interrupted(*_):
        reached.append("before")
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("behind")

    def forward(x, stride):
        if reached is not None:
            interrupted()
        return x[:, :, ::stride, ::stride]

    reached = None
    hnas.register_op(ctx, "mine", forward=forward,
                     backward=lambda dy, x, y, stride: np.zeros_like(x))
    w = World(ctx, ops=["skip_connect" if way == "progress" else "mine"])
    x, y = w.train
    network = hnas.Network(w.search.query(1e-4))
    predictor = hnas.Predictor(network)
    w.search.set_progress(interrupted)
    reached, use = [], {
        "progress": lambda: w.search.step(w.train, w.valid),
        "loss": lambda: w.search.loss(x, y, 1e-2),
        "network": lambda: network.predict(x),
        "predictor": lambda: predictor.predict(x)}[way]
    with pytest.raises(KeyboardInterrupt):
        use()
    assert reached == ["before"] and w.search.steps == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_predictor_that_its_own_operation_calls_says_so(ctx):
    def forward(x, stride):
        if nested:
            nested.pop().predict(batch)
        return x[:, :, ::stride, ::stride]

    def predict():
        try:
            predictor.predict(batch)
        except hnas.Error as e:
            got.append(e)

    nested, got = [], []
    hnas.register_op(ctx, "mine", forward=forward,
                     backward=lambda dy, x, y, stride: np.zeros_like(x))
    w = World(ctx, ops=["mine"])
    batch = w.train[0]
    predictor = hnas.Predictor(hnas.Network(w.search.query(1e-4)))
    want = predictor.decision_function(batch)
    nested.append(predictor)
    thread = threading.Thread(target=predict, daemon=True)
    thread.start()
    thread.join(10)
    assert [type(e) for e in got] == [hnas.StateError]
    np.testing.assert_array_equal(predictor.decision_function(batch), want)


def test_an_exception_that_no_call_can_raise_is_told(monkeypatch):
    def log(*_):
        raise Mine("log")

    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with hnas.Context(threads=1, log=log) as ctx:
        ctx._callbacks[0](None, 1, b"as from a release")
        assert [t.exc_type for t in told] == [Mine]
        assert hnas.Tape(ctx).sum(np.ones(3)).item() == 3


@pytest.fixture
def heavy():
    """A step of many seconds, and a state to compare."""
    with hnas.Context(threads=1) as ctx:
        net = hnas.Supernet(ctx, image=(3, 32, 32), channels=16)
        b = hnas.Bilevel(net, hnas.Hypernet(net), order="second_fd",
                         relax="softmax", warmup=0.0)
        rng = np.random.default_rng(0)
        x = rng.standard_normal((96, 3, 32, 32)).astype(np.float32)
        yield b, (x, np.zeros(96, np.int32))


def interrupt_after(seconds, number, at):
    def send():
        time.sleep(seconds)
        at.append(time.process_time())
        os.kill(os.getpid(), number)

    t = threading.Thread(target=send)
    t.start()
    return t


@pytest.mark.parametrize("seconds", [0.05, 0.6, 1.7])
def test_control_c_stops_within_a_quarter_of_a_second(heavy, seconds,
                                                      tmp_path):
    b, batch = heavy
    before, at = {**b.net.state_dict(), **b.hyper.state_dict()}, []
    thread = interrupt_after(seconds, signal.SIGINT, at)
    with pytest.raises(KeyboardInterrupt):
        b.step(batch, batch)
    assert time.process_time() - at[0] < 0.25  # of this process alone
    thread.join()
    assert same({**b.net.state_dict(), **b.hyper.state_dict()}, before)
    assert b.steps == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    b.save(tmp_path / "s.safetensors")
    again = hnas.Bilevel.load(tmp_path / "s.safetensors", b.net.ctx)
    small = (batch[0][:2], batch[1][:2])
    assert again.step(small, small) == b.step(small, small)


def test_a_handler_of_the_hosts_decides(heavy):
    b, batch = heavy
    seen, at = [], []

    def gentle(number, frame):
        seen.append(number)

    def harsh(number, frame):
        raise Mine("handler")

    small = (batch[0][:16], batch[1][:16])
    old = signal.signal(signal.SIGUSR1, gentle)
    try:
        thread = interrupt_after(0.1, signal.SIGUSR1, at)
        assert np.isfinite(b.loss(*small, 1e-2))
        thread.join()
        assert seen == [signal.SIGUSR1]
        signal.signal(signal.SIGUSR1, harsh)
        thread = interrupt_after(0.1, signal.SIGUSR1, at)
        with pytest.raises(Mine):
            b.step(batch, batch)
        thread.join()
        assert signal.getsignal(signal.SIGUSR1) is harsh
    finally:
        signal.signal(signal.SIGUSR1, old)


def test_fit_is_cut_and_goes_on_bit_for_bit(tmp_path, pictures):
    x, y = pictures
    path = str(tmp_path / "search.safetensors")

    def fresh():
        return World(hnas.Context(threads=2, seed=5)).search

    whole = fresh().fit(x, y, epochs=2, batch=50)
    cut, passes = fresh(), []

    def progress(step, number):
        passes.append(step)
        if step == 3 and number == 1:
            os.kill(os.getpid(), signal.SIGINT)

    cut.set_progress(progress)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(x, y, epochs=2, batch=50, checkpoint=path)
    assert cut.steps == 3
    with hnas.Context(threads=1, seed=9) as other:
        with pytest.raises(hnas.StateError, match="seed 5, this context has 9"):
            hnas.Bilevel.load(path, other).fit(x, y, epochs=2, batch=50)
    with hnas.Context(threads=1, seed=5) as other:
        resumed = hnas.Bilevel.load(path, other)
        assert resumed.steps == 3
        resumed.fit(x, y, epochs=2, batch=50)
        assert same(resumed.net.state_dict(), whole.net.state_dict())
        assert same(resumed.hyper.state_dict(), whole.hyper.state_dict())
        # no validation loss while alpha is frozen, and nan is not nan
        assert repr(resumed.history) == repr(whole.history)
