#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Ctrl-C at random moments of real work: exit status 130 within a second, and
what was done can be gone on with.

    test_interrupt.py BUILD_DIR [TIMES [SEED]]

The seconds are those of the wall or, where the machine does other work too, of
the processor: the programs run on one thread.
"""
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

WITHIN_S = 1.0
ARCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                    "examples", "archs", "mnist-small.json")
LARGE = ["--cells", "3", "--channels", "16", "--nodes", "4", "--batch", "96",
         "--threads", "1"]

# program, arguments, the file in --out to go on with
CASES = (
    ("hnas-search", ["--epochs", "50", *LARGE], "search.safetensors"),
    ("hnas-search", ["--epochs", "50", "--preset", "darts_cc", *LARGE],
     "search.safetensors"),
    ("hnas-search", ["--epochs", "50", "--order", "second_exact", *LARGE],
     "search.safetensors"),
    ("hnas-train", ["--arch", ARCH, "--epochs", "500", "--cells", "6",
                    "--channels", "16", "--batch", "96", "--threads", "1"],
     ""),
)


def cpu_of(pid):
    """Processor seconds of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        user, system = file.read().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def interrupt(command, delay_s, number=signal.SIGINT):
    """Seconds from Ctrl-C to the end with status 130; SIGTERM: 143."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    time.sleep(delay_s)
    assert process.poll() is None, process.communicate()
    began_s, cpu_s = time.monotonic(), cpu_of(process.pid)
    process.send_signal(number)
    error = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    want = 130 if number == signal.SIGINT else 143
    assert process.returncode == want, (command, process.returncode, error)
    return min(wall_s, used.ru_utime + used.ru_stime - cpu_s)


def check(case, build, folder, times, chance):
    """The seconds of some interrupts of a program."""
    program, args, saved = case
    path = os.path.join(build, "examples", program)
    taken = []
    for i in range(times):
        out = os.path.join(folder, f"{program}-{i}")
        taken.append(interrupt([path, *args, "--out", out],
                               0.5 + 3 * chance.random()))
        assert os.path.exists(os.path.join(out, saved) if saved else out)
        # what is there goes on, until it is interrupted again
        taken.append(interrupt([path, "--out", out, "--resume", "--threads", "1"],
                               1, signal.SIGTERM))
    late = max(taken)
    assert late <= WITHIN_S, f"{program} {' '.join(args)}: {late:.2f} s"
    print(f"{program} {args[2]} {args[3]}: {len(taken)} interrupts, "
          f"slowest {late:.2f} s")


def main(build, times=4, seed=1):
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(CASES):
            room = os.path.join(folder, str(number))
            os.mkdir(room)
            check(case, build, room, times, chance)


main(sys.argv[1], *map(int, sys.argv[2:]))
