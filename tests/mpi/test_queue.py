#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""hnas-train --list and --path: many networks trained by the ranks that are
free, into the table of one rank.

    python3 tests/mpi/test_queue.py BUILD_DIR
"""
import csv
import json
import os
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
from launch import ended, finish, start, wait_for  # noqa: E402
from test_programs import write_images  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
PROGRAMS = os.path.join(BUILD, "examples")
ARCHS = os.path.join(HERE, "..", "..", "examples", "archs")
NAMES = "darts-cc-fmnist-0.json", "darts-v1.txt"
SEEDS = 4


class Room:
    """A folder with a tiny data set, a list and a search."""

    def __init__(self, folder):
        self.folder = folder
        self.data = self.path("data")
        os.mkdir(self.data)
        write_images(self.data)
        self.list = self.path("list")
        with open(self.list, "w", encoding="utf-8") as file:
            file.write("# two cells\n\n")
            for name in NAMES:
                file.write(f"  {os.path.join(os.path.abspath(ARCHS), name)}\n")
        finish(1, [os.path.join(PROGRAMS, "hnas-search"), "--data", self.data,
                   "--channels", 2, "--nodes", 2, "--batch", 8, "--epochs", 6,
                   "--ops", "none,skip_connect,sep_conv_3x3", "--alpha-lr",
                   "0.2", "--cost-weight", "3", "--out", self.path("search")])
        self.search = self.path("search/search.safetensors")

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def read(self, *names):
        with open(self.path(*names), "rb") as file:
            return file.read()

    def run(self, out, *more, epochs=2):
        return [os.path.join(PROGRAMS, "hnas-train"), "--data", self.data,
                "--batch", 16, "--threads", 1, "--epochs", epochs, "--json",
                "--out", self.path(out), *more]

    def listed(self, out, *more, epochs=2):
        return self.run(out, "--list", self.list, "--seeds", SEEDS,
                        "--channels", 2, "--drop-path", 0.2, *more,
                        epochs=epochs)

    def rows(self, out):
        with open(self.path(out, "table.csv"), encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def results(self, out):
        """What may depend on no rank and no clock."""
        return [{k: v for k, v in row.items() if k not in ("seconds", "rank")}
                for row in self.rows(out)]

    def networks(self, out, n):
        return [self.read(out, f"{i:04}.safetensors") for i in range(n)]


def test_a_list_gives_one_table_on_any_number_of_ranks(room):
    n = len(NAMES) * SEEDS
    said = json.loads(finish(1, room.listed("one"))[0])
    assert said["tasks"] == n and said["skipped"] == 0, said
    one = room.results("one")
    assert [int(row["task"]) for row in one] == list(range(n)), one
    assert [int(row["seed"]) for row in one] == 2 * list(range(SEEDS)), one
    for k, row in enumerate(said["networks"]):
        assert row["arch"].endswith(NAMES[k // SEEDS]), row
        assert abs(row["test_accuracy"] - float(one[k]["test_accuracy"])) == 0
    for ranks in 2, 4:
        out = str(ranks)
        said = json.loads(finish(ranks, room.listed(out))[0])
        assert said["ranks"] == ranks and said["tasks"] == n, said
        assert room.results(out) == one, f"{ranks} ranks: another table"
        assert room.networks(out, n) == room.networks("one", n)
        used = {row["rank"] for row in said["networks"]}
        assert len(used) > 1, f"{ranks} ranks: {used} did it all"


def test_a_row_is_what_a_run_alone_gives(room):
    k = SEEDS + 2
    path = os.path.join(os.path.abspath(ARCHS), NAMES[1])
    said = json.loads(finish(1, room.run(
        "alone", "--arch", path, "--channels", 2, "--drop-path", 0.2, "--seed",
        2))[0])
    assert room.read("alone") == room.networks("one", k + 1)[k]
    assert float(room.rows("one")[k]["test_accuracy"]) == said["test_accuracy"]


def test_the_pieces_of_a_path_are_trained(room):
    pieces = json.loads(finish(1, [
        os.path.join(PROGRAMS, "hnas-query"), room.search, "--path", "--json"])
        [0])["pieces"]
    assert len(pieces) > 1, pieces
    more = ["--search", room.search, "--path", "--inherit"]
    one = json.loads(finish(1, room.run("p1", *more))[0])["networks"]
    assert [row["interval"] for row in one] == \
        [piece["interval"] for piece in pieces]
    assert [row["params"] for row in one] == \
        [piece["cost"]["params"] for piece in pieces]
    finish(3, room.run("p3", *more))
    assert room.results("p3") == room.results("p1")
    assert room.networks("p3", len(one)) == room.networks("p1", len(one))


def count(room, out):
    try:
        return len(room.rows(out))
    except FileNotFoundError:
        return 0


def test_a_slow_rank_takes_fewer(room):
    n = len(NAMES) * SEEDS
    p, found = start(3, room.listed("slow"))
    with ended(p, found):
        wait_for(lambda: count(room, "slow") > 0)
        before = sum(row["rank"] == "2" for row in room.rows("slow"))
        os.kill(found[2], signal.SIGSTOP)
        wait_for(lambda: count(room, "slow") >= n - 1)
        time.sleep(0.5)
        os.kill(found[2], signal.SIGCONT)
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0, err
    rows = json.loads(out)["networks"]
    slow = sum(row["rank"] == 2 for row in rows)
    assert slow <= before + 2, (before, slow)
    assert slow < n / 2, rows
    assert room.results("slow") == room.results("one")


def test_a_silent_rank_is_named_and_a_restart_skips_what_is_done(room):
    n = len(NAMES) * SEEDS
    p, found = start(2, room.listed("dead"), {"HNAS_TIMEOUT_S": "3"})
    with ended(p, found):
        wait_for(lambda: count(room, "dead") > 1)
        os.kill(found[1], signal.SIGSTOP)
        _, err = p.communicate(timeout=60)
    assert p.returncode == 1, err
    assert "rank 1 has been silent for 3 s" in err, err
    before = room.rows("dead")
    assert 1 < len(before) < n, before
    said = json.loads(finish(4, room.listed("dead", "--resume"))[0])
    assert said["skipped"] == len(before), said
    assert [row for row in room.rows("dead") if row in before] == before
    assert room.results("dead") == room.results("one")
    assert room.networks("dead", n) == room.networks("one", n)
    again = room.read("dead", "table.csv")
    said = json.loads(finish(2, room.listed("dead", "--resume"))[0])
    assert said["skipped"] == n and room.read("dead", "table.csv") == again


def test_interrupt_keeps_what_is_done(room):
    finish(1, room.listed("long", epochs=20))
    for ranks in 1, 2:
        out = f"cut{ranks}"
        p, found = start(ranks, room.listed(out, epochs=20))
        with ended(p, found):
            wait_for(lambda out=out: count(room, out) > 0)
            os.kill(found[-1], signal.SIGINT)
            said, err = p.communicate(timeout=120)
        assert p.returncode == 130, (p.returncode, said, err)
        said = json.loads(said)
        assert said["interrupted"] is True, said
        assert 0 < len(said["networks"]) < said["tasks"], said
        finish(2, room.listed(out, "--resume", epochs=20))
        assert room.results(out) == room.results("long")


def test_what_differs_is_refused_by_name(room):
    before = room.read("one", "table.csv")
    for more, want in ((["--epochs", 3], "--epochs"),
                       (["--seed", 1], "--seed"),
                       (["--seeds", 2], "seeds 2"),
                       (["--cells", 4], "--cells")):
        _, err = finish(1, [*room.listed("one", "--resume"), *more], status=1)
        assert want in err and err.count("\n") == 1, err
    for bad in (["--list", room.list], ["--path", "--out", "x"],
                ["--list", room.list, "--path", "--out", "x"],
                ["--list", room.list, "--lambda", 1, "--out", "x"],
                ["--arch", room.list, "--seeds", 2]):
        finish(1, [os.path.join(PROGRAMS, "hnas-train"), "--epochs", 1, *bad],
               status=2)
    empty = room.path("empty")
    with open(empty, "w", encoding="utf-8") as file:
        file.write("# nothing\n")
    for name in empty, room.path("none"):
        _, err = finish(1, room.run("x", "--list", name), status=1)
        assert name in err and err.count("\n") == 1, err
    path = room.path("one", "table.csv")
    for damage in (b"task\n", before[:-3] + b"\n", before + b"0,0\n",
                   before + before.splitlines()[1] + b"\n"):
        with open(path, "wb") as file:
            file.write(damage)
        _, err = finish(1, room.listed("one", "--resume"), status=1)
        assert "table.csv" in err and err.count("\n") == 1, err


def main():
    with tempfile.TemporaryDirectory() as folder:
        room = Room(folder)
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                began = time.monotonic()
                test(room)
                print(f"ok  {name}  {time.monotonic() - began:.1f} s",
                      flush=True)


if __name__ == "__main__":
    main()
