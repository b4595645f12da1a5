"""Sums of a layer while it trains by a model of its hardware's errors: values, gradients, calibration, samples.

Types of a model: 1, by the sum, where hardware counts positive and negative products apart by one model for both
(REX-SC, nanocad-lab/rex-sc, as read); 2, by the channel; 3, by the operands, of tables of products (`table_errors`,
our own), with the rest by the channel. The coefficients are buffers, so that a stopped training goes on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.window import WholeNumbers
from slipstick.training.approximate_layers import _convolve, _exact, _LayerProduct
from slipstick.training.error_models import (
    DEGREE,
    ErrorSamples,
    GaussianError,
    LayerError,
    PolynomialError,
    fitted_error,
)
from slipstick.training.error_quality import ErrorQuality, drifted, explained
from slipstick.training.fused_injection import InjectedLayer, fused_sums
from slipstick.training.injection_noise import normal_noise
from slipstick.training.smooth_sums import _Operands, _operands
from slipstick.training.table_errors import table_terms

_Errors = Literal["auto", "sum", "sum+fixed", "channel", "channel+fixed", "operands", "operands+fixed"]
_SAMPLES = 2**16  # of a batch: of a thousand images' sums, all in bins of thousands (assumed)
_NONE, _BY_SUM, _BY_CHANNEL, _BY_OPERANDS = 0, 1, 2, 3  # type of a model
_ERRORS = get_args(_Errors)
_TYPES = {"sum": _BY_SUM, "channel": _BY_CHANNEL, "operands": _BY_OPERANDS}
_RESIZED = ("fixed", "input_terms", "weight_terms")  # buffers whose sizes a layer's first pass tells
_Array = TypeVar("_Array", Tensor, np.ndarray)
_QUALITIES = tuple(field.name for field in fields(ErrorQuality))


class _TrainedSums(nn.Module):
    """Sums of one layer while it trains; its model's coefficients are buffers, so that a stopped training goes on."""

    bias: Tensor
    deviation: Tensor
    ends: Tensor
    channels: Tensor
    kind: Tensor
    apart: Tensor
    fixed: Tensor
    input_terms: Tensor
    weight_terms: Tensor
    quality: Tensor
    fits: Tensor
    method: Tensor

    def __init__(self, filters: int, method: int, errors: _Errors = "auto") -> None:
        super().__init__()
        double = torch.float64
        self.register_buffer("bias", torch.zeros(DEGREE + 1, dtype=double))
        self.register_buffer("deviation", torch.zeros(DEGREE + 1, dtype=double))
        self.register_buffer("ends", torch.zeros(3, dtype=double))  # middle, half, floor
        self.register_buffer("channels", torch.zeros(2, filters, dtype=double))  # means, deviations
        self.register_buffer("kind", torch.tensor(_NONE))
        self.register_buffer("apart", torch.tensor(False))  # whether the model is of positive and negative counts
        self.register_buffer("quality", torch.full((len(_QUALITIES),), math.nan, dtype=double))
        self.register_buffer("fits", torch.tensor(0))
        self.register_buffer("method", torch.tensor([method, _ERRORS.index(errors)]))
        for name in _RESIZED:
            self.register_buffer(name, torch.zeros(0))
        self.errors = errors
        self.computes: Literal["exact", "proxy", "inject", "sample"] = "exact"
        self.every, self.passes, self.seed = 1, 0, 0
        self.samples: list[ErrorSamples] = []
        self.taken: LayerError | None = None

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        self.taken = None
        for name in _RESIZED:
            if prefix + name in state_dict:
                setattr(self, name, torch.zeros_like(state_dict[prefix + name]))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, x: Tensor, weight: Tensor, product: _LayerProduct, scale: Tensor, step: Tensor) -> Tensor:
        """Return [b, n, rows, columns] as `approximate_layers._ExactForward` does."""
        if self.computes == "exact":
            return _exact(x, weight, product, scale, step)
        low = torch.is_autocast_enabled("cpu")
        with torch.autocast("cpu", enabled=False):
            call = x, weight.float(), product, scale, step
            if self.computes == "sample":
                sums = self._sample(_operands(*call))
            elif self.computes == "proxy":
                sums = _difference(_operands(*call).smooth())
            else:
                return self._injected(*call, low=low)
            result: Tensor = sums * (scale * step * product.full[1]).view(1, -1, 1, 1)
            return result

    def _injected(
        self, x: Tensor, weight: Tensor, product: _LayerProduct, scale: Tensor, step: Tensor, *, low: bool
    ) -> Tensor:
        """Return the layer's sums with errors: by the fused kernel where it gives them, else by `injected`."""
        operands = None
        if self._is_due():
            operands = _operands(x, weight, product, scale, step)
            self._calibrate(operands)
        model, seed = self.model(), self.seed + self.passes
        fused = fused_sums(x, weight, InjectedLayer(product, model, seed, scale, step, low))
        if fused is not None and self.kind != _BY_OPERANDS:
            return fused
        operands, unit = operands or _operands(x, weight, product, scale, step), scale * step * product.full[1]
        if fused is None:
            return self.injected(operands, operands.smooth(), seed) * unit.view(1, -1, 1, 1)
        with torch.no_grad():
            known = self._known(operands) * unit.view(1, -1, 1, 1)
        return fused + known

    def injected(self, operands: _Operands, parts: tuple[Tensor, ...], seed: int) -> Tensor:
        """Return smooth sums with errors; noise has no part in the gradient, which is times 1 + bias'."""
        if self.kind == _BY_SUM:
            parts = parts if self.apart else (_difference(parts),)
            positions = [self._position(part) for part in parts]
            spreads = [self._spread(position.detach()) for position in positions]
            parts = tuple(part + _polynomial(self.bias, at) for part, at in zip(parts, positions, strict=True))
        else:
            mean, spread = self.channels.to(parts[0])[:, :, None, None]
            parts, spreads = (_difference(parts) + mean,), [spread]
        sums = _difference(parts)
        if self.kind == _BY_OPERANDS:
            sums = sums + self._known(operands)
        if self.fixed.numel():
            fixed = self.fixed.to(sums).chunk(len(parts))
            sums = sums + _difference([part * spread for part, spread in zip(fixed, spreads, strict=True)])
        noise = torch.from_numpy(normal_noise(seed, sums.numel())).view(sums.shape)
        spread = torch.stack([spread**2 for spread in spreads]).sum(0).sqrt()
        result: Tensor = sums + spread * noise.to(sums)
        return result

    def _position(self, part: Tensor) -> Tensor:
        middle, half, _ = self.ends.tolist()
        position: Tensor = ((part - middle) / half).clamp(-1, 1)
        return position

    def _spread(self, position: Tensor) -> Tensor:
        return _polynomial(self.deviation, position).clamp(min=float(self.ends[2]))

    def _known(self, operands: _Operands) -> Tensor:
        """Return the errors of sums that the operands tell: a convolution for each term of `table_errors`."""
        window, full, known = operands.product.window, operands.product.full, torch.zeros(())
        codes = functional.pad(operands.codes, [*window.padding[1], *window.padding[0]]).long() + full[0]
        weights, bare = operands.weights.long() + full[1], replace(window, padding=((0, 0), (0, 0)))
        for inputs, own in zip(self.input_terms.T, self.weight_terms.T, strict=True):
            known = known + _convolve(bare, inputs[codes], own[weights])
        return known

    def _is_due(self) -> bool:
        """Return whether this pass calibrates: the first of all, then one of `every` passes."""
        number, self.passes = self.passes, self.passes + 1
        return bool(self.kind == _NONE) or number % self.every == self.every - 1

    def _calibrate(self, operands: _Operands) -> None:
        """Fit the model at first, and anew where half a batch shows that errors have moved."""
        first = self.kind == _NONE
        if first:
            self._choose(operands)
        samples, _ = self._sampled(operands.first(len(operands.codes) if first else max(len(operands.codes) // 2, 1)))
        again = samples.shape[0] == self.channels.shape[1] * (1 + int(self.apart))
        if first or not again or drifted(self.model(), samples):
            self._fit(samples)

    def _choose(self, operands: _Operands) -> None:
        """Choose the type of the model, and the terms of a table's errors by these operands."""
        arithmetic, full = operands.product.form.arithmetic, operands.product.full
        table, asked = arithmetic.error_table(full), self.errors.partition("+")[0]
        if asked == "operands" and table is None:
            allowed = "auto, sum, channel: an error here is not that of a product of its own"
            raise SlipstickError("no table of products", path="errors", value=arithmetic.name, allowed=allowed)
        saturates = operands.product.form.stand_in.kind == "poisson"
        own = _BY_OPERANDS if table is not None else _BY_SUM if saturates else _BY_CHANNEL
        self.kind.fill_(_TYPES.get(asked, own))
        if self.kind == _BY_OPERANDS and table is not None:
            pairs = zip((operands.codes, operands.weights), full, strict=True)
            terms = table_terms(table / (full[0] * full[1]), *(WholeNumbers(x.numpy(), size) for x, size in pairs))
            self.input_terms, self.weight_terms = (
                torch.from_numpy(values).float() for values in (terms.inputs, terms.weights)
            )

    def _sample(self, operands: _Operands) -> Tensor:
        """Return the hardware's sums, and keep samples of their errors for `renew`."""
        if not self.samples:
            self._choose(operands)
        samples, exact = self._sampled(operands)
        self.samples.append(samples)
        return torch.from_numpy(exact.astype(np.float32))

    def _sampled(self, operands: _Operands) -> tuple[ErrorSamples, FloatArray]:
        """Return samples of the errors, and the hardware's sums.

        Positive and negative counts are sampled apart where hardware gives them apart and the model is by the sum.
        """
        with torch.no_grad():
            parts = [part.numpy() for part in operands.smooth()]
            known = self._known(operands).numpy() if self.kind == _BY_OPERANDS else None
        images = len(operands.codes)
        counts = operands.hardware(images) if len(parts) == 2 and self.kind == _BY_SUM else None
        exact = operands.difference(images) if counts is None else counts[0] - counts[1]
        smooth = np.concatenate(parts, 1) if counts is not None else _difference(parts)
        errors = (exact if counts is None else np.concatenate(counts, 1)) - smooth
        every = -(-smooth.size // _SAMPLES) | 1  # odd: no divisor of a layer's size, so that all places have samples
        places = np.arange(0, smooth.size, every) % smooth[0].size
        sums, rest = (values.ravel()[::every].astype(np.float64) for values in (smooth, errors))
        told = None if known is None else known.ravel()[::every].astype(np.float64)
        return ErrorSamples(sums, rest, places, smooth.shape[1:], told), exact

    def renew(self) -> None:
        """Fit the model anew to every second sampled batch, and rate it on the others."""
        samples = [batch for batch in self.samples if batch.shape == self.samples[0].shape]
        self.samples = []
        if len(samples) == 1:
            samples = samples[0].halves()
        model = self._fit(ErrorSamples.together(samples[::2]))
        quality = explained(ErrorSamples.together(samples[1::2]), model)
        self.quality.copy_(torch.tensor([getattr(quality, name) for name in _QUALITIES]))

    def begin(self, computes: Literal["exact", "proxy", "inject"], every: int) -> None:
        """Begin an epoch: what passes compute, and passes between calibrations; noise is counted from a drawn seed."""
        self.computes, self.every, self.passes, self.seed = computes, every, 0, int(torch.randint(2**31, ()))

    def model(self) -> LayerError:
        """Return the fitted model, as it was taken or as the buffers have it."""
        if self.taken is None:
            self.taken = self._kept()
        return self.taken

    def _kept(self) -> LayerError:
        """Return the model that the buffers have."""
        fixed = self.fixed.double().numpy().ravel() if self.fixed.numel() else None
        if self.kind != _BY_SUM:
            return LayerError(GaussianError(*self.channels.numpy()), fixed)
        middle, half, floor = self.ends.tolist()
        return LayerError(PolynomialError(self.bias.numpy(), self.deviation.numpy(), middle, half, floor), fixed)

    def _fit(self, samples: ErrorSamples) -> LayerError:
        """Fit the model to samples, and take it."""
        fixed = self.errors.endswith("+fixed") or (self.errors == "auto" and int(self.kind) != _BY_CHANNEL)
        model = fitted_error(samples, by_sum=int(self.kind) == _BY_SUM, fixed=fixed)
        self.take(model, samples.shape)
        return model

    def take(self, model: LayerError, shape: tuple[int, int, int]) -> None:
        """Take a model of sums [channels, rows, columns], twice the channels for positive and negative counts."""
        self.fits += 1
        self.taken = None  # what the buffers hold of it is what a resumed training has
        self.apart.fill_(shape[0] == 2 * self.channels.shape[1])
        self.fixed = torch.zeros(0) if model.fixed is None else torch.from_numpy(model.fixed).float().view(shape)
        if isinstance(model.model, GaussianError):
            self.channels.copy_(torch.from_numpy(np.stack([model.model.means, model.model.deviations])))
            return
        self.ends.copy_(torch.tensor([model.model.middle, model.model.half, model.model.floor]))
        for buffer, values in ((self.bias, model.model.bias), (self.deviation, model.model.deviation)):
            buffer.zero_()[: len(values)] = torch.from_numpy(values)


def _difference(parts: Sequence[_Array]) -> _Array:
    """Return the sum of parts: of positive less that of negative counts."""
    first: Any = parts[0]
    difference: _Array = first if len(parts) == 1 else first - parts[1]
    return difference


def _polynomial(coefficients: Tensor, position: Tensor) -> Tensor:
    """Return a polynomial, lowest power first, elementwise (Horner)."""
    *lower, value = coefficients.tolist()
    result = torch.full_like(position, value)
    for coefficient in reversed(lower):
        result = result * position + coefficient
    return result
