# SPDX-License-Identifier: BSD-3-Clause
"""Discrete architectures, and the path of them over lambda."""
import ctypes
import json
import math
from typing import (Any, Dict, Iterator, List, NamedTuple, Optional, Sequence,
                    Tuple, Union)

import numpy as np

from . import _abi
from ._core import Core, Entry, Handle
from ._errors import InfeasibleError, RangeError
from ._library import lib
from ._options import KINDS, METRICS, assign, name_of, number, one_of, options
from ._whole import expect, whole
from .context import Context, context_of
from .net import Supernet
from .op import Cost, cost_of


def write_text(core: Core, function: Any, *arguments: Any) -> str:
    """What a function writes into a buffer of the length that it tells."""
    length = ctypes.c_size_t()
    with core.lock:
        core.call(function, *arguments, None, 0, ctypes.byref(length))
        buffer = ctypes.create_string_buffer(length.value + 1)
        core.call(function, *arguments, buffer, length.value + 1,
                  ctypes.byref(length))
    return buffer.value.decode()


class Arch(Handle):
    """A discrete architecture; immutable, it needs no net any more."""

    _instead = "take to_dict and Arch.read"
    _ctx: Context
    _shape: Dict[str, Any]

    def __init__(self) -> None:
        raise TypeError("Arch: want Bilevel.query, a path or Arch.from_dict")

    @classmethod
    def _of(cls, entry: Entry, net: Supernet) -> "Arch":
        arch = cls.__new__(cls)
        arch._entry = entry
        arch._ctx, arch._shape = net.ctx, net.settings
        return arch

    @classmethod
    def read(cls, text: Union[str, Dict[str, Any]],
             ctx: Optional[Context] = None) -> "Arch":
        """Without a net, of what `to_dict` or hnas-query gives, or of a
        genotype as DARTS and Fair DARTS publish them.  Costs are unknown,
        -1."""
        context = context_of(ctx)
        if not isinstance(text, (dict, str)):
            raise TypeError(f"arch: {type(text).__name__}, want hnas.Arch, a "
                            "dict or text")
        given = (json.dumps(text) if isinstance(text, dict) else text).encode()
        arch = cls.__new__(cls)
        arch._entry = context._core.create(
            _abi.hnas_arch, lib.hnas_arch_destroy, lib.hnas_arch_read,
            context, given, len(given))
        arch._ctx, arch._shape = context, {}
        return arch

    @classmethod
    def from_dict(cls, net: Supernet, d: Dict[str, Any]) -> "Arch":
        """For a net, of what `to_dict` or hnas-query gives."""
        text = json.dumps(d).encode()
        return cls._of(net._core.create(
            _abi.hnas_arch, lib.hnas_arch_destroy, lib.hnas_arch_read_json,
            net, text, len(text)), net)

    @classmethod
    def from_alpha(cls, net: Supernet, alpha: Dict[str, Any],
                   rule: str = "argmax", metric: str = "params") -> "Arch":
        """Of tables E x O of alpha."""
        double = ctypes.POINTER(ctypes.c_double)
        tables = [np.ascontiguousarray(alpha[k], np.float64)
                  if k in alpha else None for k in KINDS]
        for k, t in zip(KINDS, tables):
            if t is not None and t.shape != net.kind(k)[1:]:
                raise ValueError(f"alpha {k}: {t.shape}, want "
                                 f"{net.kind(k)[1:]}")
        where = (double * 2)(*[t.ctypes.data_as(double) if t is not None
                               else double() for t in tables])
        return cls._of(net._core.create(
            _abi.hnas_arch, lib.hnas_arch_destroy, lib.hnas_arch_from_alpha,
            net, where, number("rule", "HNAS_RULE_", rule),
            number("metric", "HNAS_COST_", metric)), net)

    @property
    def rule(self) -> str:
        """The rule of discretisation."""
        return name_of("HNAS_RULE_", self._read(lib.hnas_arch_get_rule))

    def _lambda(self) -> Tuple[float, float, float]:
        out = [ctypes.c_double() for _ in range(3)]
        self._read(lib.hnas_arch_get_lambda, *[ctypes.byref(o) for o in out])
        lam, lo, hi = (o.value for o in out)
        return lam, lo, hi

    @property
    def lam(self) -> float:
        """The lambda it was derived at; NaN: from an alpha."""
        return self._lambda()[0]

    @property
    def interval(self) -> Optional[Tuple[float, float]]:
        """[lo, hi) on which it stays, None where that is unknown."""
        _, lo, hi = self._lambda()
        return None if np.isnan(lo) else (lo, hi)

    def _costs(self) -> Tuple[Cost, Cost]:
        total, fixed = _abi.hnas_cost(), _abi.hnas_cost()
        self._read(lib.hnas_arch_get_cost, ctypes.byref(total),
                   ctypes.byref(fixed))
        return cost_of(total), cost_of(fixed)

    @property
    def cost(self) -> Cost:
        """Of the whole network, pruned, for one image."""
        return self._costs()[0]

    @property
    def fixed_cost(self) -> Cost:
        """Of the part that is not searched."""
        return self._costs()[1]

    @property
    def table_cost(self) -> float:
        """In the net's own table; NaN where it has none."""
        return float(self._read(lib.hnas_arch_get_table_cost))

    def edges(self, kind: str) -> List[Tuple[str, int, int]]:
        """(operation, from, to) of each kept edge."""
        i = one_of("kind", kind, KINDS)
        with self._using() as arch:
            e = lib.hnas_arch_get_edges(arch, i)
            return [(e[k].op_name.decode(), e[k].from_, e[k].to)
                    for k in range(lib.hnas_arch_get_edge_count(arch, i))]

    @property
    def warnings(self) -> List[str]:
        """The connectivity report, as text."""
        return [w["text"] for w in self.to_dict()["warnings"]]

    def to_dict(self) -> Dict[str, Any]:
        """The object that hnas-query prints."""
        d: Dict[str, Any] = json.loads(write_text(
            self._core, lib.hnas_arch_write_json, self))
        return d

    def genotype(self) -> str:
        """As DARTS and Fair DARTS publish theirs."""
        return write_text(self._core, lib.hnas_arch_write_text, self)

    def to_svg(self) -> str:
        """A picture of both cells."""
        return write_text(self._core, lib.hnas_arch_write_svg, self)

    def to_dot(self) -> str:
        """A graph for Graphviz."""
        return write_text(self._core, lib.hnas_arch_write_dot, self)

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Arch):
            return NotImplemented
        with other._using() as pointer:
            return bool(self._read(lib.hnas_arch_is_equal, pointer))

    def __hash__(self) -> int:
        return hash(tuple(tuple(self.edges(k)) for k in KINDS))

    def _about(self) -> str:
        return (f"{self.rule} lambda={self.lam:.4g} "
                f"params={self.cost.params} macs={self.cost.macs}")


class Piece(NamedTuple):
    """An interval [lo, hi) of lambda on which the architecture stays."""

    lo: float
    hi: float
    s_lo: float
    cost: Cost


def metric_limit(limits: Dict[str, Any]) -> Tuple[str, float]:
    """The one metric of a budget; latency_us is the net's table."""
    given = {k: v for k, v in limits.items() if v is not None}
    if len(given) != 1:
        raise TypeError("budget: want one of " +
                        ", ".join(f"{m}=" for m in METRICS) +
                        " or latency_us=")
    (metric, limit), = given.items()
    metric = "table" if metric == "latency_us" else metric
    number("budget", "HNAS_COST_", metric)
    limit = float(limit)
    if metric != "table" and not math.isfinite(limit):
        raise RangeError(f"budget {metric}: {limit}, want a finite number",
                         _abi.HNAS_E_RANGE)
    return metric, limit


class Path(Handle):
    """Every architecture of the range of lambda, in order."""

    _instead = "take to_dict"

    def __init__(self, net: Supernet, hyper: Any, rule: str = "argmax",
                 theta: Optional[float] = None) -> None:
        expect("net", net, Supernet)
        opts = options("hnas_path_opts")
        assign(opts, rule=number("rule", "HNAS_RULE_", rule), theta=theta)
        assert net._entry is not None
        self._entry = net._core.create(
            _abi.hnas_path, lib.hnas_path_destroy, lib.hnas_path_create,
            net, hyper, ctypes.byref(opts), parents=[net._entry])
        self._net, self.rule = net, name_of("HNAS_RULE_", opts.rule)

    @property
    def sampled(self) -> bool:
        """Whether alpha has no exact path."""
        return bool(self._read(lib.hnas_path_is_sampled))

    def __len__(self) -> int:
        return int(self._read(lib.hnas_path_get_count))

    def piece(self, index: int) -> Piece:
        """The interval and the cost of a piece."""
        p = _abi.hnas_path_piece()
        self._read(lib.hnas_path_get_piece, self._index(index),
                   ctypes.byref(p))
        return Piece(p.lo, p.hi, p.s_lo, cost_of(p.cost))

    @property
    def pieces(self) -> List[Piece]:
        """All of them, by lambda."""
        return [self.piece(i) for i in range(len(self))]

    def _index(self, index: int) -> int:
        n, i = len(self), whole("index", index, ctypes.c_int64)
        if not -n <= i < n:
            raise IndexError(f"path: piece {i} of {n}")
        return i % n

    def __getitem__(self, index: int) -> Arch:
        """The architecture of a piece."""
        return Arch._of(self._core.create(
            _abi.hnas_arch, lib.hnas_arch_destroy, lib.hnas_path_get_arch,
            self, self._index(index)), self._net)

    def __iter__(self) -> Iterator[Arch]:
        return (self[i] for i in range(len(self)))

    def find(self, lam: float) -> int:
        """The piece of a lambda."""
        index = int(self._read(lib.hnas_path_find, lam))
        if index < 0:
            raise ValueError(f"path: lambda {lam:g}, want {self.piece(0).lo:g}"
                             f"..{self.piece(-1).hi:g}")
        return index

    def change(self, index: int) -> str:
        """What a piece changes against the one before it."""
        return write_text(self._core, lib.hnas_path_write_change, self,
                          self._index(index))

    def budget(self, **limits: Optional[float]) -> Arch:
        """The largest architecture within params=, macs=, bytes= or, of the
        net's table, latency_us=; InfeasibleError tells the smallest where none
        fits."""
        metric, limit = metric_limit(limits)
        index = ctypes.c_int32()
        if metric == "table":
            status = self._core.call(lib.hnas_path_find_table_budget,
                                     ctypes.byref(index), self, limit)
        else:
            status = self._core.call(
                lib.hnas_path_find_budget, ctypes.byref(index), self,
                METRICS[metric], int(limit))
        if status == _abi.HNAS_INFEASIBLE:
            smallest = self.cost_of(index.value, metric)
            raise InfeasibleError(f"budget {metric}={limit:g}: nothing fits, "
                                  f"the smallest is {smallest:g}", smallest)
        return self[index.value]

    def cost_of(self, index: int, metric: str) -> float:
        """What a piece costs in a metric, the net's table included."""
        if metric in ("table", "latency_us"):
            return float(self._read(lib.hnas_path_get_table_cost,
                                    self._index(index)))
        number("metric", "HNAS_COST_", metric)
        cost: float = getattr(self.piece(index).cost, metric)
        return cost

    def pareto(self, quality: Sequence[float],
               metric: str = "params") -> List[int]:
        """The pieces that no other beats, by the caller's evaluations; NaN:
        not evaluated."""
        q = np.ascontiguousarray(quality, np.float64)
        if q.shape != (len(self),):
            raise ValueError(f"quality: {q.shape}, want {(len(self),)}")
        index, n = (ctypes.c_int32 * len(q))(), ctypes.c_int32()
        self._core.call(
            lib.hnas_path_pareto, index, ctypes.byref(n), self,
            number("metric", "HNAS_COST_", metric),
            q.ctypes.data_as(ctypes.POINTER(ctypes.c_double)))
        return list(index[:n.value])

    def to_dict(self) -> Dict[str, Any]:
        """The object that hnas-query --path prints."""
        d: Dict[str, Any] = json.loads(write_text(
            self._core, lib.hnas_path_write_json, self))
        return d

    def _about(self) -> str:
        return f"{self.rule} pieces={len(self)}"
