#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""docs/reliability.md: each promise, the command that shows it, its last figure.
tests/reliability/measure.py keeps those of promises and campaigns.

    page.py put NAME FIGURE     keep a figure in docs/reliability.json, write the page
    page.py                     write the page from what is kept
"""
import json
import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
KEPT = os.path.join(ROOT, "docs", "reliability.json")
PAGE = os.path.join(ROOT, "docs", "reliability.md")

HEAD = """# Reliability

What the library promises to a program that it is part of, and the command that shows it. Written by
`tests/reliability/page.py` from `reliability.json` beside this page, which holds each check's last figure: promises put theirs
there by `tests/reliability/measure.py BUILD_DIR`, the rest by the command beside it. What is trusted and what is not stands in [security.md](security.md).

    sh tests/check.sh           # release and sanitizer builds of all tests, rules, programs, bindings
    sh tests/check.sh --full    # ThreadSanitizer, analyzers, the ABI, Chromium too
"""

# name of the figure, promise, what shows it; $: a test of meson's, of which
# measure.py keeps the figure
PROMISES = (
    ("life", "an allocation that fails, at any site, once or for good: `E_NOMEM`, no leak, objects usable",
     "$faults/life (float)"),
    ("limit", "a context holds no more than its `memory_limit`; a step that needs more changes nothing",
     "$faults/limit (float)"),
    ("damage", "files with any byte changed or cut at any length are refused, or have the same content; "
     "forged ones, whose checksum fits, crash nothing", "$faults/damage (float)"),
    ("saves", "a failing write, sync, rename or open while saving: the old file is intact, no litter, "
     "the last ones are kept", "$faults/saves (float)' 'faults/keeps (float)"),
    ("kill", "kill -9 at any point: the resumed search is the unbroken one in every byte",
     "/usr/bin/python3 tests/system/test_kill.py BUILD_DIR"),
    ("hostile", "sizes that lie, deep JSON, a small gz of gigabytes, odd names: refused in bounded memory",
     "meson test -C BUILD_DIR --suite io; /usr/bin/python3 tests/system/test_hostile.py BUILD_DIR"),
    ("poison", "NaN and infinity in data, weights, lambda or an operation's output stop the step; an operation "
     "that fails, lies or writes too far is named", "$faults/poison (float)"),
    ("on_nan", "or, as `on_nan` says, a step that is not finite is left out, or leads back to the state kept last",
     "$faults/on_nan (float)' 'faults/planted (float)"),
    ("reentry", "an operation that calls back into the API is refused", "$faults/reentry (float)"),
    ("mode", "number of threads, locale, rounding mode and flush-to-zero of the host change no bit in 50 steps",
     "$faults/mode (float)"),
    ("hosts", "8 contexts of 4 threads on 2 cores take at most 3 times one thread's time; cancel and fork at any "
     "moment lose no step", "$faults/hosts (float)"),
    ("kernels", "kernels read and write nothing outside their arrays, at guard pages",
     "meson test -C BUILD_DIR --suite kernel"),
    ("products", "memory of a computed size is asked for through checked products",
     "/usr/bin/python3 tests/rules/check_sizes.py"),
    ("symbols", "the library ends, prints and sets nothing", "sh tests/abi/check_symbols.sh BUILD_DIR"),
    ("map", "exported symbols are those of the map and the headers",
     "/usr/bin/python3 tests/rules/check_map.py BUILD_DIR"),
    ("options", "options of an older, shorter or of a newer, longer struct are taken", "$faults/sizes (float)"),
    ("interrupt", "Ctrl-C in a program saves and ends it with 130 within a second",
     "/usr/bin/python3 tests/system/test_interrupt.py BUILD_DIR"),
)

# name of the figure, what it is, command
CHECKS = (
    ("tsan", "ThreadSanitizer over the suite", "sh tests/reliability/tsan.sh"),
    ("cppcheck", "cppcheck over `lib/`", "sh tests/reliability/analyze.sh cppcheck"),
    ("clang", "clang over `lib/`, strict warnings", "sh tests/reliability/analyze.sh clang"),
    ("gcc", "gcc's `-fanalyzer` over `lib/`", "sh tests/reliability/analyze.sh gcc"),
    ("tidy", "clang-tidy over `lib/`, less the vector code", "sh tests/reliability/analyze.sh tidy"),
    ("coverage", "what the suite reaches of `lib/`", "sh tests/reliability/coverage.sh"),
    ("abi", "abidiff of the library against `tests/abi/baseline.abi`",
     "sh tests/abi/check_abi.sh BUILD_DIR"),
)

MEASURE = "/usr/bin/python3 tests/reliability/measure.py BUILD_DIR "

CAMPAIGNS = (
    ("campaign.hosts", "20,000 steps, 2,000 lives from create to destroy: what the process holds more",
     MEASURE + "campaign.hosts"),
    ("campaign.kill", "kill -9 of a search at random points", MEASURE + "campaign.kill"),
    ("campaign.keeps", "kill -9 inside a save, at each of its calls", MEASURE + "campaign.keeps"),
    ("campaign.shapes", "random shapes of the kernels, every level of this CPU, at guard pages",
     MEASURE + "campaign.shapes"),
    ("msan", "MemorySanitizer over a part of the suite, plain kernels and product",
     "sh tests/reliability/msan.sh"),
    ("valgrind", "memcheck over a part of the suite",
     "sh tests/reliability/valgrind.sh BUILD_DIR"),
) + tuple(
    ("fuzz." + name, what, "sh tests/fuzz/run.sh LENGTH " + name)
    for name, what in (
        ("arch", "libFuzzer: architecture JSON, both genotypes"),
        ("calls", "libFuzzer: sequences of API calls"),
        ("cost_table", "libFuzzer: cost tables"),
        ("idx", "libFuzzer: IDX, plain and gzip"),
        ("json", "libFuzzer: the JSON reader"),
        ("model", "libFuzzer: network files"),
        ("safetensors", "libFuzzer: the safetensors reader"),
        ("search", "libFuzzer: search files"),
        ("set", "libFuzzer: set files"),
        ("settings", "libFuzzer: settings of a search"),
    ))


def command(text):
    if text.startswith("$"):
        text = f"meson test -C BUILD_DIR '{text[1:]}'"
    return f"`{text}`"


def table(title, rows, kept):
    lines = [f"\n## {title}\n", "| check | command | last figure |", "|---|---|---|"]
    lines += [f"| {what} | `{how}` | {kept.get(name, 'not run yet')} |"
              for name, what, how in rows]
    return "\n".join(lines) + "\n"


def planted(kept):
    """A row for each fault of planted.py."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from planted import FAULTS  # it keeps its figures through this module
    sys.path.pop(0)
    lines = ["\n## Planted faults\n",
             "`/usr/bin/python3 tests/reliability/planted.py` plants each in a copy of the sources: its check passes",
             "without it and must fail with it.\n",
             "| fault | check | last figure |", "|---|---|---|"]
    for name, fault in FAULTS.items():
        check = " ".join(os.path.basename(part) for part in fault.check[0]
                         if not part.endswith("python3") and part != "sh")
        check = check.removesuffix(" build")
        lines.append(f"| {fault.what} | `{check}` | {kept.get('planted.' + name, 'not run yet')} |")
    return "\n".join(lines) + "\n"


def page(kept):
    """The page's text."""
    lines = ["\n## Promises\n", "| promise | shown by | last figure |", "|---|---|---|"]
    lines += [f"| {what} | {command(how)} | {kept.get(name, 'not run yet')} |"
              for name, what, how in PROMISES]
    return (HEAD + "\n".join(lines) + "\n" + table("Checks of check.sh --full", CHECKS, kept)
            + table("Campaigns", CAMPAIGNS, kept) + planted(kept))


def main(args):
    kept = {}
    if os.path.exists(KEPT):
        with open(KEPT, encoding="utf-8") as f:
            kept = json.load(f)
    if args and (args[0] != "put" or len(args) != 3):
        sys.exit(__doc__)
    if args:
        if not args[1].startswith("planted.") and args[1] not in [row[0] for row in PROMISES + CHECKS + CAMPAIGNS]:
            sys.exit(f"{args[1]}: no such figure")
        kept[args[1]] = args[2]
    with open(KEPT, "w", encoding="utf-8") as f:
        json.dump(kept, f, indent=1, sort_keys=True)
        f.write("\n")
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(page(kept))


if __name__ == "__main__":
    main(sys.argv[1:])
