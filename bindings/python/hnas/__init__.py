# SPDX-License-Identifier: BSD-3-Clause
"""Neural architectures at any complexity, from one search.

    net = hnas.Supernet(ctx, image=(1, 28, 28), classes=10, channels=8)
    hyper = hnas.Hypernet(net)
    search = hnas.Bilevel(net, hyper).fit(images, labels, epochs=50)
    arch = search.query(3e-3)                 # any lambda, no training
    network = hnas.Network(arch).fit(images, labels).score(x, y)

Every object belongs to a Context, can be closed, and serves in `with`.
Errors of the library are subclasses of hnas.Error, one a kind.  An exception
in a callback, and Ctrl-C, end the call that runs and leave everything as it
was before that step.
"""
import importlib
from typing import Any

from ._errors import (ArgumentError, ElementTypeError, Error, FileError,
                      FormatError, InfeasibleError, LimitError, MismatchError,
                      NotFiniteError, OperationError, OutOfMemoryError,
                      RangeError, RankError, ShapeError, StateError,
                      StoppedError, ThreadError, TruncatedError, UnknownNameError,
                      UnsupportedError)
from ._library import lib as _lib
from .arch import Arch, Path, Piece
from .bilevel import Bilevel, Epoch, StepInfo
from .context import Context, default_context
from .data import Batches, Dataset
from .hyper import Hypernet
from .net import DARTS_OPS, Cell, Supernet, darts_edges
from .network import Network, Scores, TrainInfo
from .op import Builder, Cost, Op, register_op
from .optim import SGD, Adam
from .presets import PRESETS, preset
from .problem import LossRequest, Problem
from .sets import Member, NetworkSet, Predictor
from .tape import NoTape, Norm, Tape
from .tensor import Tensor



def __getattr__(name: str) -> Any:
    if name == "plot":
        return importlib.import_module(".plot", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__version__ = _lib.hnas_version().decode()
library_path = _lib._name

__all__ = [
    "Adam", "Arch", "ArgumentError", "Batches", "Bilevel", "Builder", "Cell",
    "Context", "Cost", "DARTS_OPS", "Dataset", "ElementTypeError", "Epoch",
    "Error", "FileError", "FormatError", "Hypernet", "InfeasibleError",
    "LimitError", "LossRequest", "Member", "MismatchError", "Network",
    "NetworkSet", "NoTape", "Norm", "NotFiniteError", "Op", "OperationError",
    "OutOfMemoryError", "PRESETS", "Path", "Piece", "Predictor", "Problem",
    "RangeError", "RankError", "SGD", "Scores", "ShapeError", "StateError",
    "StepInfo", "StoppedError", "Supernet", "Tape", "Tensor", "ThreadError",
    "TrainInfo", "TruncatedError", "UnknownNameError", "UnsupportedError",
    "darts_edges", "default_context", "library_path", "preset", "register_op",
]
