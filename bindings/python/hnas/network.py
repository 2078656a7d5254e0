# SPDX-License-Identifier: BSD-3-Clause
"""The discrete network of an architecture, used as scikit-learn's estimators
are."""
import ctypes
import json
import os
from typing import (Any, Callable, Dict, List, NamedTuple, Optional, Sequence,
                    Union)

import numpy as np

from . import _abi, _arrays, _fit
from ._core import Entry
from ._errors import StateError
from ._library import lib
from ._options import assign, options, pair, read_opts
from ._progress import Progress
from .arch import Arch
from .bilevel import Bilevel, Pair
from .context import Context, context_of
from .data import (CALIBRATION, Batch, Batches, batch_of, dataset, floats,
                   moments_of)
from .net import Supernet
from .op import Cost, cost_of
from .tensor import Named


class TrainInfo(NamedTuple):
    """What a step of training did."""

    step: int
    loss: float
    norm: float
    rate: float
    drop_path: float


class Scores(NamedTuple):
    """Fractions of 1, and counts: true by predicted."""

    accuracy: float
    precision: float
    confusion: Any


class Network(Named):
    """The network of an architecture, also as the dict of hnas-query or a
    genotype; its shape is that of the supernet that the architecture came from
    unless image, classes, channels, cells or nodes say otherwise.  affine: batch-norm of operations learns weight and bias;
    auxiliary: a second head for training.  mean, std: what images are
    normalised by, (x - mean) / std with uint8 as value / 255; `fit` sets them
    of uint8 images.  A float32 Tensor, as Batches gives, is taken as it is.
    """

    _instead = "take save and load"
    _params_function = "hnas_model_get_params"

    def __init__(self, arch: Union[Arch, Dict[str, Any], str], *,
                 ctx: Optional[Context] = None,
                 image: Optional[Sequence[int]] = None,
                 classes: Optional[int] = None,
                 channels: Optional[int] = None, cells: Optional[int] = None,
                 nodes: Optional[int] = None,
                 stem_multiplier: Optional[int] = None, affine: bool = False,
                 auxiliary: bool = False) -> None:
        if not isinstance(arch, Arch):
            arch = Arch.read(arch, ctx)
        elif ctx is not None:
            arch._given(context_of(ctx)._core)  # not of another context
        opts = options("hnas_model_opts")
        shape = arch._shape
        for name in ("image", "classes", "channels", "cells", "nodes",
                     "stem_multiplier"):
            assign(opts, **{name: shape.get(name)})
        assign(opts, image=image, classes=classes, channels=channels,
               cells=cells, nodes=nodes, stem_multiplier=stem_multiplier,
               affine=int(affine), auxiliary=int(auxiliary))
        self._lam = arch.lam
        self._begin(arch._ctx, arch._core.create(
            _abi.hnas_model, lib.hnas_model_destroy, lib.hnas_model_create,
            arch._ctx, arch, ctypes.byref(opts)))

    _lam = float("nan")

    def _begin(self, ctx: Context, entry: Entry, text: str = "") -> None:
        self._ctx, self._entry = ctx, entry
        try:
            saved = json.loads(text or "{}")
        except ValueError:
            saved = {}
        self._text = saved = saved if isinstance(saved, dict) else {}
        self.mean = saved.get("mean", 0.0)
        self.std = saved.get("std", 1.0)
        self.history: List[float] = saved.get("history", [])
        self._total = saved.get("total_steps", 0)  # of the training

    @classmethod
    def load(cls, path: Union[str, "os.PathLike[str]"],
             ctx: Optional[Context] = None) -> "Network":
        """From a file of `save` or hnas-train."""
        context = context_of(ctx)
        network = cls.__new__(cls)
        entry = context._core.create(
            _abi.hnas_model, lib.hnas_model_destroy, lib.hnas_model_load,
            context, os.fsencode(path))
        text = context._core.get(lib.hnas_model_get_text,
                                 entry.pointer).decode()
        network._begin(context, entry, text)
        return network

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """The network, and where its training stands, atomically."""
        text = json.dumps({"mean": self.mean, "std": self.std,
                           "history": self.history,
                           "total_steps": self._total})
        self._core.call(lib.hnas_model_save, self, os.fsencode(path),
                        text.encode())

    def to_onnx(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Write it as ONNX, batch-norm folded; mean and std stand in its
        metadata."""
        text = dict(self._text, mean=self.mean, std=self.std)
        self._core.call(lib.hnas_model_set_text, self,
                        json.dumps(text).encode())
        self._core.call(lib.hnas_model_save_onnx, self, os.fsencode(path))

    @property
    def settings(self) -> Dict[str, Any]:
        """What it was made with."""
        o = read_opts(self, "hnas_model")
        return {"image": tuple(o.image), "classes": o.classes,
                "channels": o.channels, "cells": o.cells, "nodes": o.nodes,
                "stem_multiplier": o.stem_multiplier,
                "affine": bool(o.affine), "auxiliary": bool(o.auxiliary)}

    @property
    def cost(self) -> Cost:
        """Of the whole network for one image."""
        total = _abi.hnas_cost()
        self._core.get(lib.hnas_model_get_cost, self, ctypes.byref(total),
                       None)
        return cost_of(total)

    @property
    def steps(self) -> int:
        """Steps since training began."""
        return int(self._core.get(lib.hnas_model_get_steps, self))

    def inherit(self, source: Union[Supernet, Bilevel, "Network"],
                lam: Optional[float] = None) -> "Network":
        """Take weights, statistics, mean and std over by name; lam: where the
        supernet generates weights, else that of the architecture."""
        named = source.net if isinstance(source, Bilevel) else source
        if not isinstance(named, (Supernet, Network)):
            raise TypeError(f"inherit: {type(named).__name__}, want a "
                            "Supernet, Bilevel or Network")
        core = self._core
        with core.lock:
            params = ctypes.POINTER(_abi.hnas_params)()
            if isinstance(named, Supernet):
                core.call(
                    lib.hnas_supernet_get_weights_at, ctypes.byref(params),
                    named, self._lam if lam is None else lam)
            else:
                params = named._params(core)
            core.call(lib.hnas_model_inherit, self, params)
        self.mean, self.std = named.mean, named.std
        return self

    # ---- training ----

    def begin(self, *, w_lr: Pair = None, total_steps: int = 0,
              rate_steps: int = 1, momentum: Optional[float] = None,
              weight_decay: Optional[float] = None,
              clip: Optional[float] = None, nesterov: Optional[bool] = None,
              drop_path: Optional[float] = None,
              aux_weight: Optional[float] = None,
              label_smoothing: Optional[float] = None,
              average: Optional[float] = None,
              norm_momentum: Optional[float] = None) -> None:
        """Begin to train: a new optimizer, step 0."""
        opts = options("hnas_train_opts")
        if w_lr is not None:
            opts.rate, opts.rate_last = pair("w_lr", w_lr)
        assign(opts, total_steps=total_steps, rate_steps=rate_steps,
               drop_path=drop_path, aux_weight=aux_weight,
               label_smoothing=label_smoothing, average=average,
               norm_momentum=norm_momentum)
        assign(opts.sgd, momentum=momentum, weight_decay=weight_decay,
               clip=clip, nesterov=nesterov)
        self._core.call(lib.hnas_model_train, self, ctypes.byref(opts))
        self.history, self._total = [], total_steps

    def step(self, x: Any, y: Any) -> TrainInfo:
        """One step on a batch, float32 as it is; one that fails changes
        nothing."""
        core, info = self._core, _abi.hnas_train_info()
        core.call(lib.hnas_model_step, self, batch_of(core, (x, y)),
                  ctypes.byref(info))
        return TrainInfo(info.step, info.loss, info.norm, info.rate,
                         info.drop_path)

    def fit(self, x: Any, y: Any = None, *, epochs: int = 20, batch: int = 64,
            shift: int = 0, flip: bool = False, cutout: int = 0,
            calibrate: bool = True, resume: bool = False,
            checkpoint: Optional[str] = None,
            callback: Optional[Callable[["Network", int, float], Any]] = None,
            progress: Optional[bool] = None, **settings: Any) -> "Network":
        """Train on images uint8 or float32 and labels, or a Dataset; the
        rate falls to 0 on a cosine.  settings: those of `begin`.  resume: go
        on where a training was cut, with its settings.  checkpoint: a file
        that is written after each epoch and where the training is cut.
        callback(network, epoch, loss): True ends it.  Afterwards batch-norm's statistics are computed
        anew."""
        data, epochs = dataset(self._ctx, x, y), _fit.counted(epochs)
        resumed = resume and self.steps
        mean, std = (self.mean, self.std) if resumed else \
            _fit.normalisation(data, data.is_uint8)
        batches = data.batches(batch, shift=shift, flip=flip, cutout=cutout,
                               mean=mean, std=std)
        total = epochs * len(batches)
        if resumed and self._total and total > self._total:
            raise StateError(f"fit: epochs {epochs}, {total} steps, the "
                             f"training was begun for {self._total}",
                             _abi.HNAS_E_STATE)
        if not resumed:
            settings.setdefault("total_steps", total)
            settings.setdefault("rate_steps", len(batches))
            self.begin(**settings)
        try:
            with _fit.images_of(self, (mean, std)), \
                    Progress(total, self.steps, "train", progress) as bar:
                while self.steps < total:
                    if self._epoch(batches, bar, checkpoint, callback):
                        break
        except BaseException:
            if checkpoint:
                self.save(checkpoint)
            raise
        if calibrate:
            self.calibrate(data)
            if checkpoint:
                self.save(checkpoint)
        return self

    def _epoch(self, batches: Batches, bar: Progress,
               checkpoint: Optional[str], callback: Any) -> bool:
        """The rest of an epoch; whether the callback wants to end."""
        epoch, begin = divmod(self.steps, len(batches))
        losses = []
        for images, labels in _fit.epoch_batches(batches, epoch, begin):
            losses.append(self.step(images, labels).loss)
            bar.step(loss=losses[-1])
        self.history.append(float(np.mean(losses)))
        if checkpoint:
            self.save(checkpoint)
        return bool(callback and callback(self, epoch, self.history[-1]))

    def swap_average(self) -> None:
        """Swap the weights with their moving average; once more, and they
        are back."""
        self._core.call(lib.hnas_model_swap_average, self)

    def calibrate(self, x: Any, y: Any = None, *, batch: int = 64,
                  batches: int = CALIBRATION) -> "Network":
        """Compute batch-norm's running statistics anew over so many batches of
        images, or of a Dataset; labels are not used."""
        with self._batches(x, y, batch, shuffle=True) as b:
            for i in range(min(batches, len(b))):
                images, _ = b.get(0, i)
                self._core.call(lib.hnas_model_calibrate, self,
                                images, int(i == 0))
        return self

    # ---- using ----

    def _batches(self, x: Any, y: Any, batch: int, shuffle: bool = False,
                 labelled: bool = False) -> Batches:
        """Of images as `mean` and `std` say; tensors are taken as they are."""
        data = dataset(self._ctx, x, y, labelled)
        mean, std = moments_of(x, self.mean, self.std)
        return Batches(data, min(batch, len(data)), shuffle=shuffle,
                       partial=True, mean=mean, std=std)

    def decision_function(self, x: Any, batch: int = 64) -> Any:
        """Logits N x classes."""
        classes, out = self.settings["classes"], []
        with self._batches(x, None, batch) as b:
            for images, _ in _fit.epoch_batches(b, 0):
                logits = np.empty((images.shape[0], classes), np.float32)
                self._core.call(lib.hnas_model_predict, self, images,
                                floats(logits), logits.size)
                out.append(logits)
        return np.concatenate(out)

    def predict(self, x: Any, batch: int = 64) -> Any:
        """The class of each image."""
        return _arrays.largest(self.decision_function(x, batch))

    def predict_proba(self, x: Any, batch: int = 64) -> Any:
        """The probability of each class."""
        logits = self.decision_function(x, batch).astype(np.float64)
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def evaluate(self, x: Any, y: Any = None, batch: int = 64) -> Scores:
        """Accuracy, macro precision and the confusion matrix on images and
        labels, or a Dataset."""
        classes = self.settings["classes"]
        confusion = np.zeros((classes, classes), np.int64)
        where = confusion.ctypes.data_as(ctypes.POINTER(ctypes.c_int64))
        with self._batches(x, y, batch, labelled=True) as b:
            for images, labels in _fit.epoch_batches(b, 0):
                self._core.call(lib.hnas_model_evaluate, self,
                                Batch(images, labels), where, confusion.size)
        accuracy, precision = ctypes.c_double(), ctypes.c_double()
        lib.hnas_confusion_measure(where, classes, ctypes.byref(accuracy),
                                   ctypes.byref(precision))
        return Scores(accuracy.value, precision.value, confusion)

    def score(self, x: Any, y: Any = None) -> float:
        """The accuracy on images and labels, or a Dataset."""
        return self.evaluate(x, y).accuracy

    def _about(self) -> str:
        return f"params={self.cost.params} steps={self.steps}"
