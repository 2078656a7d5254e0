#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Networks as ONNX: checked by python3-onnx, run by ONNX Runtime, compared
with the library's own predictions of 1,000 images.

    python3 tests/system/test_onnx.py BUILD_DIR [NODE_MODULES]

Without a folder of node modules with onnxruntime-node only the checker runs.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy
import onnx

HERE = os.path.dirname(os.path.abspath(__file__))
ARCHS = os.path.join(HERE, "..", "..", "examples", "archs")
OPS = ["none", "skip_connect", "avg_pool_3x3", "max_pool_3x3", "sep_conv_3x3",
       "sep_conv_5x5", "sep_conv_7x7", "dil_conv_3x3", "dil_conv_5x5",
       "conv_7x1_1x7"]
N = 1000


def cycle(shift, nodes=4):
    """All edges, operations in turn."""
    cells, e = [], shift
    for node in range(nodes):
        cells.append([])
        for source in range(2 + node):
            cells[-1].append([OPS[e % len(OPS)], source])
            e += 1
    return cells


def dead(nodes=2):
    """Nodes without input, and a cell that reads nothing at all."""
    one = [[["none", 0], ["sep_conv_3x3", 1]],
           [["none", 0], ["none", 1], ["none", 2]]]
    none = [[["none", s] for s in range(2 + n)] for n in range(nodes)]
    return one, none


def cases(folder):
    """(name, image, cells, channels, affine) and architecture files."""
    found = []

    def add(name, arch, *shape):
        file = os.path.join(folder, name + ".json")
        if isinstance(arch, str):
            file = os.path.join(ARCHS, arch)
        else:
            with open(file, "w", encoding="utf-8") as f:
                json.dump({"rule": "argmax", "normal": arch[0],
                           "reduce": arch[1]}, f)
        found.append((name, file, *shape))

    for i, image in enumerate([(1, 28, 28), (3, 27, 29), (1, 13, 9)]):
        add(f"cycle{i}", (cycle(3 * i), cycle(5 * i + 1)), image, 3, 6, i % 2)
    add("cycle3", (cycle(7), cycle(9)), (2, 2, 2), 5, 3, 1)
    add("dead0", dead(), (1, 9, 8), 3, 4, 0)
    add("dead1", dead()[::-1], (1, 9, 8), 3, 4, 0)
    add("dead2", (dead()[1], dead()[1]), (1, 9, 8), 3, 4, 1)
    for name in "darts-v1", "darts-v2", "fair-darts-a":
        add(name, name + ".txt", (3, 16, 16), 6, 4, 1)
    add("darts-cc", "darts-cc-fmnist-1.json", (1, 28, 28), 3, 4, 0)
    return found


def covered(files):
    """Operations at stride 1 and 2: edges from a reduction's inputs."""
    seen = set()
    for file in files:
        if not file.endswith(".json"):
            continue
        with open(file, encoding="utf-8") as f:
            arch = json.load(f)
        for kind in "normal", "reduce":
            for node in arch[kind]:
                for op, source in node:
                    seen.add((op, 2 if kind == "reduce" and source < 2 else 1))
    return seen


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    dump = os.path.join(os.path.abspath(sys.argv[1]), "tests", "dump_onnx")
    with tempfile.TemporaryDirectory() as folder:
        todo = []
        every = cases(folder)
        missing = {(op, s) for op in OPS for s in (1, 2)} - covered(
            [c[1] for c in every])
        assert not missing, missing
        for name, file, image, cells, channels, affine in every:
            prefix = os.path.join(folder, name)
            subprocess.run([dump, file, prefix, *map(str, image), str(cells),
                            str(channels), str(affine), str(N)], check=True)
            model = onnx.load(prefix + ".onnx")
            onnx.checker.check_model(model, full_check=True)
            assert model.ir_version == 7
            assert [o.version for o in model.opset_import] == [13]
            assert not any("auxiliary" in t.name
                           for t in model.graph.initializer)
            todo.append({"prefix": prefix, "image": image})
        print(f"{len(todo)} networks pass the full check of onnx "
              f"{onnx.__version__}")
        if len(sys.argv) == 3:
            compare(folder, todo)


def compare(folder, todo):
    file = os.path.join(folder, "cases.json")
    with open(file, "w", encoding="utf-8") as f:
        json.dump(todo, f)
    run = subprocess.run(["node", os.path.join(HERE, "run_onnx.js"),
                          sys.argv[2], file], check=True, text=True,
                         stdout=subprocess.PIPE)
    worst = 0
    for case in todo:
        ours, theirs = (numpy.fromfile(case["prefix"] + suffix, "float32")
                        for suffix in (".logits", ".answers"))
        assert ours.shape == theirs.shape == (N * 10,), ours.shape
        assert numpy.isfinite(ours).all()
        off = abs(ours.astype("float64") - theirs).max()
        print(f"{os.path.basename(case['prefix']):14} {off:.2g} of "
              f"{abs(ours).max():.3g}")
        assert off < 1e-4, (case, off)
        worst = max(worst, off)
    print(f"{run.stdout.strip()}: {N} images each, at most {worst:.2g} apart")


if __name__ == "__main__":
    main()
