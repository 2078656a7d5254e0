# SPDX-License-Identifier: BSD-3-Clause
"""Generated weights in plain PyTorch: a head piecewise in s, kernels from embeddings."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from hnas_torch import DilConv, FactorizedReduce, SepConv
from hyper_torch import Piecewise


class GeneratedHead(nn.Module):
    """W(s) x + bias(s), each knot a whole head."""

    def __init__(self, channels, classes, n):
        super().__init__()
        self.weight = Piecewise(classes, channels, n=n)
        self.bias = Piecewise(classes, n=n)

    def forward(self, x, s):
        return F.linear(x, self.weight(s), self.bias(s))


class Kernels(nn.Module):
    """Tiles [T, side, side] (tile, input channel, output channel) from embeddings:
    a_ti = W_i z_t + B_i, or W_i [z_t; s] + B_i with v for the column of s, K_ti = W_out a_ti +
    B_out."""

    def __init__(self, tiles, side, size, with_s):
        super().__init__()
        self.side, self.size = side, size
        self.z = nn.Parameter(torch.randn(tiles, size))
        self.w = nn.Parameter(torch.randn(side * size, size) / math.sqrt(size))
        self.b = nn.Parameter(torch.zeros(side * size))
        self.v = nn.Parameter(torch.zeros(side * size)) if with_s else None
        self.w_out = nn.Parameter(torch.randn(side, size) / math.sqrt(3 * size * side))
        self.b_out = nn.Parameter(torch.zeros(side))

    def tiles(self, s):
        """All of them at s."""
        w = self.w.view(self.side, self.size, self.size)
        if self.v is None:
            a = torch.einsum("ikj,tj->tik", w, self.z)
        else:
            column = self.v.view(self.side, self.size, 1)
            zs = torch.cat([self.z, torch.full_like(self.z[:, :1], s)], dim=1)
            a = torch.einsum("ikj,tj->tik", torch.cat([w, column], dim=2), zs)
        a = a + self.b.view(self.side, self.size)
        return torch.einsum("ok,tik->tio", self.w_out, a) + self.b_out


class TiledConv(nn.Module):
    """A 1x1 convolution whose kernel is laid out of tiles that `hand_out` left here."""

    def __init__(self, like):
        super().__init__()
        self.n_out, self.n_in = like.weight.shape[:2]
        self.stride = like.stride
        self.kernel = None

    def count(self, side):
        """(rows, columns) of tiles."""
        return math.ceil(self.n_in / side), math.ceil(self.n_out / side)

    def take(self, tiles):
        """Lay the kernel out of the first tiles of a list; the rest is returned."""
        rows, columns = self.count(tiles.shape[1])
        mine, rest = tiles[: rows * columns], tiles[rows * columns :]
        bands = [torch.cat(list(mine[r * columns :][:columns]), dim=1) for r in range(rows)]
        whole = torch.cat(bands, dim=0)[: self.n_in, : self.n_out]
        self.kernel = whole.t()[:, :, None, None]
        return rest

    def forward(self, x):
        return F.conv2d(x, self.kernel, stride=self.stride)


def _owners(net):
    """(module, name) of every convolution that is generated, in the library's order."""
    for cell in net.cells:
        for step in (cell.preprocess0, cell.preprocess1):
            reduces = isinstance(step, FactorizedReduce)
            yield from ((step, name) for name in (("conv0", "conv1") if reduces else ("conv",)))
        for mixed in cell.edges.values():
            for op in mixed.children():
                names = {SepConv: ("pw1", "pw2"), DilConv: ("pw1",)}.get(type(op), ())
                yield from ((op, name) for name in names)


class Generated(nn.Module):
    """A supernet whose head (`knots`) or kernels (`embedding`) are generated; its parameters
    have the library's names."""

    def __init__(self, net, knots=0, side=0, embedding=0, with_s=False):
        super().__init__()
        self.image, self.ops, self.pairs = net.image, net.ops, net.pairs
        self.stem, self.cells = net.stem, net.cells
        self.kernels, self.tiled = None, []
        self.head = net.head
        if knots:
            self.head = GeneratedHead(net.head.in_features, net.head.out_features, knots)
        if embedding:
            for owner, name in list(_owners(net)):
                setattr(owner, name, TiledConv(getattr(owner, name)))
                self.tiled.append(getattr(owner, name))
            tiles = sum(math.prod(conv.count(side)) for conv in self.tiled)
            self.kernels = Kernels(tiles, side, embedding, with_s)

    def forward(self, x, gates_normal, gates_reduce, drawn_only=False, s=0.0):
        """As the supernet's, at s."""
        if self.kernels is not None:
            rest = self.kernels.tiles(s)
            for conv in self.tiled:
                rest = conv.take(rest)
            assert not len(rest)
        s0 = s1 = self.stem(x)
        for cell in self.cells:
            gates = gates_reduce if cell.reduction else gates_normal
            part = drawn_only[cell.reduction] if isinstance(drawn_only, tuple) else drawn_only
            s0, s1 = s1, cell(s0, s1, gates, part)
        pooled = s1.mean(dim=(2, 3))
        return self.head(pooled, s) if isinstance(self.head, GeneratedHead) else self.head(pooled)
