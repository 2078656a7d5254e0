# SPDX-License-Identifier: BSD-3-Clause
"""Find the library, load it, and give every function its types."""
import ctypes
import ctypes.util
import glob
import os
from typing import Any, Iterator, List, Tuple

from . import _abi

NAME = f"libhnas.so.{_abi.HNAS_ABI}"
HERE = os.path.dirname(os.path.abspath(__file__))


def _newest(paths: List[str]) -> List[str]:
    there = {p for p in paths if os.path.exists(p)}  # no link to nothing
    return sorted(there, key=lambda p: -os.stat(p).st_mtime)


def _build_trees() -> List[str]:
    """Libraries that Meson built in the source tree of this package."""
    root = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
    if not os.path.exists(os.path.join(root, "lib", "libhnas.map")):
        return []
    found = []
    for folder in ("build*", os.path.join("build*", "*")):
        found += glob.glob(os.path.join(root, folder, "lib", "libhnas.so"))
    return _newest(found)


def _is_sanitized(path: str) -> bool:
    """Such a build ends any process that did not begin with its runtime."""
    with open(path, "rb") as f:
        return b"__asan_init" in f.read()


def _candidates() -> Iterator[Tuple[str, str]]:
    """(place, path) in the order they are tried."""
    for name in (NAME, "libhnas.so"):
        yield "beside the package", os.path.join(HERE, name)
    for path in _build_trees():
        if not _is_sanitized(path):
            yield "build tree", path
    yield "system", NAME
    known = ctypes.util.find_library("hnas")
    if known and known != NAME:
        yield "system", known


def _load() -> ctypes.CDLL:
    given = os.environ.get("HNAS_LIBRARY")
    if given:
        path = os.path.join(given, NAME) if os.path.isdir(given) else given
        try:
            return ctypes.CDLL(path)
        except OSError as e:
            raise ImportError(f"HNAS_LIBRARY={given}: {e}") from e
    looked = []
    for place, path in _candidates():
        if os.path.isabs(path) and not os.path.exists(path):
            looked.append(f"{place}: {path}: no such file")
            continue
        try:
            return ctypes.CDLL(path)
        except OSError as e:
            looked.append(f"{place}: {e}")
    if not any(line.startswith("build tree") for line in looked):
        looked.insert(-1, "build tree: none above " + HERE)
    raise ImportError(f"no {NAME}; looked here (HNAS_LIBRARY names another "
                      "file):\n  " + "\n  ".join(looked))


def _bind(library: ctypes.CDLL) -> ctypes.CDLL:
    missing = [name for name in _abi.FUNCTIONS if not hasattr(library, name)]
    if missing:
        raise ImportError(f"{library._name}: lacks {', '.join(missing[:5])}: "
                          "built from other headers than this package")
    for name, (result, arguments) in _abi.FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
        function.whole = [(i, argument, arguments[i]) for i, argument
                          in _abi.WHOLE.get(name, {}).items()]
    if library.hnas_abi() != _abi.HNAS_ABI:
        raise ImportError(f"{library._name}: ABI {library.hnas_abi()}, want "
                          f"{_abi.HNAS_ABI}")
    return library


lib: Any = _bind(_load())
