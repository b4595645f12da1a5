"""Training by an error model or by the stand-in alone, in place of the hardware's own sums in every forward pass.

Source: Li et al., arXiv 2304.04125, and the training code of REX-SC (nanocad-lab/rex-sc, as read): noise by the sum
(type 1), positive and negative counts by one model; recalibration by exact batches, exact last epochs. Ours: type 2 a
channel for all other arithmetics, a new calibration only when moments have moved, batch norms that are estimated again
on exact batches, and validation that is always exact (theirs validates injected epochs with injected noise).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.training.approximate_layers import _TRAINED_SUMS, _exact, _LayerProduct
from slipstick.training.error_models import (
    DEGREE,
    ErrorModel,
    GaussianError,
    PolynomialError,
    drifted,
    explained,
    fitted_gaussians,
    fitted_polynomials,
)
from slipstick.training.recipe import History
from slipstick.training.smooth_sums import _Operands, _operands

_Method = Literal["exact", "proxy", "inject", "inject+finetune"]
_METHODS: tuple[_Method, ...] = ("exact", "proxy", "inject", "inject+finetune")
_EXACT_SHARE = 5  # the last of so many epochs are exact in inject+finetune: 20 of 100 in REX-SC
_CHECKS = 5  # of a model in an epoch, at most: the calibrations of an epoch in REX-SC
_LEAST_STEPS = 20  # between checks, so that short epochs do not spend their time on them (assumed); 100 in REX-SC
_SAMPLES = 2**16  # of a model by the sum: a thousand in each of its bins (assumed)
_NORM_BATCHES = 20  # on which batch norms are estimated again: 20.2 % right became 42.5 % with 20 (own draft, TinyConv)
_NONE, _BY_SUM, _BY_CHANNEL = 0, 1, 2  # type of a fitted model
_QUALITIES = ("mean", "spread", "share")


class _TrainedSums(nn.Module):
    """Sums of one layer while it trains; its model's coefficients are buffers, so that a stopped training goes on."""

    bias: Tensor
    deviation: Tensor
    ends: Tensor
    channels: Tensor
    kind: Tensor
    quality: Tensor
    fits: Tensor
    method: Tensor

    def __init__(self, filters: int, method: int) -> None:
        super().__init__()
        double = torch.float64
        self.register_buffer("bias", torch.zeros(DEGREE + 1, dtype=double))
        self.register_buffer("deviation", torch.zeros(DEGREE + 1, dtype=double))
        self.register_buffer("ends", torch.zeros(3, dtype=double))  # middle, half, floor
        self.register_buffer("channels", torch.zeros(2, filters, dtype=double))  # means, deviations
        self.register_buffer("kind", torch.tensor(_NONE))
        self.register_buffer("quality", torch.full((len(_QUALITIES),), math.nan, dtype=double))
        self.register_buffer("fits", torch.tensor(0))
        self.register_buffer("method", torch.tensor(method))
        self.computes: Literal["exact", "proxy", "inject"] = "exact"
        self.every, self.passes = 1, 0

    def forward(self, x: Tensor, weight: Tensor, product: _LayerProduct, scale: Tensor, step: Tensor) -> Tensor:
        """Return [b, n, rows, columns] as `approximate_layers._ExactForward` does."""
        if self.computes == "exact":
            return _exact(x, weight, product, scale, step)
        with torch.autocast("cpu", enabled=False):
            operands = _operands(x, weight.float(), product, scale, step)
            parts = operands.smooth()
            if self.computes == "inject":
                self._calibrate(operands, parts)
                if self.kind == _BY_SUM:
                    parts = tuple(self._with_error(part) for part in parts)
            sums = parts[0] if len(parts) == 1 else parts[0] - parts[1]
            if self.computes == "inject" and self.kind == _BY_CHANNEL:
                mean, spread = self.channels.to(sums)[:, :, None, None]
                sums = sums + (mean + spread * torch.randn_like(sums))
            return sums * (scale * step * product.full[1]).view(1, -1, 1, 1)

    def _with_error(self, part: Tensor) -> Tensor:
        """Return a part plus bias and noise; noise has no part in the gradient, which is times 1 + bias'."""
        middle, half, floor = self.ends.tolist()
        position = ((part - middle) / half).clamp(-1, 1)
        spread = _polynomial(self.deviation, position.detach()).clamp(min=floor)
        return part + _polynomial(self.bias, position) + spread * torch.randn_like(part)

    def _calibrate(self, operands: _Operands, parts: tuple[Tensor, ...]) -> None:
        """Fit the model at first, and anew where half a batch shows that errors have moved."""
        number, self.passes = self.passes, self.passes + 1
        first = self.kind == _NONE
        if not first and number % self.every != self.every - 1:
            return
        images = max(len(parts[0]) // 2, 1)
        smooth, exact, by_sum = _calibration(operands, [part.detach()[:images] for part in parts], images)
        if not first:
            self._rate(smooth, exact)
        model = None if first else self.model()
        if model is None or by_sum != (self.kind == _BY_SUM) or drifted(model, smooth, exact):
            self._take(fitted_polynomials(smooth, exact) if by_sum else fitted_gaussians(smooth, exact))
        if first:
            self._rate(smooth, exact)

    def model(self) -> ErrorModel:
        """Return the fitted model."""
        if self.kind == _BY_CHANNEL:
            return GaussianError(*self.channels.numpy())
        middle, half, floor = self.ends.tolist()
        return PolynomialError(self.bias.numpy(), self.deviation.numpy(), middle, half, floor)

    def _take(self, model: ErrorModel) -> None:
        self.fits += 1
        if isinstance(model, GaussianError):
            self.kind.fill_(_BY_CHANNEL)
            self.channels.copy_(torch.from_numpy(np.stack([model.means, model.deviations])))
            return
        self.kind.fill_(_BY_SUM)
        self.ends.copy_(torch.tensor([model.middle, model.half, model.floor]))
        for buffer, values in ((self.bias, model.bias), (self.deviation, model.deviation)):
            buffer.zero_()[: len(values)] = torch.from_numpy(values)

    def _rate(self, smooth: FloatArray, exact: FloatArray) -> None:
        """Keep the model's quality on a batch: from the second calibration batch on, one that it has not seen."""
        quality = explained(smooth, exact, self.model())
        self.quality.copy_(torch.tensor([quality[name] for name in _QUALITIES]))


def _calibration(operands: _Operands, parts: list[Tensor], images: int) -> tuple[FloatArray, FloatArray, bool]:
    """Return smooth sums, the hardware's, and whether they are parts that a model by the sum describes."""
    values = [part.double().numpy() for part in parts]
    exact = operands.hardware(images) if len(parts) == 2 else None
    if exact is not None:
        smooth, counts = np.concatenate(values).ravel(), np.concatenate(exact).ravel()
        every = -(-smooth.size // _SAMPLES) | 1  # odd: no power of two, as sizes of layers are
        return smooth[::every], counts[::every], True
    return values[0] if len(values) == 1 else values[0] - values[1], operands.difference(images), False


def _polynomial(coefficients: Tensor, position: Tensor) -> Tensor:
    """Return a polynomial, lowest power first, elementwise (Horner)."""
    *lower, value = coefficients.tolist()
    result = torch.full_like(position, value)
    for coefficient in reversed(lower):
        result = result * position + coefficient
    return result


@dataclass(frozen=True)
class InjectionQuality:
    """Quality of a layer's error model: see `error_models.explained`; type 1 or 2, and how often it was fitted."""

    kind: int
    fits: int
    mean: float
    spread: float
    share: float


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

    def __init__(self, net: nn.Module, layers: Iterable[str] | None, method: _Method, epochs: int) -> None:
        """Attach a part to each named layer, which `attach` has put on hardware; to none where all epochs are exact.

        Errors
        ------
        SlipstickError for another method than ``exact`` without layers.
        """
        self._net, self._method, self._epochs = net, method, epochs
        self._layers = {name: net.get_submodule(name) for name in layers or ()}
        self.sums: dict[str, _TrainedSums] = {}
        if method == "exact":
            return
        if not self._layers:
            allowed = "exact, for layers whose products are exact"
            raise SlipstickError("no layer on approximate hardware", path="method", value=method, allowed=allowed)
        for name, layer in self._layers.items():
            filters = int(layer.weight.shape[0])  # type: ignore[index]
            self.sums[name] = _TrainedSums(filters, _METHODS.index(method))
            layer.add_module(_TRAINED_SUMS, self.sums[name])

    @property
    def exact_epochs(self) -> int:
        """Number of epochs, at the end, whose forward passes are exact: a fifth, at least one, where it fine-tunes."""
        if self._method == "exact":
            return self._epochs
        return -(-self._epochs // _EXACT_SHARE) if self._method == "inject+finetune" else 0

    def begin(self, epoch: int, steps: int) -> None:
        """Set what layers compute in an epoch, counted from 0, of so many steps.

        Errors
        ------
        SlipstickError for a state of another method.
        """
        self._check()
        exact = epoch >= self._epochs - self.exact_epochs
        for sums in self.sums.values():
            sums.computes = "exact" if exact else "proxy" if self._method == "proxy" else "inject"
            sums.every, sums.passes = min(max(steps // _CHECKS, _LEAST_STEPS), max(steps, 1)), 0

    def end(self, batches: Iterable[Tensor]) -> None:
        """Estimate batch norms again, on exact forward passes, if those of the epoch were not exact."""
        norms = [layer for layer in self._net.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
        if not norms or all(sums.computes == "exact" for sums in self.sums.values()):
            return
        momenta = [norm.momentum for norm in norms]
        self._net.eval()  # which computes exactly
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        with torch.no_grad():
            for _, batch in zip(range(_NORM_BATCHES), batches, strict=False):
                self._net(batch)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def _check(self) -> None:
        for sums in self.sums.values():
            if int(sums.method) != _METHODS.index(self._method):
                raise SlipstickError(
                    "the folder has a training by another method", path="method", value=self._method,
                    allowed=_METHODS[int(sums.method)],
                )  # fmt: skip

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
            name: InjectionQuality(int(sums.kind), int(sums.fits), *sums.quality.tolist())
            for name, sums in self.sums.items()
            if sums.kind != _NONE
        }
        seconds = sum(epoch.seconds for epoch in history.epochs) / max(len(history.epochs), 1)
        return HardwareTraining(self._method, self.exact_epochs / max(self._epochs, 1), seconds, models)
