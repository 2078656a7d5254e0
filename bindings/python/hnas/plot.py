# SPDX-License-Identifier: BSD-3-Clause
"""Pictures with matplotlib, which is imported when one is drawn."""
import importlib
from typing import Any, Optional, Sequence

from .arch import Path


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    return importlib.import_module("matplotlib.pyplot").subplots()[1]


def path(p: Path, metric: str = "params", ax: Any = None) -> Any:
    """The cost of the network over lambda, a step a piece."""
    ax = _axes(ax)
    pieces = p.pieces
    edges = [piece.lo for piece in pieces] + [pieces[-1].hi]
    costs = [p.cost_of(i, metric) for i in range(len(p))]
    ax.stairs(costs, edges, baseline=None, linewidth=2)
    if edges[0] > 0:
        ax.set_xscale("log")
    ax.set_xlabel("λ")
    ax.set_ylabel(metric)
    ax.set_title(f"{len(pieces)} architectures, rule {p.rule}")
    return ax


def front(p: Path, quality: Sequence[float], metric: str = "params",
          ax: Any = None, label: str = "accuracy") -> Any:
    """Quality of the pieces over their cost, and which no other beats."""
    ax = _axes(ax)
    costs = [p.cost_of(i, metric) for i in range(len(p))]
    best = sorted(p.pareto(quality, metric), key=lambda i: costs[i])
    ax.plot(costs, list(quality), "o", alpha=0.4, label="pieces")
    ax.step([costs[i] for i in best], [quality[i] for i in best], "o-",
            where="post", label="front")
    ax.set_xlabel(metric)
    ax.set_ylabel(label)
    ax.legend()
    return ax


def curves(history: Sequence[Any], ax: Any = None,
           label: Optional[str] = None) -> Any:
    """The losses of Bilevel.history or Network.history over the epochs."""
    ax = _axes(ax)
    if history and hasattr(history[0], "train_loss"):
        epochs = [e.epoch + 1 for e in history]
        ax.plot(epochs, [e.train_loss for e in history],
                label=label or "training")
        ax.plot(epochs, [e.valid_loss for e in history],
                label=f"{label} validation" if label else "validation")
    else:
        ax.plot(range(1, len(history) + 1), list(history),
                label=label or "training")
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    ax.legend()
    return ax
