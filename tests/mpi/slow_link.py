#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two ranks over a slow link: each in a network namespace of its own, joined
by a pair of virtual interfaces whose rate, and delay where the kernel has
netem, is limited.  The file is one rank's, and the step takes about as long as
the model of docs/scaling.md says.

    python3 tests/mpi/slow_link.py BUILD_DIR [--rate MBIT] [--delay MS]

Needs root, ip and tc (iproute2) and a kernel that has them; without, it says
why in one line and exits with 77."""
import argparse
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import measure  # noqa: E402

SKIP = 77
STEPS, BATCH = 3, 16
SIDES = "a", "b"
# every word that mpirun sends goes over the link, none through shared memory
NET = "10.213.77"
MPI = ("--allow-run-as-root", "--mca", "pml", "ob1", "--mca", "btl", "tcp,self",
       "--mca", "btl_tcp_if_include", f"{NET}.0/24", "--mca",
       "oob_tcp_if_include", f"{NET}.0/24")


class Refused(Exception):
    """The system can't do it."""


def system(*words):
    r = subprocess.run(words, capture_output=True, text=True, check=False)
    if r.returncode:
        said = (r.stderr or r.stdout).strip().splitlines() or ["failed"]
        raise Refused(f"{' '.join(words[:6])}: {said[-1]}")


def space(side):
    return f"hnas-{os.getpid()}-{side}"


def device(side):
    return f"hn{os.getpid()}{side}"


def slow_down(side, rate, delay):
    """By netem, or the rate alone by a token bucket; returns the delay."""
    at = ("ip", "netns", "exec", space(side), "tc", "qdisc", "add", "dev",
          device(side), "root")
    try:
        system(*at, "netem", "rate", f"{rate}mbit", "delay", f"{delay}ms")
        return delay
    except Refused:
        system(*at, "tbf", "rate", f"{rate}mbit", "burst", "16kb", "latency",
               "400ms")
        return 0


@contextlib.contextmanager
def link(rate, delay):
    """Both namespaces; gives the delay that it has."""
    try:
        for side in SIDES:
            system("ip", "netns", "add", space(side))
        system("ip", "link", "add", device("a"), "netns", space("a"), "type",
               "veth", "peer", "name", device("b"), "netns", space("b"))
        for i, side in enumerate(SIDES):
            at = ("ip", "-n", space(side))
            system(*at, "addr", "add", f"{NET}.{i + 1}/24", "dev", device(side))
            system(*at, "link", "set", "lo", "up")
            system(*at, "link", "set", device(side), "up")
            given = slow_down(side, rate, delay)
        yield given
    finally:
        for side in SIDES:
            subprocess.run(["ip", "netns", "del", space(side)], check=False,
                           stderr=subprocess.DEVNULL)


def inside(side, words):
    """A command line in a namespace, under a host name of its own."""
    return ("ip", "netns", "exec", space(side), "unshare", "--uts", "sh", "-c",
            f"hostname hnas-{side}; {words}")


def agent(folder):
    """What mpirun calls in place of ssh: AGENT HOST COMMAND."""
    path = os.path.join(folder, "agent")
    words = inside("b", "exec ")
    with open(path, "w", encoding="ascii") as f:
        f.write("#!/bin/sh\nshift\nexec "
                f"{' '.join(map(shlex.quote, words[:-1]))} "
                f"{shlex.quote(words[-1])}\"$*\"\n")
    os.chmod(path, 0o755)
    return path


def over_link(folder, run):
    """The command line of a program with a rank in each namespace."""
    words = ["exec", "mpirun", *MPI, "--mca", "plm_rsh_agent", agent(folder),
             "-H", f"{NET}.1:1,{NET}.2:1", "-n", "2", *run]
    return inside("a", " ".join(map(shlex.quote, words)))


def search(build, folder, order, runs):
    """The step of a search over the link, and its file."""
    said = []
    for steps in measure.FEW, measure.FEW + STEPS:
        r = subprocess.run(runs(measure.search(build, folder, steps, BATCH)),
                           capture_output=True, text=True, timeout=500,
                           check=False, env=dict(os.environ, HNAS_SUMS=order))
        assert r.returncode == 0, f"{r.returncode}\n{r.stdout}\n{r.stderr}"
        said.append(json.loads(r.stdout))
    with open(os.path.join(folder, "run", "search.safetensors"), "rb") as f:
        return measure.difference(*said, STEPS), f.read()


def check(build, folder, rate, delay):
    with link(rate, delay) as given:
        latency, bandwidth = measure.link(
            build, lambda program: over_link(folder, [program]))
        print(f"{rate} Mbit/s, {given} ms asked for: {latency * 1e6:.0f} us a "
              f"message, {bandwidth / 1e6:.2f} MB/s")
        assert bandwidth < 1.1e6 * rate / 8, "the link is faster than asked for"
        _, alone = search(build, folder, "fixed", lambda run: run)
        compute = measure.beside(build, folder, 2, STEPS, BATCH)
        for order in "fixed", "any":
            step, file = search(build, folder, order,
                                lambda run: over_link(folder, run))
            want = measure.model(compute, 2, step["sums"], step["bytes"],
                                 latency, bandwidth)
            print(f"{order}: {step['bytes']:.0f} bytes in "
                  f"{step['messages']:.0f} messages, a step "
                  f"{step['seconds'] * 1e3:.0f} ms, the model "
                  f"{want * 1e3:.0f} ms, overlapped "
                  f"{step['overlap_seconds'] * 1e3:.0f} ms")
            # no faster than the link was made; what it gives varies with load
            assert step["seconds"] > 8e-7 * step["bytes"] * 8 / rate, step
            assert order == "any" or file == alone, "other bits"


def reason():
    """Why it can't run here, or None."""
    if os.geteuid() != 0:
        return "not root"
    for program in "ip", "tc", "unshare", "mpirun":
        if not shutil.which(program):
            return f"no {program} here"
    return None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--rate", type=int, default=20)
    p.add_argument("--delay", type=float, default=1)
    args = p.parse_args()
    why = reason()
    try:
        if not why:
            with tempfile.TemporaryDirectory() as folder:
                check(os.path.abspath(args.build), folder, args.rate, args.delay)
    except Refused as refused:
        why = str(refused)
    if why:
        print(why)
        return SKIP
    print("slow link: nothing to mend")
    return 0


if __name__ == "__main__":
    sys.exit(main())
