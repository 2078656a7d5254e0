# SPDX-License-Identifier: BSD-3-Clause
"""Optimizers over tensors that have a gradient."""
import ctypes
from typing import Any, Optional, Sequence, Tuple

from . import _abi
from ._core import Handle
from ._library import lib
from ._options import assign, options
from .context import Context, context_of
from .tensor import Pointers, Tensor


class _Optimizer(Handle):
    def _make(self, function: Any, params: Sequence[Tensor], opts: Any,
              ctx: Optional[Context]) -> None:
        context = context_of(ctx)
        self.params = list(params)
        self._entry = context._core.create(
            _abi.hnas_optim, lib.hnas_optim_destroy, function, context,
            Pointers(self.params), len(self.params), ctypes.byref(opts))

    def _about(self) -> str:
        return f"params={len(self.params)} steps={self.steps}"

    @property
    def steps(self) -> int:
        """Steps done."""
        return int(self._core.get(lib.hnas_optim_get_steps, self))

    def step(self, lr: float) -> None:
        """Move the tensors against their gradients; one without a gradient
        counts as gradient 0.  A gradient that is not finite raises
        NotFiniteError, and nothing has moved."""
        self._core.call(lib.hnas_optim_step, self, lr)

    def zero_grad(self) -> None:
        """Forget the gradients: a sweep adds to what is there."""
        for t in self.params:
            t.clear_gradient()


class SGD(_Optimizer):
    """Stochastic gradient descent, as torch.optim.SGD after a clip of the
    gradient's norm."""

    def __init__(self, params: Sequence[Tensor], *,
                 momentum: Optional[float] = None,
                 weight_decay: Optional[float] = None,
                 clip: Optional[float] = None,
                 nesterov: Optional[bool] = None,
                 ctx: Optional[Context] = None) -> None:
        opts = options("hnas_sgd_opts")
        assign(opts, momentum=momentum, weight_decay=weight_decay, clip=clip,
               nesterov=nesterov)
        self._make(lib.hnas_sgd_create, params, opts, ctx)


class Adam(_Optimizer):
    """Adam, as torch.optim.Adam with weight decay added to the gradient."""

    def __init__(self, params: Sequence[Tensor], *,
                 betas: Optional[Tuple[float, float]] = None,
                 epsilon: Optional[float] = None,
                 weight_decay: Optional[float] = None,
                 ctx: Optional[Context] = None) -> None:
        opts = options("hnas_adam_opts")
        if betas is not None:
            opts.beta1, opts.beta2 = betas
        assign(opts, epsilon=epsilon, weight_decay=weight_decay)
        self._make(lib.hnas_adam_create, params, opts, ctx)


__all__ = ["SGD", "Adam"]
