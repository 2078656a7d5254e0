# SPDX-License-Identifier: BSD-3-Clause
"""Cells of mixed edges, and the supernet around them."""
import ctypes
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from . import _abi
from ._library import lib
from ._options import KINDS, number, options, read_opts, texts
from .context import Context, context_of
from .op import Cost, cost_of
from .tape import Tape, pointers
from .tensor import Named, Tensor, check_core, tensor

DARTS_OPS = ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect",
             "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")


def darts_edges(nodes: int) -> List[Tuple[int, int]]:
    """(from, to) of the DARTS cell, by target, then source."""
    return [(i, j) for j in range(2, 2 + nodes) for i in range(j)]


def _in_order(edges: Sequence[Sequence[int]], ops: Sequence[Any]
              ) -> Tuple[List[Sequence[int]], List[List[str]]]:
    """Edges by target, then source, and the operations of each."""
    lists = [list(ops)] * len(edges) if not ops or isinstance(ops[0], str) \
        else [list(o) for o in ops]
    if len(lists) != len(edges):
        raise ValueError(f"ops: {len(lists)} lists for {len(edges)} edges")
    order = sorted(range(len(edges)),
                   key=lambda i: (edges[i][1], edges[i][0]))
    return [edges[i] for i in order], [lists[i] for i in order]


class Cell(Named):
    """A directed acyclic graph of mixed edges.

    nodes: intermediate nodes, numbered behind the inputs.  edges: (from, to)
    or (from, to, stride), or their number of nodes' DARTS edges where None.
    ops: names for all edges, or a list of them for each.  outputs: nodes that
    are concatenated; all intermediate ones where None.
    """

    _params_function = "hnas_cell_get_params"

    def __init__(self, nodes: int,
                 edges: Optional[Sequence[Sequence[int]]] = None,
                 ops: Sequence[Any] = DARTS_OPS, *, inputs: int = 2,
                 channels: int = 16,
                 outputs: Optional[Sequence[int]] = None,
                 ctx: Optional[Context] = None) -> None:
        context = context_of(ctx)
        given, per_edge = _in_order(
            darts_edges(nodes) if edges is None else edges, ops)
        if outputs is None:
            outputs = range(inputs, inputs + nodes)
        lists = [texts(o) for o in per_edge]
        array = (_abi.hnas_edge * max(1, len(given)))()
        for slot, e, o, names in zip(array, given, per_edge, lists):
            slot.__init__(e[0], e[1], e[2] if len(e) > 2 else 1, len(o), names)
        numbers = (ctypes.c_int32 * max(1, len(outputs)))(*outputs)
        desc = _abi.hnas_cell_desc(
            ctypes.sizeof(_abi.hnas_cell_desc), inputs, nodes, channels,
            len(given), array, len(outputs), numbers)
        self._entry = context._core.create(
            _abi.hnas_cell, lib.hnas_cell_destroy, lib.hnas_cell_create,
            context._ptr, ctypes.byref(desc))
        self.inputs, self.nodes, self.channels = inputs, nodes, channels
        self.edges = [(e[0], e[1]) for e in given]
        self.ops = per_edge

    def apply(self, tape: Tape, inputs: Sequence[Any], gates: Any, *,
              hard: bool = False, drawn_only: bool = False) -> Tensor:
        """Record it: gates E x O, or N x E x O."""
        core = self._core
        check_core(core, tape)
        given = [tensor(core, x) for x in inputs]
        if len(given) != self.inputs:
            raise ValueError(f"cell: {len(given)} inputs, want {self.inputs}")
        g = tensor(core, gates)
        entry = core.create(
            _abi.hnas_tensor, lib.hnas_tensor_unref, lib.hnas_cell_apply,
            tape._ptr, self._ptr, pointers(given), g._ptr,
            cell_flags(hard, drawn_only))
        return Tensor._of(entry, True)


def cell_flags(hard: bool, drawn_only: bool) -> int:
    return int(_abi.HNAS_CELL_HARD * hard +
               _abi.HNAS_CELL_DRAWN_ONLY * drawn_only)


def gate_pointers(gates: Sequence[Optional[Tensor]]) -> Any:
    kind = ctypes.POINTER(_abi.hnas_tensor)
    return (kind * 2)(*[g._ptr if g is not None else kind() for g in gates])


class Supernet(Named):
    """Stem, cells of mixed edges, global average pool, linear head."""

    _params_function = "hnas_supernet_get_params"

    def __init__(self, ctx: Optional[Context] = None, *,
                 image: Sequence[int] = (1, 28, 28), classes: int = 10,
                 channels: int = 16, cells: int = 8, nodes: int = 4,
                 ops: Optional[Sequence[str]] = None,
                 stem_multiplier: int = 3) -> None:
        context = context_of(ctx)
        opts = options("hnas_supernet_opts")
        if len(image) != 3:
            raise ValueError(f"image: {tuple(image)}, want (C, H, W)")
        for i in range(3):
            opts.image[i] = image[i]
        opts.classes, opts.channels, opts.cells = classes, channels, cells
        opts.nodes, opts.stem_multiplier = nodes, stem_multiplier
        if ops is not None:
            names = texts(ops)
            opts.n_ops, opts.ops = len(ops), names
        self._entry = context._core.create(
            _abi.hnas_supernet, lib.hnas_supernet_destroy,
            lib.hnas_supernet_create, context._ptr, ctypes.byref(opts))
        self._ctx = context

    @classmethod
    def _of(cls, ctx: Context, entry: Any) -> "Supernet":
        net = cls.__new__(cls)
        net._entry, net._ctx = entry, ctx
        return net

    @property
    def ctx(self) -> Context:
        return self._ctx

    def _opts(self) -> Any:
        return read_opts("hnas_supernet_get_opts", self._ptr,
                         "hnas_supernet_opts")

    @property
    def settings(self) -> Dict[str, Any]:
        """What it was made with."""
        o = self._opts()
        return {"image": tuple(o.image), "classes": o.classes,
                "channels": o.channels, "cells": o.cells, "nodes": o.nodes,
                "ops": [o.ops[i].decode() for i in range(o.n_ops)],
                "stem_multiplier": o.stem_multiplier}

    @property
    def ops(self) -> List[str]:
        ops: List[str] = self.settings["ops"]
        return ops

    @property
    def edges(self) -> List[Tuple[int, int]]:
        """(from, to) of a cell, in the order of alpha's rows."""
        return darts_edges(self._opts().nodes)

    def kind(self, kind: str) -> Tuple[int, int, int]:
        """(cells, edges, operations) of "normal" or "reduce"."""
        out = [ctypes.c_int32() for _ in range(3)]
        lib.hnas_supernet_get_kind(self._ptr, KINDS.index(kind),
                                   *[ctypes.byref(o) for o in out])
        cells, edges, ops = (o.value for o in out)
        return cells, edges, ops

    def costs(self, kind: str, metric: str = "params") -> Any:
        """E x O: each operation of each edge, over all cells of a kind."""
        _, n_edges, n_ops = self.kind(kind)
        out = np.zeros((n_edges, n_ops))
        where = out.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
        self._core.call(lib.hnas_supernet_get_costs, self._ptr,
                        KINDS.index(kind),
                        number("metric", "HNAS_COST_", metric), where,
                        out.size)
        return out

    def set_cost_table(self, cost: Mapping[str, Any],
                       fixed: float = 0.0) -> None:
        """Costs of one's own, {"normal": E x O, ...} over all cells of a kind,
        as microseconds: cost="table" of a search, budget(latency_us=)."""
        double = ctypes.POINTER(ctypes.c_double)
        tables = [np.ascontiguousarray(cost[k], np.float64) if k in cost
                  else None for k in KINDS]
        sizes = {t.shape for t in tables if t is not None}
        if sizes != {(len(self.edges), len(self.ops))}:
            raise ValueError(f"cost: {sizes}, want "
                             f"{(len(self.edges), len(self.ops))} for each "
                             "kind")
        where = (double * 2)(*[t.ctypes.data_as(double) if t is not None
                               else double() for t in tables])
        self._core.call(lib.hnas_supernet_set_cost_table, self._ptr, where,
                        len(self.edges) * len(self.ops), fixed)

    def read_cost_table(self, text: str) -> None:
        """The same from JSON, as hnas-bench writes it."""
        given = text.encode()
        self._core.call(lib.hnas_supernet_read_cost_table, self._ptr, given,
                        len(given))

    @property
    def fixed_cost(self) -> Cost:
        """Of what is not searched."""
        c = _abi.hnas_cost()
        self._core.call(lib.hnas_supernet_get_fixed_cost, self._ptr,
                        ctypes.byref(c))
        return cost_of(c)

    def gates(self, given: Any) -> List[Optional[Tensor]]:
        """Tensors of {"normal": E x O, "reduce": E x O}, or a pair."""
        if isinstance(given, Mapping):
            given = [given.get(k) for k in KINDS]
        if len(given) != 2:
            raise ValueError(f"gates: {len(given)}, want normal and reduce")
        core = self._core
        return [None if g is None else tensor(core, g) for g in given]

    def apply(self, tape: Tape, x: Any, gates: Any, *, hard: bool = False,
              drawn_only: bool = False) -> Tensor:
        """Record it on images: logits N x classes."""
        core = self._core
        check_core(core, tape)
        image, g = tensor(core, x), self.gates(gates)
        entry = core.create(
            _abi.hnas_tensor, lib.hnas_tensor_unref, lib.hnas_supernet_apply,
            tape._ptr, self._ptr, image._ptr, gate_pointers(g),
            cell_flags(hard, drawn_only))
        return Tensor._of(entry, True)

    def update_norms(self, momentum: float = 0.1) -> None:
        """Move all running statistics towards those of the last pass."""
        self._core.get(lib.hnas_supernet_update_norms, self._ptr, momentum)

    def __repr__(self) -> str:
        if self.closed:
            return "<hnas.Supernet closed>"
        s = self.settings
        return (f"<hnas.Supernet image={s['image']} channels={s['channels']} "
                f"cells={s['cells']} nodes={s['nodes']} "
                f"weights={self.count()}>")
