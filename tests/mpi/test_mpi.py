#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""hnas-search under mpirun: the file of one rank from 2 and 4, resumed on
another number; a rank that dies or hangs ends the others in bounded time."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from launch import ended, finish, start  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
SEARCH = os.path.join(BUILD, "examples", "hnas-search")
QUERY = os.path.join(BUILD, "examples", "hnas-query")
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                    "examples", "data", "mnist-sample")
TINY = ["--preset", "default", "--data", DATA, "--batch", "16", "--channels",
        "2", "--cells", "2", "--nodes", "2", "--threads", "1", "--report-lambda",
        "0.01", "--json"]


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
        ends(folder, signal.SIGKILL, "signal 9")
        ends(folder, signal.SIGSTOP, "rank 1 has been silent for 4 s")
    print("mpi: nothing to mend")


main()
