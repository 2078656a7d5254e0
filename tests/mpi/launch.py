# SPDX-License-Identifier: BSD-3-Clause
"""Programs under mpirun, on fewer cores than ranks."""
import contextlib
import os
import signal
import subprocess
import time


def command(ranks, run):
    """A command line on some ranks."""
    run = [str(word) for word in run]
    if ranks == 1:
        return run
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(ranks),
            *run]


def finish(ranks, run, status=0, env=None):
    """What it prints, and says."""
    r = subprocess.run(command(ranks, run), capture_output=True, text=True,
                       timeout=500, check=False,
                       env=dict(os.environ, **(env or {})))
    assert r.returncode == status, \
        f"{ranks} ranks: {r.returncode}\n{r.stdout}\n{r.stderr}"
    return r.stdout, r.stderr


def children(pid):
    """Ranks that mpirun has started."""
    path = f"/proc/{pid}/task/{pid}/children"
    with open(path, encoding="ascii") as f:
        return [int(p) for p in f.read().split()]


def start(ranks, run, env=None):
    """A job, and its ranks' processes once all of them run."""
    p = subprocess.Popen(command(ranks, run), stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True,
                         env=dict(os.environ, **(env or {})))
    if ranks == 1:
        return p, [p.pid]
    end = time.monotonic() + 60
    found = []
    while len(found) < ranks and time.monotonic() < end:
        time.sleep(0.1)
        found = children(p.pid)
    assert len(found) == ranks, f"{len(found)} of {ranks} ranks began"
    return p, found


@contextlib.contextmanager
def ended(p, found):
    """A job that leaves nothing behind."""
    try:
        yield
    finally:
        for pid in found if p.poll() is None else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        p.communicate(timeout=60)


def wait_for(what, seconds=60):
    """Until it is true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)
