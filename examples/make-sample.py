#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Cut the bundled sample out of the full MNIST set.

    make-sample.py FULL OUT

FULL holds the four IDX files, plain or .gz (examples/fetch-data.sh mnist
FULL).  Every tenth image is taken, from the first on: 6,000 for training and
1,000 for testing.  (The halves of MNIST differ in who wrote the digits; a
prefix would hold one group only.)  The same input gives the same bytes.
"""
import gzip
import os
import struct
import sys

STEP = 10


def read(folder, name):
    """The dims and the elements of an IDX file of uint8."""
    path = os.path.join(folder, name)
    opener = open
    if not os.path.exists(path):
        path, opener = path + ".gz", gzip.open
    with opener(path, "rb") as f:
        raw = f.read()
    rank = raw[3]
    if raw[:3] != b"\0\0\x08" or rank not in (1, 3):
        sys.exit(f"{path}: magic {raw[:4].hex()}, want 00000801 or 00000803")
    dims = struct.unpack_from(f">{rank}I", raw, 4)
    elements = raw[4 + 4 * rank:]
    size = 1
    for d in dims:
        size *= d
    if len(elements) != size:
        sys.exit(f"{path}: {len(elements)} bytes of data, want {size}")
    return dims, elements


def cut(dims, elements):
    """Every STEP-th entry, as an IDX file."""
    entry = len(elements) // dims[0]
    kept = [elements[i * entry:(i + 1) * entry]
            for i in range(0, dims[0], STEP)]
    header = bytes([0, 0, 8, len(dims)])
    header += struct.pack(f">{len(dims)}I", len(kept), *dims[1:])
    return header + b"".join(kept)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    full, out = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            name = f"{part}-{kind}-ubyte"
            data = cut(*read(full, name))
            with open(os.path.join(out, name + ".gz"), "wb") as f:
                f.write(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    main()
