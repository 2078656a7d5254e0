# SPDX-License-Identifier: BSD-3-Clause
"""What a context's objects share: one lock, and who needs whom."""
import atexit
import ctypes
import itertools
import re
import threading
import weakref
from collections import deque
from contextlib import contextmanager
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Sequence, Set

from . import _abi
from ._calls import running
from ._errors import ArgumentError, StateError, error
from ._library import lib
from ._whole import check

_serials = itertools.count()
_exiting = False


class Entry:
    """An object of the library, and the ones that must outlive it."""

    __slots__ = ("core", "pointer", "destroy", "parents", "children",
                 "doomed", "serial", "users")

    def __init__(self, core: "Core", pointer: Any,
                 destroy: Optional[Callable[[Any], None]],
                 parents: Sequence["Entry"] = ()) -> None:
        self.core, self.pointer, self.destroy = core, pointer, destroy
        self.parents = list(parents)
        self.children: Set[Entry] = set()
        self.doomed = False
        self.users = 0  # calls that run without the context's lock
        self.serial = next(_serials)
        for p in self.parents:
            p.children.add(self)

    def doom_with_children(self) -> None:
        """Have this and what depends on it released."""
        for child in sorted(self.children, key=lambda e: -e.serial):
            child.doom_with_children()
        self.core.doomed.append(self)


def called(function: Any, given: Sequence[Any],
           arguments: Sequence[Any]) -> Any:
    """What a function answers; TypeError where one of the arguments is none
    that it can get."""
    try:
        return function(*given)
    except ctypes.ArgumentError as e:
        found = re.match(r"argument (\d+): ", str(e))
        if not found:
            raise
        i = int(found.group(1)) - 1
        kind = function.argtypes[i]
        kind = getattr(kind, "_type_", kind)
        want = getattr(kind, "__name__", "") if isinstance(kind, type) and \
            issubclass(kind, ctypes.Structure) else "number"
        raise TypeError(f"{arguments[i]!r}: want a {want}") from None


class Core:
    """The state of one context.  A call holds the lock; what is released
    meanwhile waits until no call runs.  A call that may run beside others
    counts as a user of its object instead, which waits for the last one."""

    def __init__(self, pointer: Any) -> None:
        self.pointer = pointer
        self.entry = Entry(self, pointer, self._destroyed)
        self.lock = threading.RLock()
        self.users_lock = threading.RLock()  # held for moments, never in C
        self.depth = 0
        self.closed = False
        self.draining = False
        self.entries: Set[Entry] = set()
        self.pins: Set[Entry] = set()
        self.doomed: Deque[Entry] = deque()
        self.keep: List[Any] = []
        self.funcs: Dict[Any, Any] = {}
        _cores.add(self)

    # ---- calls ----

    def check_open(self) -> None:
        if self.closed or not self.pointer:
            raise StateError("context: it is closed")

    def _pointers(self, arguments: Sequence[Any]) -> List[Any]:
        """What C gets of arguments, read under the lock: what they stand for
        is not released before the call is over."""
        return [a._given(self) if isinstance(a, Given) else a
                for a in arguments]

    def call(self, function: Any, *arguments: Any) -> int:
        """Call a function that answers a status; raise what went wrong."""
        check(function, arguments)
        with self.lock:
            given = self._pointers(arguments)
            self.check_open()
            with self._running():
                status = int(called(function, given, arguments))
            if status < 0:
                text = lib.hnas_context_message(self.pointer).decode(
                    errors="replace")
                raise error(status, text)
            return status

    def get(self, function: Any, *arguments: Any) -> Any:
        """Call a function that can't fail."""
        check(function, arguments)
        with self.lock:
            given = self._pointers(arguments)
            self.check_open()
            with self._running():
                return called(function, given, arguments)

    def create(self, kind: Any, destroy: Any, function: Any, *arguments: Any,
               parents: Sequence[Entry] = ()) -> Entry:
        """Call a function whose first argument is where a new object goes."""
        out = ctypes.POINTER(kind)()
        with self.lock:
            try:
                self.call(function, ctypes.byref(out), *arguments)
                return self.adopt(out, destroy, parents)
            except BaseException:
                if out:
                    destroy(out)
                raise

    def adopt(self, pointer: Any, destroy: Any,
              parents: Sequence[Entry] = ()) -> Entry:
        with self.lock:
            entry = Entry(self, pointer, destroy, parents)
            self.entries.add(entry)
            return entry

    @contextmanager
    def _running(self) -> Iterator[None]:
        """A call runs: nothing is released until it has stopped."""
        if self.depth == 0:
            self._drain()
        self.depth += 1
        try:
            with running():
                yield
        finally:
            self.depth -= 1

    @contextmanager
    def using(self, entry: Entry) -> Iterator[Any]:
        """The pointer of an object, None where it is gone; what releases it
        meanwhile waits.  Other calls of the context may run."""
        with self.users_lock:
            entry.users += 1
        try:
            yield None if entry.doomed else entry.pointer
        finally:
            with self.users_lock:
                entry.users -= 1
            if entry.doomed and not entry.users:
                # no call keeps the lock of a closed context
                self.discard(entry, wait=self.closed)

    # ---- releases ----

    def discard(self, entry: Entry, wait: bool = False) -> None:
        """Release from a finaliser, which may come on any thread and may not
        wait, or after the last user."""
        if _exiting:
            return
        self.doomed.append(entry)
        if self.lock.acquire(blocking=wait):
            try:
                if self.depth == 0:
                    self._drain()
            finally:
                self.lock.release()

    def close_entry(self, entry: Entry) -> None:
        """Release it and what depends on it, now or after the running call."""
        with self.lock:
            if not entry.doomed:
                entry.doom_with_children()
            if self.depth == 0:
                self._drain()

    def _drain(self) -> None:
        if self.draining:
            return
        self.draining = True
        try:
            while self.doomed:
                entry = self.doomed.popleft()
                entry.doomed = True
                self._release(entry)
            if self.closed and not self.entries:
                self.entry.doomed = True
                self._release(self.entry)
        finally:
            self.draining = False

    def _destroyed(self, pointer: Any) -> None:
        lib.hnas_context_destroy(pointer)
        self.pointer = None
        self.keep.clear()
        self.funcs.clear()

    def _release(self, entry: Entry) -> None:
        with self.users_lock:
            if not entry.doomed or entry.children or entry.users:
                return
            pointer, entry.pointer = entry.pointer, None
        if pointer is None:
            return
        self.entries.discard(entry)
        self.pins.discard(entry)
        if entry.destroy:
            entry.destroy(pointer)
        for p in entry.parents:
            p.children.discard(entry)
            self._release(p)

    def pin(self, pointer: Any) -> Entry:
        """An own reference to a tensor that outlives even the context."""
        with self.lock:
            entry = self.adopt(lib.hnas_tensor_ref(pointer),
                               lib.hnas_tensor_unref)
            self.pins.add(entry)
            return entry

    def __del__(self) -> None:
        if not _exiting and self.pointer and not self.closed:
            self.close()

    def close(self) -> None:
        with self.lock:
            if self.closed:
                return
            if self.depth:
                raise StateError("context: close while a call runs")
            for entry in sorted(self.entries, key=lambda e: -e.serial):
                if entry not in self.pins:
                    self.doomed.append(entry)
            self.closed = True
            self._drain()


_cores: "weakref.WeakSet[Core]" = weakref.WeakSet()


def _at_exit() -> None:
    """Close what is open while callbacks still can run.  A call on another
    thread keeps what it uses: the process ends anyway."""
    global _exiting
    for core in list(_cores):
        if core.lock.acquire(timeout=0.1):
            try:
                if core.depth == 0:
                    core.close()
            finally:
                core.lock.release()
    _exiting = True


atexit.register(_at_exit)


class Single:
    """What stands for something of the library, which would end twice if it
    could be copied."""

    _instead = "make another"

    def __reduce_ex__(self, _protocol: Any) -> Any:
        raise TypeError(f"{type(self).__name__}: it can't be copied or "
                        f"pickled, {self._instead} instead")


class Given:
    """What a call may get as an argument: C gets its pointer."""

    def _given(self, core: Core) -> Any:
        """The pointer, for a call that holds this context's lock."""
        raise NotImplementedError


class Owned(Single, Given):
    """What C has an object of, and an entry here."""

    _entry: Optional[Entry] = None

    def _closed(self) -> StateError:
        return StateError(f"{type(self).__name__}: it is closed")

    @property
    def _core(self) -> Core:
        if self._entry is None:
            raise self._closed()
        return self._entry.core

    def _about(self) -> str:
        """What `repr` says of it while it is open."""
        return ""

    def __repr__(self) -> str:
        about = "closed" if self.closed else self._about()
        return f"<hnas.{type(self).__name__} {about}".rstrip() + ">"

    @property
    def closed(self) -> bool:
        """Whether it is gone."""
        entry = self._entry
        return entry is None or entry.pointer is None or entry.doomed

    def _given(self, core: Core) -> Any:
        if self.closed:
            raise self._closed()
        if self._core is not core:
            raise ArgumentError(f"{type(self).__name__}: it belongs to another "
                                "context", _abi.HNAS_E_ARG)
        assert self._entry is not None
        return self._entry.pointer

    @contextmanager
    def _using(self) -> Iterator[Any]:
        """The C pointer for a call without the context's lock: it stays until
        the call is over, whoever closes it."""
        core = self._core
        assert self._entry is not None
        with core.using(self._entry) as pointer:
            if pointer is None or self.closed:
                raise self._closed()
            yield pointer

    def _read(self, function: Any, *arguments: Any) -> Any:
        """Call a function that any thread may call at any moment."""
        check(function, (None, *arguments))
        with self._using() as pointer:
            return called(function, (pointer, *arguments), (self, *arguments))


class Handle(Owned):
    """What every object of the library has: `close()`, `closed`, `with`."""

    def close(self) -> None:
        """Release it, and what depends on it; more calls do nothing.  A call
        that runs on another thread ends first."""
        if self._entry is not None:
            self._entry.core.close_entry(self._entry)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        entry = self._entry
        if entry is not None and not entry.doomed:
            entry.core.discard(entry)


NULL_TAPE = ctypes.POINTER(_abi.hnas_tape)()
