# SPDX-License-Identifier: BSD-3-Clause
"""Run the experiments behind docs/results.md, as far as they are not done yet.

run.py BUILD_DIR --work DIR [--only PART,PART] [--minutes M] [--threads N]

Every job leaves a row in docs/results.json when it ends, and is left out from then on; a
search that was interrupted goes on from its checkpoint in the working directory. After
M minutes the running search is asked to stop and keep what it has. `--list` prints the
jobs and which are done.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from jobs import CELLS, CHANNELS, LAMBDAS, NODES, all_jobs  # noqa: E402
from reading import piece_at  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
ROWS = ROOT / "docs" / "results.json"
TRAIN = "--epochs 5 --batch 96 --w-lr 0.025:0 --seed 0"


class OutOfTime(Exception):
    """The minutes are over; what runs was stopped and can be resumed."""


class Runner:
    def __init__(self, args):
        self.build = Path(args.build).resolve()
        self.work = Path(args.work).resolve()
        self.threads = args.threads
        self.deadline = time.monotonic() + 60 * args.minutes
        self.rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}

    def program(self, name, *words):
        """The JSON object of a program; it is interrupted at the deadline."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise OutOfTime
        command = [str(self.build / "examples" / name), *map(str, words), "--json"]
        if name in ("hnas-search", "hnas-train") and self.threads:
            command += ["--threads", str(self.threads)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:
            try:
                out, err = process.communicate(timeout=left)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                process.communicate()
                raise OutOfTime from None
        if process.returncode == 130:
            raise OutOfTime
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {err.strip().splitlines()[-1:]}")
        return json.loads(out.strip().splitlines()[-1])

    def data(self, options):
        """The options with a data set's name replaced by its directory, fetched once."""
        words = options.split()
        i = words.index("--data") + 1
        directory = self.work / words[i]
        if not directory.exists():
            subprocess.run(["sh", str(ROOT / "examples" / "fetch-data.sh"), words[i],
                            str(directory)], check=True)
        words[i] = str(directory)
        return words

    def save(self, name, row):
        """Add a row to what the file has now: several runs may share it."""
        if ROWS.exists():
            self.rows.update(json.loads(ROWS.read_text()))
        self.rows[name] = row
        text = json.dumps(self.rows, indent=1, sort_keys=True)
        temporary = ROWS.with_suffix(".tmp")
        temporary.write_text(text + "\n")
        temporary.replace(ROWS)

    def folder(self, job):
        return self.work / job.replace("/", "_").replace(" ", "_")

    def search(self, job):
        out = self.folder(job.name)
        words = [*self.data(job.options), "--out", out]
        if (out / "search.safetensors").exists():
            words.append("--resume")
        row = {"options": job.options, "result": self.program("hnas-search", *words)}
        lines = (out / "log.csv").read_text().splitlines()
        names = lines[0].split(",")
        row["log"] = [dict(zip(names, line.split(","))) for line in lines[1:]]
        row["path"] = {
            str(mark): self.program("hnas-query", self.file(job.name, mark), "--path")
            for mark in (*job.marks, "end")
        }
        if job.group == "replica":
            row["alpha"] = alpha(self.file(job.name, "end"))
        if job.pieces:
            row["pieces"] = self.pieces(job, row["path"]["end"]["pieces"])
        return row

    def pieces(self, job, pieces):
        """Test accuracy, with the search's weights, of every network of a path."""
        words = self.data(job.options)
        data = words[words.index("--data") + 1]
        accuracy = []
        for piece in pieces:
            words = ["--search", self.file(job.name, "end"), "--lambda", middle(piece),
                     "--inherit", "--epochs", 0, "--data", data,
                     "--out", self.work / "piece.safetensors"]
            accuracy.append(self.program("hnas-train", *words)["test_accuracy"])
        return accuracy

    def file(self, search, mark):
        name = "search.safetensors" if mark == "end" else f"search-{mark}.safetensors"
        path = self.folder(search) / name
        # the last mark is the end
        return path if path.exists() else self.folder(search) / "search.safetensors"

    def derived(self, search, mark, lam):
        """A search's architecture at lambda, read off the path that its row keeps."""
        path = self.rows[search]["path"][str(mark)]
        return {"rule": path["rule"], **piece_at(path, lam)}

    def architecture(self, arch, data):
        """Train one architecture, once: a row of its own by what it is."""
        cells = {"normal": arch["normal"], "reduce": arch["reduce"]}
        key = hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()[:16]
        name = f"network/{key}"
        if name not in self.rows:
            path = self.work / f"{key}.json"
            path.write_text(json.dumps(arch))
            shape = ["--cells", CELLS, "--channels", CHANNELS]
            net = self.work / f"{key}.safetensors"
            words = ["--arch", path, "--data", data, *shape, *TRAIN.split(), "--out", net]
            result = self.program("hnas-train", *words)
            result.pop("confusion", None)
            result["ms_1"] = self.program(
                "hnas-bench", "forward", "--arch", path, *shape, "--nodes", NODES, "--image",
                "1x28x28", "--batch", 1, "--threads", 1, "--repeat", 400)["median_ms"]
            self.save(name, {**cells, "result": result, "cores": os.cpu_count()})
        return key

    def train(self, job):
        data = self.data("--data mnist")[1]
        row = {"options": TRAIN, "networks": {}}
        for mark in job.marks:
            for lam in job.lams:
                arch = self.derived(job.of, mark, lam)
                row["networks"][f"{mark}/{lam}"] = self.architecture(arch, data)
        return row

    def random(self, job):
        """Ten random cells within 5 % of the size of each network at the end."""
        data = self.data("--data mnist")[1]
        row = {"options": TRAIN, "networks": {}}
        rng = random.Random(0)
        like = {}
        for lam in job.lams:
            arch = self.derived(job.of, "end", lam)
            size = arch["cost"]["params"]
            if size not in like:
                like[size] = [
                    self.architecture(self.random_arch(rng, arch), data) for _ in range(10)
                ]
            row["networks"][lam] = like[size]
        return row

    def random_arch(self, rng, like):
        wanted = like["cost"]["params"] - like["cost"]["fixed_params"]
        while True:
            arch = {"rule": like["rule"]}
            for kind in ("normal", "reduce"):
                arch[kind] = [[[rng.choice(sorted(OPS)), i] for _, i in node]
                              for node in like[kind]]
            if abs(searched(arch) - wanted) <= 0.05 * wanted:
                return arch

    def run(self, job):
        """Its row; the time of a part that was interrupted is kept for it."""
        spent = Path(f"{self.folder(job.name)}.seconds")
        before = float(spent.read_text()) if spent.exists() else 0.0
        started = time.monotonic()
        try:
            row = getattr(self, job.kind)(job)
        except OutOfTime:
            spent.write_text(f"{before + time.monotonic() - started:.0f}")
            raise
        row["seconds_here"] = before + time.monotonic() - started
        row["cores"] = os.cpu_count()
        self.save(job.name, row)


def weights(kernel, double):
    """Of a separable (double) or dilated convolution at C channels: times C, times C^2."""
    return (2 * kernel**2, 2) if double else (kernel**2, 1)


def alpha(search):
    """What lambda b1 + b2 of a search in raw scale holds at all four lambda."""
    with open(search, "rb") as file:
        head = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        start = file.tell()

        def read(name):
            first, last = head[name]["data_offsets"]
            file.seek(start + first)
            return struct.unpack(f"<{(last - first) // 4}f", file.read(last - first))

        b1, b2 = ([x for kind in ("normal", "reduce") for x in read(f"hyper.{kind}.{b}")]
                  for b in ("b1", "b2"))
    return {lam: [float(lam) * x + y for x, y in zip(b1, b2)] for lam in LAMBDAS}


def middle(piece):
    """A lambda inside a piece."""
    lo, hi = piece["interval"]
    return (lo * hi) ** 0.5


OPS = {
    "none": (0, 0), "max_pool_3x3": (0, 0), "avg_pool_3x3": (0, 0), "skip_connect": (0, 0),
    "sep_conv_3x3": weights(3, True), "sep_conv_5x5": weights(5, True),
    "dil_conv_3x3": weights(3, False), "dil_conv_5x5": weights(5, False),
}


def searched(arch):
    """Weights on the edges of three cells: normal, reduce, reduce."""
    total = 0
    for width, kind in ((1, "normal"), (2, "reduce"), (4, "reduce")):
        channels = width * CHANNELS
        for node in arch[kind]:
            for op, source in node:
                linear, square = OPS[op]
                if op == "skip_connect" and kind == "reduce" and source < 2:
                    square = 1
                total += linear * channels + square * channels**2
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--work", required=True, help="checkpoints and data sets")
    parser.add_argument("--only", default="", help="parts of the names of jobs")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    runner = Runner(args)
    runner.work.mkdir(parents=True, exist_ok=True)
    for job in all_jobs():
        if args.only and not any(part in job.name for part in args.only.split(",")):
            continue
        if job.of and job.of not in runner.rows and not args.list:
            continue
        if args.list:
            print("done" if job.name in runner.rows else "open", job.name)
        elif job.name not in runner.rows:
            print(time.strftime("%H:%M:%S"), job.name, flush=True)
            try:
                runner.run(job)
            except OutOfTime:
                print(time.strftime("%H:%M:%S"), "out of time", flush=True)
                return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
