# SPDX-License-Identifier: BSD-3-Clause
"""The hypernetwork: complexity lambda to architecture parameters."""
import ctypes
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from . import _abi, _arrays
from ._library import lib
from ._options import assign, name_of, number, one_of, options, read_opts
from ._whole import expect
from .context import Context
from .net import Supernet
from .presets import find_preset
from .tape import Tape
from .tensor import Named, Tensor


class Hypernet(Named):
    """alpha = s(lambda) * b1 + b2, or another generator, for a supernet.

    kind: linear, constant, piecewise (knots) or mlp (hidden).  scale: log or
    raw.  preset: start from that of a search.
    """

    _params_function = "hnas_hyper_get_params"

    def __init__(self, net: Supernet, *, kind: Optional[str] = None,
                 scale: Optional[str] = None,
                 lambda_range: Optional[Tuple[float, float]] = None,
                 init_std: Optional[float] = None, knots: Optional[int] = None,
                 hidden: Optional[int] = None,
                 preset: Optional[str] = None) -> None:
        expect("net", net, Supernet)
        opts = options("hnas_hyper_opts") if preset is None else \
            find_preset(net.ctx, preset, net.settings["cells"]).hyper
        if kind is not None:
            assign(opts, kind=number("kind", "HNAS_HYPER_", kind))
        if scale is not None:
            assign(opts, scale=number("scale", "HNAS_SCALE_", scale))
        if lambda_range is not None:
            opts.lambda_lo, opts.lambda_hi = lambda_range
        assign(opts, init_std=init_std, knots=knots, hidden=hidden)
        net._core.get(lib.hnas_supernet_fit_hyper, net, ctypes.byref(opts))
        self._tables: List[str] = [opts.names[i].decode()
                                   for i in range(opts.n_tables)]
        self._entry = net.ctx._core.create(
            _abi.hnas_hyper, lib.hnas_hyper_destroy, lib.hnas_hyper_create,
            net.ctx, ctypes.byref(opts))
        self._ctx = net.ctx

    @classmethod
    def _of(cls, ctx: Context, entry: Any) -> "Hypernet":
        hyper = cls.__new__(cls)
        hyper._entry, hyper._ctx = entry, ctx
        with entry.core.lock:  # the names are the library's
            o = hyper._opts()
            hyper._tables = [o.names[i].decode() for i in range(o.n_tables)]
        return hyper

    def _opts(self) -> Any:
        return read_opts(self, "hnas_hyper")

    @property
    def settings(self) -> Dict[str, Any]:
        """What it was made with."""
        o = self._opts()
        return {"kind": name_of("HNAS_HYPER_", o.kind),
                "scale": name_of("HNAS_SCALE_", o.scale),
                "lambda_range": (o.lambda_lo, o.lambda_hi),
                "init_std": o.init_std, "knots": o.knots, "hidden": o.hidden}

    @property
    def lambda_range(self) -> Tuple[float, float]:
        """Least and largest lambda."""
        o = self._opts()
        return o.lambda_lo, o.lambda_hi

    def scale(self, lam: float) -> float:
        """s of a lambda."""
        s = ctypes.c_double()
        self._core.call(lib.hnas_hyper_scale, ctypes.byref(s), self, lam)
        return s.value

    def unscale(self, s: float) -> float:
        """lambda of an s."""
        lam = ctypes.c_double()
        self._core.call(lib.hnas_hyper_unscale, ctypes.byref(lam), self,
                        s)
        return lam.value

    def alpha(self, lam: float) -> Dict[str, Any]:
        """{"normal": E x O, "reduce": E x O} at lambda, in double; outside
        the range the line goes on."""
        o, tables = self._opts(), {}
        for i, name in enumerate(self._tables):
            out = np.empty((o.rows[i], o.cols[i]))
            where = out.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
            self._core.call(lib.hnas_hyper_eval, where, out.size, self, i,
                            lam)
            tables[name] = out
        return tables

    def apply(self, tape: Optional[Tape], table: str, lam: float) -> Tensor:
        """Record alpha of one table at lambda."""
        entry = self._core.create(
            _abi.hnas_tensor, lib.hnas_tensor_unref, lib.hnas_hyper_apply,
            tape, self,
            one_of("table", table, self._tables), lam)
        return Tensor._of(entry, tape is not None)

    def project(self, table: str, cost: Any, zero_ops: Any,
                clip: bool = False) -> None:
        """Move b1 of a table onto the monotone cone of costs E x O."""
        c = np.ascontiguousarray(cost, np.float64)
        z = np.ascontiguousarray(
            _arrays.converted(zero_ops, np.int32, "zero_ops"))
        i, o = one_of("table", table, self._tables), self._opts()
        if c.shape != (o.rows[i], o.cols[i]) or z.shape != (o.cols[i],):
            raise ValueError(f"project: cost {c.shape}, zero_ops {z.shape}, "
                             f"want {(o.rows[i], o.cols[i])}, {(o.cols[i],)}")
        self._core.call(
            lib.hnas_hyper_project, self, i,
            c.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
            z.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)), int(clip))

    def _about(self) -> str:
        s = self.settings
        return f"{s['kind']} {s['scale']} lambda={s['lambda_range']}"
