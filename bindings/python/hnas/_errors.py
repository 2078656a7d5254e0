# SPDX-License-Identifier: BSD-3-Clause
"""A class of exception for every negative status."""
from typing import Any, Dict, Optional, Type

from . import _abi
from ._library import lib


class Error(Exception):
    """The library refused or failed; `status` is its number, `name` its name,
    and the message the line that it left."""

    status = 0

    def __init__(self, message: str, status: Optional[int] = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status

    def __str__(self) -> str:
        return str(self.args[0])

    @property
    def name(self) -> str:
        """The status as C names it."""
        return str(lib.hnas_status_name(self.status).decode())


class ArgumentError(Error, ValueError):
    """A missing or contradictory argument."""

    status = _abi.HNAS_E_ARG


class ShapeError(Error, ValueError):
    """Wrong rank, size or layout."""

    status = _abi.HNAS_E_SHAPE


class RangeError(Error, ValueError):
    """A number outside its range, or NaN."""

    status = _abi.HNAS_E_RANGE


class ElementTypeError(Error, TypeError):
    """Wrong element type."""

    status = _abi.HNAS_E_TYPE


class UnknownNameError(Error, LookupError):
    """An unknown or doubled name."""

    status = _abi.HNAS_E_NAME


class StateError(Error, RuntimeError):
    """A call that is not allowed in this state, or an object is closed."""

    status = _abi.HNAS_E_STATE


class UnsupportedError(Error, NotImplementedError):
    """Valid, but this build or object can't."""

    status = _abi.HNAS_E_UNSUPPORTED


class OutOfMemoryError(Error, MemoryError):
    """Out of memory."""

    status = _abi.HNAS_E_NOMEM


class ThreadError(Error, RuntimeError):
    """A thread could not be started."""

    status = _abi.HNAS_E_THREAD


class NotFiniteError(Error, ArithmeticError):
    """NaN or infinity where a number is needed."""

    status = _abi.HNAS_E_NAN


class OperationError(Error, RuntimeError):
    """An operation of the host failed."""

    status = _abi.HNAS_E_OP


class StoppedError(Error):
    """A callback asked to stop; nothing has changed."""

    status = _abi.HNAS_E_STOPPED


class FileError(Error, OSError):
    """Open, read, write or rename failed."""

    status = _abi.HNAS_E_IO


class FormatError(Error, ValueError):
    """Not the format, or a damaged file."""

    status = _abi.HNAS_E_FORMAT


class TruncatedError(FormatError, EOFError):
    """The file ends too early."""

    status = _abi.HNAS_E_TRUNCATED


class LimitError(Error, ValueError):
    """Larger than the stated limit."""

    status = _abi.HNAS_E_LIMIT


class MismatchError(Error, ValueError):
    """Valid, but made for something else."""

    status = _abi.HNAS_E_MISMATCH


class RankError(Error, ConnectionError):
    """Another rank failed, or is silent."""

    status = _abi.HNAS_E_COMM


class InfeasibleError(Error, ValueError):
    """Nothing fits the budget; `smallest` is the least that there is."""

    status = _abi.HNAS_INFEASIBLE

    def __init__(self, message: str, smallest: float) -> None:
        super().__init__(message)
        self.smallest = smallest

    def to_dict(self) -> Dict[str, Any]:
        """What hnas-query prints of it."""
        return {"status": "infeasible", "smallest": self.smallest}


def _subclasses(base: Type[Error]) -> Dict[int, Type[Error]]:
    found = {}
    for c in base.__subclasses__():
        found[c.status] = c
        found.update(_subclasses(c))
    return found


BY_STATUS = _subclasses(Error)


def error(status: int, message: str) -> Error:
    """The exception of a status; an unknown one gives the base class."""
    if not message:
        message = lib.hnas_status_name(status).decode()
    if status == _abi.HNAS_STOPPED:
        return StoppedError(message, status)
    kind = BY_STATUS.get(status, Error)
    return kind(message, status)
