# SPDX-License-Identifier: BSD-3-Clause
"""The loops of a search and of a training."""
import ctypes
import warnings
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional, Tuple

from . import _abi
from ._errors import RangeError, StateError
from ._whole import whole
from .data import Batches, Dataset


def counted(epochs: Any) -> int:
    """A number of epochs."""
    n = whole("epochs", epochs, ctypes.c_int64)
    if n < 0:
        raise RangeError(f"epochs: {n}, want at least 0", _abi.HNAS_E_RANGE)
    return n


@contextmanager
def images_of(thing: Any, moments: Tuple[float, float]) -> Iterator[None]:
    """mean and std of a search or network that is trained; as they were where
    it ends before a step."""
    before = thing.mean, thing.std
    thing.mean, thing.std = moments
    try:
        yield
    except BaseException:
        if not thing.steps:
            thing.mean, thing.std = before
        raise


def normalisation(data: Dataset, is_uint8: bool) -> Tuple[float, float]:
    """(mean, std) that uint8 images are normalised by."""
    if not is_uint8:
        return 0.0, 1.0
    mean, std = data.moments()
    return mean, std if std > 0 else 1.0


def _split(data: Dataset, batch: int, valid_fraction: float,
           moments: Tuple[float, float]) -> Tuple[Batches, Batches]:
    """Batches of the first images to train, of the last ones to validate."""
    n = len(data)
    n_valid = int(round(n * valid_fraction))
    n_train = n - n_valid
    if min(n_train, n_valid) < batch:
        raise ValueError(f"valid_fraction {valid_fraction:g} of {n} images: "
                         f"{n_train} to train, {n_valid} to validate, want at "
                         f"least a batch of {batch} each")
    mean, std = moments
    return (data.batches(batch, count=n_train, stream=0, mean=mean, std=std),
            data.batches(batch, first=n_train, count=n_valid, stream=1,
                         mean=mean, std=std))


def _schedule(search: Any, total: int, per_epoch: int) -> None:
    """Give a search that was made without schedules those of this fit."""
    opts = search._opts()
    if search.steps or opts.bilevel.total_steps:
        return
    opts.bilevel.total_steps = total
    opts.bilevel.rate_steps = per_epoch
    search._entry.core.close_entry(search._entry)
    progress = search._on_progress
    search._create(search.net, search.hyper, opts)
    if progress:
        search.set_progress(progress)


def _note_schedule(search: Any, last: int) -> None:
    total = search._opts().bilevel.total_steps
    if last > max(total, search.steps) and total:
        warnings.warn(f"fit: steps beyond {total} lie behind the schedules of "
                      "this search: rates stay at their last, alpha as the "
                      "cooldown has it", stacklevel=4)


def search(s: Any, data: Dataset, epochs: int, batch: int,
           valid_fraction: float, checkpoint: Optional[str],
           callback: Optional[Callable[[Any, Any], Any]],
           bar: Callable[[int, int], Any]) -> None:
    """Steps until so many epochs are done."""
    seed, epochs = s.net.ctx.seed, counted(epochs)
    if s.steps and s.seed is not None and s.seed != seed:
        raise StateError(f"fit: the search began with seed {s.seed}, this "
                         f"context has {seed}")
    moments = (s.mean, s.std) if s.steps else \
        normalisation(data, data.is_uint8)
    train, valid = _split(data, batch, valid_fraction, moments)
    with train, valid, images_of(s, moments):
        per_epoch = len(train)
        if s.steps and s.per_epoch not in (None, per_epoch):
            raise StateError(f"fit: the search began with epochs of "
                             f"{s.per_epoch} steps, this data, batch and "
                             f"valid_fraction make {per_epoch}")
        _schedule(s, epochs * per_epoch, per_epoch)
        _note_schedule(s, epochs * per_epoch)
        s.per_epoch = per_epoch
        s.seed = seed
        try:
            with bar(epochs * per_epoch, s.steps) as progress:
                while s.steps < epochs * per_epoch:
                    if _search_epoch(s, train, valid, progress, checkpoint,
                                     callback):
                        break
        except BaseException:
            if checkpoint:
                s.save(checkpoint)
            raise


def _search_epoch(s: Any, train: Batches, valid: Batches, progress: Any,
                  checkpoint: Optional[str], callback: Any) -> bool:
    """The rest of an epoch; whether the callback wants to end."""
    epoch, begin = divmod(s.steps, len(train))
    for i in range(begin, len(train)):
        v_epoch, v_index = divmod(s.steps, len(valid))
        info = s.step(train.get(epoch, i), valid.get(v_epoch, v_index))
        s.sums.add(info)
        progress.step(train=info.train_loss, valid=info.valid_loss)
    s.history.append(s.sums.mean(epoch))
    s.sums = type(s.sums)()
    if checkpoint:
        s.save(checkpoint)
    return bool(callback and callback(s, s.history[-1]))


def epoch_batches(batches: Batches, epoch: int,
                  begin: int = 0) -> Iterator[Tuple[Any, Any]]:
    return (batches.get(epoch, i) for i in range(begin, len(batches)))
