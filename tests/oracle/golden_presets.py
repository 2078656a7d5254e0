# SPDX-License-Identifier: BSD-3-Clause
"""What the presets compute, for tests/golden/presets.safetensors.

Of weights, a gradient or value is stored as two numbers a tensor, in the order of their
names: the norm, and the product with ((40503 i) mod 2^16 - 2^15) / 2^15 at element i.
"""

import torch

import generated_torch
import presets_torch
from bilevel_torch import ORDERS, gradient
from hnas_torch import DARTS_OPS, Supernet
from hyper_torch import KINDS, Hypernet, gumbel_noise, op_costs

IMAGE, CLASSES, CHANNELS, CELLS, NODES, BATCH = (1, 6, 6), 3, 2, 3, 2, 4
STEPS, TOTAL = 4, 6


def digest(tensors):
    """[n, 2] of a dict, sorted by name."""
    rows = []
    for name in sorted(tensors):
        flat = tensors[name].detach().reshape(-1)
        i = torch.arange(flat.numel(), dtype=torch.int64)
        probe = ((40503 * i) % 65536 - 32768).to(torch.float64) / 32768
        rows.append(torch.stack([flat.norm(), flat @ probe]))
    return torch.stack(rows)


@torch.no_grad()
def fill(module, generator, size, exact):
    """New values, exact in float32, for every parameter."""
    for parameter in module.parameters():
        noise = torch.randn(*parameter.shape, generator=generator, dtype=torch.float64)
        parameter.copy_(exact(size * noise))


def make_search(case, seed, exact):
    """Net, hypernetwork and bilevel optimizer of a case."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    ops = DARTS_OPS if case.with_none else DARTS_OPS[1:]
    net = Supernet(IMAGE, CLASSES, CHANNELS, CELLS, nodes=NODES, ops=ops).double()
    fill(net, generator, 0.5, exact)
    tables, _ = op_costs(net)
    net = generated_torch.Generated(net, side=CHANNELS, **case.net).double()
    for part in (net.head, net.kernels):
        if part is not None:
            fill(part, generator, 0.5, exact)
    hyper = Hypernet(
        len(net.pairs),
        len(ops),
        kind=case.hypernet,
        scale=case.scale,
        lambda_range=case.lambda_range,
        **case.sizes,
    ).double()
    fill(hyper, generator, case.start, exact)
    return presets_torch.Search(net, hyper, case, TOTAL, tables), generator


def draw_lambdas(case, generator):
    """[STEPS, M] inside the range; pairs mirrored where the case says so."""
    lo, hi = case.lambda_range
    t = torch.rand(STEPS, case.draws, generator=generator, dtype=torch.float64)
    if case.antithetic:
        t[:, 1::2] = 1 - t[:, ::2]
    return lo * (hi / lo) ** t


def draw_noise(case, search, generator):
    """{kind: [STEPS, E, O]}, or [STEPS, B, E, O]; None without Gumbel."""
    if "gumbel" not in search.settings.relaxation:
        return None
    shape = (len(search.net.pairs), len(search.net.ops))
    shape = (STEPS, BATCH, *shape) if case.per_image else (STEPS, *shape)
    return {k: gumbel_noise(shape, torch.float32, generator).double() for k in KINDS}


def record_case(out, name, case, batches, seed, exact):
    """Gradients at the start, then a few steps."""
    search, generator = make_search(case, seed, exact)
    lams, noise = draw_lambdas(case, generator), draw_noise(case, search, generator)
    w = dict(search.net.named_parameters())
    u = {"hyper." + n: p for n, p in search.hyper.named_parameters()}
    for key, tensor in {**w, **u}.items():
        is_own = key.startswith(("hyper.", "head.", "kernels."))
        out.given(f"{name}/{key}" if is_own else key, tensor)  # the others are equal
    out.result(f"{name}/lambda", lams)
    for kind, values in (noise or {}).items():
        out.given(f"{name}/noise.{kind}", values)
    at = lambda i: noise and {kind: values[i] for kind, values in noise.items()}
    batch = lambda part, i: (batches[part][0][i], batches[part][1][i])

    search.set_schedules()
    lam = float(lams[0, 0])
    hard = search.settings.relaxation == "gumbel_hard"
    loss = search.train_loss(batch("train", 0), lam, at(0), hard)
    out.result(f"{name}/start/train_loss", loss)
    grads = gradient(loss, list(w.values()))
    out.result(f"{name}/start/train", digest(dict(zip(w, grads))))
    compute = ORDERS[search.settings.order]
    problem = search.problem(batch("train", 0), batch("valid", 0), lam, at(0))
    loss, grads = compute(problem, search.virtual())
    out.result(f"{name}/start/valid_loss", loss)
    out.results(f"{name}/start/g.", u, grads)

    losses = []
    for i in range(STEPS):
        draws = [float(v) for v in lams[i]]
        losses.append(search.step(batch("train", i), batch("valid", i), draws, at(i)))
    out.result(f"{name}/losses", losses)
    out.result(f"{name}/end/w", digest(w))
    out.results(f"{name}/end/", u)


def record(out, seed, exact):
    """Every case."""
    generator = torch.Generator().manual_seed(seed + 10)
    batches = {}
    for part in ("train", "valid"):
        x = torch.randn(STEPS, BATCH, *IMAGE, generator=generator, dtype=torch.float64)
        y = torch.randint(CLASSES, (STEPS, BATCH), generator=generator)
        batches[part] = (exact(x), y)
        out.given(part + "/x", batches[part][0])
        out.given(part + "/y", y)
    for name, case in presets_torch.CASES.items():
        record_case(out, name, case, batches, seed + 20, exact)
