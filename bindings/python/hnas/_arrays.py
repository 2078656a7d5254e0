# SPDX-License-Identifier: BSD-3-Clause
"""NumPy arrays to tensors and back, without a copy where layouts allow."""
import ctypes
import itertools
from typing import Any, Dict, Optional, Tuple

import numpy as np

from . import _abi
from ._core import Core, Entry, Given
from ._errors import (ArgumentError, ElementTypeError, NotFiniteError,
                      RangeError, ShapeError)
from ._library import lib

DTYPES = {
    np.dtype(np.float32): _abi.HNAS_FLOAT32,
    np.dtype(np.float64): _abi.HNAS_FLOAT64,
    np.dtype(np.int32): _abi.HNAS_INT32,
    np.dtype(np.uint8): _abi.HNAS_UINT8,
}
OF_DTYPE: Dict[int, Any] = {value: key for key, value in DTYPES.items()}
_keys = itertools.count(1)
_held: Dict[int, Any] = {}  # wrapped arrays, until the library lets go


def _forget(user: Optional[int], _data: Any) -> None:
    _held.pop(user or 0, None)


_release = _abi.hnas_release_fn(_forget)


def largest(logits: Any) -> Any:
    """The class of each row of logits; a row that is not finite has none."""
    bad = ~np.isfinite(logits).all(axis=1)
    if bad.any():
        raise NotFiniteError(
            f"predict: image {int(bad.argmax())}: its logits are not finite")
    return logits.argmax(axis=1)


def describe(array: Any) -> Any:
    """The hnas_array of an array whose strides are whole elements."""
    a = _abi.hnas_array()
    a.size = ctypes.sizeof(a)
    a.data = array.ctypes.data
    a.dtype = DTYPES[array.dtype]
    a.rank = array.ndim
    for i, n in enumerate(array.shape):
        a.dims[i] = n
        a.strides[i] = array.strides[i] // array.itemsize
    return a


def converted(array: Any, dtype: Any, what: str = "array") -> Any:
    """The array itself or a copy in a dtype that holds its numbers: real ones,
    and as whole numbers only such in range."""
    array, dtype = np.asarray(array), np.dtype(dtype)
    if array.dtype == dtype:
        return array
    if array.dtype.kind in "cOSUmM":
        raise ArgumentError(f"{what}: dtype {array.dtype}, want real numbers",
                            _abi.HNAS_E_ARG)
    if dtype.kind in "iu" and array.size:
        if array.dtype.kind not in "biu" and \
                not (array == np.floor(array)).all():  # infinity is not in range
            raise RangeError(f"{what}: not all are whole numbers, as {dtype} "
                             "has to be", _abi.HNAS_E_RANGE)
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise RangeError(
                f"{what}: {array.min()}..{array.max()}, want "
                f"{limits.min}..{limits.max} as {dtype}", _abi.HNAS_E_RANGE)
    return array.astype(dtype)


def fitting(array: Any, dtype: Any = None, what: str = "array") -> Any:
    """The array itself if the library can read it, else a copy."""
    array = np.asarray(array)
    if dtype is not None:
        array = converted(array, dtype, what)
    if array.dtype not in DTYPES:
        raise ElementTypeError(f"{what}: dtype {array.dtype}, want float32, "
                               "float64, int32 or uint8", _abi.HNAS_E_TYPE)
    if array.ndim > _abi.HNAS_MAX_RANK or array.size == 0:
        raise ShapeError(f"{what}: shape {array.shape}, want at most "
                         f"{_abi.HNAS_MAX_RANK} axes, none empty",
                         _abi.HNAS_E_SHAPE)
    whole = all(s % array.itemsize == 0 for s in array.strides)
    broadcast = any(s == 0 and n > 1
                    for s, n in zip(array.strides, array.shape))
    if not whole or broadcast or not array.flags.aligned:
        array = np.array(array, order="C")
    return array


def wrap(core: Core, array: Any) -> Entry:
    """A tensor over a fitting array's memory, which it keeps alive."""
    a = describe(array)
    key = next(_keys)
    a.release = _release
    a.release_user = key
    _held[key] = array
    try:
        return core.create(_abi.hnas_tensor, lib.hnas_tensor_unref,
                           lib.hnas_tensor_wrap, core.pointer, ctypes.byref(a))
    except BaseException:
        _held.pop(key, None)
        raise


def shape_of(core: Core, tensor: Any) -> Tuple[Any, Any]:
    """(hnas_array, shape) of a tensor, or of its pointer under the lock."""
    a = _abi.hnas_array()
    a.size = ctypes.sizeof(a)
    core.call(lib.hnas_tensor_get_array, tensor, ctypes.byref(a))
    return a, tuple(a.dims[i] for i in range(a.rank))


class Memory:
    """What an array over a tensor's memory keeps alive."""

    def __init__(self, core: Core, tensor: Given) -> None:
        with core.lock:
            a, shape = shape_of(core, tensor)
            self._entry = core.pin(tensor._given(core))
        dtype = OF_DTYPE[a.dtype]
        self.__array_interface__ = {
            "version": 3, "shape": shape, "typestr": dtype.str,
            "data": (a.data, False),
            "strides": tuple(a.strides[i] * dtype.itemsize
                             for i in range(a.rank)),
        }

    def __del__(self) -> None:
        entry = self.__dict__.get("_entry")
        if entry is not None:
            entry.core.discard(entry)


def view(core: Core, tensor: Given) -> Any:
    """An array over a leaf's memory."""
    return np.asarray(Memory(core, tensor))


def copy_out(core: Core, tensor: Any, function: Any, dtype: Any) -> Any:
    """A new array that hnas_tensor_get or hnas_tensor_get_gradient fills."""
    with core.lock:
        _, shape = shape_of(core, tensor)
        out = np.empty(shape, dtype)
        core.call(function, tensor, DTYPES[np.dtype(dtype)],
                  out.ctypes.data, out.size)
    return out


def copy_in(core: Core, tensor: Any, array: Any, what: str) -> None:
    """Write an array into a tensor of the same shape."""
    with core.lock:
        a, shape = shape_of(core, tensor)
        array = np.asarray(array)
        if array.shape != shape:
            raise ShapeError(f"{what}: shape {array.shape}, want {shape}",
                             _abi.HNAS_E_SHAPE)
        array = np.ascontiguousarray(converted(array, OF_DTYPE[a.dtype], what))
        core.call(lib.hnas_tensor_set, tensor, DTYPES[array.dtype],
                  array.ctypes.data, array.size)


def over(a: Any, writeable: bool) -> Any:
    """An array over what a callback was given; it lives as long as that."""
    if not a.data:
        return None
    dtype = OF_DTYPE[a.dtype]
    shape = tuple(a.dims[i] for i in range(a.rank))
    strides = tuple(a.strides[i] * dtype.itemsize for i in range(a.rank))
    n_bytes = dtype.itemsize + sum((n - 1) * s for n, s in zip(shape, strides))
    buffer = (ctypes.c_char * n_bytes).from_address(a.data)
    array: Any = np.ndarray(shape, dtype, buffer, 0, strides)
    array.flags.writeable = writeable
    return array
