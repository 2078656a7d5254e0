#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""hnas-train under mpirun: the network of one rank from 2 and 4, whatever
stopped it on the way.

    python3 tests/mpi/test_train.py BUILD_DIR
"""
import json
import os
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
from launch import ended, finish, start, wait_for  # noqa: E402
from test_programs import write_images  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
TRAIN = os.path.join(BUILD, "examples", "hnas-train")
ARCHS = os.path.join(HERE, "..", "..", "examples", "archs")
ARCH = os.path.join(ARCHS, "darts-cc-fmnist-0.json")
EXTRA = ["--affine", "--augment", "--flip", "--cutout", 2, "--drop-path", 0.3,
         "--aux-weight", 0.4, "--label-smoothing", 0.1, "--ema", 0.9]


class Room:
    """A folder with a tiny data set."""

    def __init__(self, folder):
        self.folder = folder
        self.data = self.path("data")
        os.mkdir(self.data)
        write_images(self.data)

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def new(self, out, epochs):
        return [TRAIN, "--data", self.data, "--arch", ARCH, "--channels", 2,
                "--batch", 32, "--epochs", epochs, "--threads", 1, *EXTRA,
                "--json", "--out", self.path(out)]

    def again(self, out):
        return [TRAIN, "--out", self.path(out), "--resume", "--threads", 1,
                "--json"]


def test_ranks_give_the_bits_of_one(room):
    one = json.loads(finish(1, room.new("one", 3))[0])
    assert "ranks" not in one, one
    for ranks in 2, 4:
        said = json.loads(finish(ranks, room.new("many", 3))[0])
        assert said["ranks"] == ranks and said["messages"] > 0, said
        assert room.read("many") == room.read("one"), f"{ranks}: other bits"
        assert said["confusion"] == one["confusion"], said
        said = json.loads(finish(ranks, [TRAIN, "--eval", room.path("one"),
                                         "--data", room.data, "--json"])[0])
        assert said["confusion"] == one["confusion"], said


def stopped(room, out, number, ranks):
    """A run that gets a signal once it has saved an epoch."""
    path = room.path(out)
    p, found = start(ranks, room.new(out, 60), {"HNAS_TIMEOUT_S": "4"})
    with ended(p, found):
        wait_for(lambda: os.path.exists(path))
        first = os.stat(path).st_ino
        wait_for(lambda: os.stat(path).st_ino != first)
        os.kill(found[-1], number)
        out, err = p.communicate(timeout=60)
    return p.returncode, out, err


def test_interrupt_stops_all_and_any_number_goes_on(room):
    finish(1, room.new("straight", 60))
    status, out, err = stopped(room, "cut", signal.SIGINT, 2)
    assert status == 130, (status, out, err)
    assert '"interrupted": true' in out and "go on with --resume" in err, err
    said = json.loads(finish(4, room.again("cut"))[0])
    assert said["epochs"] == 60, said
    assert room.read("cut") == room.read("straight"), "other bits"


def test_a_dead_or_silent_rank_ends_the_job(room):
    for number, want in ((signal.SIGKILL, "signal 9"),
                         (signal.SIGSTOP, "rank 3 has been silent for 4 s")):
        status, out, err = stopped(room, "dead", number, 4)
        assert status and want in err, (status, out, err)
        # a damaged one gives way to the one kept before, on every rank
        os.rename(room.path("dead"), room.path("dead.1"))
        with open(room.path("dead"), "wb") as file:
            file.write(room.read("dead.1")[:999])
        said = json.loads(finish(2, [*room.again("dead"), "--keep", 2])[0])
        assert said["fell_back"] == "dead.1", said
        assert room.read("dead") == room.read("straight"), "other bits"
        os.remove(room.path("dead"))


def test_shares_that_are_not_equal_are_refused(room):
    run = room.new("none", 1)
    run[run.index("--batch") + 1] = 31
    _, err = finish(2, run, status=1)
    assert "batch: 31 images over 2 ranks" in err, err


def main():
    with tempfile.TemporaryDirectory() as folder:
        room = Room(folder)
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                test(room)
                print("ok ", name, flush=True)


if __name__ == "__main__":
    main()
