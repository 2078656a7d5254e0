# SPDX-License-Identifier: BSD-3-Clause
"""Read with NumPy what test_safetensors writes.

    check_safetensors.py TEST_SAFETENSORS
"""
import json
import os
import subprocess
import sys
import tempfile
import zlib

import numpy as np

TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U8": "u1"}


def read(path):
    """The arrays and the metadata of a file."""
    raw = open(path, "rb").read()
    n = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + n])
    meta = header.pop("__metadata__")
    arrays = {}
    for name, e in header.items():
        begin, end = e["data_offsets"]
        a = np.frombuffer(raw[8 + n + begin:8 + n + end], TYPES[e["dtype"]])
        arrays[name] = a.reshape(e["shape"])
    zeroed = raw.replace(meta["crc32"].encode(), b"00000000", 1)
    assert zlib.crc32(zeroed) == int(meta["crc32"], 16), "crc32"
    return arrays, meta


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "sample")
    subprocess.run([sys.argv[1], path], check=True)
    arrays, meta = read(path)

want = {
    "bytes": np.array([0, 128, 255], "u1"),
    'w."quoted" é': np.array([[0, -1.5, 2], [3e38, -4, 0.1]], "<f4"),
    "scalar": np.array(0.1),
    "ints": np.array([-1, 7], "<i4").reshape(1, 2, 1, 1),
    "long": np.array([-2**63], "<i8"),
}
assert arrays.keys() == want.keys()
for name, a in want.items():
    assert arrays[name].dtype == a.dtype and arrays[name].shape == a.shape
    assert (arrays[name] == a).all(), name
assert meta["text"] == 'two\nlines, "quotes" and €' and meta["empty"] == ""
print("safetensors: NumPy reads the same arrays and texts")
