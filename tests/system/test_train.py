#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""hnas-train, run as a user runs it.

    python3 tests/system/test_train.py BUILD_DIR
"""
import os
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__))
from test_programs import Room, parse, tensors_of  # noqa: E402

KEYS = {"params", "macs", "epochs", "seconds", "peak_bytes", "test_accuracy",
        "test_precision", "confusion"}
ARCH = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "archs",
                    "darts-cc-fmnist-0.json")
EXTRA = ["--affine", "--augment", "--flip", "--cutout", 2, "--drop-path", 0.3,
         "--aux-weight", 0.4, "--label-smoothing", 0.1, "--ema", 0.9]


def train(room, *args, status=0):
    return room.run("hnas-train", "--data", room.data, "--batch", 8,
                    "--json", *args, status=status)[0]


def of_search(room, lam, *args):
    return parse(train(room, "--search", room.path("a/search.safetensors"),
                       "--lambda", lam, *args))


def test_a_searched_network_is_trained_and_saved(room):
    room.search("a", "--epochs", 2)
    net = room.path("net")
    result = of_search(room, 1e-3, "--epochs", 3, "--out", net)
    assert KEYS <= set(result), result
    assert result["epochs"] == 3 and "interrupted" not in result
    count = sum(sum(row) for row in result["confusion"])
    assert count == 96 and len(result["confusion"]) == 3
    right = sum(result["confusion"][k][k] for k in range(3))
    assert abs(right / 96 - result["test_accuracy"]) < 1e-12
    assert 0 <= result["test_precision"] <= 1
    query = parse(room.run("hnas-query", room.path("a/search.safetensors"),
                           "--lambda", 1e-3, "--json")[0])
    assert result["params"] == query["cost"]["params"]
    assert result["macs"] == query["cost"]["macs"]
    for batch in 8, 32, 5:
        again = parse(train(room, "--eval", net, "--batch", batch))
        for key in "params", "macs", "epochs", "test_accuracy", "confusion":
            assert again[key] == result[key], (key, batch)


def test_it_learns(room):
    result = of_search(room, 1e-4, "--epochs", 12, "--w-lr", "0.1")
    assert result["test_accuracy"] > 0.9, result


def test_inherited_weights_alone_are_evaluated(room):
    fresh = of_search(room, 1e-4, "--epochs", 0)
    result = of_search(room, 1e-4, "--epochs", 0, "--inherit")
    assert result["epochs"] == 0
    assert result["confusion"] != fresh["confusion"]


def test_every_rule_trains_what_the_query_says(room):
    search = room.path("a/search.safetensors")
    for rule in (["argmax"], ["top2"], ["top2_raw"], ["threshold"],
                 ["threshold", "--theta", 0.45], ["threshold", "--theta", 0.9]):
        result = of_search(room, 1e-3, "--epochs", 0, "--rule", *rule)
        query = parse(room.run("hnas-query", search, "--lambda", 1e-3, "--json",
                               "--rule", *rule)[0])
        assert result["params"] == query["cost"]["params"], rule
        assert result["macs"] == query["cost"]["macs"], rule


def test_an_inherited_head_is_that_of_its_lambda(room):
    """Half way between knots 2 and 3 of five, a knot a decade."""
    room.search("cc", "--preset", "darts_cc", "--epochs", 1)
    search = room.path("cc/search.safetensors")
    net = room.path("cc-net")
    stored = tensors_of(room.read("cc", "search.safetensors"), "head.")
    assert set(stored) == {"head.weight.knots", "head.bias.knots"}, stored
    for lam, k, t in (1e-8, 0, 0.0), (10 ** -5.5, 2, 0.5), (1e-4, 3, 1.0):
        train(room, "--search", search, "--lambda", repr(lam), "--epochs", 0,
              "--inherit", "--out", net)
        head = tensors_of(room.read("cc-net"), "head.")
        for part in "weight", "bias":
            knots, (n, *_) = stored[f"head.{part}.knots"]
            got, _ = head["head." + part]
            assert n == 5 and len(knots) == 5 * len(got)
            for i, value in enumerate(got):
                a, b = (knots[j * len(got) + i] for j in (k, k + 1))
                assert abs(value - ((1 - t) * a + t * b)) < 1e-6


def test_an_architecture_file_is_trained(room):
    result = parse(train(room, "--arch", ARCH, "--epochs", 1, "--channels", 2,
                         *EXTRA))
    assert result["epochs"] == 1
    wide = parse(train(room, "--arch", ARCH, "--epochs", 0, "--channels", 4))
    assert wide["params"] > result["params"]


def test_the_result_depends_on_no_threads(room):
    for threads in 1, 2:
        train(room, "--arch", ARCH, "--epochs", 1, "--channels", 2, *EXTRA,
              "--threads", threads, "--out", room.path(f"t{threads}"))
    assert room.read("t1") == room.read("t2")


def test_interrupt_saves_and_resumes(room):
    args = ["--arch", ARCH, "--channels", 2, "--epochs", 6, "--out"]
    train(room, *args, room.path("straight"), *EXTRA, "--seed", 3)
    for wait in 0, 0.4:
        if os.path.exists(room.path("cut")):
            os.remove(room.path("cut"))
        process = room.start("hnas-train", "--data", room.data, "--batch", 8,
                             "--json", *args, room.path("cut"), *EXTRA,
                             "--seed", 3)
        deadline = time.time() + 60
        while not os.path.exists(room.path("cut")):
            assert time.time() < deadline and process.poll() is None
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        if process.returncode == 130:
            assert parse(out)["interrupted"] is True, out
        else:  # it was faster
            assert process.returncode == 0, (process.returncode, err)
        result = parse(room.run("hnas-train", "--out", room.path("cut"),
                                "--resume", "--json", "--threads", 1)[0])
        assert result["epochs"] == 6
        assert room.read("straight") == room.read("cut")


def interrupt_at_save(room, number, net, *args):
    """Ctrl-C as soon as a file was written so many times: the object and what
    was said of it."""
    process = room.start("hnas-train", *args, "--out", net, "--json")
    seen = set()
    while len(seen) < number:
        assert process.poll() is None, process.communicate()
        if os.path.exists(net):
            seen.add(os.stat(net).st_mtime_ns)
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (process.returncode, out, err)
    assert f"--resume --out {net}" in err, err
    result = parse(out)
    assert result["interrupted"] is True
    for key in "test_accuracy", "test_precision", "confusion":
        assert result[key] is None, result
    return result


def test_interrupt_after_the_last_step_loses_nothing(room):
    """In calibration, which follows the second save, and in evaluation."""
    few = ["--arch", ARCH, "--channels", 2, "--cells", 1, "--threads", 1]
    for epochs, batch, n in (1, 600, 2), (0, 600, 1), (0, 10, 2):
        args = [*few, "--epochs", epochs, "--batch", batch, "--ema", 0.9]
        whole, cut = room.path("whole-last"), room.path("cut-last")
        out, _ = room.run("hnas-train", *args, "--out", whole, "--json")
        if os.path.exists(cut):
            os.remove(cut)
        result = interrupt_at_save(room, n, cut, *args)
        assert result["epochs"] == epochs, result
        again, err = room.run("hnas-train", "--resume", "--out", cut, "--json")
        assert "epoch" not in err, err
        assert parse(again)["confusion"] == parse(out)["confusion"], n
        assert room.read("whole-last") == room.read("cut-last"), (epochs, n)


def test_a_damaged_checkpoint_gives_way_to_an_older_one(room):
    args = ["--arch", ARCH, "--channels", 2, "--epochs", 6, "--seed", 3, *EXTRA]
    kept = room.path("kept")
    process = room.start("hnas-train", "--data", room.data, "--batch", 2, "--json",
                         *args, "--keep", 3, "--out", kept)
    deadline = time.time() + 60
    while not os.path.exists(kept + ".2"):
        assert time.time() < deadline and process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not os.path.exists(kept + ".3")
    os.truncate(kept, 999)
    room.run("hnas-train", "--out", kept, "--resume", "--json", status=1)
    out, err = room.run("hnas-train", "--out", kept, "--resume", "--keep", 3,
                        "--json")
    said = [line for line in err.splitlines() if "; instead " in line]
    assert len(said) == 1 and "kept.1, step " in said[0], err
    assert parse(out)["fell_back"] == "kept.1", out
    train(room, *args, "--batch", 2, "--out", room.path("whole"))
    assert room.read("whole") == room.read("kept")
    # the network that is done stands alone
    assert not [name for name in os.listdir(room.path(""))
                if name.startswith("kept.")]


def test_a_list_counts_from_one(room):
    names = room.path("count-list")
    with open(names, "w") as file:
        file.write(2 * (os.path.abspath(ARCH) + "\n"))
    _, err = room.run("hnas-train", "--list", names, "--data", room.data,
                      "--channels", 2, "--batch", 8, "--epochs", 0, "--out",
                      room.path("count-nets"))
    assert [line.split(",")[0] for line in err.splitlines()] == [
        "1 of 2: 0000.safetensors", "2 of 2: 0001.safetensors"], err


def test_files_beside_the_network_are_left_alone(room):
    beside = room.path("mine.1")
    shutil.copy(room.path("whole"), beside)
    train(room, "--arch", ARCH, "--channels", 2, "--epochs", 2, "--out",
          room.path("mine"))
    room.run("hnas-train", "--out", room.path("mine"), "--resume")
    assert room.read("mine.1") == room.read("whole")


def test_resume_refuses_other_settings(room):
    before = room.read("cut")
    for name, value in (("epochs", 7), ("seed", 1), ("cells", 4), ("batch", 4),
                        ("w-lr", "0.1:0"), ("ema", 0.5), ("cutout", 3)):
        _, err = room.run("hnas-train", "--out", room.path("cut"), "--resume",
                          f"--{name}={value}", status=1)
        assert f"--{name}" in err, err
    assert room.read("cut") == before


def test_a_folder_is_of_one_list_at_a_time(room):
    nets, names = room.path("shared-nets"), room.path("shared-list")
    with open(names, "w") as file:
        file.write(os.path.abspath(ARCH) + "\n")
    args = ["--list", names, "--data", room.data, "--channels", 2, "--batch", 2,
            "--epochs", 1000, "--threads", 1, "--out", nets]
    process = room.start("hnas-train", *args)
    while not os.path.exists(nets + "/table.csv"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    for again in args, [*args, "--resume"]:
        _, err = room.run("hnas-train", *again, status=1)
        assert f"--out {nets}: another run" in err, err
    process.kill()
    process.communicate()
    os.remove(names)  # it is the list that is missed now, not the folder
    _, err = room.run("hnas-train", *args, "--resume", status=1)
    assert "--list" in err, err


def test_a_file_is_of_one_run_at_a_time(room):
    net = room.path("one-net")
    args = ["--arch", ARCH, "--data", room.data, "--channels", 2, "--batch", 2,
            "--epochs", 1000, "--threads", 1]
    process = room.start("hnas-train", *args, "--out", net)
    while not os.path.exists(net):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    os.symlink(net, room.path("one-link"))
    for again in args, ["--resume"]:
        for name in net, room.path("one-link"):
            _, err = room.run("hnas-train", *again, "--out", name, status=1)
            assert f"--out {name}: another run" in err, err
    train(room, "--eval", net)  # a reader waits for nobody
    train(room, "--arch", ARCH, "--channels", 2, "--epochs", 0, "--out",
          room.path("one-other"))
    process.kill()
    process.communicate()
    train(room, "--arch", ARCH, "--channels", 2, "--epochs", 0, "--out", net)
    assert not [name for name in os.listdir(room.folder)
                if name.endswith(".lock")]


def test_failures_name_the_thing(room):
    search = room.path("a/search.safetensors")
    for bad in ([], ["--search", search], ["--arch", ARCH, "--inherit"],
                ["--arch", ARCH], ["--search", search, "--arch", ARCH],
                ["--resume"], ["--arch", ARCH, "--epochs", "-1"],
                ["--arch", ARCH, "--epochs", 1, "--rule", "top2"],
                ["--search", search, "--lambda", 1e-3, "--epochs", 0,
                 "--rule", "threshold", "--theta", 1],
                ["--search", search, "--lambda", 1e-3, "--epochs", 0,
                 "--theta", 0.5, "--rule", "top2"],
                ["--search", search, "--lambda", "1", "--inherit", "--epochs",
                 "0", "--cells", "2"]):
        room.run("hnas-train", *bad, status=2)
    data = ["--data", room.data, "--epochs", 1]
    damaged = room.path("damaged")
    with open(damaged, "wb") as file:
        file.write(room.read("net")[:-5])
    for bad in (["--arch", room.path("none"), *data],
                ["--arch", search, *data],
                ["--search", room.path("net"), "--lambda", 1, *data],
                ["--search", search, "--lambda", 1e-3, "--epochs", 1, "--data",
                 room.path("none")],
                ["--eval", damaged, "--data", room.data],
                ["--eval", search, "--data", room.data],
                ["--arch", ARCH, "--channels", 2, "--batch", 8, "--out",
                 room.path("no/where"), *data]):
        _, err = room.run("hnas-train", *bad, status=1)
    assert "no/where" in err, err


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
