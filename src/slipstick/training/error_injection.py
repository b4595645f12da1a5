"""Training by an error model or by the stand-in alone, in place of the hardware's own sums in every forward pass.

Source: Li et al., arXiv 2304.04125, and the training code of REX-SC (nanocad-lab/rex-sc, as read): noise by the sum
(type 1), positive and negative counts by one model; recalibration by exact batches, exact last epochs. Ours: type 2 a
channel for all other arithmetics, a new calibration only when moments have moved, batch norms that are estimated again
on exact batches, and validation that is always exact (theirs validates injected epochs with injected noise).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from slipstick.core.errors import SlipstickError
from slipstick.training.approximate_layers import _TRAINED_SUMS
from slipstick.training.error_quality import ErrorQuality
from slipstick.training.injected_sums import _ERRORS, _Errors, _TrainedSums
from slipstick.training.recipe import History
from slipstick.training.time_budget import TrainingSchedule

_Method = Literal["exact", "proxy", "inject", "inject+finetune"]
_METHODS: tuple[_Method, ...] = ("exact", "proxy", "inject", "inject+finetune")
_EXACT_SHARE = 5  # the last of so many epochs are exact in inject+finetune: 20 of 100 in REX-SC
_CHECKS = 5  # of a model in an epoch, at most: the calibrations of an epoch in REX-SC
_LEAST_STEPS = 20  # between checks, so that short epochs do not spend their time on them (assumed); 100 in REX-SC
_SAMPLED_SHARE, _LEAST_SAMPLED = 20, 2  # of an epoch's steps, as many batches show errors after it (assumed)
_NORM_BATCHES = 20  # on which batch norms are estimated again: 20.2 % right became 42.5 % with 20 (own draft, TinyConv)


@dataclass(frozen=True)
class InjectionQuality:
    """Error model of a layer when training ended: type 1, 2 or 3, how often it was fitted, and its quality."""

    kind: int
    fits: int
    quality: ErrorQuality


@dataclass(frozen=True)
class HardwareTraining:
    """Record of a training on approximate hardware: share of exact epochs, seconds per epoch, models of errors."""

    method: str
    exact_share: float
    seconds: float
    models: Mapping[str, InjectionQuality]


class TrainingPhases:
    """Phases of a training on approximate hardware: what forward passes compute, epoch by epoch.

    `slipstick.training.loop.train` calls `begin` at the start of every epoch, and `end` before its validation.
    """

    def __init__(
        self,
        net: nn.Module,
        layers: Iterable[str] | None,
        method: _Method,
        epochs: int,
        errors: _Errors = "auto",
        schedule: TrainingSchedule | None = None,
    ) -> None:
        """Attach a part to each named layer, which `attach` has put on hardware; to none where all epochs are exact.

        Parameters
        ----------
        errors : how errors are modelled: by the ``sum``, the ``channel`` or the ``operands``, with what is ``+fixed``
            at each place; auto: by the operands where a table gives the products, by the sum where it saturates, both
            ``+fixed``, else by the channel.
        schedule : says how many epochs are exact, and how often others calibrate, where that is not the default.

        Errors
        ------
        SlipstickError for another method than ``exact`` without layers.
        """
        self._net, self._method, self._epochs, self._schedule = net, method, epochs, schedule
        self._layers = {name: net.get_submodule(name) for name in layers or ()}
        self.sums: dict[str, _TrainedSums] = {}
        self._sampled = _NORM_BATCHES
        if method == "exact":
            return
        if not self._layers:
            allowed = "exact, for layers whose products are exact"
            raise SlipstickError("no layer on approximate hardware", path="method", value=method, allowed=allowed)
        for name, layer in self._layers.items():
            filters = int(layer.weight.shape[0])  # type: ignore[index]
            self.sums[name] = _TrainedSums(filters, _METHODS.index(method), errors)
            layer.add_module(_TRAINED_SUMS, self.sums[name])

    @property
    def exact_epochs(self) -> int:
        """Number of epochs, at the end, whose forward passes are exact: a fifth, at least one, where it fine-tunes."""
        if self._method == "exact":
            return self._epochs
        if self._schedule is not None:
            return self._schedule.exact_epochs
        return -(-self._epochs // _EXACT_SHARE) if self._method == "inject+finetune" else 0

    def begin(self, epoch: int, steps: int) -> None:
        """Set what layers compute in an epoch, counted from 0, of so many steps.

        Errors
        ------
        SlipstickError for a state of another method.
        """
        self._check()
        exact = epoch >= self._epochs - self.exact_epochs
        last = epoch == self._epochs - self.exact_epochs - 1  # that injects: its models are those of the record
        self._sampled = _NORM_BATCHES if last else min(max(steps // _SAMPLED_SHARE, _LEAST_SAMPLED), _NORM_BATCHES)
        checks = _CHECKS if self._schedule is None else self._schedule.checks
        computes: Literal["exact", "proxy", "inject"]
        computes = "exact" if exact else "proxy" if self._method == "proxy" else "inject"
        for sums in self.sums.values():
            sums.begin(computes, min(max(steps // checks, _LEAST_STEPS), max(steps, 1)))

    def end(self, batches: Iterable[Tensor]) -> None:
        """Estimate batch norms, and fit and rate error models, on exact forward passes if those of the epoch were not.

        Models are fitted to every second batch and rated on the others, which are images that they have not seen.
        """
        if all(sums.computes == "exact" for sums in self.sums.values()):
            return
        norms = [layer for layer in self._net.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
        injected = [name for name, sums in self.sums.items() if sums.computes == "inject"]
        if not norms and not injected:
            return
        momenta = [norm.momentum for norm in norms]
        self._net.eval()  # which computes exactly
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        self._sample(injected, on=True)
        with torch.no_grad():
            for number, batch in zip(range(_NORM_BATCHES if norms else self._sampled), batches, strict=False):
                if number == self._sampled:
                    self._sample(injected, on=False)
                self._net(batch)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self._sample(injected, on=False)
        for name in injected:
            self.sums[name].renew()

    def _sample(self, names: Iterable[str], *, on: bool) -> None:
        """Let layers keep samples of their errors while they compute exactly, or compute alone."""
        for name in names:
            self._layers[name].training, self.sums[name].computes = on, "sample" if on else "inject"

    def _check(self) -> None:
        for sums in self.sums.values():
            method, errors = sums.method.tolist()
            asked = ("method", self._method, _METHODS[method]), ("errors", sums.errors, _ERRORS[errors])
            for path, value, allowed in asked:
                if value != allowed:
                    raise SlipstickError(
                        "the folder has a training by another method", path=path, value=value, allowed=allowed
                    )

    def finish(self, history: History) -> HardwareTraining | None:
        """Remove the parts from the layers; return the record of a training, None without layers on hardware.

        Errors
        ------
        SlipstickError for a state of another method.
        """
        self._check()
        if not self._layers:
            return None
        for name in self.sums:
            del self._layers[name]._modules[_TRAINED_SUMS]
        models = {
            name: InjectionQuality(int(sums.kind), int(sums.fits), ErrorQuality(*sums.quality.tolist()))
            for name, sums in self.sums.items()
            if int(sums.kind)
        }
        seconds = sum(epoch.seconds for epoch in history.epochs) / max(len(history.epochs), 1)
        return HardwareTraining(self._method, self.exact_epochs / max(self._epochs, 1), seconds, models)
