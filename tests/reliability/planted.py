#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plant a fault in a copy of the sources and show that its check fails.

    planted.py              every fault; keeps what was caught for docs/reliability.md
    planted.py NAME...      these

A check is run before anything is planted, where it must pass, and with its fault,
where it must fail.  Copy and build lie in build/planted; -O1, for at -O0 a header
of BLIS calls what the library must not; about 10 minutes.
"""
import os
import shutil
import subprocess
import sys

import page

WORK = os.path.join(page.ROOT, "build", "planted")
SOURCE, BUILD = os.path.join(WORK, "source"), os.path.join(WORK, "build")
PYTHON = "/usr/bin/python3"


class Fault:
    """One text of one file replaced by another, and what fails then."""

    def __init__(self, what, file, old, new, *check, needs=()):
        self.what, self.file, self.old, self.new = what, file, old, new
        self.check, self.needs = check, list(needs)


def test(name):
    """The command and the target of a test program."""
    return [os.path.join(BUILD, "tests", f"test_{name}_float")]


def fault(what, file, old, new, name):
    return Fault(what, file, old, new, test(name), needs=[f"tests/test_{name}_float"])


FAULTS = {
    "life": fault("an optimizer is not released where its memory fails", "lib/optim/optim.c",
                  "done:\n    hnas_optim_destroy(optim);", "done:", "faults_life"),
    "damage": fault("the checksum of a file is not compared", "lib/io/safetensors_read.c",
                    "if (crc != stated)", "if (crc != stated && f->size == 1)", "faults_damage"),
    "saves": fault("a failing fsync is taken for a good one", "lib/io/file.c",
                   "while (fsync(r->fd) != 0)", "while (fsync(r->fd) > 0)", "faults_saves"),
    "litter": fault("a save that failed leaves its temporary file", "lib/io/file.c",
                    "if (st < 0 && r->fresh[0])", "if (st > 0 && r->fresh[0])", "faults_saves"),
    "keeps": fault("older checkpoints are kept in the wrong order", "lib/io/keep.c",
                   "for (int32_t age = gap - 1; age >= 1; age--)",
                   "for (int32_t age = 1; age < gap; age++)", "faults_keeps"),
    "poison": fault("what a host's func gives is not looked at", "lib/func/apply.c",
                    "        if (!isfinite(value[i]))", "        if (n < 0)", "faults_poison"),
    "canary": fault("bytes behind an output are not looked at", "lib/func/apply.c",
                    "        if (p[i] != PATTERN)", "        if (!p)", "faults_poison"),
    "reentry": fault("calls from a host's func are let in", "lib/core/host.c",
                     "if (!atomic_load(&ctx->computing))", "if (ctx)", "faults_reentry"),
    "mode": fault("the host's rounding mode stays while a step computes", "lib/base/fpmode.h",
                  "    _mm_setcsr(0x1f80);", "    _mm_setcsr(saved);", "faults_mode"),
    "guard": fault("a kernel reads one number too far", "lib/kernel/mix.c",
                   "for (int64_t c = 0; c < cp; c++)\n        y[c] += a[c] * b[c];",
                   "for (int64_t c = 0; c < cp; c++)\n        y[c] += a[c + 1] * b[c];", "kernel_mix"),
    "options": fault("an option struct is copied whole, whatever its size", "lib/core/context.c",
                     "memcpy(mine, given, bytes < mine_bytes ? bytes : mine_bytes);",
                     "memcpy(mine, given, mine_bytes);", "faults_sizes"),
    "descriptors": fault("a file that is no search stays open", "lib/io/file.c",
                         "    close(*fd);\n", "    (void)*fd;\n", "faults_hosts"),
    "threads": fault("a pool ends without its threads", "lib/base/pool.c",
                     "            pthread_join(pool->workers[i].thread, NULL);",
                     "            pthread_detach(pool->workers[i].thread);", "faults_hosts"),
    "rss": fault("each context leaves 8 KiB behind", "lib/core/context.c",
                 "void hnas_context_opts_init(hnas_context_opts *opts, size_t size)\n{",
                 "#include <stdlib.h>\nvoid hnas_context_opts_init(hnas_context_opts *opts, size_t size)\n{\n"
                 "    void *volatile lost = malloc(8192);\n    memset(lost, 1, 8192);", "faults_hosts"),
    "products": Fault("a size is multiplied without a check", "lib/model/set.c",
                      "hn_alloc_array(&owner->alloc, (size_t)n, sizeof *s->member)",
                      "hn_alloc(&owner->alloc, (size_t)n * sizeof *s->member)",
                      [PYTHON, "tests/rules/check_sizes.py"]),
    "symbols": Fault("the library prints", "lib/hnas.c", "const char *hnas_version(void)\n{",
                     "#include <stdio.h>\nconst char *hnas_version(void)\n{\n    puts(\"here\");",
                     ["sh", "tests/abi/check_symbols.sh", BUILD], needs=["examples/hnas-search"]),
    "map": Fault("a function of a header is not exported", "lib/libhnas.map", "        hnas_adam_create;\n", "",
                 [PYTHON, "tests/rules/check_map.py", BUILD], needs=["examples/hnas-search"]),
    "abi": Fault("a public struct gets a field in front", "include/hnas/op.h",
                 "typedef struct hnas_cost {\n", "typedef struct hnas_cost {\n    int64_t fresh; /**< first */\n",
                 ["sh", "tests/abi/check_abi.sh", BUILD], needs=["examples/hnas-search"]),
    "kill": Fault("a resumed search counts Adam's steps from 0", "lib/io/search_file.c",
                  "    hn_optim_set_steps((*out)->bilevel->adam, settings->u_steps);\n", "",
                  [PYTHON, "tests/system/test_kill.py", BUILD], needs=["examples/hnas-search"]),
}


def run(*command, cwd=SOURCE):
    # on some faults a check waits: that is a failure too
    try:
        done = subprocess.run(command, cwd=cwd, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return 124, "no answer in 300 s"
    return done.returncode, done.stdout


def copy_sources():
    """What git knows, as it is in the working tree."""
    os.makedirs(WORK, exist_ok=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=page.ROOT, capture_output=True, check=True)
    for name in filter(None, names.stdout.decode().split("\0")):
        path = os.path.join(SOURCE, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy2(os.path.join(page.ROOT, name), path)
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        status, told = run("meson", "setup", BUILD, "-Dmpi=disabled", "-Doptimization=1",
                           "-Db_ndebug=true")
        if status:
            sys.exit(told)


def build(targets):
    status, told = run("ninja", "-j2", "-C", BUILD, *targets) if targets else (0, "")
    return status, told


def outcome(name):
    """The status of a fault's check, and the last line that says why."""
    status, told = build(FAULTS[name].needs)
    if status:
        return None, told[-800:]
    status, told = run(*FAULTS[name].check[0])
    lines = [line for line in told.split("\n") if line.strip()]
    why = next((line for line in lines if ":F:" in line or ":E:" in line), lines[-1] if lines else "")
    return status, why


def plant(name):
    """Whether the fault was caught, and only the fault."""
    f = FAULTS[name]
    path = os.path.join(SOURCE, f.file)
    with open(path, encoding="utf-8") as file:
        good = file.read()
    if good.count(f.old) != 1:
        print(f"FAIL {name}: {f.file} has {good.count(f.old)} places to plant it")
        return False
    before, why = outcome(name)
    if before != 0:
        print(f"FAIL {name}: fails without a fault: {why}")
        return False
    with open(path, "w", encoding="utf-8") as file:
        file.write(good.replace(f.old, f.new))
    try:
        after, why = outcome(name)
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write(good)
    if after is None:
        print(f"FAIL {name}: does not build: {why}")
        return False
    if after == 0:
        print(f"FAIL {name}: {f.what}: nothing noticed it")
        return False
    print(f"{name}: {f.what}: caught (status {after}): {why.strip()[:160]}", flush=True)
    page.main(["put", "planted." + name, "caught"])
    return True


def main(*names):
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        sys.exit(f"{unknown[0]}: want one of {', '.join(FAULTS)}")
    copy_sources()
    caught = [plant(name) for name in names or FAULTS]
    print(f"{sum(caught)} faults caught, {len(caught) - sum(caught)} not")
    return not all(caught)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
