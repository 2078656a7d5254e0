# SPDX-License-Identifier: BSD-3-Clause
"""The bilevel optimizer over a problem of one's own."""
import ctypes
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from . import _abi
from ._calls import carried
from ._core import Core, Handle
from ._errors import StoppedError
from ._library import lib
from ._options import options
from .bilevel import Pair, StepInfo, set_steps
from .context import Context, context_of
from .tape import Tape
from .tensor import Pointers, Tensor


class LossRequest(NamedTuple):
    """What a step asks a problem for."""

    lam: float
    draw: int  # which draw of lambda, from 0
    step: int  # from 0


class Problem(Handle):
    """u minimises valid(w*(u), u), w*(u) minimises train(w, u).

    train(tape, request) and valid(tape, request) record a loss, a single
    number, and answer it as a Tensor; w and u are tensors (wanted=True).
    after_u(): u has moved and may be projected.  order: first, second_fd or
    second_exact.  w_lr: one or (first, last).  An exception in a function
    ends the step, which has changed nothing.
    """

    def __init__(self, train: Callable[[Tape, LossRequest], Tensor],
                 valid: Callable[[Tape, LossRequest], Tensor],
                 w: Sequence[Tensor], u: Sequence[Tensor], *,
                 after_u: Optional[Callable[[], Any]] = None,
                 order: Optional[str] = None,
                 virtual_clip: Optional[bool] = None, w_lr: Pair = None,
                 w_momentum: Optional[float] = None,
                 w_weight_decay: Optional[float] = None,
                 w_clip: Optional[float] = None,
                 nesterov: Optional[bool] = None,
                 u_lr: Pair = None,
                 u_betas: Optional[Tuple[float, float]] = None,
                 u_weight_decay: Optional[float] = None,
                 total_steps: Optional[int] = None,
                 rate_steps: Optional[int] = None,
                 warmup: Optional[float] = None,
                 cooldown: Optional[float] = None,
                 ctx: Optional[Context] = None) -> None:
        context = context_of(ctx)
        opts = options("hnas_bilevel_opts")
        set_steps(opts, order=order, virtual_clip=virtual_clip, w_lr=w_lr,
                  w_momentum=w_momentum, w_weight_decay=w_weight_decay,
                  w_clip=w_clip, nesterov=nesterov, u_lr=u_lr,
                  u_betas=u_betas, u_weight_decay=u_weight_decay,
                  total_steps=total_steps, rate_steps=rate_steps,
                  warmup=warmup, cooldown=cooldown)
        self._losses, self._after = (train, valid), after_u
        self.w, self.u, self.steps = list(w), list(u), 0
        core = context._core
        with core.lock:  # which keeps w and u
            self._entry = core.create(
                _abi.hnas_bilevel, lib.hnas_bilevel_destroy,
                lib.hnas_bilevel_create, context,
                ctypes.byref(self._table(core)), ctypes.byref(opts))

    def _table(self, core: Core) -> Any:
        fields: Dict[str, Any] = dict(_abi.hnas_problem._fields_)
        table = _abi.hnas_problem()
        table.size = ctypes.sizeof(table)
        # kept: C calls them
        self._loss_called: Any = fields["loss"](self._loss)
        self._after_called: Any = fields["after_u"](self._after_u)
        table.loss = self._loss_called
        if self._after is not None:
            table.after_u = self._after_called
        self._lists = [Pointers(t)._given(core) for t in (self.w, self.u)]
        table.w, table.n_w = self._lists[0], len(self.w)
        table.u, table.n_u = self._lists[1], len(self.u)
        return table

    def _loss(self, _user: Any, tape: Any, request: Any, out: Any) -> int:
        with carried():
            core, r = self._core, request[0]
            result = self._losses[r.loss](
                Tape._borrowed(core, tape),
                LossRequest(r.lambda_, r.draw, r.step))
            if not isinstance(result, Tensor):
                raise TypeError(f"loss: gave {type(result).__name__}, want "
                                "hnas.Tensor")
            out[0] = lib.hnas_tensor_ref(result._given(core))
            return int(_abi.HNAS_OK)
        return int(_abi.HNAS_E_OP)

    def _after_u(self, _user: Any) -> int:
        with carried():
            assert self._after is not None
            self._after()
            return int(_abi.HNAS_OK)
        return int(_abi.HNAS_E_OP)

    def _about(self) -> str:
        return f"w={len(self.w)} u={len(self.u)} steps={self.steps}"

    def _ran(self, status: int) -> None:
        if status == _abi.HNAS_STOPPED:
            raise StoppedError(f"step {self.steps}: stopped", status)

    def step(self, lam: Any = 0.0) -> StepInfo:
        """Move u by Adam on the validation loss, then w by SGD on the
        training loss; lam: a value or a list of draws."""
        lams = np.atleast_1d(np.asarray(lam, np.float64)).tolist()
        info = _abi.hnas_step_info()
        self._ran(self._core.call(
            lib.hnas_bilevel_step, self,
            (ctypes.c_double * len(lams))(*lams), len(lams),
            ctypes.byref(info)))
        self.steps = info.step
        return StepInfo(info.step, info.train_loss, info.valid_loss,
                        info.w_norm, info.u_norm, info.w_rate, info.lambda_)

    def gradient(self, lam: float = 0.0) -> Any:
        """u's gradient of a step, a list of arrays; nothing moves."""
        self._ran(self._core.call(lib.hnas_bilevel_gradient, self, lam))
        return [t.gradient for t in self.u]

    def cancel(self) -> None:
        """Ask the running step, or the next one, to stop; from any thread."""
        with self._using() as pointer:
            lib.hnas_bilevel_cancel(pointer)


__all__ = ["Problem", "LossRequest"]
