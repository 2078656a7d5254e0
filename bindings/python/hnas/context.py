# SPDX-License-Identifier: BSD-3-Clause
"""The context: memory, threads, seed, kernels, messages."""
import ctypes
from typing import Any, Callable, Optional, Tuple

from . import _abi
from ._calls import carried, has_raised
from ._core import Core, Owned
from ._errors import StateError, error
from ._library import lib
from ._options import assign, name_of, number, options
from ._whole import expect

LEVELS = {"none": 0, "error": 1, "warning": 2, "info": 3}


def refusal(status: int, threads: int, gemm: str) -> str:
    """Which argument it was that no context could be made of."""
    if not 0 <= threads <= 256:
        return f"threads: {threads}, want 0..256"
    if gemm == "blis" and lib.hnas_blis_version() is None:
        return "gemm: 'blis', want 'auto' or 'builtin' in a library without BLIS"
    if status == _abi.HNAS_E_NOMEM:
        return "context: out of memory"
    return f"context: {threads} threads are not to be had here"


class Context(Owned):
    """Everything of the library belongs to a context; they share nothing.

    threads: workers, 0 for all cores.  seed: of every random draw.
    memory_limit: most bytes held, None for any; more is OutOfMemoryError.
    log(level, message) gets a line for each failure and warning, up to
    log_level.  poll() is asked now and then while a call computes: True stops
    it with StoppedError.  Any exception in one of them ends the call that
    runs and comes out of it.
    """

    def __init__(self, threads: int = 0, seed: int = 0, *,
                 log: Optional[Callable[[str, str], Any]] = None,
                 log_level: str = "warning",
                 poll: Optional[Callable[[], Any]] = None,
                 gemm: str = "auto", cpu_mask: Optional[int] = None,
                 memory_limit: Optional[int] = None) -> None:
        opts = options("hnas_context_opts")
        self._log, self._poll = log, poll
        self._callbacks = (_abi.hnas_log_fn(self._on_log),
                           _abi.hnas_poll_fn(self._on_poll))
        assign(opts, n_threads=threads, seed=seed,
               gemm=number("gemm", "HNAS_GEMM_", gemm),
               log_level=LEVELS.get(log_level, 2), cpu_mask=cpu_mask,
               memory_limit=memory_limit)
        if log:
            opts.log = self._callbacks[0]
        opts.poll = self._callbacks[1]
        out = ctypes.POINTER(_abi.hnas_context)()
        status = lib.hnas_context_create(ctypes.byref(out), ctypes.byref(opts))
        if status < 0:
            raise error(status, refusal(status, threads, gemm))
        core = Core(out)
        core.keep.append(self._callbacks)
        self._entry = core.entry

    def _on_log(self, _user: Any, level: int, line: bytes) -> None:
        if self._entry is None or self._log is None:
            return
        with carried():
            self._log(name_of("HNAS_LOG_", level), line.decode(errors="replace"))

    def _on_poll(self, _user: Any) -> int:
        if self._entry is None:
            return 0
        if self._poll is not None and not has_raised():
            with carried():
                if self._poll():
                    return 1
        return int(has_raised())

    def _closed(self) -> StateError:
        return StateError("context: it is closed")

    @property
    def closed(self) -> bool:
        """Whether it is gone."""
        return self._entry is None or self._entry.core.closed

    def close(self) -> None:
        """Close it and all that belongs to it; more calls do nothing.  Arrays
        that share its memory stay valid."""
        if self._entry is not None:
            self._entry.core.close()

    def __enter__(self) -> "Context":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    @property
    def threads(self) -> int:
        """Workers, the calling thread included."""
        return int(self._read(lib.hnas_context_get_threads))

    @property
    def seed(self) -> int:
        """Of every random draw."""
        return int(self._read(lib.hnas_context_get_seed))

    @property
    def kernels(self) -> str:
        """The kernel level: "c", "avx2" or "avx512"."""
        return str(self._read(lib.hnas_context_get_kernels).decode())

    @property
    def gemm(self) -> str:
        """What multiplies matrices: "builtin" or "blis ..."."""
        return str(self._read(lib.hnas_context_get_gemm).decode())

    @property
    def memory(self) -> Tuple[int, int]:
        """Bytes held now, and at most so far."""
        now, peak = ctypes.c_size_t(), ctypes.c_size_t()
        self._core.get(lib.hnas_context_get_memory, self, ctypes.byref(now),
                       ctypes.byref(peak))
        return now.value, peak.value

    @property
    def ops(self) -> Tuple[str, ...]:
        """The names of all registered operations."""
        core = self._core
        with core.lock:
            n = core.get(lib.hnas_op_get_count, self)
            tables = [core.get(lib.hnas_op_get, self, i) for i in range(n)]
            return tuple(t.contents.name.decode() for t in tables)

    def _about(self) -> str:
        return (f"threads={self.threads} seed={self.seed} "
                f"kernels={self.kernels}")


_default: Optional[Context] = None


def default_context() -> Context:
    """The context that serves where none is given: all cores, seed 0."""
    global _default
    if _default is None or _default.closed:
        _default = Context()
    return _default


def context_of(ctx: Optional[Context]) -> Context:
    if ctx is None:
        return default_context()
    expect("ctx", ctx, Context)
    return ctx
