#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 at random points of a search that writes checkpoints: the resumed
run ends with the files of the unbroken one.

    python3 tests/system/test_kill.py BUILD_DIR [KILLS [SEED]]
"""
import os
import random
import subprocess
import sys
import tempfile
import time

from test_programs import write_images

ROOMS = 4  # each with its share of the kills


class Run:
    """One search in a folder of its own."""

    def __init__(self, build, data, out, epochs):
        self.out = out
        self.command = [os.path.join(build, "examples", "hnas-search"),
                        "--data", data, "--channels", "2", "--nodes", "1",
                        "--cells", "2", "--batch", "8", "--threads", "1",
                        "--ops", "none,skip_connect,sep_conv_3x3",
                        "--report-lambda", "1e-2", "--epochs", str(epochs),
                        "--out", out]

    def file(self, name):
        return os.path.join(self.out, name)

    def start(self):
        """Begin, or go on where there is something to go on with."""
        resume = os.path.exists(self.file("search.safetensors"))
        return subprocess.Popen(self.command + ["--resume"] * resume,
                                stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def finish(self):
        process = self.start()
        _, error = process.communicate(timeout=600)
        assert process.returncode == 0, (process.returncode, error)

    def stamp(self):
        """Changes with each checkpoint."""
        try:
            return os.stat(self.file("search.safetensors")).st_ino
        except FileNotFoundError:
            return None

    def kill_after(self, checkpoints, delay_s):
        """Kill it a while after some checkpoints; whether it still ran."""
        process = self.start()
        seen = self.stamp()
        while checkpoints and process.poll() is None:
            now = self.stamp()
            checkpoints -= now != seen
            seen = now
            time.sleep(0.0002)
        time.sleep(delay_s)
        alive = process.poll() is None
        process.kill()
        _, error = process.communicate()
        assert alive or process.returncode == 0, (process.returncode, error)
        return alive

    def log(self):
        """Its rows without the seconds."""
        with open(self.file("log.csv"), encoding="utf-8") as file:
            head, *rows = [line.rstrip("\n").split(",") for line in file]
        at = head.index("seconds")
        return [row[:at] + row[at + 1:] for row in (head, *rows)]

    def bytes(self):
        with open(self.file("search.safetensors"), "rb") as file:
            return file.read()


def same(run, whole):
    """Fail unless two runs left the same."""
    assert run.bytes() == whole.bytes(), f"{run.out}: another search"
    assert run.log() == whole.log(), f"{run.out}: another log"
    extra = set(os.listdir(run.out)) - set(os.listdir(whole.out))
    assert not extra, f"{run.out}: left {sorted(extra)}"


def main(build, kills=20, seed=1):
    chance = random.Random(seed)
    share = -(-kills // ROOMS)
    epochs = 2 * share + 4
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "data")
        os.mkdir(data)
        write_images(data)
        whole = Run(build, data, os.path.join(folder, "whole"), epochs)
        began = time.monotonic()
        whole.finish()
        epoch_s = (time.monotonic() - began) / epochs
        done = 0
        for room in range(ROOMS):
            run = Run(build, data, os.path.join(folder, str(room)), epochs)
            for _ in range(share):
                done += run.kill_after(chance.randrange(3),
                                       chance.random() * epoch_s)
            run.finish()
            same(run, whole)
    assert done >= kills // 2, f"only {done} of {kills} found it running"
    print(f"{done} kills in {ROOMS} runs of {epochs} epochs: the same files")


main(sys.argv[1], *map(int, sys.argv[2:]))
