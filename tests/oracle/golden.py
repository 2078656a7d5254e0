# SPDX-License-Identifier: BSD-3-Clause
"""Write the golden files: golden.py [DIR [SEED]], by default tests/golden.

Inputs and weights are rounded to float32 and stored so (F32); results are computed
in double from exactly those values and stored as F64.
"""

import sys
from pathlib import Path

import torch

import golden_presets as presets_golden
import tensor_file
from bilevel_torch import ORDERS, Bilevel, Settings, gradient
from hnas_torch import DARTS_OPS, OPS, Supernet, make_op
from hyper_torch import Hypernet, expected_cost, op_costs
from model_torch import Network, train_step, training_loss

SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 20240229
SOURCE = "https://arxiv.org/abs/1806.09055 (DARTS), as transcribed in tests/oracle"
CHANNELS, BATCH, SIZES = 6, 2, ((6, 8), (7, 5))
STEPS, LAMBDA = 10, 1e-2
# One op an edge, by target, then source.  Normal node 2 has no input, so what leaves it
# carries nothing; the reduction has every op at stride 2 or 1.
NORMAL = """none none sep_conv_3x3 max_pool_3x3 skip_connect
            avg_pool_3x3 none dil_conv_5x5 sep_conv_5x5""".split()
REDUCE = """skip_connect dil_conv_3x3 max_pool_3x3 none sep_conv_5x5
            sep_conv_3x3 avg_pool_3x3 skip_connect dil_conv_5x5""".split()


def exact(tensor):
    """The nearest values that float32 represents."""
    return tensor.to(torch.float32).to(torch.float64)


def normal(generator, *shape):
    """Normal numbers, exact in float32."""
    return exact(torch.randn(*shape, generator=generator, dtype=torch.float64))


@torch.no_grad()
def round_parameters(module):
    """Make every parameter exact in float32."""
    for parameter in module.parameters():
        parameter.copy_(exact(parameter))


class Recorder(dict):
    """{name: array}; `given` stores F32, `result` F64."""

    def given(self, name, tensor):
        self[name] = tensor.detach().to(torch.float32).numpy().copy()

    def result(self, name, tensor):
        self[name] = torch.as_tensor(tensor, dtype=torch.float64).detach().numpy().copy()

    def results(self, prefix, named, tensors=None):
        """The tensors under the names in `named`, a dict."""
        for name, tensor in zip(named, tensors or named.values()):
            self.result(prefix + name, tensor)


def save(directory, name, tensors):
    """One golden file."""
    metadata = {
        "script": "tests/oracle/golden.py",
        "seed": str(SEED),
        "source": SOURCE,
        "torch": torch.__version__,
    }
    path = Path(directory) / name
    tensor_file.save(path, tensors, metadata)
    print(f"{path}: {len(tensors)} tensors, {path.stat().st_size} bytes")


def op_input(generator, height, width):
    """Noise whose upper rows are constant, so that maxima tie."""
    x = normal(generator, BATCH, CHANNELS, height, width)
    x[:, :, : (height + 1) // 2] = x[:, :, :1, :1]
    return x


def record_op(out, generator, name, stride, size):
    """One operation forward and backward."""
    prefix = "{}/s{}/{}x{}/".format(name, stride, *size)
    op = make_op(name, CHANNELS, stride).double()
    round_parameters(op)
    x = op_input(generator, *size).requires_grad_()
    y = op(x)
    dy = normal(generator, *y.shape)
    weights = dict(op.named_parameters())
    if not y.requires_grad:  # `none` depends on nothing
        y = y + 0 * x.sum()
    dx, *grads = gradient((y * dy).sum(), [x, *weights.values()])
    out.given(prefix + "x", x)
    out.given(prefix + "dy", dy)
    out.result(prefix + "y", y)
    out.result(prefix + "dx", dx)
    for (weight, value), grad in zip(weights.items(), grads):
        out.given(f"{prefix}w.{weight}", value)
        out.result(f"{prefix}g.{weight}", grad)


def golden_ops(directory):
    """Every operation at both strides, on an even and an odd size."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    out = Recorder()
    for name in OPS:
        for stride in (1, 2):
            for size in SIZES:
                record_op(out, generator, name, stride, size)
    save(directory, "ops.safetensors", out)


def make_step(settings):
    """The small supernet and its hypernetwork, always with the same values."""
    torch.manual_seed(SEED)
    net = Supernet((1, 8, 8), classes=5, channels=4, cells=3, nodes=2).double()
    hyper = Hypernet(len(net.pairs), len(net.ops)).double()
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, table in hyper.named_parameters():
            table.copy_((0.1 if "b1" in name else 0.3) * normal(generator, *table.shape))
    round_parameters(net)
    round_parameters(hyper)
    settings.cost_tables, _ = op_costs(net)
    return Bilevel(net, hyper, settings)


def make_batches():
    """Ten small batches of each kind, the labels as numbers."""
    generator = torch.Generator().manual_seed(SEED + 1)
    batches = {}
    for part in ("train", "valid"):
        x = normal(generator, STEPS, 4, 1, 8, 8)
        y = torch.randint(5, (STEPS, 4), generator=generator)
        batches[part] = (x, y)
    return batches


def named(step):
    """({name: weight}, {name: architecture parameter}) under the library's names."""
    w = dict(step.net.named_parameters())
    return w, {"hyper." + name: p for name, p in step.hyper.named_parameters()}


def record_start(out, step, batches):
    """What goes in: parameters, batches, lambda."""
    w, u = named(step)
    for name, tensor in {**w, **u}.items():
        out.given(name, tensor)
    for part, (x, y) in batches.items():
        out.given(part + "/x", x)
        out.given(part + "/y", y)
    out.result("lambda", LAMBDA)


def record_gradients(out, step, train, valid):
    """Forward pass, both losses and every gradient at the start, on the first batches."""
    w, u = named(step)
    alpha = step.hyper(LAMBDA)
    out.results("start/alpha.", alpha)
    out.results("start/gates.", step.gates(alpha))
    out.result("start/train/logits", step.logits(train[0], LAMBDA))
    loss = step.train_loss(train, LAMBDA)
    grads = gradient(loss, [*w.values(), *u.values()])
    out.result("start/train/loss", loss)
    out.results("start/train/g.", {**w, **u}, grads)
    problem = step.problem(train, valid, LAMBDA)
    for order, compute in ORDERS.items():
        loss, grads = compute(problem, step.virtual())
        out.result(f"start/{order}/loss", loss)
        out.results(f"start/{order}/g.", u, grads)


def record_cost(out, step):
    """Cost tables, the expected cost and its gradient."""
    _, u = named(step)
    for metric in ("params", "macs"):
        tables, fixed = op_costs(step.net, metric)
        cost = expected_cost(step.gates(step.hyper(LAMBDA)), tables)
        out.results(f"cost/{metric}/c.", tables)
        out.result(f"cost/{metric}/fixed", fixed)
        out.result(f"cost/{metric}/value", cost)
        out.results(f"cost/{metric}/g.", u, gradient(cost, list(u.values())))


def record_run(out, name, settings, batches, keep_weights=True):
    """Ten steps, batch i in step i: losses of each, parameters after the last."""
    step = make_step(settings)
    losses = []
    for i in range(STEPS):
        train, valid = ((x[i], y[i]) for x, y in (batches["train"], batches["valid"]))
        losses.append(step.step(train, valid, [LAMBDA]))
    w, u = named(step)
    prefix = f"run/{name}/"
    for part, values in zip(("train", "valid"), zip(*losses)):
        out.result(f"{prefix}{part}_loss", values)
    out.results(prefix, {**w, **u} if keep_weights else u)
    if keep_weights:
        buffers = dict(step.net.named_buffers())
        outside = {name: b for name, b in buffers.items() if ".edges." not in name}
        out.results(prefix, outside)


def golden_step(directory):
    """A three-cell supernet: gradients at the start, then ten steps."""
    out, batches = Recorder(), make_batches()
    train, valid = ((x[0], y[0]) for x, y in (batches["train"], batches["valid"]))
    step = make_step(Settings())
    record_start(out, step, batches)
    record_gradients(out, step, train, valid)
    record_cost(out, step)
    record_run(out, "first", Settings(order="first"), batches)
    record_run(out, "second_fd", Settings(order="second_fd"), batches)
    full = Settings(
        nesterov=True, virtual_clip=True, clip=0.5, cost_weight=10.0, alpha_lr=3e-3
    )
    record_run(out, "full", full, batches, keep_weights=False)
    save(directory, "step.safetensors", out)


def fill_auxiliary(head):
    """Weights that need not be stored: element i of a tensor is ((40503 i) mod 2^16 - 2^15)
    2^-20, beside batch-norm's, which stay."""
    for weight in (head.weight, head.bias, head.conv0.weight, head.conv1.weight):
        i = torch.arange(weight.numel(), dtype=torch.int64)
        values = ((40503 * i) % 65536 - 32768).to(torch.float64) / 2**20
        weight.data.copy_(values.view_as(weight))


def make_model(full):
    """A discrete network, `full` with affine batch-norm and an auxiliary head."""
    torch.manual_seed(SEED + 2)
    net = Network((2, 10, 10), 5, 4, 4, 3, NORMAL, REDUCE, auxiliary=full)
    if full:
        net.make_affine()
    net = net.double()
    generator = torch.Generator().manual_seed(SEED + 3)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.dim() == 1 and not name.startswith(("auxiliary", "head")):
                parameter.add_(0.2 * normal(generator, *parameter.shape))
    round_parameters(net)
    if full:
        fill_auxiliary(net.auxiliary)
    return net


def small(named_tensors):
    """Without the auxiliary head's large ones."""
    return {n: t for n, t in named_tensors.items() if t.numel() < 3000}


def record_model(out, name, x, y):
    """Loss and gradients at the start; five steps; then what is predicted."""
    full = name == "full"
    settings = {"smoothing": 0.1} if full else {}
    net = make_model(full)
    weights = dict(net.named_parameters())
    for weight, value in small(weights).items():
        out.given(f"{name}/{weight}", value)
    loss = training_loss(net, x[0], y[0], **settings)
    out.result(f"{name}/loss", loss)
    grads = dict(zip(weights, gradient(loss, list(weights.values()))))
    out.results(f"{name}/g.", small(grads))
    sgd = torch.optim.SGD(
        net.parameters(), 0.1, momentum=0.9, weight_decay=3e-4, nesterov=full
    )
    steps = [train_step(net, sgd, *batch, clip=0.5, **settings) for batch in zip(x, y)]
    for part, values in zip(("losses", "norms"), zip(*steps)):
        out.result(f"{name}/{part}", values)
    out.results(f"{name}/end/", small({**weights, **dict(net.named_buffers())}))
    net.eval()
    out.result(f"{name}/end/logits", net(x[0])[0])


def golden_model(directory):
    """A discrete network of four cells, plain and with all that training may add."""
    out = Recorder()
    generator = torch.Generator().manual_seed(SEED + 4)
    x, y = normal(generator, 5, 4, 2, 10, 10), torch.randint(5, (5, 4), generator=generator)
    out.given("x", x)
    out.given("y", y)
    for kind, ops in (("normal", NORMAL), ("reduce", REDUCE)):
        out.given(kind, torch.tensor([DARTS_OPS.index(op) for op in ops]))
    for name in ("plain", "full"):
        record_model(out, name, x, y)
    save(directory, "model.safetensors", out)


def golden_presets(directory):
    """Every preset, and settings that none has: gradients and three steps."""
    out = Recorder()
    presets_golden.record(out, SEED, exact)
    save(directory, "presets.safetensors", out)


def main():
    """All files."""
    default = Path(__file__).resolve().parents[1] / "golden"
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    directory.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    golden_ops(directory)
    golden_step(directory)
    golden_model(directory)
    golden_presets(directory)


if __name__ == "__main__":
    main()
