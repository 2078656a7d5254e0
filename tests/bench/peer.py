# SPDX-License-Identifier: BSD-3-Clause
"""Time one bilevel step in PyTorch: the peer that the library's step is compared with.

By default DARTS-CC's Fashion-MNIST setting on random data, single precision. Prints one
JSON object; a step is an alpha step and a w step on fresh batches, after one to warm up.
With --arch it is a training step of that discrete network; with --predict too, a prediction
by its frozen TorchScript, batch-norm folded into the convolutions.
"""

import argparse
import json
import math
import random
import resource
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracle"))

from bilevel_torch import Bilevel, Settings  # noqa: E402
from hnas_torch import DARTS_OPS, Supernet  # noqa: E402
from hyper_torch import KINDS, Hypernet, gumbel_noise, op_costs  # noqa: E402

LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}
LAMBDAS = (1e-4, 1e-1)


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layout", choices=LAYOUTS, default="channels_last")
    parser.add_argument("--order", choices=("first", "second_fd"), default="second_fd")
    parser.add_argument(
        "--relax", choices=("softmax", "gumbel", "gumbel_hard"), default="gumbel"
    )
    parser.add_argument("--draws", type=int, default=1, help="of lambda, for alpha")
    parser.add_argument("--alpha-paths", type=int, default=0, help="0: all operations")
    parser.add_argument("--cost-weight", type=float, default=1.0)
    parser.add_argument("--arch", type=Path, help="as hnas-query prints it")
    parser.add_argument("--predict", action="store_true", help="with --arch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--cells", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--image", type=image_size, default=(1, 28, 28), metavar="CxHxW")
    parser.add_argument("--repeat", type=int, default=5, help="steps timed")
    return parser.parse_args()


def image_size(text):
    """CxHxW as three numbers."""
    channels, height, width = map(int, text.split("x"))
    return channels, height, width


def make_bilevel(args):
    """Network, hypernetwork and both optimizers."""
    net = Supernet(args.image, args.classes, args.channels, args.cells, args.nodes, DARTS_OPS)
    tables, _ = op_costs(net)
    net = net.to(memory_format=LAYOUTS[args.layout])
    hyper = Hypernet(len(net.pairs), len(net.ops))
    settings = Settings(
        order=args.order,
        relaxation=args.relax,
        cost_weight=args.cost_weight,
        cost_tables=tables,
        alpha_paths=args.alpha_paths,
    )
    return Bilevel(net, hyper, settings)


def make_batch(args):
    """Random images and labels."""
    x = torch.randn(args.batch, *args.image).to(memory_format=LAYOUTS[args.layout])
    return x, torch.randint(args.classes, (args.batch,))


def make_noise(step, args):
    """The draws of one step: a row an example for `gumbel`, one for all for `gumbel_hard`."""
    shape = (len(step.net.pairs), len(step.net.ops))
    if args.relax == "softmax":
        return None
    if args.relax == "gumbel":
        shape = (args.batch, *shape)
    return {kind: gumbel_noise(shape) for kind in KINDS}


def make_lambdas(args):
    """Pairs that mirror each other on the logarithmic scale; a single one in the middle."""
    lo, hi = (math.log(x) for x in LAMBDAS)
    if args.draws == 1:
        return [math.exp((lo + hi) / 2)]
    drawn = [random.uniform(lo, hi) for _ in range(args.draws // 2)]
    return [math.exp(x) for x in drawn] + [math.exp(lo + hi - x) for x in drawn]


def search_step(args):
    """A function that makes data and returns a step of the search to be timed."""
    step = make_bilevel(args)

    def prepare():
        train, valid, noise = make_batch(args), make_batch(args), make_noise(step, args)
        lambdas = make_lambdas(args)
        return lambda: step.step(train, valid, lambdas, noise)

    return prepare


def edge_ops(cell):
    """One op an edge of the list [[[op, source] ...] a node]; `none` where none is listed."""
    ops = []
    for target, node in enumerate(cell, start=2):
        listed = {source: op for op, source in node}
        ops += [listed.get(source, "none") for source in range(target)]
    return ops


def discrete_network(args):
    """The network of --arch with fresh weights."""
    from model_torch import Network

    arch = json.loads(args.arch.read_text())
    normal, reduce = edge_ops(arch["normal"]), edge_ops(arch["reduce"])
    sizes = (args.image, args.classes, args.channels, args.cells, len(arch["normal"]))
    return Network(*sizes, normal, reduce).to(memory_format=LAYOUTS[args.layout])


class Logits(torch.nn.Module):
    """A network's logits alone."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)[0]


def prediction(args):
    """As search_step, of a prediction by frozen TorchScript."""
    x, _ = make_batch(args)
    with torch.inference_mode():
        net = torch.jit.trace(Logits(discrete_network(args).make_affine()).eval(), x)
        net = torch.jit.optimize_for_inference(torch.jit.freeze(net))
        for _ in range(3):  # the executor specialises in its first calls
            net(x)

    def forward():
        with torch.inference_mode():
            net(x)

    return lambda: forward


def training_step(args):
    """As search_step, of the discrete network of --arch."""
    from model_torch import train_step

    net = discrete_network(args)
    sgd = torch.optim.SGD(net.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)

    def prepare():
        x, y = make_batch(args)
        return lambda: train_step(net, sgd, x, y)

    return prepare


def choose_device(name):
    """Make every tensor on that device from now on."""
    if name == "cpu":
        return
    if not torch.cuda.is_available():
        print("no CUDA device", file=sys.stderr)
        sys.exit(2)
    torch.set_default_device(name)


def timed(prepare, finish):
    """Milliseconds of one step, its data made before the clock starts."""
    step = prepare()
    finish()
    start = time.perf_counter()
    step()
    finish()
    return 1e3 * (time.perf_counter() - start)


def main():
    """One JSON object on standard output."""
    args = parse_arguments()
    choose_device(args.device)
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    random.seed(0)
    if args.predict:
        prepare = prediction(args)
    else:
        prepare = training_step(args) if args.arch else search_step(args)
    finish = torch.cuda.synchronize if args.device == "cuda" else lambda: None
    timed(prepare, finish)
    times = [timed(prepare, finish) for _ in range(args.repeat)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report = {
        "median_ms": statistics.median(times),
        "min_ms": min(times),
        "peak_bytes": peak,
        "threads": torch.get_num_threads(),
        "layout": args.layout,
        "gpu": torch.cuda.get_device_name() if args.device == "cuda" else None,
        "order": args.order,
        "pytorch": torch.__version__,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
