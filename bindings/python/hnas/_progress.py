# SPDX-License-Identifier: BSD-3-Clause
"""A progress bar where tqdm is installed and somebody looks."""
import importlib
import sys
from typing import Any, Optional


class Progress:
    """A bar of so many steps; nothing where there is no tqdm."""

    def __init__(self, total: int, done: int, what: str,
                 wanted: Optional[bool]) -> None:
        self._bar: Any = None
        if wanted is None:
            wanted = sys.stderr.isatty()
        if not wanted:
            return
        try:
            tqdm = importlib.import_module("tqdm.auto")
        except ImportError:
            return
        self._bar = tqdm.tqdm(total=total, initial=done, desc=what, unit="step")

    def step(self, **values: float) -> None:
        if self._bar is not None:
            self._bar.set_postfix({k: f"{v:.4f}" for k, v in values.items()},
                                  refresh=False)
            self._bar.update(1)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.close()
