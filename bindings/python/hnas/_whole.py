# SPDX-License-Identifier: BSD-3-Clause
"""Whole numbers as C takes them (ctypes would cut off what doesn't fit), and
objects of the class that is wanted."""
import ctypes
import operator
from typing import Any, Sequence, Tuple

from . import _abi
from ._errors import RangeError

_SIGNED = (ctypes.c_int32, ctypes.c_int64)
_KINDS = _SIGNED + (ctypes.c_uint8, ctypes.c_uint32, ctypes.c_uint64,
                    ctypes.c_size_t)
RANGES = {kind: (-1 << 8 * ctypes.sizeof(kind) - 1,
                 (1 << 8 * ctypes.sizeof(kind) - 1) - 1) if kind in _SIGNED
          else (0, (1 << 8 * ctypes.sizeof(kind)) - 1) for kind in _KINDS}


def whole(name: str, value: Any, kind: Any) -> int:
    """A whole number that a C type holds; name: of the field or argument."""
    lo, hi = RANGES[kind]
    name = (name[2:] if name.startswith("n_") else name).rstrip("_")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: {value!r}, want a whole number") from None
    if not lo <= number <= hi:
        raise RangeError(f"{name}: {number}, want {lo}..{hi}",
                         _abi.HNAS_E_RANGE)
    return number


def expect(name: str, value: Any, kind: type) -> None:
    """Refuse an argument that is no object of a public class, or no text."""
    if not isinstance(value, kind):
        want = "text" if kind is str else f"hnas.{kind.__name__}"
        raise TypeError(f"{name}: {type(value).__name__}, want {want}")


def numbers(name: str, values: Sequence[Any], kind: Any) -> Any:
    """A C array of whole numbers, of one element at least."""
    given = [whole(name, v, kind) for v in values]
    return (kind * max(1, len(given)))(*given)


def check(function: Any, arguments: Tuple[Any, ...]) -> None:
    """Refuse a call whose whole numbers don't fit."""
    for i, name, kind in getattr(function, "whole", ()):
        whole(name, arguments[i], kind)
