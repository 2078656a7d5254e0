# SPDX-License-Identifier: BSD-3-Clause
"""The tape, and the funcs that are recorded on it."""
import ctypes
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from . import _abi, _arrays
from ._calls import carried, has_raised
from ._core import NULL_TAPE, Core, Handle
from ._library import lib
from ._options import assign, options
from ._whole import numbers
from .context import Context, context_of
from .tensor import Pointers, Tensor, tensor

Two = Any  # a number, or (rows, columns)


def _two(value: Two) -> Any:
    return value if isinstance(value, (tuple, list)) else (value, value)


class Norm(Handle):
    """Batch normalisation of C channels, with its running statistics."""

    def __init__(self, channels: int, affine: bool = False,
                 ctx: Optional[Context] = None) -> None:
        context = context_of(ctx)
        core = context._core
        self._entry = core.create(_abi.hnas_norm, lib.hnas_norm_destroy,
                                  lib.hnas_norm_create, context, channels,
                                  int(affine))

    def _tensors(self) -> List[Optional[Tensor]]:
        kind = ctypes.POINTER(_abi.hnas_tensor)
        out = [kind() for _ in range(4)]
        core = self._core
        core.get(lib.hnas_norm_get_tensors, self,
                 *[ctypes.byref(o) for o in out])
        return [Tensor._of(core.adopt(lib.hnas_tensor_ref(o),
                                      lib.hnas_tensor_unref), False)
                if o else None for o in out]

    @property
    def weight(self) -> Optional[Tensor]:
        """The factor a channel; None unless affine."""
        return self._tensors()[0]

    @property
    def bias(self) -> Optional[Tensor]:
        """The summand a channel; None unless affine."""
        return self._tensors()[1]

    @property
    def running_mean(self) -> Tensor:
        """The mean a channel."""
        t = self._tensors()[2]
        assert t is not None
        return t

    @property
    def running_var(self) -> Tensor:
        """The variance a channel."""
        t = self._tensors()[3]
        assert t is not None
        return t

    def update(self, momentum: float = 0.1) -> None:
        """Move the running statistics towards those of the last pass."""
        self._core.get(lib.hnas_norm_update, self, momentum)


class Funcs:
    """The differentiable primitives; inputs are tensors or arrays, which
    count as constants."""

    def _where(self) -> Tuple[Core, Any]:
        """The context, and the tape or NULL."""
        raise NotImplementedError

    def _func(self, function: Any, inputs: Sequence[Any],
              *rest: Any) -> Tensor:
        core, tape = self._where()
        given = [tensor(core, x) for x in inputs]
        entry = core.create(_abi.hnas_tensor, lib.hnas_tensor_unref, function,
                            tape, *given, *rest)
        return Tensor._of(entry, bool(tape))

    def _list_func(self, function: Any, inputs: Sequence[Any],
                   *rest: Any) -> Tensor:
        core, tape = self._where()
        given = [tensor(core, x) for x in inputs]
        entry = core.create(_abi.hnas_tensor, lib.hnas_tensor_unref, function,
                            tape, Pointers(given), len(given), *rest)
        return Tensor._of(entry, bool(tape))

    def add(self, a: Any, b: Any) -> Tensor:
        """a + b"""
        return self._func(lib.hnas_add, [a, b])

    def mul(self, a: Any, b: Any) -> Tensor:
        """a * b, element by element"""
        return self._func(lib.hnas_mul, [a, b])

    def affine(self, x: Any, factor: float, offset: float = 0.0) -> Tensor:
        """factor * x + offset"""
        return self._func(lib.hnas_affine, [x], factor, offset)

    def sum(self, x: Any) -> Tensor:
        """The sum of all elements."""
        return self._func(lib.hnas_sum, [x])

    def relu(self, x: Any) -> Tensor:
        """max(x, 0)"""
        return self._func(lib.hnas_relu, [x])

    def linear(self, x: Any, weight: Any, bias: Any = None) -> Tensor:
        """x weight^T + bias"""
        core, _ = self._where()
        given = None if bias is None else tensor(core, bias)
        return self._func(lib.hnas_linear, [x, weight], given)

    @staticmethod
    def _window(stride: Two, pad: Two, dilation: Two, relu: bool) -> Any:
        opts = options("hnas_conv_opts")
        assign(opts, stride=_two(stride), pad=_two(pad),
               dilation=_two(dilation), relu=int(relu))
        return opts

    def conv2d(self, x: Any, weight: Any, *, stride: Two = 1, pad: Two = 0,
               dilation: Two = 1, relu: bool = False) -> Tensor:
        """Convolve images with weight O x I x kH x kW; relu: of x first."""
        opts = self._window(stride, pad, dilation, relu)
        return self._func(lib.hnas_conv2d, [x, weight], ctypes.byref(opts))

    def depthwise_conv2d(self, x: Any, weight: Any, *, stride: Two = 1,
                         pad: Two = 0, dilation: Two = 1) -> Tensor:
        """Convolve each channel by itself, weight C x 1 x k x k."""
        opts = self._window(stride, pad, dilation, False)
        return self._func(lib.hnas_depthwise_conv2d, [x, weight],
                          ctypes.byref(opts))

    def separable_conv2d(self, x: Any, depthwise: Any, pointwise: Any, *,
                         stride: Two = 1, pad: Two = 0,
                         dilation: Two = 1) -> Tensor:
        """ReLU, depthwise, pointwise in one pass."""
        opts = self._window(stride, pad, dilation, False)
        return self._func(lib.hnas_separable_conv2d,
                          [x, depthwise, pointwise], ctypes.byref(opts))

    def factorized_reduce(self, x: Any, weight0: Any, weight1: Any) -> Tensor:
        """Halve an image by two shifted 1x1 convolutions."""
        return self._func(lib.hnas_factorized_reduce, [x, weight0, weight1])

    def batch_norm(self, x: Any, norm: Norm) -> Tensor:
        """Normalise images over N, H, W."""
        return self._func(lib.hnas_batch_norm, [x], norm)

    def max_pool_3x3(self, x: Any, stride: int = 1) -> Tensor:
        """The largest of 3 x 3 pixels."""
        return self._func(lib.hnas_max_pool_3x3, [x], stride)

    def avg_pool_3x3(self, x: Any, stride: int = 1) -> Tensor:
        """The mean of those of 3 x 3 pixels that are there."""
        return self._func(lib.hnas_avg_pool_3x3, [x], stride)

    def concat(self, x: Sequence[Any]) -> Tensor:
        """Concatenate images over channels."""
        return self._list_func(lib.hnas_concat, x)

    def global_avg_pool(self, x: Any) -> Tensor:
        """The mean of each channel, N x C."""
        return self._func(lib.hnas_global_avg_pool, [x])

    def cross_entropy(self, logits: Any, labels: Any) -> Tensor:
        """The mean over images of -log softmax(logits)[label]."""
        core, _ = self._where()
        given = tensor(core, labels, np.int32, "labels")
        return self._func(lib.hnas_cross_entropy, [logits], given)

    def mix(self, x: Sequence[Any], gates: Any,
            index: Sequence[int]) -> Tensor:
        """The sum of gates[index[t]] * x[t]."""
        core, _ = self._where()
        given = tensor(core, gates)
        if len(index) != len(x):
            raise ValueError(f"mix: {len(index)} indices for {len(x)} images")
        return self._list_func(lib.hnas_mix, x, given,
                               numbers("index", index, ctypes.c_int64))

    def relax_softmax(self, alpha: Any, tau: float = 1.0) -> Tensor:
        """softmax(alpha / tau), row by row"""
        return self._func(lib.hnas_relax_softmax, [alpha], tau)

    def relax_sigmoid(self, alpha: Any) -> Tensor:
        """1 / (1 + exp(-alpha))"""
        return self._func(lib.hnas_relax_sigmoid, [alpha])

    def relax_gumbel(self, alpha: Any, noise: Any, tau: float = 1.0,
                     hard: bool = False) -> Tensor:
        """softmax((alpha + noise) / tau), row by row; hard: the one-hot argmax,
        with the gradient of the soft ones.  noise: Gumbel(0, 1), of your own,
        E x O or N x E x O."""
        return self._func(lib.hnas_relax_gumbel, [alpha, noise], tau,
                          int(hard))

    def weighted_norm(self, x: Any, weight: Any, power: int = 1) -> Tensor:
        """The sum of weight * |x| ** power."""
        return self._func(lib.hnas_weighted_norm, [x, weight], power)

    def apply(self, forward: Callable[..., Any],
              backward: Optional[Callable[..., Any]], inputs: Sequence[Any],
              shape: Sequence[int]) -> Tensor:
        """Record a func written in Python.

        forward(*inputs) gives an array of `shape`; backward(dout, out,
        *inputs) a gradient for each input, None where there is none.
        """
        core, _ = self._where()
        return self._apply(self._make_func(core, forward, backward), inputs,
                           shape)

    def _apply(self, func: "PythonFunc", inputs: Sequence[Any],
               shape: Sequence[int]) -> Tensor:
        core, tape = self._where()
        given = [tensor(core, x) for x in inputs]
        dims = _abi.hnas_shape()
        unused = [0] * (_abi.HNAS_MAX_RANK - len(shape))
        assign(dims, rank=len(shape), dims=[*shape, *unused])
        entry = core.create(
            _abi.hnas_tensor, lib.hnas_tensor_unref, lib.hnas_func_apply, tape,
            ctypes.byref(func.table), Pointers(given), len(given),
            ctypes.byref(dims), None)
        return Tensor._of(entry, bool(tape))

    def _make_func(self, core: Core, forward: Any, backward: Any) -> Any:
        """A func that lives long enough: here as long as the context, so the
        same functions are the same func."""
        key = (forward, backward)
        if key not in core.funcs:
            core.funcs[key] = PythonFunc(core, forward, backward)
        return core.funcs[key]


class PythonFunc:
    """A func table whose functions call Python."""

    def __init__(self, core: Core, forward: Callable[..., Any],
                 backward: Optional[Callable[..., Any]],
                 name: str = "python") -> None:
        self.core, self.forward, self.backward = core, forward, backward
        self._name = name.encode()
        fields: Dict[str, Any] = dict(_abi.hnas_func_table._fields_)
        self.table = _abi.hnas_func_table()
        self.table.size = ctypes.sizeof(self.table)
        self.table.name = self._name
        self.table.forward = fields["forward"](self._forward)
        if backward:
            self.table.backward = fields["backward"](self._backward)

    def _forward(self, _user: Any, inputs: Any, n: int, out: Any) -> int:
        if has_raised():  # C asks for the other images all the same
            return int(_abi.HNAS_E_OP)
        with carried():
            given = [_arrays.over(inputs[i], False) for i in range(n)]
            _arrays.over(out[0], True)[...] = self.forward(*given)
            return int(_abi.HNAS_OK)
        return int(_abi.HNAS_E_OP)

    def _backward(self, _user: Any, inputs: Any, n: int, out: Any, dout: Any,
                  din: Any) -> int:
        if has_raised():
            return int(_abi.HNAS_E_OP)
        with carried():
            assert self.backward is not None
            given = [_arrays.over(inputs[i], False) for i in range(n)]
            grads = self.backward(_arrays.over(dout[0], False),
                                  _arrays.over(out[0], False), *given)
            if not isinstance(grads, (tuple, list)):
                grads = (grads,)
            if len(grads) != n:
                raise ValueError(f"backward: {len(grads)} gradients for {n} "
                                 "inputs")
            for i, grad in enumerate(grads):
                target = _arrays.over(din[i], True)
                if target is not None and grad is not None:
                    target += grad
            return int(_abi.HNAS_OK)
        return int(_abi.HNAS_E_OP)


class Tape(Funcs, Handle):
    """A record of a computation; `backward` sweeps over it."""

    def __init__(self, ctx: Optional[Context] = None) -> None:
        context = context_of(ctx)
        self._funcs: List[Any] = []
        self._is_borrowed = False
        self._entry = context._core.create(
            _abi.hnas_tape, lib.hnas_tape_destroy, lib.hnas_tape_create,
            context)

    @classmethod
    def _borrowed(cls, core: Core, pointer: Any) -> "Tape":
        """A tape of the library's, for the time of a callback."""
        t = cls.__new__(cls)
        t._funcs = []
        t._is_borrowed = True
        t._entry = core.adopt(pointer, None)
        return t

    def _where(self) -> Tuple[Core, Any]:
        return self._core, self

    def _make_func(self, core: Core, forward: Any, backward: Any) -> Any:
        """A func that lives until the tape's reset."""
        if self._is_borrowed:
            return super()._make_func(core, forward, backward)
        self._funcs.append(PythonFunc(core, forward, backward))
        return self._funcs[-1]

    def reset(self, *, running_stats: bool = False, gradient: bool = True,
              plain: bool = False) -> "Tape":
        """Forget the record; say how the next one is made."""
        mode = (_abi.HNAS_TAPE_RUNNING_STATS * running_stats +
                _abi.HNAS_TAPE_NO_GRADIENT * (not gradient) +
                _abi.HNAS_TAPE_PLAIN * plain)
        self._core.call(lib.hnas_tape_reset, self, mode)
        self._funcs.clear()
        return self

    def defer(self) -> None:
        """Only record from now on; `run` computes."""
        self._core.get(lib.hnas_tape_defer, self)

    def run(self) -> None:
        """Compute what was deferred."""
        self._core.call(lib.hnas_tape_run, self)

    def backward(self, loss: Tensor) -> None:
        """Add d loss / d leaf to every leaf that wants a gradient."""
        self._core.call(lib.hnas_tape_backward, self, loss)

    def tangent(self, y: Tensor, leaves: Sequence[Tensor],
                directions: Sequence[Any]) -> Tensor:
        """Record how y moves while leaves move: the sum of (dy / dx) d."""
        core = self._core
        moves = [tensor(core, d) for d in directions]
        if len(moves) != len(leaves):
            raise ValueError(f"tangent: {len(moves)} directions for "
                             f"{len(leaves)} leaves")
        entry = core.create(
            _abi.hnas_tensor, lib.hnas_tensor_unref, lib.hnas_tape_tangent,
            self, y, Pointers(leaves), Pointers(moves), len(moves))
        return Tensor._of(entry, True)

    @property
    def memory(self) -> Tuple[int, int]:
        """Bytes of the record now, and at most so far."""
        now, peak = ctypes.c_size_t(), ctypes.c_size_t()
        self._core.get(lib.hnas_tape_get_memory, self, ctypes.byref(now),
                       ctypes.byref(peak))
        return now.value, peak.value

    def _about(self) -> str:
        return f"nodes={len(self)}"

    def __len__(self) -> int:
        return int(self._core.get(lib.hnas_tape_get_count, self))

    def __bool__(self) -> bool:
        return True


class NoTape(Funcs):
    """The funcs without a record: each result is a leaf of its own."""

    def __init__(self, ctx: Optional[Context] = None) -> None:
        self._context = context_of(ctx)

    def _where(self) -> Tuple[Core, Any]:
        return self._context._core, NULL_TAPE
