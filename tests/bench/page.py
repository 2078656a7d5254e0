# SPDX-License-Identifier: BSD-3-Clause
"""The page of results from what compare.py has kept."""

from rows import IN_PLACE, LAYOUTS, MEMORY, ROWS, TABLES, WIDE_THREADS

HEAD = """# Performance

Written by `tests/bench/compare.py` from `performance.json` beside this page, which holds each
row's last result. To measure a row anew, or all of them, on a quiet machine:

    /usr/bin/python3 tests/bench/compare.py BUILD_DIR --rounds 3 --only first,second_fd \\
        --write docs/performance.md
    /usr/bin/python3 tests/bench/compare.py BUILD_DIR --rounds 3 --write docs/performance.md
"""

BESIDE = """## Beside PyTorch

A step on random data, warm, in milliseconds: of the search over DARTS' supernet (Fashion-MNIST's
1x28x28, 3 cells, 16 channels, 4 nodes, 8 operations, batch 64, first order, Gumbel gates an
image, 2 threads, where a row does not say otherwise), or of training. The peer is plain PyTorch
(`tests/bench/peer.py`) with the same mathematics in both layouts; the ratio is to the better
one. A round runs all contestants in turn; the numbers are medians over the rounds of each
run's median step. Memory is the process's peak.

| row | libhnas | channels_last | NCHW | times faster | target | floor | peak, libhnas | peak, PyTorch |
|---|---|---|---|---|---|---|---|---|
"""

ALONE_HEAD = """| row | measured | target | floor | from |
|---|---|---|---|---|
"""

ALONE = """## The library alone

""" + ALONE_HEAD

SCALING = """## How cost grows

A first-order step of the library at the setting above, one size changed.
"""

WIDE = """## On many cores, beside a GPU

The same step on a machine that has both: the library on one thread and on {threads}, PyTorch on
the same cores and on the GPU, each in the better of both layouts. {machines}

| step | libhnas, 1 thread | libhnas | PyTorch, CPU | times faster | PyTorch, GPU | GPU over libhnas |
|---|---|---|---|---|---|---|
"""

ELSEWHERE = "elsewhere"  # results of other machines, by machine

ON_ANOTHER = """## On {machine}

Measured there {when}{peer}, {rounds} round(s) (`compare.py --elsewhere`).
"""

BESIDE_THERE = """
| row | libhnas | channels_last | NCHW | times faster |
|---|---|---|---|---|
"""

COMMANDS = """## Commands

Of each row, without the paths of the two programs.
"""


def number(value):
    """Three digits and no exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def verdict(value, target, floor, at_least):
    """Bold where the target is met; below the floor it says so."""
    text = number(value)
    good = value >= target if at_least else value <= target
    poor = value < floor if at_least else value > floor
    if good:
        return f"**{text}**"
    return f"{text} (misses the floor)" if poor else text


def figure(row, result):
    """The number that a row is judged by, and whether it should be large."""
    values = [result["values"][label] for label in row.labels]
    if row.kind == "peer":
        return min(values[1:]) / values[0], True
    if row.kind in ("ratio", "speedup"):
        return values[1] / values[0], row.kind == "speedup"
    return (values[0] / 1e3 if row.key.startswith("ns_") else values[0]), False


def line(row, result):
    """A row's line in its table."""
    value, at_least = figure(row, result)
    judged = verdict(value, row.target, row.floor, at_least)
    target, floor = number(row.target), number(row.floor)
    if row.kind == "peer":
        peak = result["peak_bytes"]
        cells = [row.title, *(number(result["values"][k]) for k in row.labels), judged]
        cells += [target, floor, gigabytes(peak["ours"])]
        cells.append(gigabytes(min(peak[k] for k in LAYOUTS)))
        return "| " + " | ".join(cells) + " |"
    sign = ">=" if at_least else "<="
    unit = f" {row.unit}" if row.kind == "value" else ""
    parts = ", ".join(f"{k} {number(v)} ms" for k, v in result["values"].items())
    parts = "" if row.kind == "value" else parts
    cells = [row.title, judged + unit, f"{sign} {target}{unit}", f"{sign} {floor}{unit}"]
    return "| " + " | ".join([*cells, "; ".join(filter(None, (parts, row.note)))]) + " |"


def scale_table(row, result):
    """Time and memory by size, and their share of a unit."""
    lines = [f"### {row.title}", "", row.note, ""]
    lines += [f"| {row.title} | ms | MB | ms a unit | MB a unit |", "|---|---|---|---|---|"]
    for label in row.labels:
        ms, mb, n = result["values"][label], result["peak_bytes"][label] / 1e6, row.units[label]
        cells = [label, number(ms), number(mb), number(ms / n), number(mb / n)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def wide_line(row, result):
    """A row's line in the table of a machine with a GPU."""
    value = result["values"]
    ours = value["ours"]
    cpu, cuda = (min(value[f"{device} {k}"] for k in LAYOUTS) for device in ("cpu", "cuda"))
    cells = [value["ours, 1 thread"], ours, cpu, cpu / ours, cuda, cuda / ours]
    return "| " + " | ".join([row.title, *map(number, cells)]) + " |"


def by_shape(entries):
    """{name: {shape: entry}} in order."""
    found = {}
    for entry in entries:
        found.setdefault(entry["name"], {})[entry["shape"]] = entry
    return found


def kernel_table(row, result):
    """GFLOP/s, GB/s and the share of the roofline, a kernel a line."""
    found = by_shape(result["values"]["ours"])
    peak = found.pop("multiply-add")["registers"]["gflops"]
    shapes = list(found["triad"])
    text = f"""## {row.title}

One image in cache, one thread, level {result["level"]}, beside {number(peak)} GFLOP/s of multiply-adds
in registers and the bandwidth of y = a x + z over as many bytes (`triad`). A cell: GFLOP/s, GB/s
with each operand counted once, and the roofline: the longer one of the times that peak and
bandwidth allow, over the kernel's.

| kernel | {" | ".join(shapes)} |
|---|{"---|" * len(shapes)}
"""
    lines = []
    for name, entries in found.items():
        cells = [rates(entries[shape]) for shape in shapes]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return text + "\n".join(lines)


def limit_table(row, result):
    """What arithmetic and memory alone would take, beside what was measured."""
    values = result["values"]
    peak, gbs = values["kernels"]["gflops"], values["memory"]["gbs"]
    text = f"""## {row.title}

What two threads would take for a step's arithmetic alone, at {number(2 * peak)} GFLOP/s in registers (a
forward and backward pass is three times the forward; what the backward computes again is not
counted), and for its memory alone, at {number(gbs)} GB/s: the images that its stages read and write,
each once a stage (`hnas_context_get_moved`). Batch-norm needs the whole batch, so what a stage
leaves, the next one finds in memory. The last column is their sum over the measured time.

| step | GFLOP | GB moved | arithmetic, ms | memory, ms | measured, ms | sum over measured |
|---|---|---|---|---|---|---|
"""
    lines = []
    for label in row.labels[2:]:
        v = values[label]
        a, m = v["flops"] / peak / 2e6, v["moved_bytes"] / gbs / 1e6
        cells = [label, *map(number, (v["flops"] / 1e9, v["moved_bytes"] / 1e9, a, m))]
        cells += [number(v["median_ms"]), f"{100 * (a + m) / v['median_ms']:.0f} %"]
        lines.append("| " + " | ".join(cells) + " |")
    return text + "\n".join(lines)


def cached_table(row, result):
    """Steps as they are, and with all images of a tensor in one image's memory."""
    text = f"""## {row.title}

The same steps on one thread, beside a build in which every image of a batch lies where the first
one does (`HN_IMAGES_IN_PLACE`): wrong results of as much arithmetic, all of it in cache. What is
left is what the kernels take, those below at the rates given there; what it saves is what memory
costs beyond them.

| step | measured, ms | images in cache, ms | that part |
|---|---|---|---|
"""
    lines = []
    for label in row.labels[::2]:
        name = label.split()[1]
        whole, part = (result["values"][f"{p} {name}"] for p in ("hnas-bench", IN_PLACE))
        cells = [name, number(whole), number(part), f"{100 * part / whole:.0f} %"]
        lines.append("| " + " | ".join(cells) + " |")
    return text + "\n".join(lines)


def rates(entry):
    """A cell of the table of kernels."""
    share = f"{100 * entry['roofline']:.0f} %"
    return f"{number(entry['gflops'])}, {number(entry['gbs'])}, **{share}**"


def product_table(row, result):
    """GFLOP/s of the built-in product and of BLIS with each of its sets of kernels."""
    columns = {}
    for label in row.labels:
        for name, entries in by_shape(result["values"][label]).items():
            columns.setdefault(name.removeprefix("gemm "), entries)
    shapes = list(next(iter(columns.values())))
    lines = [f"## {row.title}", "", "GFLOP/s on one thread, C[M, N] = A[M, K] B[K, N].", ""]
    lines += ["| MxNxK | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for shape in shapes:
        cells = [number(entries[shape]["gflops"]) for entries in columns.values()]
        lines.append(f"| {shape} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table(row, result):
    """A row's line, or its own table."""
    make = {
        "scale": scale_table,
        "wide": wide_line,
        "limits": limit_table,
        "cached": cached_table,
        "kernels": kernel_table,
        "products": product_table,
    }
    return make.get(row.kind, line)(row, result)


def gigabytes(n_bytes):
    """Bytes for people."""
    return f"{n_bytes / 1e9:.2f} GB"


def memory_lines(results):
    """The peaks that have a target."""
    for title, name, target, floor in MEMORY:
        if name not in results:
            continue
        peak = results[name]["peak_bytes"]
        value = peak[name if name in peak else "ours"] / 1e9
        judged = verdict(value, target / 1e9, floor / 1e9, False)
        wanted = [f"<= {number(x / 1e9)} GB" for x in (target, floor)]
        yield "| " + " | ".join([title, judged + " GB", *wanted, f"row `{name}`"]) + " |"


def days(results):
    """When rows were measured."""
    dates = sorted(result["date"] for result in results)
    return dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"


def machines(results):
    """Which rows were measured where, and when."""
    where = {}
    for name, result in results.items():
        key = (result["machine"], result["rounds"])
        where.setdefault(key, []).append(name)
    if len(where) == 1:
        (place, rounds), _ = where.popitem()
        return f"On {place}, {days(results.values())}; {rounds} round(s)."
    lines = (f"{', '.join(n)}: on {place}, {r} round(s)" for (place, r), n in where.items())
    return f"Measured {days(results.values())}; " + "; ".join(lines) + "."


def on_another(place, results):
    """What was measured on a machine that the page is not about."""
    rounds = min(result["rounds"] for result in results.values())
    found = [(ROWS[name], results[name]) for name in ROWS if name in results]
    lines = []
    for row, result in found:
        if row.kind == "peer":
            cells = [*(result["values"][k] for k in row.labels), figure(row, result)[0]]
            lines.append("| " + " | ".join([row.title, *map(number, cells)]) + " |")
    versions = sorted({result["pytorch"] for result in results.values() if "pytorch" in result})
    peer = f", beside PyTorch {' and '.join(versions)}" if versions else ""
    text = ON_ANOTHER.format(machine=place, rounds=rounds, peer=peer,
                             when=days(results.values()))
    text += BESIDE_THERE + "\n".join(lines) + "\n"
    alone = [line(r, result) for r, result in found if r.kind not in ("peer", *TABLES)]
    if alone:
        text += "\n" + ALONE_HEAD + "\n".join(alone) + "\n"
    for row, result in found:
        if row.kind in ("limits", "cached"):
            text += "\n#" + table(row, result) + "\n"
    return text


def missing(results):
    """Which rows have no result."""
    absent = [name for name in ROWS if name not in results and ROWS[name].kind != "wide"]
    return f"\nNot measured: {', '.join(absent)}.\n" if absent else ""


def commands(results):
    """The commands of the rows."""
    for name, row in ROWS.items():
        if name in results:
            words = "\n".join("    " + " ".join(row.command(k)) for k in row.labels)
            yield f"\n{name}:\n\n{words}\n"


def page(kept):
    """The whole page."""
    results = {name: result for name, result in kept.items() if name != ELSEWHERE}
    rows = [(ROWS[name], result) for name, result in results.items()]
    beside = [line(r, result) for r, result in rows if r.kind == "peer"]
    alone = [line(r, result) for r, result in rows if r.kind not in ("peer", *TABLES)]
    alone += memory_lines(results)
    wide = {name: result for name, result in results.items() if ROWS[name].kind == "wide"}
    common = {name: result for name, result in results.items() if name not in wide}
    text = HEAD + "\n" + machines(common) + " Bold: the target is met.\n" + missing(results)
    text += "\n" + BESIDE + "\n".join(beside) + "\n"
    text += "\n" + ALONE + "\n".join(alone) + "\n"
    scales = [table(r, result) for r, result in rows if r.kind == "scale"]
    if scales:
        text += "\n" + SCALING + "\n" + "\n\n".join(scales) + "\n"
    if wide:
        lines = [table(ROWS[name], result) for name, result in wide.items()]
        text += "\n" + WIDE.format(threads=WIDE_THREADS, machines=machines(wide))
        text += "\n".join(lines) + "\n"
    for place, found in kept.get(ELSEWHERE, {}).items():
        text += "\n" + on_another(place, found)
    for r, result in rows:
        if r.kind in ("limits", "cached", "kernels", "products"):
            text += "\n" + table(r, result) + "\n"
    return text + "\n" + COMMANDS + "".join(commands(results))
