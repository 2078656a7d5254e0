# SPDX-License-Identifier: BSD-3-Clause
"""The presets of the method."""
import ctypes
from typing import Any, Dict, Optional

from . import _abi
from ._library import lib
from ._whole import expect
from .context import Context, context_of

PRESETS = ("default", "seed", "darts", "darts_l1", "fair_darts", "darts_cc")


def find_preset(ctx: Context, name: str, cells: int = 0) -> Any:
    """The struct of a preset, for so many cells."""
    expect("preset", name, str)
    p = _abi.hnas_preset()
    ctx._core.call(lib.hnas_preset_find, ctypes.byref(p), ctypes.sizeof(p),
                   ctx, name.encode())
    if cells:
        lib.hnas_preset_fit(ctypes.byref(p), cells)
    return p


def preset(name: str, ctx: Optional[Context] = None) -> Dict[str, Any]:
    """What a program needs of a preset beside its search: operations, epochs,
    batch, validation share."""
    p = find_preset(context_of(ctx), name)
    return {"name": name, "ops": [p.ops[i].decode() for i in range(p.n_ops)],
            "epochs": p.epochs, "batch": p.batch,
            "valid_fraction": p.valid_fraction,
            "running_stats": bool(p.running_stats)}
