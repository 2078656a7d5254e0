# SPDX-License-Identifier: BSD-3-Clause
"""Candidate operations: one alone, and new ones written in Python."""
import ctypes
import itertools
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from . import _abi, _arrays
from ._calls import carried
from ._core import Core
from ._errors import StateError
from ._library import lib
from ._options import assign
from ._whole import numbers
from .context import Context, context_of
from .tape import Norm, PythonFunc, Tape
from .tensor import Named, Tensor, tensor


class Cost(NamedTuple):
    """What something costs for one image."""

    params: int
    macs: int
    bytes: int


def cost_of(c: Any) -> Cost:
    return Cost(c.params, c.macs, c.bytes)


class Op(Named):
    """One instance of an operation, alone."""

    _params_function = "hnas_op_get_params"

    def __init__(self, ctx: Optional[Context], name: str, channels: int = 16,
                 stride: int = 1) -> None:
        context = context_of(ctx)
        desc = _abi.hnas_op_desc(ctypes.sizeof(_abi.hnas_op_desc))
        assign(desc, channels=channels, stride=stride)
        self._entry = context._core.create(
            _abi.hnas_op, lib.hnas_op_destroy, lib.hnas_op_create,
            context, name.encode(), ctypes.byref(desc))
        self.op_name, self.channels, self.stride = name, channels, stride
        self._tape = Tape(context)
        self._entry.parents.append(self._tape._entry)  # type: ignore
        self._tape._entry.children.add(self._entry)  # type: ignore
        self._x: Optional[Tensor] = None
        self._y: Optional[Tensor] = None

    def apply(self, tape: Optional[Tape], x: Any) -> Tensor:
        """Record it on a tape, or compute at once."""
        core = self._core
        given = tensor(core, x)
        entry = core.create(
            _abi.hnas_tensor, lib.hnas_tensor_unref, lib.hnas_op_apply,
            tape, self, given)
        return Tensor._of(entry, tape is not None)

    def forward(self, x: Any, running_stats: bool = False) -> Any:
        """Images N x C x H x W through it; batch-norm takes the batch's
        statistics, or the running ones."""
        self._x = Tensor._of(_arrays.wrap(self._core, _arrays.fitting(
            np.array(x), np.float32)), False)
        self._x.wanted = True
        self._tape.reset(running_stats=running_stats)
        self._y = self.apply(self._tape, self._x)
        return self._y.numpy(copy=True)

    def backward(self, dy: Any) -> Any:
        """The gradient of sum(dy * y) for the last forward's x; `gradients`
        gives those of the weights."""
        if self._x is None or self._y is None:
            raise StateError("backward: forward comes first")
        self.clear_gradients()
        self._x.clear_gradient()
        loss = self._tape.sum(self._tape.mul(self._y, dy))
        self._tape.backward(loss)
        dx, self._y = self._x.gradient, None
        return dx

    def cost(self, height: int, width: int) -> Cost:
        """Of one image."""
        c = _abi.hnas_cost()
        self._core.get(lib.hnas_op_get_cost, self, height, width,
                       ctypes.byref(c))
        return cost_of(c)

    def _about(self) -> str:
        return (f"{self.op_name} channels={self.channels} "
                f"stride={self.stride}")


class Builder:
    """Hands out weights and normalisations to an operation under
    construction."""

    def __init__(self, core: Core, pointer: Any) -> None:
        self._core, self._pointer = core, pointer

    def weight(self, name: str, dims: Sequence[int]) -> Tensor:
        """A convolution weight O x I x kH x kW that is trained."""
        if len(dims) != 4:
            raise ValueError(f"{name}: {tuple(dims)}, want (O, I, kH, kW)")
        out = ctypes.POINTER(_abi.hnas_tensor)()
        self._core.call(lib.hnas_op_builder_weight, ctypes.byref(out),
                        self._pointer, name.encode(),
                        numbers("dims", dims, ctypes.c_int64))
        entry = self._core.adopt(lib.hnas_tensor_ref(out),
                                 lib.hnas_tensor_unref)
        return Tensor._of(entry, False)

    def norm(self, name: str, channels: int) -> Norm:
        """A batch normalisation."""
        out = ctypes.POINTER(_abi.hnas_norm)()
        self._core.call(lib.hnas_op_builder_norm, ctypes.byref(out),
                        self._pointer, name.encode(), channels)
        norm = Norm.__new__(Norm)
        norm._entry = self._core.adopt(out, None)
        return norm


class _State(NamedTuple):
    """One instance of a registered operation."""

    value: Any
    channels: int
    stride: int


def _counts(what: str, given: Any) -> Dict[str, int]:
    """The numbers that a cost function gave, none below 0."""
    if not isinstance(given, Mapping):
        if len(given) != len(Cost._fields):
            raise ValueError(f"{what}: {given!r}, want (params, macs, bytes)")
        given = dict(zip(Cost._fields, given))
    unknown = sorted(str(k) for k in set(given) - set(Cost._fields))
    if unknown:
        raise ValueError(f"{what}: {', '.join(unknown)}, want some of "
                         f"{', '.join(Cost._fields)}")
    counts = {}
    for name in Cost._fields:
        number = given.get(name, 0)
        if not 0 <= number < 2 ** 63 or number != int(number):
            raise ValueError(f"{what}: {name} {number}, want a whole number "
                             f"0..{2 ** 63 - 1}")
        counts[name] = int(number)
    return counts


class _Registered:
    """An operation's table, whose functions call Python; it lives as long as
    the context."""

    def __init__(self, core: Core, name: str, version: int, flags: int,
                 create: Any, apply: Any, cost: Any) -> None:
        self.core, self.create, self.apply, self.cost = (core, create, apply,
                                                         cost)
        self.states: Dict[int, _State] = {}
        self.keys = itertools.count(1)
        self._name = name.encode()
        fields: Dict[str, Any] = dict(_abi.hnas_op_table._fields_)
        self.table = t = _abi.hnas_op_table()
        t.size, t.name = ctypes.sizeof(t), self._name
        assign(t, version=version, flags=flags)
        for field in ("create", "destroy", "apply", "cost"):
            setattr(t, field, fields[field](getattr(self, "_" + field)))

    def _create(self, out: Any, builder: Any, desc: Any) -> int:
        with carried():
            d = desc[0]
            value = self.create(Builder(self.core, builder), d.channels,
                                d.stride)
            key = next(self.keys)
            self.states[key] = _State(value, d.channels, d.stride)
            out[0] = key
            return int(_abi.HNAS_OK)
        return int(_abi.HNAS_E_OP)

    def _destroy(self, key: int) -> None:
        self.states.pop(key, None)

    def _apply(self, out: Any, tape: Any, key: int, x: Any) -> int:
        with carried():
            image = Tensor._of(self.core.adopt(lib.hnas_tensor_ref(x),
                                               lib.hnas_tensor_unref), True)
            result = self.apply(Tape._borrowed(self.core, tape),
                                self.states[key], image)
            if not isinstance(result, Tensor):
                raise TypeError(f"{self._name.decode()}: apply gave "
                                f"{type(result).__name__}, want hnas.Tensor")
            out[0] = lib.hnas_tensor_ref(result._given(self.core))
            return int(_abi.HNAS_OK)
        return int(_abi.HNAS_E_OP)

    def _cost(self, key: int, height: int, width: int, cost: Any) -> None:
        with carried():
            what = f"{self._name.decode()}: cost"
            assign(cost[0], **_counts(what, self.cost(self.states[key], height,
                                                      width)))


def _halved(size: int, stride: int) -> int:
    return (size + stride - 1) // stride


class _NumpyOp:
    """create, apply and cost of an operation that is two functions of
    arrays."""

    def __init__(self, core: Core, name: str, forward: Any, backward: Any,
                 weights: Any, cost: Any) -> None:
        self.core, self.name = core, name
        self.forward, self.backward = forward, backward
        self.weights, self.given_cost = weights, cost

    def create(self, builder: Builder, channels: int, stride: int) -> Any:
        shapes = self.weights(channels, stride) if self.weights else {}
        weights = [builder.weight(name, dims) for name, dims in shapes.items()]
        forward, backward = self.forward, self.backward

        def run(x: Any, *w: Any) -> Any:
            return forward(x, stride, *w)

        def sweep(dy: Any, y: Any, x: Any, *w: Any) -> Any:
            return backward(dy, x, y, stride, *w)

        return weights, PythonFunc(self.core, run,
                                   sweep if backward else None, self.name)

    @staticmethod
    def apply(tape: Tape, state: _State, x: Tensor) -> Tensor:
        weights, func = state.value
        n, c, h, w = x.shape
        shape = (n, c, _halved(h, state.stride), _halved(w, state.stride))
        return tape._apply(func, [x, *weights], shape)

    def cost(self, state: _State, height: int, width: int) -> Any:
        if self.given_cost:
            return self.given_cost(state.channels, state.stride, height, width)
        h, w = _halved(height, state.stride), _halved(width, state.stride)
        return (sum(t.size for t in state.value[0]), 0,
                4 * state.channels * h * w)


def register_op(ctx: Optional[Context], name: str, *,
                forward: Optional[Callable[..., Any]] = None,
                backward: Optional[Callable[..., Any]] = None,
                weights: Optional[Callable[[int, int], Any]] = None,
                create: Optional[Callable[..., Any]] = None,
                apply: Optional[Callable[..., Any]] = None,
                cost: Optional[Callable[..., Any]] = None,
                version: int = 1, zero: bool = False, identity: bool = False,
                shared: bool = False) -> None:
    """Add an operation to a context; it can be searched like a bundled one.

    With NumPy: forward(x, stride, *weights) gives y [N, C, ceil(H / stride),
    ceil(W / stride)], backward(dy, x, y, stride, *weights) gives dx, or (dx,
    *dweights); weights(channels, stride) gives {name: (O, I, kH, kW)}.

    From the library's funcs: create(builder, channels, stride) gives a state,
    apply(tape, state, x) a tensor.

    cost(channels, stride, height, width) gives (params, macs, bytes) of one
    image, or a dict of them, whole numbers from 0; where it is left out the
    weights are counted.
    """
    core = context_of(ctx)._core
    flags = (_abi.HNAS_OP_ZERO * zero + _abi.HNAS_OP_IDENTITY * identity +
             _abi.HNAS_OP_SHARED * shared)
    if forward is not None and apply is None and create is None:
        numpy_op = _NumpyOp(core, name, forward, backward, weights, cost)
        op = _Registered(core, name, version, flags, numpy_op.create,
                         numpy_op.apply, numpy_op.cost)
    elif forward is None and apply is not None and cost is not None:
        given_apply, given_cost = apply, cost
        op = _Registered(
            core, name, version, flags,
            create or (lambda builder, channels, stride: None),
            lambda tape, state, x: given_apply(tape, state.value, x),
            lambda state, h, w: given_cost(state.channels, state.stride, h, w))
    else:
        raise TypeError("register_op: want forward (and backward), or apply "
                        "and cost (and create)")
    core.call(lib.hnas_op_register, core.pointer, ctypes.byref(op.table))
    core.keep.append(op)


__all__ = ["Op", "Cost", "Builder", "register_op"]
