# SPDX-License-Identifier: BSD-3-Clause
"""Calls of C on a thread.  No exception can pass through C: what callbacks and
the handlers of signals raise waits until the call has returned."""
import os
import signal
import threading
from contextlib import contextmanager
from typing import Any, Iterator, List, Tuple

_SIGNALS = tuple(getattr(signal, name) for name in
                 ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGUSR1",
                  "SIGUSR2") if hasattr(signal, name))


class _Call:
    """A call of C that runs, what was raised in it, and whether the body of a
    callback of it runs."""

    __slots__ = ("raised", "in_body")

    def __init__(self) -> None:
        self.raised: List[BaseException] = []
        self.in_body = False


class _Thread(threading.local):
    """The calls of a thread: each but the first is made by a callback of the
    one before it."""

    def __init__(self) -> None:
        self.calls: List[_Call] = []


_thread = _Thread()


def _is_hosts(frame: Any) -> bool:
    """Whether it runs a host's code, not that which enters and leaves it."""
    name: str = frame.f_code.co_filename
    return os.path.dirname(name) != _OURS and name != _WITH


_OURS = os.path.dirname(_is_hosts.__code__.co_filename)
_WITH = contextmanager.__code__.co_filename


class _Kept:
    """The handler of a signal, run as ever while C runs.  What it raises ends
    the host's code where that runs in a callback; else it is kept, and the
    context's poll stops the call."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler

    def __call__(self, number: int, frame: Any) -> None:
        calls = _thread.calls
        if not calls or (calls[-1].in_body and _is_hosts(frame)):
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
    call = _thread.calls[-1] if _thread.calls else _Call()
    try:
        call.in_body = True
        yield
    except BaseException as e:  # pylint: disable=broad-except
        if not _thread.calls:
            raise
        call.raised.append(e)
    finally:
        call.in_body = False


def has_raised() -> bool:
    """Whether something waits for the call that this thread is in."""
    calls = _thread.calls
    return bool(calls and calls[-1].raised)
