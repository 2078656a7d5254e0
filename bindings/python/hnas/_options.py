# SPDX-License-Identifier: BSD-3-Clause
"""Names for the constants of the headers, and options structs."""
import ctypes
from typing import Any, Dict, List, Sequence, Tuple

from . import _abi
from ._errors import UnknownNameError
from ._library import lib
from ._whole import RANGES, whole


def names(prefix: str) -> Dict[str, int]:
    """{"softmax": HNAS_RELAX_SOFTMAX, ...} of a prefix "HNAS_RELAX_"."""
    return {key[len(prefix):].lower(): value
            for key, value in vars(_abi).items() if key.startswith(prefix)}


METRICS = names("HNAS_COST_")
RULES = names("HNAS_RULE_")
KINDS = ("normal", "reduce")


def number(what: str, prefix: str, name: Any) -> int:
    """The constant of a name; a number is taken as it is."""
    if isinstance(name, int):
        return name
    known = names(prefix)
    return list(known.values())[one_of(what, name, list(known))]


def one_of(what: str, name: Any, known: Sequence[str]) -> int:
    """The index of a name."""
    if name not in known:
        raise UnknownNameError(f"{what}: {name!r}, want one of "
                               f"{', '.join(known)}", _abi.HNAS_E_NAME)
    return known.index(name)


def name_of(prefix: str, value: int) -> str:
    for name, v in names(prefix).items():
        if v == value:
            return name
    return str(value)


def options(kind: str) -> Any:
    """A struct `kind` with its defaults."""
    opts = getattr(_abi, kind)()
    getattr(lib, kind + "_init")(ctypes.byref(opts), ctypes.sizeof(opts))
    return opts


def assign(opts: Any, **values: Any) -> None:
    """Set the fields that are not None; what doesn't fit is refused before the
    first is set."""
    kinds, fitting = dict(opts._fields_), {}
    for name, value in values.items():
        kind = kinds[name]
        if value is None:
            continue
        if kind in RANGES:
            value = whole(name, value, kind)
        elif issubclass(kind, ctypes.Array) and kind._type_ in RANGES:
            if len(value) != kind._length_:
                raise ValueError(f"{name}: {tuple(value)}, want "
                                 f"{kind._length_} numbers")
            value = kind(*[whole(name, v, kind._type_) for v in value])
        fitting[name] = value
    for name, value in fitting.items():
        setattr(opts, name, value)


def pair(what: str, value: Any) -> Tuple[float, float]:
    """(first, last) of a number or two of them."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise TypeError(f"{what}: {value!r}, want a number or two")
        return float(value[0]), float(value[1])
    return float(value), float(value)


def names_of(what: str, given: Any) -> List[str]:
    """A list of names, which one name alone is not."""
    names = list(given)
    if isinstance(given, str) or not all(isinstance(n, str) for n in names):
        raise TypeError(f"{what}: {given!r}, want a list of names")
    return names


def texts(strings: Sequence[str]) -> Any:
    """An array of C strings."""
    encoded = [s.encode() for s in strings]
    return (ctypes.c_char_p * max(1, len(encoded)))(*encoded)


def read_opts(handle: Any, kind: str) -> Any:
    """The struct `kind`_opts that an object was made with."""
    opts = getattr(_abi, kind + "_opts")()
    handle._core.get(getattr(lib, kind + "_get_opts"), handle,
                     ctypes.byref(opts), ctypes.sizeof(opts))
    return opts
