# SPDX-License-Identifier: BSD-3-Clause
"""The safetensors layout by hand: 8-byte length, JSON header, one buffer."""

import json
import struct

import numpy as np

DTYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def save(path, tensors, metadata):
    """Write {name: array of float32 or float64} and {str: str}."""
    header, parts, offset = {"__metadata__": metadata}, [], 0
    for name, array in sorted(tensors.items()):
        array = np.asarray(array, order="C")
        end = offset + array.nbytes
        header[name] = {
            "dtype": NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, end],
        }
        parts.append(array.tobytes())
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def load(path):
    """{name: array} and the metadata."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        buffer = file.read()
    metadata = header.pop("__metadata__", {})
    return {name: _array(buffer, entry) for name, entry in header.items()}, metadata


def _array(buffer, entry):
    begin, end = entry["data_offsets"]
    return np.frombuffer(buffer[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
