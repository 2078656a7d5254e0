# SPDX-License-Identifier: BSD-3-Clause
"""Predictors, and sets of networks that switch between pieces of a path."""
import ctypes
import json
import math
import os
import threading
from itertools import islice
from typing import Any, Iterator, List, NamedTuple, Optional, Union

import numpy as np

from . import _abi, _arrays
from ._calls import running
from ._core import Entry, Handle
from ._errors import InfeasibleError, StateError, error
from ._library import lib
from ._options import number
from ._whole import check, expect, whole
from .arch import Path, metric_limit
from .context import Context, context_of
from .data import (CALIBRATION, Dataset, as_images, floats, image_tensors,
                   moments_of, normalised)
from .net import Supernet
from .network import Network
from .op import Cost, cost_of

PIECE = 64  # images a call, so that Ctrl-C need not wait


class Predictor(Handle):
    """A frozen copy of a network, or of the members of a set: it allocates
    nothing.  Images, arrays or a Dataset, are normalised as the network's; a
    float32 Tensor is taken as it is."""

    _instead = "take share"

    def __init__(self, network: Network, threads: int = 1) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"network: {type(network).__name__}, want "
                            "hnas.Network")
        s = network.settings
        self._begin(network._core.create(
            _abi.hnas_predictor, lib.hnas_predictor_destroy,
            lib.hnas_predictor_create, network, threads), s["classes"],
            network.mean, network.std)

    def _begin(self, entry: Entry, classes: int, mean: float,
               std: float) -> None:
        self._entry, self.classes = entry, classes
        self._lock, self._runs = threading.RLock(), False
        self.mean, self.std = mean, std

    def _about(self) -> str:
        return f"classes={self.classes}"

    def share(self, threads: int = 1) -> "Predictor":
        """Another one over the same weights, for another thread."""
        p = Predictor.__new__(Predictor)
        with self._using() as pointer:

            def make(out: Any) -> int:
                return self._run(lib.hnas_predictor_share, pointer, out,
                                 pointer, threads)

            p._begin(self._core.create(_abi.hnas_predictor,
                                       lib.hnas_predictor_destroy, make),
                     self.classes, self.mean, self.std)
        return p

    def decision_function(self, x: Any) -> Any:
        """Logits N x classes; different predictors may run at once, and
        beside the calls of their context."""
        out = [np.empty((0, self.classes), np.float32)]
        with self._using() as pointer:
            for images in self._pieces(x):
                a = _arrays.describe(images)
                logits = np.empty((len(images), self.classes), np.float32)
                self._run(lib.hnas_predictor_run, pointer, pointer,
                          ctypes.byref(a), floats(logits), logits.size)
                out.append(logits)
        return np.concatenate(out)

    def _pieces(self, x: Any) -> Iterator[Any]:
        """Arrays of a few normalised images each."""
        if isinstance(x, Dataset):
            yield from (images.numpy() for images in image_tensors(
                self._core, x, self.mean, self.std))
            return
        mean, std = moments_of(x, self.mean, self.std)
        x = as_images(x)
        for i in range(0, len(x), PIECE):
            yield normalised(x[i:i + PIECE], mean, std)

    def _run(self, function: Any, pointer: Any, *arguments: Any) -> int:
        """Call a function that leaves its message in the predictor."""
        check(function, arguments)
        with self._lock:
            if self._runs:
                raise StateError("Predictor: called from an operation of its "
                                 "own network", _abi.HNAS_E_STATE)
            try:
                self._runs = True
                with running():
                    status = int(function(*arguments))
            finally:
                self._runs = False
            if status < 0:
                raise error(status, lib.hnas_predictor_message(
                    pointer).decode(errors="replace"))
        return status

    def predict(self, x: Any) -> Any:
        """The class of each image."""
        return _arrays.largest(self.decision_function(x))

    @property
    def current(self) -> int:
        """Which member of its set it is."""
        with self._lock:
            return int(self._read(lib.hnas_predictor_get_current))

    def switch(self, index: int) -> "Predictor":
        """Become another member of the set."""
        with self._using() as pointer:
            self._run(lib.hnas_predictor_switch, pointer, pointer, index)
        return self


class Member(NamedTuple):
    """One network of a set."""

    lo: float
    hi: float
    cost: Cost
    latency_us: float


class NetworkSet(Handle):
    """The networks of all pieces of a path over one copy of the weights.
    mean, std: of the net's images, unless given."""

    _instead = "take save and load"

    def __init__(self, net: Supernet, path: Path, *,
                 mean: Optional[float] = None,
                 std: Optional[float] = None) -> None:
        expect("net", net, Supernet)
        expect("path", path, Path)
        self._entry = net._core.create(
            _abi.hnas_set, lib.hnas_set_destroy, lib.hnas_set_create,
            net, path)
        self._net_ctx, self.classes = net.ctx, net.settings["classes"]
        self.mean = net.mean if mean is None else mean
        self.std = net.std if std is None else std

    @classmethod
    def load(cls, path: Union[str, "os.PathLike[str]"],
             ctx: Optional[Context] = None) -> "NetworkSet":
        """From a file of `save`."""
        context = context_of(ctx)
        core, s = context._core, cls.__new__(cls)
        s._entry = core.create(_abi.hnas_set, lib.hnas_set_destroy,
                               lib.hnas_set_load, context,
                               os.fsencode(path))
        saved = json.loads(core.get(lib.hnas_set_get_text,
                                    s).decode() or "{}")
        s._net_ctx = context
        s.mean, s.std = saved.get("mean", 0.0), saved.get("std", 1.0)
        with s.network(0) as network:
            s.classes = network.settings["classes"]
        return s

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """All members and their statistics, atomically."""
        text = json.dumps({"mean": self.mean, "std": self.std})
        self._core.call(lib.hnas_set_save, self, os.fsencode(path),
                        text.encode())

    def _about(self) -> str:
        return f"members={len(self)} classes={self.classes}"

    def __len__(self) -> int:
        return int(self._read(lib.hnas_set_get_count))

    def member(self, index: int) -> Member:
        """The interval, the cost and the measured latency of a network."""
        n, i = len(self), whole("index", index, ctypes.c_int64)
        if not -n <= i < n:
            raise IndexError(f"set: member {i} of {n}")
        m = _abi.hnas_set_member()
        self._core.get(lib.hnas_set_get_member, self, i % n,
                       ctypes.byref(m))
        return Member(m.lo, m.hi, cost_of(m.cost), m.latency_us)

    @property
    def members(self) -> List[Member]:
        """All of them, by lambda."""
        return [self.member(i) for i in range(len(self))]

    def calibrate(self, x: Any, first: bool = True) -> "NetworkSet":
        """Batch-norm's statistics of every member anew: the mean over the
        calls since `first`; a Dataset gives 20 batches, a Tensor is taken as
        it is."""
        given = image_tensors(self._core, x, self.mean, self.std, True)
        for i, images in enumerate(islice(given, CALIBRATION)):
            self._core.call(lib.hnas_set_calibrate, self, images,
                            int(first and i == 0))
        return self

    def measure(self, repeats: int = 50) -> "NetworkSet":
        """Measure what a prediction of each member takes."""
        self._core.call(lib.hnas_set_measure, self, repeats)
        return self

    def find(self, lam: float) -> int:
        """The member of a lambda."""
        index = int(self._read(lib.hnas_set_find, lam))
        if index < 0:
            raise ValueError(f"set: lambda {lam:g} is outside the range")
        return index

    def budget(self, latency_us: Optional[float] = None,
               **limits: Optional[float]) -> int:
        """The largest member within params=, macs=, bytes= or, measured,
        latency_us=."""
        index = ctypes.c_int32()
        if latency_us is not None:
            metric, limit = "latency_us", latency_us
            if math.isnan(self.member(0).latency_us):
                raise StateError("budget: latencies are not known, want "
                                 "measure() first", _abi.HNAS_E_STATE)
            status = self._core.call(lib.hnas_set_find_latency,
                                     ctypes.byref(index), self, limit)
            smallest = self.member(index.value).latency_us
        else:
            metric, limit = metric_limit(limits)
            status = self._core.call(
                lib.hnas_set_find_budget, ctypes.byref(index), self,
                number("budget", "HNAS_COST_", metric), int(limit))
            smallest = getattr(self.member(index.value).cost, metric, math.nan)
        if status == _abi.HNAS_INFEASIBLE:
            raise InfeasibleError(f"budget {metric}={limit:g}: nothing fits, "
                                  f"the smallest is {smallest:g}", smallest)
        return index.value

    def network(self, index: int) -> Network:
        """A member's network with weights of its own."""
        network = Network.__new__(Network)
        network._begin(self._net_ctx, self._core.create(
            _abi.hnas_model, lib.hnas_model_destroy, lib.hnas_set_get_model,
            self, index))
        network.mean, network.std = self.mean, self.std
        return network

    def predictor(self, threads: int = 1) -> Predictor:
        """A predictor that can be any member, the first one at first."""
        p = Predictor.__new__(Predictor)
        p._begin(self._core.create(
            _abi.hnas_predictor, lib.hnas_predictor_destroy,
            lib.hnas_set_create_predictor, self, threads), self.classes,
            self.mean, self.std)
        return p
