# SPDX-License-Identifier: BSD-3-Clause
"""Calls of C on a thread.  No exception can pass through C: what callbacks and
the handlers of signals raise waits until the call has returned."""
import signal
import threading
from contextlib import contextmanager
from typing import Any, Iterator, List, Tuple

_SIGNALS = tuple(getattr(signal, name) for name in
                 ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGUSR1",
                  "SIGUSR2") if hasattr(signal, name))


class _Call:
    """A call of C that runs, and what was raised in it."""

    __slots__ = ("raised",)

    def __init__(self) -> None:
        self.raised: List[BaseException] = []


class _Thread(threading.local):
    """The calls of a thread: each but the first is made by a callback of the
    one before it."""

    def __init__(self) -> None:
        self.calls: List[_Call] = []


_thread = _Thread()


class _Kept:
    """The handler of a signal, run as ever while C runs; but what it raises
    is kept.  The context's poll then stops the call."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler

    def __call__(self, number: int, frame: Any) -> None:
        calls = _thread.calls
        if not calls:
            self.handler(number, frame)
            return
        try:
            self.handler(number, frame)
        except BaseException as e:  # pylint: disable=broad-except
            calls[-1].raised.append(e)


def _catch_signals(restore: List[Tuple[int, Any]]) -> None:
    """Python runs handlers on the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler) and not isinstance(handler, _Kept):
            restore.append((number, handler))
            signal.signal(number, _Kept(handler))


@contextmanager
def running() -> Iterator[None]:
    """The body is a call of C on this thread; the first thing that was raised
    in it comes out."""
    calls, call = _thread.calls, _Call()
    restore: List[Tuple[int, Any]] = []
    try:
        calls.append(call)
        if len(calls) == 1:
            _catch_signals(restore)
        yield
    finally:
        if calls and calls[-1] is call:
            calls.pop()
        for number, handler in restore:
            signal.signal(number, handler)
    if call.raised:
        raise call.raised[0]


@contextmanager
def carried() -> Iterator[None]:
    """The body of a callback: its exception waits for C to return.  Outside a
    call, as where an object is released, nobody would get it: Python says so
    and goes on."""
    calls = _thread.calls
    try:
        yield
    except BaseException as e:  # pylint: disable=broad-except
        if not calls:
            raise
        calls[-1].raised.append(e)


def has_raised() -> bool:
    """Whether something waits for the call that this thread is in."""
    calls = _thread.calls
    return bool(calls and calls[-1].raised)
