#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The tutorial's blocks work, in order: test_tutorial.py BUILD_DIR c|python.

c runs the shell blocks, then one program: the blocks marked `c file` as they
are, the others as the body of main.  python runs its blocks as one script
over the binding in bindings/python.  The README's shell and Python blocks run
too, in a folder of their own; its C is an outline."""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PAGE = os.path.join(ROOT, "docs", "tutorial.md")
README = os.path.join(ROOT, "README.md")
WRITTEN = {"c": ["run/search.safetensors", "net.safetensors", "net.onnx",
                 "cells.svg", "explore.html", "net-c.safetensors",
                 "net-c.onnx", "own.safetensors"],
           "python": ["net-py.safetensors"]}


def blocks(page=PAGE):
    with open(page, encoding="utf-8") as f:
        found = re.findall(r"(?ms)^```(\S[^\n]*)\n(.*?)^```$", f.read())
    for kind, _ in found:
        if kind not in ("sh", "c", "c file", "python"):
            sys.exit(f"{page}: a block of kind {kind!r}")
    return found


def run(what, command, folder, env):
    r = subprocess.run(command, cwd=folder, env=env, capture_output=True,
                       text=True, check=False, timeout=1200)
    if r.returncode:
        sys.exit(f"{what}: status {r.returncode}\n{r.stdout}{r.stderr}")
    return r.stdout


def run_readme(language, env):
    command = {"sh": ["sh", "-ec"], "python": [sys.executable, "-c"]}[language]
    texts = [text for kind, text in blocks(README) if kind == language]
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.join(ROOT, "examples"),
                   os.path.join(folder, "examples"))
        for text in texts:
            run(f"README.md: {text}", command + [text], folder, env)
    return len(texts)


def run_c(build, folder, env):
    texts = blocks()
    shell = [text for kind, text in texts if kind == "sh"]
    for text in shell:
        run(text, ["sh", "-ec", text], folder, env)
    top = [text for kind, text in texts if kind == "c file"]
    body = [text for kind, text in texts if kind == "c"]
    with open(os.path.join(folder, "main.c"), "w", encoding="utf-8") as f:
        f.write("\n".join(top) + "\nint main(void)\n{\n" + "\n".join(body) +
                "}\n")
    library = os.path.join(build, "lib")
    compiler = os.environ.get("CC", "cc").split()
    run("the C blocks", compiler + [
        "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I",
        os.path.join(ROOT, "include"), "main.c", "-o", "tutorial", "-L",
        library, "-lhnas", "-Wl,-rpath," + library], folder, env)
    print(run("the C program", ["./tutorial"], folder, env))
    return len(shell), len(top) + len(body), run_readme("sh", env)


def run_python(build, folder, env):
    env["PYTHONPATH"] = os.path.join(ROOT, "bindings", "python")
    env["HNAS_LIBRARY"] = os.path.join(build, "lib", "libhnas.so")
    texts = [text for kind, text in blocks() if kind == "python"]
    print(run("the Python blocks", [sys.executable, "-c", "\n".join(texts)],
              folder, env))
    return len(texts), run_readme("python", env)


def main(build, language):
    env = dict(os.environ)
    env["PATH"] = os.path.join(build, "examples") + ":" + env["PATH"]
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.join(ROOT, "examples"),
                   os.path.join(folder, "examples"))
        n = {"c": run_c, "python": run_python}[language](build, folder, env)
        for name in WRITTEN[language]:
            path = os.path.join(folder, name)
            if not (os.path.exists(path) and os.path.getsize(path)):
                sys.exit(f"the blocks did not write {name}")
    if not all(n):
        sys.exit(f"blocks run: {n}")
    print("tutorial:", " and ".join(map(str, n)), "blocks run")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in WRITTEN:
        sys.exit("usage: test_tutorial.py BUILD_DIR c|python")
    main(os.path.abspath(sys.argv[1]), sys.argv[2])
