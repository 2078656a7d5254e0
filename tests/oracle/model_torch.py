# SPDX-License-Identifier: BSD-3-Clause
"""The discrete network of an architecture in plain PyTorch, and a step of training."""

import torch
from torch import nn
from torch.nn import functional as F

from hnas_torch import (
    BatchNorm,
    FactorizedReduce,
    ReluConvBn,
    Stem,
    conv,
    darts_edges,
    make_op,
    tracking,
)


def kept_edges(ops, nodes):
    """[(source, target, op)] of a list with one op an edge, without `none` and dead sources."""
    alive, kept = {0, 1}, []
    for (i, j), op in zip(darts_edges(nodes), ops):
        if op != "none" and i in alive:
            alive.add(j)
            kept.append((i, j, op))
    return kept


class DiscreteCell(nn.Module):
    """A DARTS cell with at most one operation an edge."""

    def __init__(self, c_in0, c_in1, channels, nodes, ops, reduction, reduction_prev):
        super().__init__()
        self.nodes, self.channels, self.reduction = nodes, channels, reduction
        self.kept = kept_edges(ops, nodes)
        first = FactorizedReduce if reduction_prev else ReluConvBn
        self.preprocess0 = first(c_in0, channels)
        self.preprocess1 = ReluConvBn(c_in1, channels)
        self.edges = nn.ModuleDict()
        for i, j, op in self.kept:
            stride = 2 if reduction and i < 2 else 1
            self.edges[f"{i}_{j}"] = nn.ModuleDict({op: make_op(op, channels, stride)})

    def forward(self, s0, s1):
        values = {0: self.preprocess0(s0), 1: self.preprocess1(s1)}
        for i, j, op in self.kept:
            value = self.edges[f"{i}_{j}"][op](values[i])
            values[j] = values[j] + value if j in values else value
        step = 2 if self.reduction else 1
        zero = torch.zeros_like(values[1][:, :, ::step, ::step])
        return torch.cat([values.get(2 + k, zero) for k in range(self.nodes)], dim=1)


class Auxiliary(nn.Linear):
    """The second head; its average has two windows a side."""

    def __init__(self, channels, side, classes):
        super().__init__(768, classes)
        window = min(5, side - 1)
        self.pool = nn.AvgPool2d(window, side - window)
        self.conv0 = conv(channels, 128, 1)
        self.bn0 = BatchNorm(128, affine=True)
        self.conv1 = conv(128, 768, 2)
        self.bn1 = BatchNorm(768, affine=True)

    def forward(self, x):
        x = F.relu(self.bn0(self.conv0(self.pool(F.relu(x)))))
        return super().forward(F.relu(self.bn1(self.conv1(x))).flatten(1))


class Network(nn.Module):
    """Stem, discrete cells, head; `normal` and `reduce` name an op for every edge."""

    def __init__(self, image, classes, channels, cells, nodes, normal, reduce, auxiliary=False):
        super().__init__()
        c_prev_prev = c_prev = 3 * channels
        self.stem = Stem(image[0], c_prev)
        self.cells = nn.ModuleList()
        self.tap, self.auxiliary = 2 * cells // 3, None
        side, reduction_prev = image[1], False
        for k in range(cells):
            reduction = k in {cells // 3, 2 * cells // 3}
            channels *= 2 if reduction else 1
            side = (side + 1) // 2 if reduction else side
            ops = reduce if reduction else normal
            cell = DiscreteCell(c_prev_prev, c_prev, channels, nodes, ops, reduction, reduction_prev)
            self.cells.append(cell)
            c_prev_prev, c_prev, reduction_prev = c_prev, nodes * channels, reduction
            if auxiliary and k == self.tap:
                self.auxiliary = Auxiliary(c_prev, side, classes)
        self.head = nn.Linear(c_prev, classes)

    def forward(self, x):
        """Logits, and those of the auxiliary head in training, else None."""
        s0 = s1 = self.stem(x)
        second = None
        for k, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1)
            if self.auxiliary is not None and k == self.tap and self.training:
                second = self.auxiliary(s1)
        return self.head(s1.mean(dim=(2, 3))), second

    def make_affine(self):
        """Give every batch-norm weight and bias; returns self."""
        for module in self.modules():
            if isinstance(module, BatchNorm) and module.weight is None:
                channels = module.running_mean.numel()
                module.weight = nn.Parameter(torch.ones(channels))
                module.bias = nn.Parameter(torch.zeros(channels))
        return self


def training_loss(net, x, y, smoothing=0.0, aux_weight=0.4):
    """Cross-entropy, the auxiliary head's included."""
    logits, second = net(x)
    loss = F.cross_entropy(logits, y, label_smoothing=smoothing)
    if second is not None:
        loss = loss + aux_weight * F.cross_entropy(second, y, label_smoothing=smoothing)
    return loss


def train_step(net, sgd, x, y, clip=5.0, **loss_settings):
    """One step of an SGD optimizer; returns the loss and the gradient's norm."""
    sgd.zero_grad(set_to_none=False)
    with tracking(net):
        loss = training_loss(net, x, y, **loss_settings)
        loss.backward()
    norm = nn.utils.clip_grad_norm_(net.parameters(), clip)
    sgd.step()
    return float(loss), float(norm)
