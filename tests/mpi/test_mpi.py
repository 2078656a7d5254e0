#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""hnas-search under mpirun: the file of one rank from 2 and 4, resumed on
another number, the exact second order too; sums of any order within rounding;
a rank that dies or hangs ends the others in bounded time."""
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from launch import ended, finish, start  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
SEARCH = os.path.join(BUILD, "examples", "hnas-search")
QUERY = os.path.join(BUILD, "examples", "hnas-query")
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                    "examples", "data", "mnist-sample")
COMMON = ["--preset", "default", "--data", DATA, "--batch", "16", "--threads",
          "1", "--report-lambda", "0.01", "--json"]
TINY = [*COMMON, "--channels", "2", "--cells", "2", "--nodes", "2"]
# its weights fill more than one bucket, so that sums begin during the sweep
LARGER = [*COMMON, "--channels", "24", "--cells", "2", "--nodes", "2", "--steps",
          "1", "--eval-images", "16"]


def program(out, *more):
    return [SEARCH, *TINY, "--out", out, *more]


def search(ranks, out, *more):
    """What it prints."""
    return json.loads(finish(ranks, program(out, *more))[0])


def read(out):
    with open(os.path.join(out, "search.safetensors"), "rb") as f:
        return f.read()


def same_bits(folder):
    """1, 2 and 4 ranks; and a search that goes on on fewer ranks."""
    one = os.path.join(folder, "one")
    search(1, one, "--steps", "2")
    for ranks in 2, 4:
        out = os.path.join(folder, str(ranks))
        said = search(ranks, out, "--steps", "2")
        assert said["ranks"] == ranks and said["messages"] > 0, said
        assert read(out) == read(one), f"{ranks} ranks: other bits"
        print(f"{ranks} ranks, 2 steps: {said['messages']} messages, "
              f"{said['bytes']} bytes, {said['comm_seconds']:.2f} s of "
              f"{said['seconds']:.2f}")
    for name, first, then in ("alone", 1, 1), ("others", 4, 2), ("back", 2, 1):
        out = os.path.join(folder, name)
        search(first, out, "--steps", "1")
        search(then, out, "--steps", "2", "--resume")
        assert read(out) == read(os.path.join(folder, "alone")), \
            f"{first} ranks, resumed on {then}: other bits"


def exact(folder):
    """The second order without differences, and its traffic."""
    files = {}
    for ranks in 1, 2, 4:
        out = os.path.join(folder, f"exact{ranks}")
        search(ranks, out, "--steps", "1", "--order", "second_exact",
               "--eval-images", "16")
        files[ranks] = read(out)
    assert files[1] == files[2] == files[4], "second_exact: other bits"


def tensors(out):
    """Those of a search's file by name."""
    data = read(out)
    n, = struct.unpack("<Q", data[:8])
    about = json.loads(data[8:8 + n])
    del about["__metadata__"]
    return {name: np.frombuffer(data[8 + n:][slice(*t["data_offsets"])],
                                dtype="<f4").astype(float)
            for name, t in about.items() if t["dtype"] == "F32"}


def any_order(folder):
    """What the order of sums may change in the gradients of a step: those of w
    are SGD's momentum after it, those of u Adam's first moment."""
    fixed = os.path.join(folder, "fixed")
    finish(1, [SEARCH, *LARGER, "--out", fixed])
    want = tensors(fixed)
    names = [n for n in want if n.startswith(("optim.w.momentum.",
                                              "optim.u.m."))]
    assert len(names) > 10, names
    for ranks in 2, 4:
        out = os.path.join(folder, f"any{ranks}")
        said = json.loads(finish(ranks, [SEARCH, *LARGER, "--out", out],
                                 env={"HNAS_SUMS": "any"})[0])
        got = tensors(out)
        assert got.keys() == want.keys()
        off = max(np.abs(got[n] - want[n]).max() /
                  max(np.abs(want[n]).max(), 1e-12) for n in names)
        print(f"{ranks} ranks, sums of any order: {said['overlap_seconds']:.6f}"
              f" s overlapped, gradients off by {off:.1e} of the largest")
        assert said["overlap_seconds"] > 0, said
        assert off < 1e-4, off


def ends(folder, number, want):
    """Two ranks, one of them gets a signal; the job must end soon, its
    checkpoint whole."""
    out = os.path.join(folder, f"signal{number}")
    search(1, out, "--steps", "1")
    p, ranks = start(2, program(out, "--steps", "100000", "--resume"),
                     {"HNAS_TIMEOUT_S": "4"})
    with ended(p, ranks):
        time.sleep(4)
        os.kill(ranks[-1], number)
        began = time.monotonic()
        said = p.communicate(timeout=120)[1]
    print(f"signal {number}: over after {time.monotonic() - began:.1f} s")
    assert p.returncode, "a job with a dead rank succeeded"
    assert want in said, f"signal {number}: {said}"
    subprocess.run([QUERY, os.path.join(out, "search.safetensors"), "--lambda",
                    "0.01"], stdout=subprocess.DEVNULL, check=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        same_bits(folder)
        exact(folder)
        any_order(folder)
        ends(folder, signal.SIGKILL, "signal 9")
        ends(folder, signal.SIGSTOP, "rank 1 has been silent for 4 s")
    print("mpi: nothing to mend")


main()
