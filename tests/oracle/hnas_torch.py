# SPDX-License-Identifier: BSD-3-Clause
"""The search space in plain PyTorch: operations, cells, supernet.

An independent transcription of the formulas, for comparison with the library.
Modules are named so that `state_dict()` carries the library's parameter names.
"""

from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F

DARTS_OPS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)


class BatchNorm(nn.Module):
    """Batch-norm over the batch's statistics; running ones move only inside `tracking`."""

    eps = 1e-5
    momentum = 0.1

    def __init__(self, channels, affine=False):
        super().__init__()
        self.track = False
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        running = (self.running_mean, self.running_var)
        if self.training and x.numel() == x.shape[1]:
            return self._single(x)
        if self.training and not self.track:
            running = (None, None)
        return F.batch_norm(
            x, *running, self.weight, self.bias, self.training, self.momentum, self.eps
        )

    def _single(self, x):
        """One value a channel: its own mean, variance zero, hence output zero (or the bias)."""
        if self.track:
            with torch.no_grad():
                self.running_mean.lerp_(x.flatten(), self.momentum)
                self.running_var.mul_(1 - self.momentum)
        y = x * 0
        if self.weight is None:
            return y
        return y * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


@contextmanager
def tracking(module):
    """Let every batch-norm below `module` update its running statistics."""
    norms = [m for m in module.modules() if isinstance(m, BatchNorm)]
    for norm in norms:
        norm.track = True
    try:
        yield module
    finally:
        for norm in norms:
            norm.track = False


def conv(c_in, c_out, kernel, stride=1, padding=0, dilation=1, groups=1):
    """A convolution without bias."""
    return nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, groups, bias=False)


def depthwise(channels, kernel, stride=1, dilation=1):
    """A depthwise convolution that keeps the size at stride 1."""
    padding = dilation * (kernel // 2)
    return conv(channels, channels, kernel, stride, padding, dilation, groups=channels)


class Zero(nn.Module):
    """`none`: zeros of the size that the stride asks for."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


class Pool(nn.Module):
    """A 3x3 pool with padding 1, then batch-norm."""

    def __init__(self, channels, stride, average):
        super().__init__()
        if average:
            self.pool = nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
        else:
            self.pool = nn.MaxPool2d(3, stride, padding=1)
        self.bn = BatchNorm(channels)

    def forward(self, x):
        return self.bn(self.pool(x))


class FactorizedReduce(nn.Module):
    """Halve the size: two strided 1x1 convolutions, the second one shifted by (1, 1)."""

    def __init__(self, c_in, c_out):
        super().__init__()
        if c_out % 2:
            raise ValueError(f"c_out = {c_out}: an even number is wanted")
        self.conv0 = conv(c_in, c_out // 2, 1, stride=2)
        self.conv1 = conv(c_in, c_out // 2, 1, stride=2)
        self.bn = BatchNorm(c_out)

    def forward(self, x):
        x = F.relu(x)
        odd_h, odd_w = x.shape[2] % 2, x.shape[3] % 2
        shifted = F.pad(x, (-1, odd_w, -1, odd_h))
        return self.bn(torch.cat([self.conv0(x), self.conv1(shifted)], dim=1))


class SepConv(nn.Module):
    """(ReLU, depthwise, pointwise, BN) twice, the stride in the first half."""

    def __init__(self, channels, kernel, stride):
        super().__init__()
        self.dw1 = depthwise(channels, kernel, stride)
        self.pw1 = conv(channels, channels, 1)
        self.bn1 = BatchNorm(channels)
        self.dw2 = depthwise(channels, kernel)
        self.pw2 = conv(channels, channels, 1)
        self.bn2 = BatchNorm(channels)

    def forward(self, x):
        x = self.bn1(self.pw1(self.dw1(F.relu(x))))
        return self.bn2(self.pw2(self.dw2(F.relu(x, inplace=True))))


class DilConv(nn.Module):
    """ReLU, depthwise with dilation 2, pointwise, BN."""

    def __init__(self, channels, kernel, stride):
        super().__init__()
        self.dw1 = depthwise(channels, kernel, stride, dilation=2)
        self.pw1 = conv(channels, channels, 1)
        self.bn = BatchNorm(channels)

    def forward(self, x):
        return self.bn(self.pw1(self.dw1(F.relu(x))))


class Conv7x1(nn.Module):
    """ReLU, 1x7 convolution, 7x1 convolution, BN; each takes the stride along its own axis."""

    def __init__(self, channels, stride):
        super().__init__()
        self.conv0 = conv(channels, channels, (1, 7), (1, stride), (0, 3))
        self.conv1 = conv(channels, channels, (7, 1), (stride, 1), (3, 0))
        self.bn = BatchNorm(channels)

    def forward(self, x):
        return self.bn(self.conv1(self.conv0(F.relu(x))))


def _skip(channels, stride):
    return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)


OPS = {
    "none": lambda c, s: Zero(s),
    "skip_connect": _skip,
    "avg_pool_3x3": lambda c, s: Pool(c, s, average=True),
    "max_pool_3x3": lambda c, s: Pool(c, s, average=False),
    "sep_conv_3x3": lambda c, s: SepConv(c, 3, s),
    "sep_conv_5x5": lambda c, s: SepConv(c, 5, s),
    "sep_conv_7x7": lambda c, s: SepConv(c, 7, s),
    "dil_conv_3x3": lambda c, s: DilConv(c, 3, s),
    "dil_conv_5x5": lambda c, s: DilConv(c, 5, s),
    "conv_7x1_1x7": Conv7x1,
}


def make_op(name, channels, stride):
    """The candidate operation `name`."""
    return OPS[name](channels, stride)


class MixedOp(nn.Module):
    """Sum over the candidates o of gate_o times o(x)."""

    def __init__(self, ops, channels, stride):
        super().__init__()
        for name in ops:
            self.add_module(name, make_op(name, channels, stride))

    def forward(self, x, gates, taken=None):
        """`gates` is [O], or [B, O] with a row an example; `taken` [O] says who takes part."""
        terms = (
            gates[..., o].reshape(-1, 1, 1, 1) * op(x)
            for o, op in enumerate(self.children())
            if not isinstance(op, Zero) and (taken is None or taken[o])
        )
        total = next(terms, None)
        if total is None:
            return next(self.children())(x)
        for term in terms:
            total += term
        return total

    def drawn(self, x, gates):
        """The candidate of the largest gate alone, as a discrete network evaluates it."""
        return list(self.children())[int(gates.argmax())](x)


def darts_edges(nodes):
    """(source, target) by target, then source; nodes 0 and 1 are the inputs."""
    return [(i, j) for j in range(2, 2 + nodes) for i in range(j)]


class Cell(nn.Module):
    """A directed acyclic graph of mixed operations.

    Nodes 0 .. n_inputs-1 are inputs; `strides` gives one stride an edge; the output is
    the concatenation of the nodes in `outputs` (all intermediate nodes by default).
    """

    def __init__(self, n_inputs, n_nodes, edges, ops, channels, strides=None, outputs=None):
        super().__init__()
        self.n_inputs, self.n_nodes = n_inputs, n_nodes
        self.pairs = sorted(edges, key=lambda edge: (edge[1], edge[0]))
        self.outputs = list(outputs or range(n_inputs, n_inputs + n_nodes))
        strides = strides or {}
        self.edges = nn.ModuleDict(
            {f"{i}_{j}": MixedOp(ops, channels, strides.get((i, j), 1)) for i, j in self.pairs}
        )

    def forward(self, inputs, gates, drawn_only=False):
        """`gates` is [E, O] or [B, E, O]; `drawn_only` True takes the argmax of each row
        alone, a table of bools [E, O] those that it marks."""
        nodes = list(inputs) + [None] * self.n_nodes
        for e, (i, j) in enumerate(self.pairs):
            mixed, row = self.edges[f"{i}_{j}"], gates[..., e, :]
            if drawn_only is True:
                value = mixed.drawn(nodes[i], row)
            else:
                value = mixed(nodes[i], row, drawn_only[e] if drawn_only is not False else None)
            nodes[j] = value if nodes[j] is None else nodes[j] + value
        return torch.cat([nodes[j] for j in self.outputs], dim=1)


class ReluConvBn(nn.Module):
    """The preprocess step: ReLU, 1x1 convolution, BN."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv = conv(c_in, c_out, 1)
        self.bn = BatchNorm(c_out)

    def forward(self, x):
        return self.bn(self.conv(F.relu(x)))


class DartsCell(Cell):
    """The DARTS cell: two preprocessed inputs, every earlier node feeds every later one."""

    def __init__(self, c_in0, c_in1, channels, nodes, ops, reduction, reduction_prev):
        edges = darts_edges(nodes)
        strides = {(i, j): 2 for i, j in edges if reduction and i < 2}
        super().__init__(2, nodes, edges, ops, channels, strides)
        self.reduction = reduction
        first = FactorizedReduce if reduction_prev else ReluConvBn
        self.preprocess0 = first(c_in0, channels)
        self.preprocess1 = ReluConvBn(c_in1, channels)

    def forward(self, s0, s1, gates, drawn_only=False):
        return super().forward((self.preprocess0(s0), self.preprocess1(s1)), gates, drawn_only)


class Stem(nn.Module):
    """3x3 convolution and the one affine batch-norm."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv = conv(c_in, c_out, 3, padding=1)
        self.bn = BatchNorm(c_out, affine=True)

    def forward(self, x):
        return self.bn(self.conv(x))


class Supernet(nn.Module):
    """Stem, cells, global average pool, linear head."""

    def __init__(
        self, image, classes, channels, cells, nodes=4, ops=DARTS_OPS, stem_multiplier=3
    ):
        super().__init__()
        self.image, self.ops, self.pairs = tuple(image), tuple(ops), darts_edges(nodes)
        c_prev_prev = c_prev = stem_multiplier * channels
        self.stem = Stem(image[0], c_prev)
        self.cells = nn.ModuleList()
        reduction_prev = False
        for k in range(cells):
            reduction = k in {cells // 3, 2 * cells // 3}
            channels *= 2 if reduction else 1
            self.cells.append(
                DartsCell(c_prev_prev, c_prev, channels, nodes, ops, reduction, reduction_prev)
            )
            c_prev_prev, c_prev, reduction_prev = c_prev, nodes * channels, reduction
        self.head = nn.Linear(c_prev, classes)

    def forward(self, x, gates_normal, gates_reduce, drawn_only=False):
        """Logits; both gate tables are [E, O], or [B, E, O] with one a example.  drawn_only:
        as Cell's, or a pair of tables."""
        s0 = s1 = self.stem(x)
        for cell in self.cells:
            gates = gates_reduce if cell.reduction else gates_normal
            part = drawn_only[cell.reduction] if isinstance(drawn_only, tuple) else drawn_only
            s0, s1 = s1, cell(s0, s1, gates, part)
        return self.head(s1.mean(dim=(2, 3)))


def count_weights(module):
    """The number of trainable weights."""
    return sum(p.numel() for p in module.parameters())
