# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: one row a comparison, with its commands, target and floor.

A contestant is a command that prints one JSON object. `ours` and `peer` begin with the
words that stand for hnas-bench and for peer.py; compare.py puts the paths there.
"""

from dataclasses import dataclass, field

LAYOUTS = ("channels_last", "nchw")
ARCH = "examples/archs/darts-cc-fmnist-0.json"
SMALL = "examples/archs/mnist-small.json"
STEP = "step --preset darts_cc --order first"
IN_PLACE = "images-in-place"  # hnas-bench of a build in which a batch takes an image's memory


@dataclass
class Row:
    """One line of a table, or a table of its own.

    `kind` says what is compared: "peer": the better layout's time over ours, at least the
    target; "ratio": the second contestant over the first, "speedup" likewise but at least;
    "value": the only contestant's number, at most the target. A table has no target:
    "scale": one contestant a size, whose units are their labels' counts; "kernels": the
    rates of every kernel, "products" those of matrix products; "limits": what steps need at
    least, from the machine's peaks; "cached": the same steps with all images in cache; "wide": a row of the table of a machine with many cores
    and a GPU.
    """

    name: str
    title: str
    kind: str
    contestants: dict  # label -> (words, repetitions)
    target: float = 0.0
    floor: float = 0.0
    key: str = "median_ms"
    unit: str = "ms"
    note: str = ""
    units: dict = field(default_factory=dict)  # of "scale": label -> what time grows with
    labels: list = field(init=False)

    def __post_init__(self):
        self.labels = list(self.contestants)

    def command(self, label, repeats=None):
        """The words of a contestant."""
        words, repeat = self.contestants[label]
        end = ["--json"] if {"hnas-bench", IN_PLACE} & set(words) else []
        count = ["--repeat", str(repeats or repeat)] if repeat else []
        return [*words, *count, *end]


def shape(cells=3, nodes=4, channels=16, batch=64, image="1x28x28", threads=2):
    """The options that both sides share."""
    words = f"--cells {cells} --nodes {nodes} --channels {channels} --batch {batch}"
    return f"{words} --image {image} --classes 10 --threads {threads}".split()


def beside(name, title, ours, theirs, options, target, floor, repeats=(7, 3)):
    """A row against the peer in both layouts."""
    contestants = {"ours": (["hnas-bench", *ours.split(), *options], repeats[0])}
    for layout in LAYOUTS:
        words = ["peer.py", "--layout", layout, *theirs.split(), *options]
        contestants[layout] = (words, repeats[1])
    return Row(name, title, "peer", contestants, target, floor)


def first(name, title, target, floor, repeats=(7, 3), **sizes):
    """A first-order step with Gumbel gates an image."""
    return beside(
        name,
        title,
        STEP,
        "--order first --relax gumbel",
        shape(**sizes),
        target,
        floor,
        repeats,
    )


def of_ours(name, title, kind, commands, target, floor, repeat=7, **keys):
    """A row of the library alone; the commands are by label."""
    words = {k: (["hnas-bench", *v.split()], repeat) for k, v in commands.items()}
    return Row(name, title, kind, words, target, floor, **keys)


def _search_rows():
    step = "step --preset darts_cc --order"
    small = " ".join(shape())
    wpass = "wpass --preset default"
    yield first("first", "first order, Gumbel gates an image", 12, 9)
    yield beside(
        "second_fd",
        "second order by finite differences",
        f"{step} second_fd",
        "--order second_fd --relax gumbel",
        shape(),
        10,
        7.5,
        (5, 2),
    )
    yield beside(
        "default",
        "preset `default`: hard Gumbel, 2 draws of lambda, 2 operations an edge in alpha's pass, "
        "the drawn one in w's",
        "step --preset default",
        "--order first --relax gumbel_hard --draws 2 --cost-weight 6 --alpha-paths 2",
        shape(),
        12,
        9,
        (41, 7),  # a step costs what it draws
    )
    yield first(
        "cifar",
        "3x32x32, 8 cells",
        10,
        8,
        (3, 1),
        image="3x32x32",
        cells=8,
    )
    yield first(
        "small", "8 channels, 2 nodes, batch 16", 14, 9, (30, 10), channels=8, nodes=2, batch=16
    )
    for channels in (10, 20, 36):
        title = f"odd sizes: {channels} channels, 1x17x23"
        yield first(f"odd{channels}", title, 8, 5, channels=channels, image="1x17x23")
    yield beside(
        "discrete",
        "training step of a discrete network: DARTS-CC's toy Fashion-MNIST cells, batch 96",
        f"train-step --arch {ARCH}",
        f"--arch {ARCH}",
        shape(batch=96),
        8,
        5,
        (15, 5),
    )
    yield of_ours(
        "wpass",
        "w pass: hard Gumbel over softmax",
        "ratio",
        {
            "softmax": f"{wpass} --relax softmax {small}",
            "gumbel_hard": f"{wpass} --relax gumbel_hard {small}",
        },
        1 / 6,
        1 / 4,
        repeat=15,
        note="the architecture changes from step to step: a median over draws",
    )
    yield of_ours(
        "second_exact",
        "second order, exact over finite differences",
        "ratio",
        {"second_fd": f"{step} second_fd {small}", "second_exact": f"{step} second_exact {small}"},
        1.5,
        2,
        repeat=5,
    )
    yield of_ours(
        "half",
        "first order, activations in half over full precision",
        "ratio",
        {"full": f"{step} first {small}", "half": f"{step} first {small} --half"},
        1,
        1,
    )


def _predict_rows():
    for batch, repeats in ((1, (400, 100)), (64, (30, 20))):
        yield beside(
            f"predict_{batch}",
            f"prediction, batch {batch}, against frozen TorchScript with folded batch-norm: "
            "DARTS-CC's toy Fashion-MNIST cells",
            f"forward --arch {ARCH}",
            f"--predict --arch {ARCH}",
            shape(batch=batch, threads=min(batch, 2)),
            2,
            2,
            repeats,
        )
        yield beside(
            f"predict_small_{batch}",
            f"the same of a small network, batch {batch}: 8 channels, cells of a short MNIST search",
            f"forward --arch {SMALL}",
            f"--predict --arch {SMALL}",
            shape(batch=batch, channels=8, nodes=2, threads=min(batch, 2)),
            2,
            2,
            repeats,
        )


def _thread_rows():
    for name, order, repeat in (("first", "first", 7), ("second_fd", "second_fd", 5)):
        commands = {
            f"{n} threads": f"step --preset darts_cc --order {order} "
            + " ".join(shape(threads=n))
            for n in (2, 1)
        }
        title = f"1 -> 2 threads, {name}"
        yield of_ours(f"threads_{name}", title, "speedup", commands, 1.9, 1.8, repeat)


def _query_rows():
    query = "query --preset default --threads 1"
    path = "path --preset default --threads 1"
    yield of_ours(
        "query",
        "an architecture at any lambda",
        "value",
        {"ours": query},
        1,
        5,
        key="ns_per_query",
        unit="us",
    )
    yield of_ours(
        "path",
        "the whole exact path",
        "value",
        {"ours": path},
        100,
        1000,
        key="us_per_path",
        unit="us",
    )
    yield of_ours(
        "switch",
        "a switch between the networks of a path, found by lambda",
        "value",
        {"ours": "switch --preset default --threads 1"},
        1,
        10,
        key="ns_per_switch",
        unit="us",
    )


SCALES = {
    "batch": (1, 2, 4, 8, 16, 32, 64, 128, 256),
    "channels": (4, 8, 16, 32, 64),
    "cells": (2, 3, 5, 8, 12, 16, 20),
    "nodes": (1, 2, 3, 4, 5, 6),
}
NOTES = {
    "batch": "Time and memory an image.",
    "channels": "Time and memory a channel: pointwise convolutions grow with its square, "
    "depthwise ones, pools and sums with it; channels are padded to a multiple of 8.",
    "cells": "Time and memory a cell. Two of them halve the image and double the channels, "
    "wherever they stand; stem and head are one each.",
    "nodes": "Time and memory an edge: n nodes have n(n+3)/2.",
}


def _scale_rows():
    for axis, sizes in SCALES.items():
        words = {
            str(n): (["hnas-bench", *STEP.split(), *shape(**{axis: n})], 3) for n in sizes
        }
        units = {str(n): n * (n + 3) // 2 if axis == "nodes" else n for n in sizes}
        yield Row(f"scale_{axis}", axis, "scale", words, note=NOTES[axis], units=units)


def _kernel_rows():
    bench = ["hnas-bench", "kernels"]
    yield Row("kernels", "Kernels", "kernels", {"ours": (bench, 0)}, key="kernels")
    words = {"as it chooses": (bench, 0), "zen3": (["BLIS_ARCH_TYPE=6", *bench], 0)}
    yield Row("products", "Matrix products", "products", words, key="kernels")


def _limit_rows():
    step, small = "step --preset darts_cc --order", " ".join(shape())
    steps = {
        "first": f"{step} first {small}",
        "second_fd": f"{step} second_fd {small}",
        "default": f"step --preset default {small}",
        "discrete": f"train-step --arch {ARCH} " + " ".join(shape(batch=96)),
    }
    words = {k: (["hnas-bench", *v.split()], 5) for k, v in steps.items()}
    words = {
        "kernels": (["hnas-bench", "kernels"], 0),
        "memory": (["hnas-bench", "memory", "--threads", "2"], 5),
        **words,
    }
    yield Row("limits", "What holds a step", "limits", words, key="limits")


def _cached_rows():
    """On one thread: two would write to the same lines."""
    small = " ".join(shape(threads=1))
    steps = {
        "first": f"{STEP} {small}",
        "default": f"step --preset default {small}",
        "discrete": f"train-step --arch {ARCH} " + " ".join(shape(batch=96, threads=1)),
    }
    words = {
        f"{program} {name}": ([program, *line.split()], 3 if name == "first" else 15)
        for name, line in steps.items()
        for program in ("hnas-bench", IN_PLACE)
    }
    yield Row("cached", "What memory costs", "cached", words)


WIDE_THREADS = 16


def _wide_rows():
    """The GPU first: a machine without one leaves the row out."""
    sizes = " ".join(shape(threads=WIDE_THREADS))
    one = " ".join(shape(threads=1))
    steps = {
        "first": ("first order", STEP, "--order first --relax gumbel"),
        "second_fd": (
            "second order by finite differences",
            "step --preset darts_cc --order second_fd",
            "--order second_fd --relax gumbel",
        ),
        "default": (
            "preset `default`",
            "step --preset default",
            "--order first --relax gumbel_hard --draws 2 --cost-weight 6 --alpha-paths 2",
        ),
    }
    for name, (title, ours, theirs) in steps.items():
        words = {}
        for device in ("cuda", "cpu"):
            for layout in LAYOUTS:
                command = f"peer.py --device {device} --layout {layout} {theirs} {sizes}"
                words[f"{device} {layout}"] = (command.split(), 11)
        words["ours"] = (f"hnas-bench {ours} {sizes}".split(), 41)
        words["ours, 1 thread"] = (f"hnas-bench {ours} {one}".split(), 15)
        yield Row(f"wide_{name}", title, "wide", words)


_PARTS = (
    _search_rows,
    _predict_rows,
    _thread_rows,
    _query_rows,
    _scale_rows,
    _wide_rows,
    _limit_rows,
    _cached_rows,
    _kernel_rows,
)
ROWS = {row.name: row for part in _PARTS for row in part()}
TABLES = ("scale", "wide", "limits", "cached", "kernels", "products")

# (title, row, the library's bytes: target, floor)
MEMORY = [
    ("peak memory, first order", "first", 0.6e9, 0.9e9),
    ("peak memory, second order", "second_fd", 0.6e9, 0.9e9),
    ("peak memory, exact second order", "second_exact", 1.2e9, 1.2e9),
]
