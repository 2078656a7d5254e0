#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The explorer page in headless Chromium: what it says is what hnas-query
says.

    python3 tests/system/test_explorer.py BUILD_DIR
"""
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from test_programs import Room, parse  # noqa: E402
from webdriver import Browser  # noqa: E402

STATE = """
const edges = (kind) => [...document.querySelectorAll(`#${kind} .op title`)]
    .map((t) => t.textContent);
const text = (id) => { const e = document.getElementById(id);
                       return e && e.textContent.replaceAll(",", ""); };
return {lambda: document.documentElement.dataset.lambda,
        shown: document.getElementById("lambda").value,
        slider: Number(document.getElementById("slider").value),
        said: document.getElementById("slider").getAttribute("aria-valuetext"),
        index: Number(document.documentElement.dataset.piece),
        params: Number(text("params")), macs: Number(text("macs")),
        normal: edges("normal"), reduce: edges("reduce")};
"""
SLIDE = """
const s = document.getElementById("slider");
s.value = arguments[0];
s.dispatchEvent(new Event("input", {bubbles: true}));
"""


def edges(cell):
    return [f"{source} to {2 + node}: {op}"
            for node, pairs in enumerate(cell) for op, source in pairs]


def compare(room, state, search, *rule):
    """The page against a query at the very lambda that it shows."""
    query = parse(room.run("hnas-query", search, "--lambda", state["lambda"],
                           "--json", *rule)[0])
    assert state["normal"] == edges(query["normal"]), (state, query)
    assert state["reduce"] == edges(query["reduce"]), (state, query)
    assert state["params"] == query["cost"]["params"], (state, query)
    assert state["macs"] == query["cost"]["macs"], (state, query)
    assert state["shown"] == state["lambda"]
    assert f"lambda {state['lambda']}" in state["said"]


def test_ten_lambdas_are_those_of_a_query(room, browser):
    for name, rule in ("a", []), ("b", ["--rule", "top2"]):
        search = room.path("a/search.safetensors")
        page = room.path(name + ".html")
        room.run("hnas-export", "--search", search, "--html", page, *rule)
        browser.open("file://" + page)
        seen = set()
        for i in range(10):
            browser.run(SLIDE, i / 9 if i < 9 else 1)
            state = browser.run(STATE)
            compare(room, state, search, *rule)
            seen.add(state["index"])
            assert abs(state["slider"] - i / 9) < 1e-6, state
        assert len(seen) > 2, seen
        assert state["lambda"] == "0.1", state


def test_every_piece_is_reached_by_keys(room, browser):
    search = room.path("a/search.safetensors")
    path = parse(room.run("hnas-query", search, "--path", "--json")[0])
    pieces = path["pieces"]
    browser.open("file://" + room.path("a.html"))
    browser.run("document.getElementById('slider').focus()")
    for index, piece in enumerate(pieces):
        state = browser.run(STATE)
        lo, hi = piece["interval"]
        assert state["index"] == index, (state, index)
        assert lo <= float(state["lambda"]) < hi or lo == hi, (state, piece)
        assert state["normal"] == edges(piece["normal"])
        assert state["reduce"] == edges(piece["reduce"])
        browser.press("right")
    for key, index in (("left", len(pieces) - 2), ("home", 0),
                       ("page up", min(10, len(pieces) - 1)),
                       ("end", len(pieces) - 1)):
        browser.press(key)
        assert browser.run(STATE)["index"] == index, key


def test_curves_have_all_breakpoints_and_can_be_clicked(room, browser):
    search = room.path("a/search.safetensors")
    path = parse(room.run("hnas-query", search, "--path", "--json")[0])
    rugs = browser.run("return [...document.querySelectorAll('.rug')]"
                       ".map((r) => r.getAttribute('d'))")
    assert len(rugs) == 2
    for rug in rugs:
        assert rug.count("M") == len(path["pieces"]) - 1
    box = browser.run("""
        const c = document.querySelector("#charts svg");
        c.scrollIntoView({block: "center"});
        const b = c.getBoundingClientRect();
        return [b.left, b.top, b.width, b.height];""")
    browser.click(box[0] + box[2] * 0.6, box[1] + box[3] / 2)
    state = browser.run(STATE)
    assert 0.4 < state["slider"] < 0.8, state
    compare(room, state, search)


def test_a_number_can_be_typed_or_linked(room, browser):
    search = room.path("a/search.safetensors")
    browser.open("file://" + room.path("a.html") + "#lambda=0.0123")
    assert browser.run(STATE)["lambda"] == "0.0123"
    typed = """
        const l = document.getElementById("lambda");
        l.focus(); l.value = arguments[0];
        l.dispatchEvent(new Event("input", {bubbles: true}));
        return l.getAttribute("aria-invalid");"""
    assert browser.run(typed, "2e-3") is None
    state = browser.run(STATE)
    assert state["lambda"] == "0.002", state
    for bad in "", "x", "1", "-1", "1e-5":
        assert browser.run(typed, bad) == "true", bad
        assert browser.run(STATE)["lambda"] == "0.002"
    browser.run("document.getElementById('lambda').blur()")
    compare(room, browser.run(STATE), search)


def test_the_log_is_drawn_where_there_is_one(room, browser):
    count = "return document.querySelectorAll('#charts .card').length"
    assert browser.run(count) == 4
    names = browser.run("return [...document.querySelectorAll('#charts "
                        ".legend li')].map((l) => l.textContent)")
    log = room.log("a")
    column = log[0].index("accuracy_0.001")
    last = float(log[-1][column])
    found = [n for n in names if n.startswith("\u03bb = 0.001:")]
    assert abs(float(found[0].split(":")[1]) - last) < 1e-3, (names, last)
    os.mkdir(room.path("bare"))
    shutil.copy(room.path("a/search.safetensors"), room.path("bare/s"))
    room.run("hnas-export", "--search", room.path("bare/s"), "--html",
             room.path("bare.html"))
    browser.open("file://" + room.path("bare.html"))
    assert browser.run(count) == 2


def test_latency_is_told_where_the_search_knows_it(room, browser):
    room.search("fast", "--epochs", 1, "--cost", "latency")
    search = room.path("fast/search.safetensors")
    room.run("hnas-export", "--search", search, "--html",
             room.path("fast.html"))
    browser.open("file://" + room.path("fast.html") + "#lambda=0.02")
    query = parse(room.run("hnas-query", search, "--lambda", 0.02,
                           "--json")[0])
    shown = browser.run("return document.getElementById('latency_us')"
                        ".textContent").replace(",", "")
    assert abs(float(shown) - query["cost"]["latency_us"]) < 0.01, shown
    assert len(browser.run("return [...document.querySelectorAll('.rug')]"
                           ".map((r) => 1)")) == 3


def test_nothing_is_fetched(room, browser):
    page = room.read("a.html").decode()
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert "http" not in page.replace("http-equiv", ""), "a link"
    assert browser.run("return performance.getEntriesByType('resource')"
                       ".map((r) => r.name)") == []


def test_light_and_dark_and_narrow(room, browser):
    look = ("return [getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.querySelector('.op rect')).fill]")
    shades = []
    for scheme in "light", "dark":
        browser.prefer(scheme)
        shades.append(browser.run(look))
    assert shades[0][0] != shades[1][0] and shades[0][1] != shades[1][1]
    wide = "return document.documentElement.scrollWidth <= innerWidth"
    assert browser.run(wide)
    for bad in (["--html", "x"], ["--arch", "x", "--html", "x"]):
        room.run("hnas-export", *bad, status=2)


def main():
    build = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        room = Room(os.path.abspath(build), folder)
        room.search("a", "--epochs", 2, "--nodes", 2)
        tests = [f for n, f in globals().items() if n.startswith("test_")]
        with Browser(room.path("profile")) as browser:
            for test in tests:
                test(room, browser)
                print(f"ok  {test.__name__}", flush=True)
    print(f"{len(tests)} tests passed")


if __name__ == "__main__":
    main()
