#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The bundled programs, run as a user runs them.

    python3 tests/system/test_programs.py BUILD_DIR
"""
import csv
import decimal
import gzip
import json
import math
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from fractions import Fraction

LAMBDAS = [1e-4, 1e-3, 1e-2, 1e-1]
RUN_KEYS = {"preset", "steps", "epochs", "seconds", "step_ms_median",
            "peak_bytes", "rule", "lambda"}
LAMBDA_KEYS = {"lambda", "valid_accuracy", "valid_precision",
               "inherited_accuracy", "inherited_precision", "params", "macs"}
QUERY_KEYS = {"lambda", "rule", "status", "interval", "cost", "normal",
              "reduce", "warnings"}


RULES = "argmax", "top2", "top2_raw", "threshold"
PIECE_KEYS = {"interval", "cost", "normal", "reduce", "change"}


class Room:
    """A build's programs, an empty folder and a tiny data set in it."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.data = self.path("data")
        os.mkdir(self.data)
        write_images(self.data)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, program, *args, **kwargs):
        path = os.path.join(self.build, "examples", program)
        return subprocess.Popen([path, *map(str, args)], text=True,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **kwargs)

    def run(self, program, *args, status=0):
        process = self.start(program, *args)
        out, err = process.communicate(timeout=600)
        assert process.returncode == status, (
            program, args, process.returncode, out, err)
        if status in (1, 2):
            assert out == "" and err.count("\n") == 1, (args, out, err)
            assert err.startswith(program + ": "), err
        return out, err

    def search(self, out, *args, status=0):
        tiny = ["--data", self.data, "--channels", 2, "--nodes", 1, "--batch",
                8, "--ops", "none,skip_connect,sep_conv_3x3"]
        if out:
            tiny += ["--out", self.path(out)]
        return self.run("hnas-search", *tiny, *args, status=status)

    def read(self, *names):
        with open(os.path.join(self.folder, *names), "rb") as file:
            return file.read()

    def log(self, name):
        """The rows of a log, without the seconds."""
        with open(os.path.join(self.folder, name, "log.csv")) as file:
            head, *rows = csv.reader(file)
        at = head.index("seconds")
        return [row[:at] + row[at + 1:] for row in (head, *rows)]

    def table(self, name):
        """The rows of a log by epoch, each a dict of its numbers."""
        head, *rows = self.log(name)
        rows = [dict(zip(head, row, strict=True)) for row in rows]
        return {int(row["epoch"]): {key: float(row[key]) if row[key] else None
                                    for key in head} for row in rows}


def write_images(folder, n=96, side=8, classes=3):
    """IDX files of noise with a bright row, which says the class."""
    noise = random.Random(0)
    for part in "train", "t10k":
        pixels, labels = bytearray(), bytearray()
        for i in range(n):
            labels.append(i % classes)
            for y in range(side):
                low = 150 if y // 2 == i % classes else 0
                pixels += bytes(low + noise.randrange(100)
                                for _ in range(side))
        with gzip.open(f"{folder}/{part}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">4I", 0x803, n, side, side) + pixels)
        with open(f"{folder}/{part}-labels-idx1-ubyte", "wb") as file:
            file.write(struct.pack(">2I", 0x801, n) + labels)


def refuse_constant(name):
    raise AssertionError(f"{name} in JSON")


def parse(text):
    assert text.count("\n") == 1, text
    return json.loads(text, parse_constant=refuse_constant)


def test_search_prints_one_object(room):
    out, _ = room.search("a", "--epochs", 2, "--json")
    result = parse(out)
    assert RUN_KEYS <= set(result), result
    assert "interrupted" not in result
    assert result["preset"] == "default" and result["rule"] == "argmax"
    assert result["epochs"] == 2 and result["steps"] == 12
    assert result["peak_bytes"] > 1e6 and result["step_ms_median"] > 0
    assert [row["lambda"] for row in result["lambda"]] == LAMBDAS
    for row in result["lambda"]:
        assert set(row) == LAMBDA_KEYS, row
        for key in LAMBDA_KEYS:
            if key.endswith(("accuracy", "precision")):
                assert 0 <= row[key] <= 1, row
    params = [row["params"] for row in result["lambda"]]
    assert params == sorted(params, reverse=True), params


def test_search_writes_its_files(room):
    names = sorted(os.listdir(room.path("a")))
    assert names == ["config.json", "log.csv", "search.safetensors",
                     "search.safetensors.1"], names
    config = parse(room.read("a", "config.json").decode())
    assert config["channels"] == 2 and config["epochs"] == 2
    head, *rows = room.log("a")
    assert head[:2] == ["epoch", "step"] and "accuracy_0.001" in head
    assert [row[:2] for row in rows] == [["1", "6"], ["2", "12"]]


def test_log_compares_relaxed_and_inherited(room):
    out, _ = room.search("a2", "--epochs", 2, "--json")
    rows = room.table("a2")
    for report in parse(out)["lambda"]:
        at = f"{report['lambda']:g}"
        for key, name in (("valid_accuracy", "accuracy"),
                          ("valid_precision", "precision"),
                          ("inherited_accuracy", "inherited_accuracy"),
                          ("inherited_precision", "inherited_precision"),
                          ("params", "true_cost")):
            assert rows[2][f"{name}_{at}"] == report[key], (at, name)
        for row in rows.values():
            assert row[f"gap_{at}"] == (row[f"accuracy_{at}"] -
                                        row[f"inherited_accuracy_{at}"])
            assert 0 < row[f"entropy_{at}"] <= math.log(3)
            assert row[f"expected_cost_{at}"] > 0
    # alpha starts at 1e-3 N(0, 1) and is frozen in the first step
    room.search("a1", "--steps", 6, "--warmup", 1)
    row = room.table("a1")[1]
    assert abs(row["entropy_0.1"] - math.log(3)) < 1e-5, row


def test_marks_and_rows_of_every_few_epochs(room):
    few = ["--epochs", 7, "--eval-every", 3, "--marks", "2,6",
           "--eval-images", 8, "--keep-marks"]
    room.search("few", *few)
    rows = room.table("few")
    assert list(rows) == [2, 3, 6], rows
    room.search("every", "--epochs", 7)
    every = room.table("every")
    assert list(every) == [1, 2, 3, 4, 5, 6, 7]
    for epoch in 2, 6:  # a mark sees all images
        assert rows[epoch] == every[epoch], epoch
    assert rows[3]["train_loss"] == every[3]["train_loss"]
    assert rows[3]["accuracy_0.1"] * 8 == round(rows[3]["accuracy_0.1"] * 8)
    names = sorted(os.listdir(room.path("few")))
    assert names == ["config.json", "log.csv", "search-2.safetensors",
                     "search-6.safetensors", "search.safetensors",
                     "search.safetensors.1"], names
    room.search("upto", *few, "--steps", 12)
    assert room.read("upto", "search.safetensors") == room.read(
        "upto", "search-2.safetensors") == room.read(
        "few", "search-2.safetensors")
    for cut in 12, 14, 36, 41:
        room.search("cut", *few, "--steps", cut)
        kept = os.path.exists(room.path("cut/search-6.safetensors"))
        assert kept == (cut >= 36), cut
        with open(room.path("cut/log.csv"), "a") as file:
            file.write("7,42,1,2,3,4\n9,54,half a row")
        room.search("cut", *few, "--resume")
        assert_same_search(room, "few", "cut")
        for name in "search-2.safetensors", "search-6.safetensors":
            assert room.read("few", name) == room.read("cut", name)
    for name, value in (("eval-every", 2), ("marks", "2"),
                        ("eval-images", 9)):
        _, err = room.search("few", "--resume", f"--{name}={value}", status=1)
        assert f"--{name}" in err, err


def test_search_is_the_same_for_any_threads(room):
    for threads in 1, 2:
        room.search(f"t{threads}", "--epochs", 2, "--threads", threads)
    assert_same_search(room, "t1", "t2")
    assert_same_search(room, "t1", "a")


def assert_same_search(room, one, other):
    for name in "search.safetensors", "config.json":
        if name == "config.json" and other == "cut":
            continue
        assert room.read(one, name) == room.read(other, name), (one, other,
                                                                name)
    assert room.log(one) == room.log(other), (one, other)


def test_search_differs_for_another_seed(room):
    room.search("s1", "--epochs", 2, "--seed", 1)
    assert room.read("s1", "search.safetensors") != room.read(
        "a", "search.safetensors")


def test_search_resumes_bit_for_bit(room):
    """Cut within an epoch, at its end, and before u thaws."""
    for cut in 6, 9, 1:
        room.search("cut", "--epochs", 2, "--steps", cut)
        with open(room.path("cut/log.csv"), "a") as file:
            file.write("2,12,1,2,3,4\n3,18,half a row")
        out, _ = room.search("cut", "--epochs", 2, "--resume", "--threads", 1,
                             "--json")
        assert parse(out)["steps"] == 12
        assert_same_search(room, "a", "cut")


def test_search_resumes_second_order_gumbel(room):
    extra = ["--preset", "darts_cc", "--epochs", 3]
    room.search("b", *extra)
    room.search("cut", *extra, "--steps", 8)
    room.search("cut", *extra, "--resume")
    assert_same_search(room, "b", "cut")


def test_search_resumes_few_paths(room):
    extra = ["--alpha-paths", 3, "--epochs", 2]
    room.search("p", *extra)
    assert room.read("p", "search.safetensors") != room.read(
        "a", "search.safetensors")
    room.search("cut", *extra, "--steps", 8)
    room.search("cut", *extra, "--resume")
    assert_same_search(room, "p", "cut")


def test_resume_takes_over_what_is_not_given(room):
    room.search("cut", "--epochs", 2, "--steps", 6)
    out, _ = room.run("hnas-search", "--out", room.path("cut"), "--resume",
                      "--json")
    assert parse(out)["steps"] == 12
    assert_same_search(room, "a", "cut")


def test_resume_reports_as_the_saved_preset_does(room):
    """The preset alone says how batch-norm and gates are evaluated."""
    few = ["--cells", 1, "--epochs", 2, "--json"]
    for preset in "fair_darts", "darts_cc":
        out, _ = room.search(preset, "--preset", preset, *few)
        again, _ = room.run("hnas-search", "--out", room.path(preset),
                            "--resume", "--json")
        assert parse(again)["lambda"] == parse(out)["lambda"], preset


def test_resume_refuses_other_settings(room):
    changes = [("seed", 1), ("cells", 4), ("nodes", 2), ("cost-weight", 3),
               ("w-lr", "0.1:0"), ("tau", 2), ("relax", "softmax"),
               ("preset", "darts"), ("valid-fraction", 0.25),
               ("lambda-range", "1e-3:1"), ("monotone", "off"),
               ("report-lambda", "1e-3"), ("alpha-lr", 0.5)]
    before = room.read("a", "search.safetensors"), room.read("a", "log.csv")
    for name, value in changes:
        _, err = room.search("a", "--resume", f"--{name}={value}", status=1)
        assert f"--{name}" in err, err
    assert before == (room.read("a", "search.safetensors"),
                      room.read("a", "log.csv"))


def test_resume_refuses_other_images(room):
    name = os.path.join(room.data, "train-labels-idx1-ubyte")
    images = os.path.join(room.data, "train-images-idx3-ubyte.gz")
    with open(images, "rb") as file:
        kept = file.read()
    raw = bytearray(gzip.decompress(kept))
    raw[16] ^= 255
    with gzip.open(images, "wb") as file:
        file.write(raw)
    _, err = room.search("a", "--resume", status=1)
    assert "--data" in err and os.path.exists(name), err
    with open(images, "wb") as file:
        file.write(kept)


def test_resume_takes_the_same_images_from_elsewhere(room):
    shutil.copytree(room.data, room.path("moved"))
    room.search("away", "--epochs", 2, "--steps", 6)
    room.search("away", "--data", room.path("moved"), "--resume",
                "--epochs", 2)
    assert room.log("away") == room.log("a")


def test_interrupt_saves_and_resumes(room):
    long = ["--epochs", 400, "--report-lambda", "1e-2", "--eval-images", 8]
    process = room.start("hnas-search", "--data", room.data, "--channels", 2,
                         "--nodes", 1, "--batch", 8, "--out",
                         room.path("stop"), *long, "--json")
    deadline = time.time() + 60
    while not os.path.exists(room.path("stop/search.safetensors")):
        assert time.time() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (process.returncode, err)
    result = parse(out)
    assert result["interrupted"] is True and result["steps"] >= 6
    goal = result["steps"] + 4
    out, _ = room.run("hnas-search", "--out", room.path("stop"), "--resume",
                      "--steps", goal, "--json")
    assert parse(out)["steps"] == goal
    room.run("hnas-search", "--data", room.data, "--channels", 2, "--nodes", 1,
             "--batch", 8, "--out", room.path("straight"), *long, "--steps",
             goal)
    assert room.read("stop", "search.safetensors") == room.read(
        "straight", "search.safetensors")
    assert room.log("stop") == room.log("straight")


def test_interrupted_row_is_written_by_the_next_run(room):
    """Ctrl-C while the row of an epoch is measured: nothing is lost."""
    slow = ["--data", room.data, "--channels", 2, "--nodes", 1, "--batch", 4,
            "--epochs", 3, "--report-lambda", ",".join(["1e-3"] * 60)]
    room.run("hnas-search", *slow, "--out", room.path("whole"))
    with open(room.path("whole/log.csv")) as file:
        seconds = float(next(csv.DictReader(file))["seconds"])
    for attempt in range(5):  # a row takes far longer than an epoch's steps
        folder = f"half{attempt}"
        saved = room.path(folder + "/search.safetensors")
        process = room.start("hnas-search", *slow, "--out", room.path(folder),
                             "--json")
        deadline = time.time() + 60
        while not os.path.exists(saved):
            assert time.time() < deadline and process.poll() is None
            time.sleep(0.01)
        time.sleep(0.5 * seconds)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 130, process.returncode
        if parse(out)["steps"] == 24 and list(room.table(folder)) == [1]:
            break  # epoch 2 is done, its row is not
    else:
        raise AssertionError("no interrupt met a row")
    room.run("hnas-search", "--out", room.path(folder), "--resume")
    assert_same_search(room, "whole", folder)


def test_presets_run(room):
    for preset in "seed", "darts", "darts_l1", "fair_darts", "darts_cc":
        out, _ = room.search(None, "--preset", preset, "--steps", 3, "--json")
        assert parse(out)["preset"] == preset


def test_settings_run(room):
    for extra in (["--relax", "sigmoid", "--cost", "bytes", "--raw-cost"],
                  ["--relax", "gumbel", "--sample", "sandwich", "--draws", 3],
                  ["--hypernet", "constant", "--sample", "fixed", "--draws", 1,
                   "--lambda", 1e-3, "--l1"],
                  ["--order", "second_exact", "--cost", "macs", "--zero-one", 2],
                  ["--scale", "raw", "--monotone", "off", "--tau", "1:.5:exp"],
                  ["--rule", "top2", "--warmup", 0, "--w-lr", ".1:.01"],
                  ["--hypernet", "piecewise", "--knots", 3],
                  ["--kernels", "generated", "--order", "second_fd"],
                  ["--kernels", "generated_lambda", "--embedding", 3],
                  ["--head", "generated", "--knots", 0, "--tau", "1:.2:.1"],
                  ["--hypernet", "mlp"], ["--rule", "threshold"],
                  ["--beta-decay", 2, "--l2", 1e-3], ["--alpha-paths", 2],
                  ["--cells", 1], ["--report-lambda", "1e-4,3"]):
        out, _ = room.search(None, "--steps", 3, "--json", *extra)
        assert parse(out)["steps"] == 3, extra


def test_patience_stops_a_settled_search(room):
    still = ["--epochs", 40, "--alpha-lr", 0, "--json"]
    out, _ = room.search(None, *still, "--warmup", 0, "--patience", 2)
    assert parse(out)["epochs"] == 3, out
    out, _ = room.search(None, *still, "--warmup", 0.25, "--patience", 2)
    assert parse(out)["epochs"] == 12, out
    # networks that can't change any more are no reason to stop
    out, _ = room.search(None, *still, "--warmup", 0.25, "--cooldown", 0.75,
                         "--patience", 2)
    assert parse(out)["epochs"] == 40, out


def test_patience_goes_on_counting_after_a_resume(room):
    still = ["--epochs", 40, "--alpha-lr", 0, "--warmup", 0, "--patience", 3]
    out, _ = room.search("still", *still, "--json")
    assert parse(out)["epochs"] == 4, out
    for cut in 6, 14, 18:
        room.search("cut", *still, "--steps", cut)
        out, _ = room.search("cut", *still, "--resume", "--json")
        assert parse(out)["epochs"] == 4, (cut, out)
        assert_same_search(room, "still", "cut")
    out, _ = room.search("still", "--resume", "--json")
    assert parse(out)["epochs"] == 4, out
    _, err = room.search("still", "--resume", "--patience", 4, status=1)
    assert "--patience" in err, err


def test_steps_that_are_not_finite(room):
    """A rate at which every search leaves the numbers within a few steps."""
    wild = ["--w-lr", "1e6", "--warmup", 0, "--epochs", 4]
    _, err = room.search("wild", *wild, status=1)
    assert "finite" in err or "nan" in err, err
    out, _ = room.search(None, "--epochs", 1, "--on-nan", "rollback", "--json")
    assert parse(out)["rolled_back"] == parse(out)["skipped"] == 0
    room.search(None, *wild, "--on-nan", "again", status=2)
    for policy, key in ("skip", "skipped"), ("rollback", "rolled_back"):
        few = [*wild, "--on-nan", policy, "--steps"]
        steps = 1
        while True:  # until one was left out
            out, err = room.search("wild", *few, steps, "--json")
            result = parse(out)
            assert result["steps"] == steps < 24, result
            if result[key]:
                break
            steps += 1
        assert result[key] == 1
        assert result["skipped"] + result["rolled_back"] == 1
        assert f"hnas-search: step {steps} " in err, err
        assert ("1 steps skipped" if policy == "skip" else
                "0 steps skipped, 1 rolled back") in err, err
        room.search("cut", *few, steps - 1)
        room.search("cut", *few, steps, "--resume")
        assert_same_search(room, "wild", "cut")
        other = "stop" if policy == "skip" else "skip"
        _, err = room.search("cut", "--resume", "--on-nan", other, status=1)
        assert "--on-nan" in err, err


def test_log_has_the_hessian_where_asked(room):
    few = ["--epochs", 2, "--warmup", 0]
    room.search("h", *few, "--hessian", 8)
    rows = room.table("h")
    assert all(math.isfinite(row[f"hessian_{at:g}"]) and row[f"hessian_{at:g}"]
               for row in rows.values() for at in LAMBDAS)
    assert not any("hessian" in name for name in room.log("a")[0])
    room.search("cut", *few, "--hessian", 8, "--steps", 7)
    room.search("cut", *few, "--hessian", 8, "--resume")
    assert_same_search(room, "h", "cut")
    # to look does not touch
    room.search("blind", *few)
    del rows[2]["step"]
    for key, value in room.table("blind")[2].items():
        assert key == "step" or rows[2][key] == value, key


def test_what_would_end_in_failure_is_refused_first(room):
    for word, bad in (
            ("--report-lambda -1", ["--report-lambda", "1e-3,-1"]),
            ("--report-lambda 0", ["--report-lambda", "0"]),
            ("--report-lambda 1", ["--preset", "darts_cc", "--report-lambda",
                                   "1"]),
            ("--report-lambda 1", ["--kernels", "generated_lambda",
                                   "--report-lambda", "1e-3,1"]),
            ("--lambda 3", ["--sample", "fixed", "--draws", 1, "--lambda", 3])):
        _, err = room.search("refused", "--steps", 1, *bad, status=2)
        assert f"hnas-search: {word}" in err, err
        assert not os.path.exists(room.path("refused")), bad
    table_of(room, os.fsdecode(b"bad\xff.json"))
    args = ["--data", room.data, "--channels", 2, "--nodes", 3, "--steps", 1,
            "--batch", 8, "--ops", ",".join(OPS), "--cost",
            room.path(os.fsdecode(b"bad\xff.json"))]
    _, err = room.run("hnas-search", *args, "--out", room.path("refused"),
                      status=2)
    assert "--cost" in err and "0xff, want UTF-8" in err, err
    assert not os.path.exists(room.path("refused"))
    # a saved range counts, not that of the preset the line would bring
    room.search("raw", "--steps", 1, "--scale", "raw", "--report-lambda", "-1")
    room.run("hnas-search", "--out", room.path("raw"), "--resume",
             "--report-lambda", "-1")


def test_a_row_that_fails_costs_no_steps(room):
    """The log is full at the end of the first epoch."""
    few = ["--data", "mnist-sample", "--channels", 4, "--nodes", 1, "--cells",
           1, "--batch", 100, "--threads", 1, "--epochs", 2, "--steps", 31,
           "--report-lambda", "1e-3", "--eval-images", 100]
    log = room.path("full/log.csv")
    process = room.start("hnas-search", *few, "--out", room.path("full"))
    while not os.path.exists(log):
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    os.symlink("/dev/full", log + ".new")
    os.rename(log + ".new", log)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "log.csv: No space left" in err, err
    os.remove(log)
    room.run("hnas-search", "--out", room.path("full"), "--resume", "--steps",
             31)
    room.run("hnas-search", *few, "--out", room.path("fits"))
    assert room.log("full") == room.log("fits")
    assert room.read("full", "search.safetensors") == room.read(
        "fits", "search.safetensors")


def test_only_what_a_killed_search_left_is_removed(room):
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = [f"search.safetensors.{gone.pid}-0.tmp",
            f"search-12.safetensors.{gone.pid}-10.tmp"]
    mine = ["search.tmp", "search notes.tmp", "search.safetensors.tmp",
            f"search.safetensors.{os.getpid()}-0.tmp",
            f"search-.safetensors.{gone.pid}-0.tmp",
            f"search-1x.safetensors.{gone.pid}-0.tmp",
            f"searches.safetensors.{gone.pid}-0.tmp",
            f"search.safetensors.{gone.pid}-.tmp",
            f"search.safetensors.{gone.pid}.tmp",
            f"search.safetensors.{gone.pid}-0.tmp.gz",
            "search.safetensors.99999999999999999999-0.tmp"]
    os.mkdir(room.path("killed"))
    for name in left + mine:
        with open(room.path("killed/" + name), "w"):
            pass
    room.search("killed", "--steps", 1)
    there = set(os.listdir(room.path("killed")))
    assert there >= set(mine), set(mine) - there
    assert not there & set(left), there


def test_a_folder_is_of_one_run_at_a_time(room):
    out = room.path("shared")
    process = room.start("hnas-search", "--data", room.data, "--channels", 2,
                         "--nodes", 1, "--cells", 1, "--batch", 8, "--epochs",
                         5000, "--threads", 1, "--out", out)
    while not os.path.exists(out + "/search.safetensors"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    for again in ["--out", out, "--resume"], ["--out", out, "--steps", 1]:
        _, err = room.run("hnas-search", *again, status=1)
        assert f"--out {out}: another run" in err, err
    with open(out + "/config.json") as file:
        assert json.load(file)["epochs"] == 5000
    process.kill()
    process.communicate()
    room.run("hnas-search", "--out", out, "--resume", "--steps", 1)
    names = [name for name in os.listdir(out) if not name.startswith("search")]
    assert sorted(names) == ["config.json", "log.csv"], names


def test_bad_usage_is_refused(room):
    for bad in (["--nope"], ["--cells", "0"], ["--cells", "x"], ["--cells"],
                ["word"], ["--order", "third"],
                ["--beta-decay", "-1"], ["--patience", "-3"], ["--l2", "x"],
                ["--knots", "5"], ["--warmup", "0.9", "--cooldown", "0.5"],
                ["--hypernet", "piecewise", "--knots", "1"],
                ["--hypernet", "other"],
                ["--rule", "best"], ["--theta", "0.5"], ["--lambda", "1e-2"],
                ["--keep-marks"], ["--w-momentum", "1"], ["--alpha-betas", "0.5"],
                ["--scale", "raw", "--sample", "uniform", "--draws", "1",
                 "--lambda-range", "-1:1"],
                ["--tau", "0"], ["--tau", "1:2:x"],
                ["--lambda-range", "2:1"], ["--lambda-range", "-1:1"],
                ["--monotone", "maybe"], ["--json=1"], ["--preset", "best"],
                ["--ops", "none,nothing"], ["--draws", "3"], ["--resume"],
                ["--report-lambda", "1,,2"], ["--marks", "1.5"],
                ["--alpha-paths", "1"], ["--alpha-paths", "2", "--relax", "raw"],
                ["--marks", "0"], ["--marks", ""], ["--eval-every", "0"], ["--seed", "-1"]):
        room.run("hnas-search", *bad, status=2)
    for bad in ([], ["nothing"], ["step", "--image", "1x2"],
                ["step", "--repeat", "0"], ["step", "--preset", "x"],
                ["wpass", "--relax", "x"],
                ["forward"], ["train-step"], ["step", "--arch", "x"]):
        room.run("hnas-bench", *bad, status=2)
    file = room.path("a/search.safetensors")
    for bad in ([], [file], [file, "--lambda"], [file, "--lambda", "nan"],
                [file, "--lambda", "1", "--rule", "best"],
                [file, "--path", "--lambda", "1"],
                [file, "--path", "--budget", "params=5"],
                [file, "--budget", "params"], [file, "--budget", "params=x"],
                [file, "--budget", "joules=5"], [file, "--budget", "macs=-1"],
                [file, "--budget", "params=5.5"],
                [file, "--lambda", "1", "--theta", "0.5"],
                [file, "--path", "--rule", "threshold", "--theta", "1"],
                [file, file, "--lambda", "1"]):
        room.run("hnas-query", *bad, status=2)


def test_messages_name_the_option_and_what_is_wanted(room):
    file = room.path("a/search.safetensors")
    arch = room.path("said.json")
    with open(arch, "w") as out:
        out.write('{"rule": "argmax", "normal": [], "reduce": []}')
    tiny = ["hnas-search", "--data", room.data, "--batch", 8, "--steps", 1]
    for status, words, command in (
            (2, "--ops: an empty name, want", [*tiny, "--ops", "none,,x"]),
            (2, "--ops: none twice", [*tiny, "--ops", "none,none"]),
            (2, "--ops: operation x: unknown; known are none,",
             [*tiny, "--ops", "none,x"]),
            (2, "--lambda-range 0:1: want LO > 0 with --scale log",
             [*tiny, "--lambda-range", "0:1"]),
            (2, "--monotone on: want off with --hypernet mlp",
             [*tiny, "--hypernet", "mlp", "--monotone", "on"]),
            (2, "--draws 3: want an even number", [*tiny, "--draws", 3,
                                                   "--sample", "antithetic"]),
            (2, "--draws 1: want at least 2", [*tiny, "--draws", 1, "--sample",
                                               "sandwich"]),
            (2, "--knots 0, one a decade: want LO > 0",
             [*tiny, "--hypernet", "piecewise", "--knots", 0, "--scale", "raw",
              "--lambda-range", "-1:1"]),
            (2, "--marks 1.5: want whole epochs", [*tiny, "--marks", "1.5"]),
            (2, "--lambda x: want L, a number\n", [*tiny, "--lambda", "x"]),
            (2, "--l1 x: want [W], a number from 0 on\n", [*tiny, "--l1", "x"]),
            (2, "--cells: needs a value, N, an integer in 1..100\n",
             [*tiny, "--cells"]),
            (2, "--marks x: want A,B,C, at most 64 numbers in 1..",
             [*tiny, "--marks", "x"]),
            (1, "--out {0}: not a folder, want one".format(file),
             ["hnas-search", "--resume", "--out", file]),
            (1, "--budget latency_us=5: the search has no cost table, want",
             ["hnas-query", file, "--budget", "latency_us=5"]),
            (2, "what to tell is missing: want --lambda", ["hnas-query", file]),
            (2, "'': want a name", ["hnas-query", "", "--lambda", 1]),
            (1, f"--arch {arch}: no cells, want",
             ["hnas-export", "--arch", arch, "--dot", room.path("said.dot")]),
            (2, "what to export is missing: want one of", ["hnas-export"]),
            (2, "what to train is missing: want one of", ["hnas-train"]),
            (1, "--batch 97: want at most 96, the images of --data",
             ["hnas-train", "--search", file, "--lambda", 1e-3, "--data",
              room.data, "--epochs", 1, "--batch", 97]),
            (1, "--data mnist-sample: images of 1x28x28 in 10 classes, want "
                "1x8x8 in 3,",
             ["hnas-train", "--search", file, "--lambda", 1e-3, "--inherit",
              "--epochs", 0]),
            (2, "what to measure is missing: want step,", ["hnas-bench"]),
            (2, "can't measure x: want step,", ["hnas-bench", "x"]),
            (2, "--ops: an empty name, want",
             ["hnas-bench", "latency", "--ops", "none,"]),
            (2, "--arch x: only of forward and train-step",
             ["hnas-bench", "step", "--arch", "x"])):
        _, err = room.run(*command, status=status)
        assert words in err, (words, err)


def test_failures_name_the_thing(room):
    _, err = room.run("hnas-search", "--data", room.path("void"), status=1)
    assert "void" in err
    os.mkdir(room.path("empty"))
    _, err = room.run("hnas-search", "--data", room.path("empty"), status=1)
    assert "train-images-idx3-ubyte" in err
    _, err = room.search("a/log.csv/x", "--epochs", 1, status=1)
    assert "log.csv/x" in err
    _, err = room.search("a/log.csv", "--epochs", 1, status=1)
    assert "log.csv" in err
    _, err = room.search("nowhere", "--resume", status=1)
    assert "nowhere" in err and not os.path.exists(room.path("nowhere"))
    _, err = room.search(None, "--cost", "table.csv", status=1)
    assert "--cost table.csv" in err
    _, err = room.run("hnas-query", room.path("a/search.safetensors"),
                      "--budget", "latency_us=5", status=1)
    assert "cost table" in err
    _, err = room.search(None, "--batch", 64, status=1)
    assert "--valid-fraction" in err


def test_query_prints_one_object(room):
    file = room.path("a/search.safetensors")
    for rule in RULES:
        out, _ = room.run("hnas-query", file, "--lambda", 0.01, "--rule", rule,
                          "--json")
        result = parse(out)
        assert QUERY_KEYS <= set(result), result
        assert result["rule"] == rule and result["status"] == "ok"
        assert {"params", "macs", "bytes", "fixed_params"} <= set(
            result["cost"])
    out, _ = room.run("hnas-query", file, "--lambda", 0.01, "--json")
    lo, hi = parse(out)["interval"]
    assert lo <= 0.01 < hi or lo <= 0.01 <= hi == 0.1
    out, _ = room.run("hnas-query", file, "--lambda", 5, "--json")
    assert parse(out)["status"] == "extrapolated"
    out, _ = room.run("hnas-query", file, "--lambda", 0.01)
    assert "normal cell" in out and "reduction cell" in out


def path_of(room, *args):
    out, _ = room.run("hnas-query", *args, "--path", "--json")
    path = parse(out)
    assert {"rule", "range", "pieces"} <= set(path), path
    lo = path["range"][0]
    for i, piece in enumerate(path["pieces"]):
        assert PIECE_KEYS <= set(piece), piece
        assert piece["interval"][0] == lo < piece["interval"][1]
        assert bool(piece["change"]) == (i > 0)
        lo = piece["interval"][1]
    assert lo == path["range"][1] and path["range"] == [1e-4, 1e-1]
    return path


def test_query_prints_the_path(room):
    """A search with a large rate, so that it has many pieces."""
    room.search("wide", "--epochs", 3, "--alpha-lr", 1, "--warmup", 0,
                "--nodes", 3, "--monotone", "off")
    file = room.path("wide/search.safetensors")
    for rule in RULES:
        extra = ["--theta", "0.6"] if rule == "threshold" else []
        path = path_of(room, file, "--rule", rule, *extra)
        assert path["rule"] == rule
        for piece in path["pieces"][:: max(1, len(path["pieces"]) // 4)]:
            lo, hi = piece["interval"]
            for at in lo, (lo * hi) ** 0.5:
                out, _ = room.run("hnas-query", file, "--rule", rule, "--json",
                                  "--lambda", repr(at), *extra)
                one = parse(out)
                for key in "interval", "cost", "normal", "reduce":
                    assert one[key] == piece[key], (key, one, piece)
    path = path_of(room, file)
    assert path["rule"] == "argmax" and len(path["pieces"]) > 3
    out, _ = room.run("hnas-query", file, "--path")
    assert out.count("\n") == len(path["pieces"]) and " -> " in out


def test_query_answers_a_budget(room):
    file = room.path("wide/search.safetensors")
    pieces = path_of(room, file)["pieces"]
    for metric in "params", "macs", "bytes":
        sizes = sorted({piece["cost"][metric] for piece in pieces})
        for limit in sizes[0], sizes[-1] - 1, sizes[-1] + 9:
            out, _ = room.run("hnas-query", file, "--json", "--budget",
                              f"{metric}={limit}")
            answer = parse(out)
            best = max(size for size in sizes if size <= limit)
            first = next(piece for piece in pieces
                         if piece["cost"][metric] == best)
            assert answer["interval"] == first["interval"], answer
            assert answer["cost"] == first["cost"]
            assert first["interval"][0] <= answer["lambda"]
            assert answer["lambda"] < first["interval"][1]
        process = room.start("hnas-query", file, "--json", "--budget",
                             f"{metric}={sizes[0] - 1}")
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1 and "infeasible" in err, err
        assert parse(out) == {"status": "infeasible", "smallest": sizes[0]}


def tensors_of(whole, prefix):
    """The tensors of a file's bytes: {name: (numbers, shape)}."""
    size = struct.unpack("<Q", whole[:8])[0]
    tensors = {}
    for key, entry in json.loads(whole[8:8 + size]).items():
        if key.startswith(prefix):
            begin, end = entry["data_offsets"]
            raw = whole[8 + size + begin:8 + size + end]
            numbers = list(struct.unpack(f"<{len(raw) // 4}f", raw))
            tensors[key] = (numbers, entry["shape"])
    return tensors


def stored_tensors(room, name):
    """The numbers of a search file as exact fractions, by tensor."""
    found = tensors_of(room.read(name, "search.safetensors"), "hyper.")
    return {key: ([Fraction(x) for x in numbers], shape)
            for key, (numbers, shape) in found.items()}


def stored_lines(room, name):
    """[s_lo, s_hi, [(slope, offset) an edge and operation] an edge] of every
    segment and table."""
    tensors = stored_tensors(room, name)
    for kind in "normal", "reduce":
        if f"hyper.{kind}.b1" in tensors:
            slope, (e, o) = tensors[f"hyper.{kind}.b1"]
            offset, _ = tensors[f"hyper.{kind}.b2"]
            lines = list(zip(slope, offset))
            yield -1, 1, [lines[i * o:(i + 1) * o] for i in range(e)]
            continue
        knots, (n, e, o) = tensors[f"hyper.{kind}.knots"]
        at = [Fraction(-1 + 2.0 * k / (n - 1)) for k in range(n - 1)] + [1]
        for k in range(n - 1):
            lines = []
            for a, b in zip(knots[k * e * o:], knots[(k + 1) * e * o:]):
                slope = (b - a) / (at[k + 1] - at[k])
                lines.append((slope, a - slope * at[k]))
            yield at[k], at[k + 1], [lines[i * o:(i + 1) * o]
                                     for i in range(e)]


def crossings(lines, lo, hi):
    """s in (lo, hi) at which two lines meet, as fractions."""
    for i, (slope, offset) in enumerate(lines):
        for other_slope, other_offset in lines[:i]:
            if slope != other_slope:
                s = (other_offset - offset) / (slope - other_slope)
                if lo < s < hi:
                    yield s


def test_breakpoints_are_rounded_correctly(room):
    """Every breakpoint against fractions in s, and 50 digits in lambda."""
    room.search("knots", "--epochs", 3, "--alpha-lr", 1, "--warmup", 0,
                "--nodes", 3, "--monotone", "off", "--hypernet", "piecewise",
                "--knots", 4)
    decimal.getcontext().prec = 50
    lo, hi = decimal.Decimal(1e-4), decimal.Decimal(1e-1)
    ratio = (hi / lo).ln()
    theta = decimal.Decimal(0.6)
    level = (Fraction(0), Fraction((theta / (1 - theta)).ln()))
    for name in "wide", "knots":
        file = room.path(f"{name}/search.safetensors")
        for rule in "argmax", "top2_raw", "threshold":
            extra = ["--theta", "0.6"] if rule == "threshold" else []
            allowed = set()
            for s_lo, s_hi, edges in stored_lines(room, name):
                if rule != "argmax":  # edges of a node meet too
                    edges = [sum(edges, [level])]
                for lines in edges:
                    allowed |= {float(s) for s in crossings(lines, s_lo, s_hi)}
            pieces = path_of(room, file, "--rule", rule, *extra)["pieces"]
            assert len(pieces) > 3
            for piece in pieces[1:]:
                s = piece["s"]
                assert s in allowed, (rule, s)
                exact = lo * (ratio * (decimal.Decimal(s) + 1) / 2).exp()
                got = piece["interval"][0]
                assert abs(decimal.Decimal(got) - exact) <= 2 * decimal.Decimal(
                    math.ulp(got)), (got, exact)


OPS = "none", "skip_connect", "sep_conv_3x3"


def table_of(room, name):
    """A table of a host's own: powers of two, so that sums are exact."""
    rows = [{"kind": kind, "edge": [i, j], "op": op,
             "us": 0 if op == "none" else 2.0 ** (n % 9 - 3)}
            for kind in ("normal", "reduce")
            for n, (i, j, op) in enumerate(
                (i, j, op) for j in (2, 3, 4) for i in range(j) for op in OPS)]
    table = {"unit": "us", "fixed": 100.25, "rows": rows}
    with open(room.path(name), "w") as file:
        json.dump(table, file)
    return table


def cost_by(table, piece):
    """The rows that a piece keeps: 1 normal cell and 2 reductions."""
    us = {(row["kind"], *row["edge"], row["op"]): row["us"]
          for row in table["rows"]}
    total = table["fixed"]
    for kind, cells in ("normal", 1), ("reduce", 2):
        alive = {0, 1}
        for node, edges in enumerate(piece[kind], start=2):
            for op, source in edges:
                if source in alive and op != "none":
                    total += cells * us[kind, source, node, op]
            if any(op != "none" and source in alive for op, source in edges):
                alive.add(node)
    return total


def test_search_by_a_hosts_table(room):
    """Penalty, cone, log, query, path and budget all use the table."""
    table = table_of(room, "table.json")
    wide = ["--epochs", 3, "--alpha-lr", 1, "--warmup", 0, "--nodes", 3,
            "--cost", room.path("table.json")]
    room.search("host", *wide)
    file = room.path("host/search.safetensors")
    pieces = path_of(room, file)["pieces"]
    assert len(pieces) > 2
    us = [piece["cost"]["latency_us"] for piece in pieces]
    assert us == sorted(us, reverse=True)  # the cone's promise
    for piece in pieces:
        assert piece["cost"]["latency_us"] == cost_by(table, piece), piece
    for limit in us[0], us[-1], us[0] - 0.125, us[-1] + 0.125:
        out, _ = room.run("hnas-query", file, "--json", "--budget",
                          f"latency_us={limit!r}")
        best = max(x for x in us if x <= limit)
        answer = parse(out)
        assert answer["cost"]["latency_us"] == best
        assert answer["interval"] == pieces[us.index(best)]["interval"]
    process = room.start("hnas-query", file, "--json", "--budget",
                         f"latency_us={us[-1] - 0.125!r}")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "infeasible" in err, err
    assert parse(out) == {"status": "infeasible", "smallest": us[-1]}
    row = room.table("host")[3]
    for at in LAMBDAS:
        out, _ = room.run("hnas-query", file, "--json", "--lambda", at)
        assert row[f"true_cost_{at:g}"] == parse(out)["cost"]["latency_us"]
        assert 100.25 < row[f"expected_cost_{at:g}"] < 1000
    # the table is in the file: nobody reads it again
    room.search("cut", *wide, "--steps", 8)
    os.rename(room.path("table.json"), room.path("gone.json"))
    room.search("cut", *wide, "--resume")
    assert_same_search(room, "host", "cut")


def test_search_by_measured_latency(room):
    """Measured once: the stored table survives a resume."""
    latency = ["--cost", "latency", "--epochs", 2]
    room.search("slow", *latency, "--steps", 7)

    def table():
        head = room.read("slow", "search.safetensors")
        size = struct.unpack("<Q", head[:8])[0]
        meta = json.loads(head[8:8 + size])["__metadata__"]
        return json.loads(meta["settings"])["cost_table"]

    before = table()
    assert all(x >= 0 for x in before["normal"] + before["reduce"])
    assert before["normal"][2] > before["normal"][0] == 0
    room.search("slow", *latency, "--resume")
    assert table() == before
    out, _ = room.run("hnas-query", room.path("slow/search.safetensors"),
                      "--lambda", 1e-3, "--json")
    assert parse(out)["cost"]["latency_us"] >= before["fixed"]


def test_bench_latency_makes_a_table(room):
    where = room.path("bench.json")
    shape = ["--image", "1x8x8", "--channels", 2, "--nodes", 1, "--classes", 3,
             "--batch", 8, "--repeat", 2]
    room.run("hnas-bench", "latency", *shape, "--ops", ",".join(OPS), "--out",
             where)
    with open(where) as file:
        table = json.load(file)
    assert {"unit", "machine", "fixed", "rows"} <= set(table)
    assert {"kernels", "gemm", "threads", "batch"} <= set(table["machine"])
    assert len(table["rows"]) == 3 * 2 * len(OPS)  # two sizes of reductions
    assert {"kind", "edge", "op", "stride", "shape", "cells",
            "us"} == set(table["rows"][0])
    for name in "one", "two":
        room.search(name, "--cost", where, "--epochs", 1)
    assert_same_search(room, "one", "two")
    _, err = room.search(None, "--cost", where, "--nodes", 2, status=1)
    assert "2 -> 3" in err or "0 -> 3" in err, err


def test_bad_tables_are_refused(room):
    table_of(room, "table.json")

    def refuse(change, *words):
        with open(room.path("table.json")) as file:
            table = json.load(file)
        change(table)
        with open(room.path("bad.json"), "w") as file:
            json.dump(table, file)
        _, err = room.search(None, "--nodes", 3, "--steps", 1, "--cost",
                             room.path("bad.json"), status=1)
        for word in "bad.json", *words:
            assert word in err, (word, err)

    rows = "rows"
    refuse(lambda t: t[rows].pop(4), "1 -> 2", "skip_connect", "0 cells")
    refuse(lambda t: t[rows].append(t[rows][3]), "1 -> 2", "none", "2 cells")
    refuse(lambda t: t[rows][5].update(us=-1), "row 5", "us")
    refuse(lambda t: t[rows][5].update(us=None), "row 5", "us")
    refuse(lambda t: t[rows][5].update(us=math.nan))
    refuse(lambda t: t[rows][5].update(us=math.inf))
    refuse(lambda t: t[rows][5].update(op="sep_conv_9x9"), "sep_conv_9x9")
    refuse(lambda t: t[rows][5].update(edge=[2, 2]), "row 5", "edge")
    refuse(lambda t: t[rows][5].update(kind="other"), "row 5", "kind")
    refuse(lambda t: t[rows][5].update(cells=0), "row 5", "cells")
    refuse(lambda t: t[rows][5].update(cell=1), "row 5", '"cell"')
    refuse(lambda t: t[rows][5].pop("us"), "row 5", "us")
    refuse(lambda t: t.update(fixed=-1), "fixed")
    refuse(lambda t: t.pop("fixed"), "fixed")
    refuse(lambda t: t.update(unit="ms"), "unit")
    refuse(lambda t: t.pop("rows"), "rows")


def test_mlp_says_that_its_path_is_sampled(room):
    room.search("mlp", "--epochs", 1, "--hypernet", "mlp")
    path = path_of(room, room.path("mlp/search.safetensors"))
    assert path["sampled"] == 1


def test_query_refuses_damaged_files(room):
    whole = room.read("a", "search.safetensors")
    damaged = room.path("damaged.safetensors")
    for content in b"", whole[:7], whole[:100], whole[:-1], b"x" * 1000:
        with open(damaged, "wb") as file:
            file.write(content)
        _, err = room.run("hnas-query", damaged, "--lambda", 0.01, status=1)
        assert "damaged.safetensors" in err, err
    room.run("hnas-query", room.path("none"), "--lambda", 0.01, status=1)
    room.run("hnas-query", room.folder, "--lambda", 0.01, status=1)


def test_bench_measures(room):
    out, _ = room.run("hnas-bench", "step", "--json", "--channels", 2,
                      "--nodes", 1, "--batch", 4, "--image", "3x8x8",
                      "--repeat", 2, "--order", "second_fd", "--threads", 1)
    result = parse(out)
    assert set(result) == {"median_ms", "min_ms", "peak_bytes", "threads",
                           "kernels", "gflops", "flops",
                           "moved_bytes"}, result
    assert result["flops"] > 0 and result["moved_bytes"] > 0, result
    assert 0 < result["min_ms"] <= result["median_ms"]
    assert result["threads"] == 1
    for relax in "softmax", "gumbel_hard":
        out, _ = room.run("hnas-bench", "wpass", "--json", "--channels", 2,
                          "--nodes", 1, "--batch", 4, "--image", "3x8x8",
                          "--repeat", 2, "--relax", relax)
        assert set(parse(out)) == set(result)
    out, _ = room.run("hnas-bench", "query", "--json", "--channels", 2,
                      "--repeat", 2)
    assert parse(out)["ns_per_query"] > 0
    for rule in RULES:
        out, _ = room.run("hnas-bench", "path", "--json", "--channels", 2,
                          "--repeat", 1, "--rule", rule)
        result = parse(out)
        assert result["us_per_path"] > 0 and result["pieces"] > 5, result


def test_bench_measures_in_the_range_that_is_asked_for(room):
    small = ["--json", "--channels", 2, "--repeat", 1]

    def path(*args):
        return parse(room.run("hnas-bench", "path", *small, *args)[0])

    own = path("--preset", "darts_cc")  # 1e-8 to 1e-4
    assert own["ns_per_find"] > 0, own
    narrow = path("--preset", "seed", "--lambda-range", "1e-4:2e-4")
    wide = path("--preset", "seed", "--lambda-range", "-9:9")  # raw scale
    assert wide["ns_per_find"] > 0 and wide["pieces"] > narrow["pieces"], wide
    query = parse(room.run("hnas-bench", "query", *small, "--preset", "seed",
                           "--lambda-range", "-9:9")[0])
    assert query["ns_per_query"] > 0, query
    for bad in "2:1", "1:1", "0:1":  # 0 has no place in log scale
        _, err = room.run("hnas-bench", "path", "--lambda-range", bad, status=2)
        assert "want" in err, err


def test_bench_measures_switches(room):
    sizes = ["--channels", 2, "--nodes", 1, "--cells", 2]
    for rule in "argmax", "top2":
        out, _ = room.run("hnas-bench", "switch", "--json", *sizes, "--rule", rule)
        result = parse(out)
        path = parse(room.run("hnas-bench", "path", "--json", *sizes, "--rule", rule)[0])
        assert 0 < result["ns_per_switch"] < 1e5, result
        assert result["members"] == path["pieces"] >= 1, result
    room.run("hnas-bench", "switch", "--arch", "x.json", status=2)


def test_bench_measures_memory(room):
    out, _ = room.run("hnas-bench", "memory", "--json", "--repeat", 1,
                      "--threads", 2)
    result = parse(out)
    assert result["threads"] == 2 and result["gbs"] > 0, result


def test_bench_measures_kernels(room):
    out, _ = room.run("hnas-bench", "kernels", "--json")
    kernels = parse(out)["kernels"]
    assert len(kernels) > 50 and len(kernels) == len(
        {(k["name"], k["shape"]) for k in kernels})
    for kernel in kernels:
        assert set(kernel) == {"name", "shape", "gflops", "gbs",
                               "roofline"}, kernel
        assert kernel["gflops"] > 0 and kernel["roofline"] > 0, kernel


def test_bench_measures_discrete_networks(room):
    """The published architecture, and one that hnas-query printed."""
    query = room.path("query.json")
    with open(query, "w") as file:
        file.write(room.run("hnas-query", room.path("a/search.safetensors"),
                            "--lambda", 1e-3, "--json")[0])
    published = os.path.join(os.path.dirname(__file__), "..", "..", "examples",
                             "archs", "darts-cc-fmnist-0.json")
    # two cells are reductions alone: the normal one is not used
    for arch, cells in (published, 3), (query, 8), (published, 2):
        for what in "forward", "train-step":
            args = [what, "--json", "--arch", arch, "--channels", 2, "--batch",
                    2, "--image", "1x9x9", "--repeat", 2, "--cells", cells]
            result = parse(room.run("hnas-bench", *args)[0])
            assert result["median_ms"] > 0 and result["gflops"] > 0, result
    for text in "", "{}", '{"rule": "argmax", "normal": [[]], "reduce": [[]]}':
        with open(query, "w") as file:
            file.write(text)
        room.run("hnas-bench", "forward", "--arch", query, status=1)
    room.run("hnas-bench", "forward", "--arch", room.folder, status=1)
    room.run("hnas-bench", "forward", "--arch", room.path("none"), status=1)


def test_a_lambda_that_has_no_place_is_a_bad_value(room):
    room.search("places", "--steps", 1)
    search = room.path("places/search.safetensors")
    for program, *args in (["hnas-query", search],
                           ["hnas-train", "--search", search, "--epochs", 1,
                            "--data", room.data],
                           ["hnas-export", "--search", search, "--dot",
                            room.path("places/dot")]):
        _, err = room.run(program, *args, "--lambda", 0, status=2)
        assert "lambda: 0, want > 0" in err, err
    for name, want in ("out", "DIR"), ("cells", "N, an integer in 1..100"):
        _, err = room.run("hnas-search", f"--{name}=", status=2)
        assert f"--{name} '': want {want}\n" in err, err


def test_output_that_is_not_written_is_a_failure(room):
    arch = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..",
                                        "examples", "archs",
                                        "mnist-small.json"))
    names = room.path("names")
    with open(names, "w") as file:
        file.write(arch + "\n")
    room.search("told", "--steps", 1)
    small = ["--channels", 2, "--nodes", 1, "--cells", 1, "--batch", 2,
             "--image", "1x8x8", "--repeat", 1]
    commands = [["hnas-" + program, word] for word in ("--help", "--version")
                for program in ("search", "query", "train", "export", "bench")]
    commands += [
        ["hnas-train", "--list", names, "--data", room.data, "--epochs", 0,
         "--channels", 2, "--batch", 8, "--out", room.path("untold"), *json_too]
        for json_too in ([], ["--json"])]
    commands += [
        ["hnas-train", "--arch", arch, "--data", room.data, "--epochs", 0,
         "--channels", 2, "--batch", 8, "--json"],
        ["hnas-query", room.path("told/search.safetensors"), "--path"],
        ["hnas-search", "--out", room.path("told"), "--resume", "--json"],
        ["hnas-bench", "kernels", "--json"],
        ["hnas-bench", "memory", "--json", "--repeat", 1],
        ["hnas-bench", "latency", *small],
        ["hnas-bench", "step", "--json", *small],
        ["hnas-bench", "path", "--json", *small]]
    for program, *args in commands:
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [os.path.join(room.build, "examples", program),
                 *map(str, args)], stdout=full, stderr=subprocess.PIPE,
                text=True, timeout=600, check=False)
        assert done.returncode == 1, (program, args, done)
        assert done.stderr.endswith(
            program + ": standard output: can't be written\n"), done.stderr


def interrupt_caught(room, program, *args):
    process = room.start(program, *args)
    mask = 0
    while not mask >> (signal.SIGINT - 1) & 1:
        assert process.poll() is None, (args, process.communicate())
        with open(f"/proc/{process.pid}/status") as file:
            mask = int(re.search(r"SigCgt:\s*(\w+)", file.read())[1], 16)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def interrupt_once_caught(room, program, *args):
    """Ctrl-C as soon as a program takes it: what it ends with and prints; again
    where it was done before it heard."""
    for _ in range(5):
        done = interrupt_caught(room, program, *args)
        if done[0] != 0:
            break
    return done


def test_every_program_says_that_it_was_interrupted(room):
    arch = os.path.join(os.path.dirname(__file__), "..", "..", "examples",
                        "archs", "mnist-small.json")
    file, table = room.path("long/search.safetensors"), room.path("half.json")
    pictures = [room.path("half." + end) for end in ("html", "dot")]
    net = room.path("interrupted-net")
    room.search("long", "--nodes", 16, "--hypernet", "mlp", "--cells", 1,
                "--steps", 1)
    room.run("hnas-train", "--arch", arch, "--data", room.data, "--epochs", 0,
             "--channels", 2, "--batch", 8, "--out", net)
    often = ["--repeat", 1000000, "--channels", 2]
    for program, *args in (
            *(["hnas-bench", what, *often] for what in (
                "step", "wpass", "query", "path", "memory")),
            ["hnas-bench", "switch", "--channels", 2],
            ["hnas-bench", "kernels"],
            *(["hnas-bench", what, *often, "--arch", arch, "--batch", 1]
              for what in ("forward", "train-step")),
            ["hnas-bench", "latency", *often],
            ["hnas-bench", "latency", *often, "--out", table],
            ["hnas-search", "--cost", "latency", "--channels", 64],
            ["hnas-train", "--eval", net, "--data", room.data, "--batch", 1],
            ["hnas-train", "--list", room.path("long-list"), "--epochs", 99,
             "--out", room.path("long-nets")],
            ["hnas-query", file, "--path"],
            ["hnas-query", file, "--budget", "params=1"]):
        with open(room.path("long-list"), "w") as names:
            names.write(os.path.abspath(arch) + "\n")
        status, out, err = interrupt_once_caught(room, program, *args, "--json")
        assert status == 130, (program, args, status, err)
        assert parse(out)["interrupted"] is True, (program, args, out)
    status, out, err = interrupt_once_caught(
        room, "hnas-export", "--search", file, "--lambda", 1e-3, "--html",
        pictures[0], "--dot", pictures[1])
    assert status == 130 and not out and not err, (status, out, err)
    assert not [path for path in (table, *pictures) if os.path.exists(path)]


def test_help_and_version(room):
    for program in "hnas-search", "hnas-query", "hnas-train", "hnas-bench":
        out, err = room.run(program, "--help")
        assert out.startswith("usage: " + program) and not err
        out, err = room.run(program, "--version")
        assert out.startswith(program) and "kernels: " in out
        assert "threads: " in out
        assert re.search(r"(?m)^BLIS: (none|\d+(\.\d+)+\S*( \w+)?)$", out), out
        if "products: blis" in out:
            assert "BLIS: none" not in out, out


def main():
    build = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        room = Room(os.path.abspath(build), folder)
        tests = [f for n, f in globals().items() if n.startswith("test_")]
        for test in tests:
            began = time.time()
            test(room)
            print(f"ok  {test.__name__}  {time.time() - began:.1f} s",
                  flush=True)
    print(f"{len(tests)} tests passed")


if __name__ == "__main__":
    main()
