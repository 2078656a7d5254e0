# SPDX-License-Identifier: BSD-3-Clause
"""The bilevel optimizer over a supernet and a hypernetwork: a search."""
import ctypes
import json
import os
import warnings
from itertools import islice
from typing import (Any, Callable, Dict, List, NamedTuple, Optional, Sequence,
                    Tuple, Union)

import numpy as np

from . import _abi
from ._calls import carried, has_raised
from ._core import Handle
from ._errors import StoppedError
from ._library import lib
from ._options import (assign, name_of, number, options, pair, read_opts)
from ._progress import Progress
from ._whole import expect
from .arch import Arch, Path
from .context import Context, context_of
from .data import (CALIBRATION, batch_of, dataset, floats,
                   image_tensors)
from .hyper import Hypernet
from .net import Supernet
from .presets import find_preset
from .tensor import Pointers

Pair = Union[None, float, Tuple[float, float]]


class StepInfo(NamedTuple):
    """What a step did; losses and norms of one that was left out are NaN."""

    step: int
    train_loss: float
    valid_loss: float
    w_norm: float
    u_norm: float
    w_rate: float
    lam: float


class Epoch(NamedTuple):
    """The mean losses of an epoch, NaN while alpha is frozen."""

    epoch: int
    train_loss: float
    valid_loss: float


class EpochSums:
    """The losses of an epoch so far; a resumed search goes on with them."""

    def __init__(self, train: float = 0.0, valid: float = 0.0,
                 n_train: int = 0, n_valid: int = 0) -> None:
        self.train, self.valid = train, valid
        self.n_train, self.n_valid = n_train, n_valid

    def add(self, info: StepInfo) -> None:
        if not np.isnan(info.train_loss):
            self.train += info.train_loss
            self.n_train += 1
        if not np.isnan(info.valid_loss):
            self.valid += info.valid_loss
            self.n_valid += 1

    def mean(self, number_of_epoch: int) -> Epoch:
        return Epoch(number_of_epoch, self.train / self.n_train
                     if self.n_train else float("nan"), self.valid / self.n_valid if self.n_valid
                     else float("nan"))


def set_steps(opts: Any, *, order: Optional[str], virtual_clip: Any,
              w_lr: Pair, w_momentum: Any, w_weight_decay: Any, w_clip: Any,
              nesterov: Any, u_lr: Pair, u_betas: Any, u_weight_decay: Any,
              total_steps: Any, rate_steps: Any, warmup: Any,
              cooldown: Any) -> None:
    """Settings of a bilevel optimizer, where they are not None."""
    if order is not None:
        assign(opts, order=number("order", "HNAS_ORDER_", order))
    if w_lr is not None:
        opts.w_rate, opts.w_rate_last = pair("w_lr", w_lr)
    if u_betas is not None:
        opts.u.beta1, opts.u.beta2 = u_betas
    if u_lr is not None:
        opts.u_rate, opts.u_span = pair("u_lr", u_lr) \
            if isinstance(u_lr, (tuple, list)) else (float(u_lr), 0.0)
    assign(opts, virtual_clip=virtual_clip, total_steps=total_steps,
           rate_steps=rate_steps, warmup=warmup, cooldown=cooldown)
    assign(opts.w, momentum=w_momentum, weight_decay=w_weight_decay,
           clip=w_clip, nesterov=nesterov)
    assign(opts.u, weight_decay=u_weight_decay)


class Bilevel(Handle):
    """Supernet and hypernetwork, trained together: alpha on a validation
    batch, then weights on a training batch.

    preset: where the settings start from ("default"); net and hyper have
    their own, which should be the same.  order: first, second_fd or
    second_exact.  relax: raw, softmax, sigmoid, gumbel or gumbel_hard; tau:
    one or (first, last), with tau_schedule constant, linear, exp or epoch
    (tau_fall).  sample: fixed (lam), uniform, antithetic, sandwich or
    log_uniform, with so many draws of lambda a step.  half: keep what
    batch-norm reads in half precision.  cost: the metric of penalty and cone.
    w_lr: one or (first, last).  alpha_lr: one, or (rate, span): at most
    span / total_steps.  total_steps: of the schedules; fit sets it where it
    is 0.  on_nan: what a step that is not finite does, stop (raise), skip or
    rollback.
    """

    _instead = "take save and load"

    def __init__(self, net: Supernet, hyper: Hypernet, *,
                 preset: Optional[str] = None, order: Optional[str] = None,
                 relax: Optional[str] = None, tau: Pair = None,
                 tau_schedule: Optional[str] = None,
                 tau_steps: Optional[int] = None,
                 tau_fall: Optional[float] = None,
                 half: Optional[bool] = None,
                 gumbel_per_image: Optional[bool] = None,
                 cost: Optional[str] = None,
                 cost_weight: Optional[float] = None,
                 raw_cost: Optional[bool] = None,
                 monotone: Optional[bool] = None,
                 sample: Optional[str] = None, draws: Optional[int] = None,
                 lam: Optional[float] = None, l1: Optional[float] = None,
                 l1_lambda: Optional[float] = None, l2: Optional[float] = None,
                 zero_one: Optional[float] = None,
                 beta_decay: Optional[float] = None,
                 norm_momentum: Optional[float] = None,
                 alpha_paths: Optional[int] = None,
                 on_nan: Optional[str] = None,
                 rule: Optional[str] = None, theta: Optional[float] = None,
                 virtual_clip: Optional[bool] = None, w_lr: Pair = None,
                 w_momentum: Optional[float] = None,
                 w_weight_decay: Optional[float] = None,
                 w_clip: Optional[float] = None,
                 nesterov: Optional[bool] = None,
                 alpha_lr: Pair = None,
                 alpha_betas: Optional[Tuple[float, float]] = None,
                 alpha_weight_decay: Optional[float] = None,
                 total_steps: Optional[int] = None,
                 rate_steps: Optional[int] = None,
                 warmup: Optional[float] = None,
                 cooldown: Optional[float] = None) -> None:
        expect("net", net, Supernet)
        expect("hyper", hyper, Hypernet)
        opts = options("hnas_search_opts") if preset is None else \
            find_preset(net.ctx, preset, net.settings["cells"]).search
        for field, prefix, value in (
                ("relax", "HNAS_RELAX_", relax),
                ("tau_schedule", "HNAS_TAU_", tau_schedule),
                ("metric", "HNAS_COST_", cost),
                ("sample", "HNAS_SAMPLE_", sample),
                ("on_nan", "HNAS_NAN_", on_nan),
                ("rule", "HNAS_RULE_", rule)):
            if value is not None:
                assign(opts, **{field: number(field, prefix, value)})
        if tau is not None:
            opts.tau, opts.tau_last = pair("tau", tau)
        if tau is not None and tau_schedule is None:
            opts.tau_schedule = int(isinstance(tau, (tuple, list)))
        if lam is not None:
            opts.lambda_ = lam
        assign(opts.bilevel, half=half)
        assign(opts, tau_steps=tau_steps, tau_fall=tau_fall,
               gumbel_per_image=gumbel_per_image,
               cost_weight=cost_weight, raw_cost=raw_cost, monotone=monotone,
               draws=draws, l1=l1, l1_lambda=l1_lambda, l2=l2,
               zero_one=zero_one, beta_decay=beta_decay,
               norm_momentum=norm_momentum, alpha_paths=alpha_paths,
               theta=theta)
        set_steps(opts.bilevel, order=order, virtual_clip=virtual_clip,
                  w_lr=w_lr, w_momentum=w_momentum,
                  w_weight_decay=w_weight_decay, w_clip=w_clip,
                  nesterov=nesterov, u_lr=alpha_lr, u_betas=alpha_betas,
                  u_weight_decay=alpha_weight_decay, total_steps=total_steps,
                  rate_steps=rate_steps, warmup=warmup, cooldown=cooldown)
        self._create(net, hyper, opts)

    def _create(self, net: Supernet, hyper: Hypernet, opts: Any) -> None:
        assert net._entry is not None and hyper._entry is not None
        self._entry = net._core.create(
            _abi.hnas_search, lib.hnas_search_destroy, lib.hnas_search_create,
            net, hyper, ctypes.byref(opts),
            parents=[net._entry, hyper._entry])
        self.net, self.hyper = net, hyper
        self._finish("")

    def _finish(self, text: str) -> None:
        self._on_progress: Optional[Callable[[int, int], Any]] = None
        self._progress: Any = None
        self.history: List[Epoch] = []
        try:
            saved = json.loads(text or "{}")
        except ValueError:
            saved = {}
        self.sums = EpochSums()
        self.seed: Optional[int] = None  # of fit's batches
        self.per_epoch: Optional[int] = None  # steps, likewise
        if isinstance(saved, dict):
            self.mean = saved.get("mean", self.mean)
            self.std = saved.get("std", self.std)
            self.history = [
                Epoch(n, float("nan") if train is None else train,
                      float("nan") if valid is None else valid)
                for n, train, valid in saved.get("history", [])]
            self.seed = saved.get("seed")
            self.per_epoch = saved.get("per_epoch")
            self.sums = EpochSums(**saved.get("sums", {}))

    @classmethod
    def load(cls, path: Union[str, "os.PathLike[str]"],
             ctx: Optional[Context] = None) -> "Bilevel":
        """From a file of `save` or hnas-search; it brings its net and
        hypernetwork."""
        context = context_of(ctx)
        core = context._core
        b = cls.__new__(cls)
        b._entry = core.create(
            _abi.hnas_search, lib.hnas_search_destroy, lib.hnas_search_load,
            context, os.fsencode(path))
        b.net = Supernet._of(context, core.adopt(
            core.get(lib.hnas_search_get_net, b), None, [b._entry]))
        b.hyper = Hypernet._of(context, core.adopt(
            core.get(lib.hnas_search_get_hyper, b), None, [b._entry]))
        b._finish(b.text)
        return b

    def save(self, path: Union[str, "os.PathLike[str]"],
             text: Optional[str] = None) -> None:
        """Everything that a resume or a query needs, atomically."""
        if text is None:
            text = json.dumps({"mean": self.mean, "std": self.std,
                               "seed": self.seed,
                               "per_epoch": self.per_epoch,
                               "history": _plain(self.history),
                               "sums": vars(self.sums)})
        self._core.call(lib.hnas_search_save, self, os.fsencode(path),
                        text.encode())

    @property
    def text(self) -> str:
        """The host's text of a loaded search."""
        return str(self._core.get(lib.hnas_search_get_text,
                                  self).decode())

    @property
    def mean(self) -> float:
        """With std, what its net's images are normalised by: (x - mean) / std,
        uint8 as value / 255.  `fit` sets both of uint8 images."""
        return self.net.mean

    @mean.setter
    def mean(self, mean: float) -> None:
        self.net.mean = mean

    @property
    def std(self) -> float:
        """See mean."""
        return self.net.std

    @std.setter
    def std(self, std: float) -> None:
        self.net.std = std

    def _opts(self) -> Any:
        return read_opts(self, "hnas_search")

    @property
    def settings(self) -> Dict[str, Any]:
        """Some of what it was made with, by name."""
        o = self._opts()
        return {"order": name_of("HNAS_ORDER_", o.bilevel.order),
                "relax": name_of("HNAS_RELAX_", o.relax),
                "tau": (o.tau, o.tau_last), "rule": name_of("HNAS_RULE_",
                                                            o.rule),
                "theta": o.theta, "sample": name_of("HNAS_SAMPLE_", o.sample),
                "draws": o.draws, "cost": name_of("HNAS_COST_", o.metric),
                "cost_weight": o.cost_weight, "monotone": bool(o.monotone),
                "total_steps": o.bilevel.total_steps,
                "warmup": o.bilevel.warmup,
                "cooldown": o.bilevel.cooldown,
                "on_nan": name_of("HNAS_NAN_", o.on_nan)}

    @property
    def steps(self) -> int:
        """Steps done."""
        return int(self._core.get(lib.hnas_search_get_steps, self))

    @property
    def nan_steps(self) -> Dict[str, int]:
        """Of these, how many were left out because they were not finite:
        {"skipped": n, "rolled_back": n}."""
        skipped, back = ctypes.c_int64(), ctypes.c_int64()
        self._core.get(lib.hnas_search_get_nan_steps, ctypes.byref(skipped),
                       ctypes.byref(back), self)
        return {"skipped": skipped.value, "rolled_back": back.value}

    # ---- steps ----

    def set_progress(self, progress: Optional[Callable[[int, int], Any]]
                     ) -> None:
        """Have progress(step, pass) called before each pass of a step; True
        stops the step with StoppedError, and nothing has changed."""
        self._on_progress = progress
        kind: Any = _abi.hnas_progress_fn
        self._progress = kind(self._called) if progress else kind()
        self._core.get(lib.hnas_search_set_progress, self,
                       self._progress, None)

    def _called(self, _user: Any, step: int, number_of_pass: int) -> int:
        stop = True
        with carried():
            assert self._on_progress is not None
            stop = bool(self._on_progress(step, number_of_pass))
        return int(stop or has_raised())

    def cancel(self) -> None:
        """Ask the running step, or the next one, to stop; from any thread."""
        with self._using() as pointer:
            lib.hnas_search_cancel(pointer)

    def step(self, train: Sequence[Any], valid: Sequence[Any],
             lam: Any = None) -> StepInfo:
        """One step on (images, labels) of both kinds, float32 as they are;
        lam: a value or a list instead of the draws of the settings.  A step
        that fails or is interrupted changes nothing; on_nan says what one does
        that is not finite."""
        core = self._core
        t, v = batch_of(core, train), batch_of(core, valid)
        n, values = 0, None
        if lam is not None:
            lams = np.atleast_1d(np.asarray(lam, np.float64)).tolist()
            n, values = len(lams), (ctypes.c_double * len(lams))(*lams)
        info = _abi.hnas_step_info()
        status = core.call(lib.hnas_search_step, self, t, v, values, n,
                           ctypes.byref(info))
        if status == _abi.HNAS_STOPPED:
            raise StoppedError(f"step {self.steps}: stopped", status)
        return StepInfo(info.step, info.train_loss, info.valid_loss,
                        info.w_norm, info.u_norm, info.w_rate, info.lambda_)

    def loss(self, x: Any, y: Any, lam: float, gates: Any = None,
             kind: str = "train") -> float:
        """The cross-entropy at lambda or under gates {"normal": E x O,
        "reduce": ...}; kind "valid" adds penalty and regularisers.  The
        gradients of net and hyper are those of this loss afterwards."""
        core = self._core
        b = batch_of(core, (x, y))
        given = self.net.gates(gates) if gates is not None else None
        value = ctypes.c_double()
        core.call(lib.hnas_search_loss, ctypes.byref(value), self, b, lam,
                  Pointers(given) if given else None,
                  number("kind", "HNAS_LOSS_", kind))
        return value.value

    def gradient(self, train: Sequence[Any], valid: Sequence[Any],
                 lam: float) -> Dict[str, Any]:
        """The architecture parameters' gradient of a step at lambda."""
        core = self._core
        status = core.call(lib.hnas_search_gradient, self,
                           batch_of(core, train), batch_of(core, valid), lam)
        if status == _abi.HNAS_STOPPED:
            raise StoppedError("gradient: stopped", status)
        return self.hyper.gradients()

    # ---- looking ----

    def _where(self, lam: Optional[float], arch: Optional[Arch]) -> Any:
        if (lam is None) == (arch is None):
            raise TypeError("want one of lam and arch")
        if arch is not None:  # generated weights want its lambda
            return arch, arch.lam
        return None, lam

    def predict(self, x: Any, lam: Optional[float] = None, *,
                arch: Optional[Arch] = None, draw: int = 0) -> Any:
        """Logits of images, relaxed at lambda or of a derived architecture;
        batch-norm as `calibrate` left it, else the search's own.  Arrays and a
        Dataset are normalised by mean and std, a Tensor is taken as it is."""
        where, out = self._where(lam, arch), []
        classes = self.net.settings["classes"]
        for images in image_tensors(self._core, x, self.mean, self.std):
            logits = np.empty((images.shape[0], classes), np.float32)
            self._core.call(lib.hnas_search_predict, self, *where, images,
                            draw, floats(logits), logits.size)
            out.append(logits)
        return np.concatenate(out)

    def calibrate(self, x: Any, lam: Optional[float] = None, *,
                  arch: Optional[Arch] = None, first: bool = True,
                  draw: int = 0) -> None:
        """Batch-norm's statistics for lambda or an architecture: the mean
        over the calls since `first`.  Images as those of `predict`; a Dataset
        gives 20 batches."""
        where = self._where(lam, arch)
        given = image_tensors(self._core, x, self.mean, self.std, True)
        for i, images in enumerate(islice(given, CALIBRATION)):
            self._core.call(lib.hnas_search_calibrate, self, *where, images,
                            draw, int(first and i == 0))

    def restore_norms(self) -> None:
        """Return to the search's own running statistics."""
        self._core.get(lib.hnas_search_restore_norms, self)

    def query(self, lam: float, rule: Optional[str] = None,
              theta: Optional[float] = None) -> Arch:
        """The architecture at lambda; rule and theta: those of the settings
        where they are left out.  Outside the range of the search it is
        extrapolated, with a warning."""
        o = self._opts()
        kind = o.rule if rule is None else number("rule", "HNAS_RULE_", rule)
        function, last = lib.hnas_arch_derive, kind
        if kind == _abi.HNAS_RULE_THRESHOLD:
            function = lib.hnas_arch_derive_threshold
            last = o.theta if theta is None else theta
        elif theta is not None:
            raise TypeError("theta: want rule threshold")
        arch = Arch._of(self._core.create(
            _abi.hnas_arch, lib.hnas_arch_destroy, function, self.net,
            self.hyper, lam, last), self.net)
        h = self.hyper._opts()
        if h.kind != _abi.HNAS_HYPER_CONSTANT and \
                not h.lambda_lo <= lam <= h.lambda_hi:
            warnings.warn(f"query: lambda {lam:g} lies outside "
                          f"{h.lambda_lo:g}..{h.lambda_hi:g}, the range of "
                          "the search", stacklevel=2)
        return arch

    def path(self, rule: Optional[str] = None,
             theta: Optional[float] = None) -> Path:
        """Every architecture of the range, with its interval and cost."""
        o = self._opts()
        rule = name_of("HNAS_RULE_", o.rule) if rule is None else rule
        return Path(self.net, self.hyper, rule,
                    o.theta if theta is None else theta)

    def budget(self, *, rule: Optional[str] = None, theta: Optional[float] = None,
               **limits: Optional[float]) -> Arch:
        """The largest architecture within params=, macs= or another
        metric."""
        path = self.path(rule, theta)
        with path:
            return path.budget(**limits)

    # ---- whole searches ----

    def fit(self, x: Any, y: Any = None, *, epochs: int = 50, batch: int = 64,
            valid_fraction: float = 0.5, checkpoint: Optional[str] = None,
            callback: Optional[Callable[["Bilevel", Epoch], Any]] = None,
            progress: Optional[bool] = None) -> "Bilevel":
        """Search on images uint8 or float32 and labels, or a Dataset, until
        so many epochs are done, counted from the first fit; uint8 images are
        normalised by their moments.  The last valid_fraction of them are
        alpha's: shuffle images that stand in an order.  checkpoint: a file
        that is written after each epoch and where the search is cut, as by
        Ctrl-C, to go on from.  callback: after each epoch; True ends the
        search."""
        from ._fit import search
        search(self, dataset(self.net.ctx, x, y), epochs, batch,
               valid_fraction, checkpoint, callback,
               lambda total, done: Progress(total, done, "search", progress))
        return self

    def _about(self) -> str:
        s = self.settings
        return f"{s['order']} {s['relax']} steps={self.steps}"


def _plain(history: List[Epoch]) -> List[Any]:
    """Without NaN, which JSON lacks."""
    return [[e.epoch, None if np.isnan(e.train_loss) else e.train_loss,
             None if np.isnan(e.valid_loss) else e.valid_loss]
            for e in history]
