# SPDX-License-Identifier: BSD-3-Clause
"""Tensors, and the named tensors that nets, operations and hypernetworks
keep."""
import ctypes
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from . import _abi, _arrays
from ._core import Core, Entry, Given, Handle
from ._errors import ShapeError, UnknownNameError
from ._library import lib
from ._options import name_of, number
from .context import Context, context_of


DEFAULTS = {np.dtype(np.float64): np.float32, np.dtype(np.int64): np.int32}


class Tensor(Handle):
    """An array of up to four axes.

    From a NumPy array the memory is shared where its layout allows (whole
    strides; float32, float64, int32 or uint8), unless copy is True.  Python's
    numbers become float32 or int32.  wanted: it shall get a gradient.
    """

    _instead = "take numpy"

    def __init__(self, array: Any, ctx: Optional[Context] = None, *,
                 dtype: Any = None, copy: bool = False,
                 wanted: bool = False) -> None:
        core = context_of(ctx)._core
        core.check_open()
        if dtype is None and wanted:
            dtype = np.float32
        elif dtype is None and not isinstance(array, (np.ndarray,
                                                       np.generic)):
            dtype = DEFAULTS.get(np.asarray(array).dtype)
        fitting = _arrays.fitting(array, dtype)
        if copy and np.shares_memory(fitting, np.asarray(array)):
            fitting = fitting.copy()
        if not fitting.flags.writeable:
            fitting = fitting.copy()
        self._entry = _arrays.wrap(core, fitting)
        self._recorded = False
        if wanted:
            self.wanted = True

    @classmethod
    def _of(cls, entry: Entry, recorded: bool) -> "Tensor":
        t = cls.__new__(cls)
        t._entry = entry
        t._recorded = recorded
        return t

    @property
    def shape(self) -> Tuple[int, ...]:
        """Up to four numbers."""
        shape: Tuple[int, ...] = _arrays.shape_of(self._core, self)[1]
        return shape

    @property
    def dtype(self) -> Any:
        """float32, float64, int32 or uint8."""
        a, _ = _arrays.shape_of(self._core, self)
        return _arrays.OF_DTYPE[a.dtype]

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self._read(lib.hnas_tensor_get_count))

    def numpy(self, copy: bool = False) -> Any:
        """Its values.  A leaf's memory is shared, whatever becomes of the
        tensor; what a tape computed is copied, for its memory is used
        again."""
        if copy or self._recorded:
            return _arrays.copy_out(self._core, self, lib.hnas_tensor_get,
                                    self.dtype)
        return _arrays.view(self._core, self)

    def __array__(self, dtype: Any = None) -> Any:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __float__(self) -> float:
        return self.item()

    def item(self) -> float:
        """The value of a single number."""
        if self.size != 1:
            raise ValueError(f"tensor: {self.size} elements, want one")
        return float(_arrays.copy_out(self._core, self,
                                      lib.hnas_tensor_get, np.float64).flat[0])

    def set(self, array: Any) -> None:
        """Write values of the same shape."""
        _arrays.copy_in(self._core, self, array, "tensor")

    def view(self, axis: int, first: int, count: int) -> "Tensor":
        """Entries first .. first + count - 1 of an axis, memory shared."""
        entry = self._core.create(
            _abi.hnas_tensor, lib.hnas_tensor_unref, lib.hnas_tensor_view,
            self, axis, first, count)
        return Tensor._of(entry, False)

    def _set_wanted(self, wanted: bool) -> None:
        self._core.call(lib.hnas_tensor_set_wanted, self, int(wanted))

    wanted = property(None, _set_wanted, None, "Whether a leaf wants a "
                      "gradient; can only be set.")

    @property
    def gradient(self) -> Any:
        """A copy of a leaf's gradient, summed since the last clear."""
        return _arrays.copy_out(self._core, self,
                                lib.hnas_tensor_get_gradient, np.float32)

    def clear_gradient(self) -> None:
        """Forget the gradient: a sweep adds to what is there."""
        self._core.get(lib.hnas_tensor_clear_gradient, self)

    def _about(self) -> str:
        return f"{self.shape} {self.dtype}"


class Pointers(Given):
    """Tensors as an array of pointers, NULL where there is none."""

    def __init__(self, tensors: Sequence[Optional[Tensor]]) -> None:
        self.tensors = list(tensors)

    def _given(self, core: Core) -> Any:
        kind = ctypes.POINTER(_abi.hnas_tensor)
        return (kind * max(1, len(self.tensors)))(
            *[kind() if t is None else t._given(core) for t in self.tensors])


def tensor(core: Core, value: Any, dtype: Any = np.float32,
           what: str = "array") -> Tensor:
    """A tensor as it is, or a constant over an array."""
    if isinstance(value, Tensor):
        value._given(core)  # not of another context
        return value
    return Tensor._of(_arrays.wrap(core, _arrays.fitting(value, dtype, what)),
                      False)


class Named(Handle):
    """An object with named tensors: their values, gradients and handles."""

    _instead = "take state_dict"
    _params_function = ""

    def _params(self, core: Core) -> Any:
        """The library's list, for whoever holds this context's lock."""
        return core.get(getattr(lib, self._params_function), self)

    def _list(self) -> List[Tuple[str, int, Any]]:
        """[(name, kind, borrowed pointer)], likewise."""
        params = self._params(self._core)
        return [(lib.hnas_params_get_name(params, i).decode(),
                 lib.hnas_params_get_kind(params, i),
                 lib.hnas_params_get_tensor(params, i))
                for i in range(lib.hnas_params_get_count(params))]

    def state_dict(self) -> Dict[str, Any]:
        """Copies of all named tensors: weights O x I x kH x kW, running
        statistics, architecture parameters E x O."""
        with self._core.lock:
            return {name: _arrays.copy_out(self._core, p, lib.hnas_tensor_get,
                                           np.float32)
                    for name, _, p in self._list()}

    def load_state_dict(self, state: Mapping[str, Any],
                        strict: bool = True) -> None:
        """Write named tensors.  All names, shapes and values are checked
        before the first is written; without strict, others and missing ones
        are left."""
        with self._core.lock:
            mine = {name: p for name, _, p in self._list()}
            if strict:
                self._check_names(set(mine), set(state))
            new = {n: np.asarray(state[n]) for n in mine if n in state}
            for name, given in new.items():
                value = _arrays.converted(given, np.float32, name)
                new[name] = value
                want = _arrays.shape_of(self._core, mine[name])[1]
                if value.shape != want:
                    raise ShapeError(
                        f"{name}: shape {value.shape}, want {want}",
                        _abi.HNAS_E_SHAPE)
            for name, value in new.items():
                _arrays.copy_in(self._core, mine[name], value, name)

    @staticmethod
    def _check_names(mine: Any, given: Any) -> None:
        missing, others = sorted(mine - given), sorted(given - mine)
        if missing or others:
            said = [f"{what}: {', '.join(n[:5])}{' ...' * (len(n) > 5)}"
                    for what, n in (("missing", missing), ("unknown", others))
                    if n]
            raise UnknownNameError("state_dict: " + "; ".join(said),
                                   _abi.HNAS_E_NAME)

    def gradients(self) -> Dict[str, Any]:
        """Copies of the gradients of all that learns, by the same names."""
        with self._core.lock:
            return {name: _arrays.copy_out(
                        self._core, p, lib.hnas_tensor_get_gradient,
                        np.float32)
                    for name, kind, p in self._list()
                    if kind != _abi.HNAS_PARAM_BUFFER}

    def clear_gradients(self) -> None:
        """Forget all gradients."""
        with self._core.lock:
            for _, _, p in self._list():
                self._core.get(lib.hnas_tensor_clear_gradient, p)

    def kinds(self) -> Dict[str, str]:
        """"weight", "arch" or "buffer" of each name."""
        with self._core.lock:
            return {name: name_of("HNAS_PARAM_", kind)
                    for name, kind, _ in self._list()}

    def tensor(self, name: str) -> Tensor:
        """A handle of one named tensor: its memory, not a copy."""
        out = ctypes.POINTER(_abi.hnas_tensor)()
        core = self._core
        with core.lock:
            core.call(lib.hnas_params_find, ctypes.byref(out),
                      self._params(core), name.encode())
            entry = core.adopt(lib.hnas_tensor_ref(out), lib.hnas_tensor_unref)
        return Tensor._of(entry, False)

    def count(self, kind: Optional[str] = "weight") -> int:
        """The number of elements of a kind; None: of all."""
        wanted = 0 if kind is None else number("kind", "HNAS_PARAM_", kind)
        core = self._core
        with core.lock:
            return int(lib.hnas_params_get_elements(self._params(core),
                                                    wanted))
