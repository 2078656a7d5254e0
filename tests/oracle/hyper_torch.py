# SPDX-License-Identifier: BSD-3-Clause
"""Hypernetwork, relaxations, costs and regularisers in plain PyTorch.

A table of architecture parameters is a dict {"normal": [E, O], "reduce": [E, O]}.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from hnas_torch import Supernet

KINDS = ("normal", "reduce")


def scaled(lam, scale, lambda_range):
    """s(lambda): `raw` is lambda itself, `log` is centred on [-1, 1] over the range."""
    if math.isnan(lam):
        raise ValueError("lambda is not a number")
    if scale == "raw":
        return lam
    if scale != "log":
        raise ValueError(f"scale = {scale!r}: raw or log is wanted")
    lo, hi = lambda_range
    if not (0 < lo < hi and lam > 0):
        raise ValueError(f"lambda = {lam}, range {lo}..{hi}: positive values are wanted")
    return 2 * (math.log(lam) - math.log(lo)) / (math.log(hi) - math.log(lo)) - 1


class Linear(nn.Module):
    """alpha = s b1 + b2."""

    def __init__(self, edges, ops):
        super().__init__()
        self.b1 = nn.Parameter(torch.zeros(edges, ops))
        self.b2 = nn.Parameter(1e-3 * torch.randn(edges, ops))

    def forward(self, s):
        return s * self.b1 + self.b2


class Constant(nn.Module):
    """alpha = b2, lambda ignored."""

    def __init__(self, edges, ops):
        super().__init__()
        self.b2 = nn.Parameter(1e-3 * torch.randn(edges, ops))

    def forward(self, s):
        return self.b2


class Piecewise(nn.Module):
    """Linear between `n` fixed knots, evenly spaced over the range of s: [-1, 1], log scale."""

    def __init__(self, *shape, n=5):
        super().__init__()
        self.knots = nn.Parameter(1e-3 * torch.randn(n, *shape))

    def forward(self, s):
        n = self.knots.shape[0]
        at = (s + 1) / 2 * (n - 1)
        k = min(max(math.floor(at), 0), n - 2)
        t = at - k
        return (1 - t) * self.knots[k] + t * self.knots[k + 1]


class Mlp(nn.Module):
    """alpha = w2 tanh(w1 s + c1) + b2."""

    def __init__(self, edges, ops, hidden=16):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(hidden))
        self.c1 = nn.Parameter(torch.randn(hidden))
        self.w2 = nn.Parameter(torch.zeros(edges, ops, hidden))
        self.b2 = nn.Parameter(1e-3 * torch.randn(edges, ops))

    def forward(self, s):
        return self.w2 @ torch.tanh(self.w1 * s + self.c1) + self.b2


class Hypernet(nn.Module):
    """lambda -> {kind: alpha}; `state_dict(prefix="hyper.")` has the library's names."""

    kinds_of_generator = {
        "linear": Linear,
        "constant": Constant,
        "piecewise": Piecewise,
        "mlp": Mlp,
    }

    def __init__(self, edges, ops, kind="linear", scale="log", lambda_range=(1e-4, 1e-1), **sizes):
        super().__init__()
        self.kind, self.scale, self.lambda_range = kind, scale, lambda_range
        make = self.kinds_of_generator[kind]
        self.normal = make(edges, ops, **sizes)
        self.reduce = make(edges, ops, **sizes)

    def s(self, lam):
        """The coordinate of lambda."""
        return scaled(lam, self.scale, self.lambda_range)

    def forward(self, lam):
        s = 0.0 if self.kind == "constant" else self.s(lam)
        return {"normal": self.normal(s), "reduce": self.reduce(s)}


def gumbel_noise(shape, dtype=torch.float32, generator=None):
    """-ln(-ln u) with u in the open unit interval, drawn in double."""
    u = torch.rand(shape, dtype=torch.float64, generator=generator)
    tiny, one = 2.0**-1074, 1 - 2.0**-53
    return (-torch.log(-torch.log(u.clamp(tiny, one)))).to(dtype)


def straight_through(hard, soft):
    """The values of `hard`, the gradient of `soft`."""
    return hard + (soft - soft.detach())


def relax(alpha, relaxation, tau=1.0, noise=None):
    """Gates p of one table alpha [E, O].

    `noise` is [E, O], or [B, E, O] for one draw an example (`gumbel` only).
    """
    if relaxation == "raw":
        return alpha
    if relaxation == "softmax":
        return F.softmax(alpha / tau, dim=-1)
    if relaxation == "sigmoid":
        return torch.sigmoid(alpha)
    if relaxation not in ("gumbel", "gumbel_hard"):
        raise ValueError(f"relaxation = {relaxation!r}")
    perturbed = alpha + noise
    soft = F.softmax(perturbed / tau, dim=-1)
    if relaxation == "gumbel":
        return soft
    hard = F.one_hot(perturbed.argmax(dim=-1), alpha.shape[-1]).to(alpha.dtype)
    return straight_through(hard, soft)


def limit_paths(alpha, noise, paths):
    """Noise that leaves the `paths` largest of alpha + noise in a row, -inf elsewhere."""
    taken = (alpha + noise).detach().topk(paths, dim=-1).indices
    return torch.full_like(noise, -torch.inf).scatter(-1, taken, noise.gather(-1, taken))


def cost_gates(alpha, relaxation, tau=1.0):
    """The p that the expected cost uses."""
    if relaxation in ("gumbel", "gumbel_hard"):
        return F.softmax(alpha, dim=-1)
    gates = relax(alpha, relaxation, tau)
    return gates.abs() if relaxation == "raw" else gates


@torch.no_grad()
def measured_macs(net):
    """{module: multiply-adds for one image} of every convolution and linear layer."""
    macs, hooks = {}, []

    def record(module, inputs, output):
        macs[module] = output[0].numel() * module.weight[0].numel()

    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            hooks.append(module.register_forward_hook(record))
    like = net.head.weight
    gates = torch.zeros(len(net.pairs), len(net.ops), dtype=like.dtype)
    net(torch.zeros(1, *net.image, dtype=like.dtype), gates, gates)
    for hook in hooks:
        hook.remove()
    return macs


def op_costs(net: Supernet, metric="params"):
    """{kind: [E, O]}: each row summed over all cells of the kind; and the fixed part."""
    macs = measured_macs(net)

    def cost(module):
        if metric == "params":
            return sum(p.numel() for p in module.parameters())
        return sum(macs.get(m, 0) for m in module.modules())

    shape = (len(net.pairs), len(net.ops))
    tables = {kind: torch.zeros(shape, dtype=torch.float64) for kind in KINDS}
    for cell in net.cells:
        table = tables["reduce" if cell.reduction else "normal"]
        for e, mixed in enumerate(cell.edges.values()):
            for o, op in enumerate(mixed.children()):
                table[e, o] += cost(op)
    fixed = cost(net) - sum(float(t.sum()) for t in tables.values())
    return tables, fixed


def expected_cost(gates, tables, raw_cost=False):
    """C(p) = sum p c / C_ref with C_ref the sum at p = 1/O; without C_ref if `raw_cost`."""
    total = sum((gates[kind] * tables[kind].to(gates[kind].dtype)).sum() for kind in KINDS)
    if raw_cost:
        return total
    reference = sum(float(t.sum()) / t.shape[-1] for t in tables.values())
    return total / reference if reference else 0 * total


def l1(alpha, mu):
    """mu times the sum of |alpha|."""
    return mu * sum(alpha[kind].abs().sum() for kind in KINDS)


def l2(alpha, mu):
    """mu times the sum of alpha squared."""
    return mu * sum(alpha[kind].square().sum() for kind in KINDS)


def zero_one(alpha, weight):
    """-weight times the mean of (sigma(alpha) - 1/2)^2 over all entries."""
    entries = torch.cat([alpha[kind].flatten() for kind in KINDS])
    return -weight * (torch.sigmoid(entries) - 0.5).square().mean()


def beta_decay(alpha, weight):
    """weight times the mean over the rows of logsumexp(alpha)."""
    return weight * torch.cat([alpha[kind].logsumexp(dim=-1) for kind in KINDS]).mean()
