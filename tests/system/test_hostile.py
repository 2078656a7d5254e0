#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The programs among damaged checkpoints, odd names and files of no use.

    python3 tests/system/test_hostile.py BUILD_DIR
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from test_programs import Room, parse

NEWEST = "search.safetensors"


def flip(path, at=2000):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 4]))


def listing(room, name):
    return sorted(os.listdir(room.path(name)))


def test_the_last_checkpoints_are_kept(room):
    for keep, want in (1, []), (2, [".1"]), (3, [".1", ".2"]):
        name = f"keep{keep}"
        room.search(name, "--epochs", 4, "--keep", keep)
        assert listing(room, name) == ["config.json", "log.csv"] + [
            NEWEST + age for age in ["", *want]], listing(room, name)
    for epochs, age in (3, ".1"), (2, ".2"):
        room.search("upto", "--epochs", 4, "--steps", 6 * epochs, "--keep", 1)
        assert room.read("upto", NEWEST) == room.read("keep3", NEWEST + age)
    # a new search in the folder leaves none of the one before
    room.search("keep3", "--epochs", 1, "--keep", 3)
    assert listing(room, "keep3") == ["config.json", "log.csv", NEWEST]


def test_resume_falls_back_and_says_so(room):
    room.search("whole", "--epochs", 4)
    room.search("half", "--epochs", 4, "--steps", 18, "--keep", 3)
    for name, harm in (("flipped", lambda path: flip(path)),
                       ("short", lambda path: os.truncate(path, 999)),
                       ("gone", os.remove)):
        shutil.copytree(room.path("half"), room.path(name))
        harm(room.path(f"{name}/{NEWEST}"))
        out, err = room.run("hnas-search", "--out", room.path(name),
                            "--resume", "--json", "--keep", 3)
        said = [line for line in err.splitlines() if "; instead " in line]
        assert len(said) == 1 and f"{NEWEST}.1, step 12" in said[0], err
        result = parse(out)
        assert result["fell_back"] == NEWEST + ".1", result
        assert result["steps"] == 24
        assert room.read(name, NEWEST) == room.read("whole", NEWEST)
        assert room.log(name) == room.log("whole")
        # the damaged file has taken no good one's place
        assert room.read(name, NEWEST + ".1") == room.read("half", NEWEST)
        assert room.read(name, NEWEST + ".2") == room.read(
            "half", NEWEST + ".1")
        out, err = room.run("hnas-search", "--out", room.path(name),
                            "--resume", "--json")
        assert "fell_back" not in parse(out) and "instead" not in err


def test_without_a_good_checkpoint_a_resume_fails(room):
    room.search("bad", "--epochs", 2)
    for age in "", ".1":
        flip(room.path(f"bad/{NEWEST}{age}"))
    before = [room.read("bad", NEWEST + age) for age in ("", ".1")]
    _, err = room.search("bad", "--epochs", 2, "--resume", status=1)
    assert f"bad/{NEWEST}: " in err and "instead" not in err, err
    assert before == [room.read("bad", NEWEST + age) for age in ("", ".1")]


ODD = ["two\nlines", b"\xff\xfe not text", "-", "--", "x" * 250, "t\ta\"b\\c",
       "\u03bb \u20ac", " "]


def run_raw(room, program, *args):
    """Without a wish that what comes back is text."""
    path = os.path.join(room.build, "examples", program)
    done = subprocess.run([path, *args], capture_output=True, timeout=600,
                          cwd=room.folder)
    return done.returncode, done.stdout, done.stderr


def test_odd_names_work_or_are_named_in_one_line(room):
    room.search("odd", "--epochs", 1)
    for name in ODD:
        raw = name.encode() if isinstance(name, str) else name
        path = os.path.join(room.folder.encode(), raw)
        shutil.copy(room.path(f"odd/{NEWEST}"), path)
        code, out, err = run_raw(room, "hnas-query", path, "--lambda", "1e-3",
                                 "--json")
        assert code == 0 and parse(out.decode())["lambda"] == 1e-3, err
        with open(path, "wb") as file:
            file.write(b"not a search")
        for args in ([path, "--lambda", "1e-3"],
                     [path + b"/none", "--lambda", "1e-3"]):
            code, out, err = run_raw(room, "hnas-query", *args)
            assert code == 1 and not out, (name, code)
            assert err.count(b"\n") == 1 and err.decode(), (name, err)
            assert all(c >= 32 for c in err[:-1]), (name, err)
        os.remove(path)


def test_data_whose_name_no_file_can_keep_is_refused_at_once(room):
    for raw, is_kept in ((b"caf\xe9", False), (b"cut\xe2\x82", False),
                         (b"long\xc0\xaf", False), (b"half\xed\xa0\x80", False),
                         ("caf\u00e9 \u20ac \U0001f41d".encode(), True)):
        data = os.path.join(room.folder, os.fsdecode(raw))
        shutil.copytree(room.data, data)
        out = room.path("named")
        code, _, err = run_raw(room, "hnas-search", "--data", data, "--steps",
                               "1", "--channels", "2", "--nodes", "1",
                               "--batch", "8", "--out", out)
        if is_kept:
            assert code == 0 and os.path.exists(os.path.join(out, NEWEST)), err
        else:
            assert code == 2 and not os.path.exists(out), (raw, code, err)
            assert err.count(b"\n") == 1 and "want UTF-8" in err.decode(), err
        shutil.rmtree(data)


def test_what_is_no_architecture_is_named(room):
    binary = room.path("binary")
    for content in b"\x7fELF\x02\x01\x00\xff", bytes(range(256)) * 400, \
            b"Genotype(\0)":
        with open(binary, "wb") as file:
            file.write(content)
        _, err = room.run("hnas-export", "--arch", binary, "--dot",
                          room.path("dot"), status=1)
        assert "not text" in err and "?" not in err, err
    other = room.path("other.json")
    for content, words in (
            ("{}", 'no "rule", want an object as hnas-query prints it'),
            ('{"rule": "argmax", "a": 1}', 'no list "normal", want an object'),
            ('{"rule": "best"}', 'rule "best": unknown, want'),
            ("[]", "or a JSON object"), ("3", "or a JSON object")):
        with open(other, "w") as file:
            file.write(content)
        _, err = room.run("hnas-export", "--arch", other, "--dot",
                          room.path("dot"), status=1)
        assert f"--arch {other}: " in err and words in err, err
    deep = room.path("deep.json")
    for content in "[" * 10**6, '{"normal": ' + "[" * 10**5, "{" * 70:
        with open(deep, "w") as file:
            file.write(content)
        _, err = room.run("hnas-export", "--arch", deep, "--dot",
                          room.path("dot"), status=1)
        assert "deep.json: " in err, err
    assert not os.path.exists(room.path("dot"))


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
