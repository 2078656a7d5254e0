# SPDX-License-Identifier: BSD-3-Clause
"""Data sets and batches of them."""
import ctypes
import os
from typing import Any, Iterator, Optional, Sequence, Tuple

import numpy as np

from . import _abi, _arrays
from ._core import Core, Given, Handle
from ._errors import ElementTypeError, FileError, ShapeError
from ._library import lib
from ._options import assign, options
from .context import Context, context_of
from .tensor import Tensor, tensor

CALIBRATION = 20  # batches of which recalibrated statistics are the mean
FILES = {True: ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
         False: ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")}


def _numbers(what: str, given: Any) -> Any:
    """An array, which no generator is."""
    array = np.asarray(given)
    if array.dtype == object and not array.ndim:
        raise TypeError(f"{what}: {type(given).__name__}, want an array")
    return array


def as_images(x: Any) -> Any:
    """N x C x H x W of uint8 or float32; N x H x W counts as one channel."""
    x = _numbers("images", x)
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4:
        raise ShapeError(f"images: shape {x.shape}, want N x C x H x W",
                         _abi.HNAS_E_SHAPE)
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind in "iu":
        raise ElementTypeError(f"images: {x.dtype}, want uint8 (0..255) or "
                               "floats", _abi.HNAS_E_TYPE)
    return _arrays.fitting(x, np.float32, "images")


def as_labels(y: Any) -> Any:
    """Whole numbers as int32."""
    return _arrays.fitting(np.ravel(_numbers("labels", y)), np.int32, "labels")


def floats(array: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


def normalised(x: Any, mean: float, std: float) -> Any:
    """Images as batches of a data set have them: (x - mean) / std in float32,
    uint8 as value / 255."""
    if x.dtype != np.uint8 and (mean, std) == (0.0, 1.0):
        return x
    unit = 255.0 if x.dtype == np.uint8 else 1.0
    return ((x.astype(np.float64) / unit - mean) / std).astype(np.float32)


def moments_of(x: Any, mean: float, std: float) -> Tuple[float, float]:
    """What images are normalised by: tensors, as Batches gives, already are."""
    taken = isinstance(x, Tensor) and x.dtype == np.float32
    return (0.0, 1.0) if taken else (mean, std)


class Dataset(Handle):
    """Labelled images: arrays uint8 (as value / 255) or float32, shared."""

    def __init__(self, images: Any, labels: Any,
                 ctx: Optional[Context] = None) -> None:
        context = context_of(ctx)
        core = context._core
        given = _arrays.fitting(as_images(images), what="images"), as_labels(
            labels)
        x, y = (_arrays.wrap(core, array) for array in given)
        self._entry = core.create(
            _abi.hnas_dataset, lib.hnas_dataset_destroy,
            lib.hnas_dataset_create, context, x.pointer, y.pointer)
        core.close_entry(x)
        core.close_entry(y)
        self._ctx = context
        self.is_uint8 = np.asarray(images).dtype == np.uint8

    @classmethod
    def idx(cls, images_path: str, labels_path: str,
            ctx: Optional[Context] = None) -> "Dataset":
        """From two files in IDX format, plain or gzip."""
        context = context_of(ctx)
        data = cls.__new__(cls)
        data._ctx = context
        data.is_uint8 = True
        data._entry = context._core.create(
            _abi.hnas_dataset, lib.hnas_dataset_destroy,
            lib.hnas_dataset_open_idx, context, os.fsencode(images_path),
            os.fsencode(labels_path))
        return data

    @classmethod
    def open(cls, folder: str, train: bool = True,
             ctx: Optional[Context] = None) -> "Dataset":
        """The training or test part of a folder with the four files that
        MNIST comes in, plain or .gz."""
        found = []
        for name in FILES[train]:
            paths = [os.path.join(folder, name + end) for end in ("", ".gz")]
            existing = [p for p in paths if os.path.exists(p)]
            if not existing:
                raise FileError(f"{paths[0]}: no such file, nor .gz",
                                _abi.HNAS_E_IO)
            found.append(existing[0])
        return cls.idx(found[0], found[1], ctx)

    @property
    def shape(self) -> Tuple[int, int, int, int]:
        """N, C, H, W."""
        dims = (ctypes.c_int64 * 4)()
        self._read(lib.hnas_dataset_get_dims, dims)
        n, c, h, w = dims
        return n, c, h, w

    def __len__(self) -> int:
        return self.shape[0]

    def _about(self) -> str:
        return (f"{self.shape} {'uint8' if self.is_uint8 else 'float32'} "
                f"classes={self.classes}")

    @property
    def classes(self) -> int:
        """The largest label + 1."""
        return int(self._read(lib.hnas_dataset_get_classes))

    def moments(self, n_images: int = 0) -> Tuple[float, float]:
        """Mean and standard deviation over all pixels, of value / 255."""
        mean, std = ctypes.c_double(), ctypes.c_double()
        self._core.call(lib.hnas_dataset_moments, self, n_images,
                        ctypes.byref(mean), ctypes.byref(std))
        return mean.value, std.value

    def batches(self, batch: int = 64, **settings: Any) -> "Batches":
        """Batches of so many images, with the settings of `Batches`."""
        return Batches(self, batch, **settings)

    def arrays(self, mean: float = 0.0, std: float = 1.0) -> Tuple[Any, Any]:
        """All images as float32 and their labels, copied."""
        with self.batches(len(self), shuffle=False, mean=mean, std=std) as b:
            images, labels = b.get(0, 0)
            return images.numpy(copy=True), labels.numpy(copy=True)


class Batches(Handle):
    """Batches of a range of a data set: a pure function of seed, epoch and
    index."""

    def __init__(self, data: Dataset, batch: int = 64, *, first: int = 0,
                 count: int = 0, shuffle: bool = True, partial: bool = False,
                 stream: int = 0, mean: float = 0.0, std: float = 1.0,
                 shift: int = 0, flip: bool = False, cutout: int = 0) -> None:
        opts = options("hnas_batches_opts")
        assign(opts, batch=batch, first=first, count=count,
               shuffle=int(shuffle), partial=int(partial), stream=stream,
               mean=mean, std=std, shift=shift, flip=int(flip), cutout=cutout)
        assert data._entry is not None
        self._entry = data._core.create(
            _abi.hnas_batches, lib.hnas_batches_destroy,
            lib.hnas_batches_create, data._ctx, data,
            ctypes.byref(opts), parents=[data._entry])
        self._data, self._batch = data, batch

    def _about(self) -> str:
        return f"{len(self)} of {self._batch}"

    def __len__(self) -> int:
        return int(self._read(lib.hnas_batches_get_count))

    def get(self, epoch: int, index: int) -> Tuple[Tensor, Tensor]:
        """Images and labels; the next call overwrites them."""
        kind = ctypes.POINTER(_abi.hnas_tensor)
        out = kind(), kind()
        core = self._core
        with core.lock:
            core.call(lib.hnas_batches_get, self, epoch, index,
                      ctypes.byref(out[0]), ctypes.byref(out[1]))
            x, y = (Tensor._of(core.adopt(lib.hnas_tensor_ref(o),
                                          lib.hnas_tensor_unref), False)
                    for o in out)
        return x, y

    def epoch(self, epoch: int) -> Iterator[Tuple[Tensor, Tensor]]:
        """All batches of an epoch; each overwrites the one before it."""
        return (self.get(epoch, i) for i in range(len(self)))


def dataset(ctx: Context, x: Any, y: Any, labelled: bool = True) -> Dataset:
    """A data set as it is, or of images and their labels; where no label is
    used, not labelled, they may be left out."""
    if isinstance(x, Dataset):
        if y is not None:
            raise TypeError("labels: a Dataset has its own, want none beside "
                            "it")
        return x
    x = as_images(x)
    if y is None and labelled:
        raise TypeError("labels: none, want one for each image, or a Dataset")
    if y is None:
        y = np.zeros(len(x), np.int32)
    y = as_labels(y)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} images, {len(y)} labels")
    return Dataset(x, y, ctx)


def image_tensors(core: Core, x: Any, mean: float, std: float,
                  shuffle: bool = False) -> Iterator[Tensor]:
    """Images normalised: a data set in batches, of which the next overwrites
    the last; an array whole, a tensor as it is."""
    if isinstance(x, Dataset):
        with x.batches(min(64, len(x)), shuffle=shuffle, partial=True,
                       mean=mean, std=std) as b:
            yield from (images for images, _ in b.epoch(0))
    elif isinstance(x, Tensor):
        yield x
    else:
        yield tensor(core, normalised(as_images(x), mean, std))


def plain_images(core: Core, x: Any) -> Tensor:
    """Images as they are, where nothing says how uint8 is normalised."""
    if isinstance(x, Tensor):
        return x
    x = as_images(x)
    if x.dtype == np.uint8:
        raise ElementTypeError(
            "images: uint8, want float32 (hnas.Dataset normalises)",
            _abi.HNAS_E_TYPE)
    return tensor(core, x)


class Batch(Given):
    """Tensors of images and labels as a hnas_batch."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def _given(self, core: Core) -> Any:
        b = _abi.hnas_batch()
        b.images, b.labels = self.images._given(core), self.labels._given(core)
        return ctypes.byref(b)


def batch_of(core: Core, pair: Sequence[Any]) -> Batch:
    """The batch of (images, labels), arrays or tensors."""
    if len(pair) != 2:
        raise ValueError(f"batch: {len(pair)} things, want (images, labels)")
    x, y = pair
    return Batch(plain_images(core, x), y if isinstance(y, Tensor)
                 else tensor(core, as_labels(y), np.int32))
