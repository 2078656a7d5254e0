#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""hnas-export, run as a user runs it.

    python3 tests/system/test_export.py BUILD_DIR
"""
import glob
import json
import os
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.dirname(__file__))
from test_programs import Room, parse  # noqa: E402

ARCHS = os.path.join(os.path.dirname(__file__), "..", "..", "examples",
                     "archs")
SVG = "{http://www.w3.org/2000/svg}"


def export(room, *args, status=0):
    return room.run("hnas-export", *args, status=status)[1]


def cells(text):
    arch = json.loads(text)
    return arch["normal"], arch["reduce"]


def test_a_search_is_drawn_at_lambda(room):
    room.search("a", "--epochs", 2)
    search = room.path("a/search.safetensors")
    files = {kind: room.path("out." + kind)
             for kind in ("dot", "svg", "json", "text")}
    export(room, "--search", search, "--lambda", 1e-3,
           *[f"--{kind}={file}" for kind, file in files.items()])
    query = room.run("hnas-query", search, "--lambda", 1e-3, "--json")[0]
    assert room.read("out.json").decode() == query
    arch = parse(query)
    n = sum(len(node) for kind in cells(query) for node in kind)
    root = ElementTree.fromstring(room.read("out.svg"))
    assert root.tag == SVG + "svg" and root.get("role") == "img"
    titles = [t.text for g in root.iter(SVG + "g") for t in
              g.findall(SVG + "title")]
    assert len(titles) == n, titles
    about = root.find(SVG + "desc").text
    assert f"{arch['cost']['params']} parameters" in about, about
    dot = room.read("out.dot").decode()
    assert dot.count("label=\"sep_conv_3x3\"") == sum(
        op == "sep_conv_3x3" for kind in cells(query) for node in kind
        for op, _ in node)
    export(room, "--arch", files["text"], "--json", room.path("again.json"))
    assert cells(room.read("again.json")) == cells(query)
    assert json.loads(room.read("again.json"))["cost"] is None


def test_the_rule_is_the_searchs_or_the_callers(room):
    search = room.path("a/search.safetensors")
    for rule in [], ["--rule", "top2"], ["--rule", "threshold", "--theta",
                                         "0.4"]:
        export(room, "--search", search, "--lambda", 1e-2, *rule, "--json",
               room.path("rule.json"))
        query = room.run("hnas-query", search, "--lambda", 1e-2, "--json",
                         *rule)[0]
        assert room.read("rule.json").decode() == query, rule


def test_a_network_tells_its_cells(room):
    room.run("hnas-train", "--search", room.path("a/search.safetensors"),
             "--lambda", 1e-3, "--epochs", 0, "--data", room.data, "--out",
             room.path("net"))
    export(room, room.path("net"), "--json", room.path("net.json"))
    query = parse(room.run("hnas-query", room.path("a/search.safetensors"),
                           "--lambda", 1e-3, "--json")[0])
    net = parse(room.read("net.json").decode())
    for key in "rule", "normal", "reduce", "cost", "warnings":
        assert net[key] == query[key], key


def test_a_network_becomes_onnx(room):
    """The file is that of onnx.proto as far as its first fields tell; the
    rest is test_onnx.py's business."""
    export(room, room.path("net"), "--onnx", room.path("net.onnx"))
    assert room.read("net.onnx").startswith(b"\x08\x07\x12\x07libhnas")
    err = export(room, "--search", room.path("a/search.safetensors"),
                 "--lambda", 1e-3, "--onnx", room.path("search.onnx"))
    assert "statistics" in err, err  # not recalibrated: another network
    assert len(room.read("search.onnx")) > 1000
    assert room.read("search.onnx") != room.read("net.onnx")
    err = export(room, "--arch", os.path.join(ARCHS, "darts-v1.txt"), "--onnx",
                 room.path("x"), status=2)
    assert "no weights" in err, err
    err = export(room, room.path("net"), "--onnx", room.path("no/where"),
                 status=1)
    assert "no/where" in err, err


def test_published_cells_go_round(room):
    """As JSON and as text and back: the same edges, the same rule."""
    files = sorted(glob.glob(os.path.join(ARCHS, "*.txt")) +
                   glob.glob(os.path.join(ARCHS, "*.json")))
    assert len(files) >= 15, files
    for file in files:
        export(room, "--arch", file, "--json", room.path("x.json"), "--text",
               room.path("x.txt"))
        first = json.loads(room.read("x.json"))
        export(room, "--arch", room.path("x.txt"), "--json",
               room.path("y.json"))
        assert json.loads(room.read("y.json")) == first, file
        if file.endswith(".json"):
            with open(file, encoding="utf-8") as f:
                assert cells(f.read()) == (first["normal"], first["reduce"])
        assert sum(len(node) for node in first["normal"]) >= 4, file


def test_a_genotype_is_trained(room):
    result = parse(room.run(
        "hnas-train", "--arch", os.path.join(ARCHS, "fair-darts-a.txt"),
        "--data", room.data, "--channels", 2, "--epochs", 1, "--batch", 32,
        "--json")[0])
    assert result["epochs"] == 1


def test_darts_second_cell_costs_what_is_published(room):
    """3.3 M weights: 20 cells of 36 channels, on CIFAR's 3 channels."""
    result = parse(room.run(
        "hnas-train", "--arch", os.path.join(ARCHS, "darts-v2.txt"), "--data",
        room.data, "--channels", 36, "--cells", 20, "--affine", "--epochs", 0,
        "--batch", 4, "--json")[0])
    assert 3.2e6 < result["params"] < 3.4e6, result["params"]


def test_failures_name_the_thing(room):
    arch = os.path.join(ARCHS, "darts-v1.txt")
    search = room.path("a/search.safetensors")
    out = ["--json", room.path("kept")]
    for bad in ([], ["--arch", arch], [room.path("net"), "--arch", arch, *out],
                ["--search", search, *out],
                ["--arch", arch, "--lambda", "1", *out],
                ["--arch", arch, "--json="], ["--arch", arch, "--pdf", "f"],
                ["--search", search, "--lambda", "1e-3", "--theta", "0.5",
                 *out]):
        export(room, *bad, status=2)
    with open(room.path("kept"), "w", encoding="utf-8") as file:
        file.write("old")
    with open(room.path("short"), "wb") as file:
        file.write(room.read("net")[:-9])
    other = room.path("other.txt")
    with open(other, "w", encoding="utf-8") as file:
        file.write("Genotype(normal=[('sep_conv_9x9', 0), ('none', 1)], "
                   "normal_concat=[2], reduce=[], reduce_concat=[])")
    for words, bad in (
            ("sep_conv_9x9", ["--arch", other, *out]),
            ("none", ["--arch", room.path("none"), *out]),
            ("want Genotype", ["--arch", search, *out]),
            ("short", [room.path("short"), *out]),
            ("not a network", [search, *out]),
            ("net", ["--search", room.path("net"), "--lambda", 1, *out]),
            ("no/where", ["--arch", arch, "--svg", room.path("no/where")]),
            (room.folder, ["--arch", arch, "--svg", room.folder])):
        err = export(room, *bad, status=1)
        assert words in err, (words, err)
    assert room.read("kept") == b"old"


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
