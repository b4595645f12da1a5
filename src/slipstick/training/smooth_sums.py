"""Sums of a layer by the smooth stand-in of its arithmetic, in torch operations that autograd differentiates.

Values and gradients are those that `approximate_layers` passes back: operands as the hardware carries them, gradients
straight through their rounding, 0 where inputs are clipped. A stand-in that saturates has a positive and a negative
part, which hardware counts apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from slipstick.core.arrays import FloatArray
from slipstick.core.window import WholeNumbers
from slipstick.training.approximate_layers import _carried, _convolve, _LayerProduct, _whole_operands


@dataclass(frozen=True, eq=False)
class _Operands:
    """Operands of a layer: whole numbers (`codes`, `weights`) and the fractions that hardware carries (`a`, `b`)."""

    product: _LayerProduct
    codes: Tensor
    weights: Tensor
    a: Tensor
    b: Tensor

    @cached_property
    def signed(self) -> bool:
        """Whether any input is negative."""
        return bool((self.codes < 0).any())

    def smooth(self) -> tuple[Tensor, ...]:
        """Return the stand-in's parts of the sums, whose difference is the sum; one part if it does not saturate."""
        stand_in, window = self.product.form.stand_in, self.product.window
        if stand_in.kind != "poisson":
            sums = _convolve(window, self.a, self.b)
            return (sums.clamp(stand_in.low, stand_in.high) if stand_in.kind == "clipped" else sums,)
        shape = (self.b.shape[1], self.b.shape[2], self.b.shape[3])
        groups = torch.from_numpy(self.product.form.arithmetic.tap_groups(shape))
        counts = [self._counted(self.b * (groups == group), stand_in.counted) for group in range(int(groups.max()) + 1)]
        positive, negative = (torch.stack(parts).sum(0) for parts in zip(*counts, strict=True))
        return positive, negative

    def _counted(self, b: Tensor, counted: int) -> tuple[Tensor, Tensor]:
        """Return the expected counts of positive and of negative products of taps that saturate together."""
        window, more, less = self.product.window, b * (b >= 0), -b * (b < 0)
        above, below = (self.a, None) if not self.signed else (self.a * (self.codes >= 0), -self.a * (self.codes < 0))
        positive, negative = _convolve(window, above, more), _convolve(window, above, less)
        if below is not None:
            positive, negative = positive + _convolve(window, below, less), negative + _convolve(window, below, more)
        return _expected(positive, counted), _expected(negative, counted)

    def first(self, images: int) -> _Operands:
        """Return the operands of the first images."""
        return self if images == len(self.codes) else replace(self, codes=self.codes[:images], a=self.a[:images])

    def hardware(self, images: int) -> tuple[FloatArray, ...] | None:
        """Return the hardware's sums of the first images by parts, as `smooth` has them; None where it has no parts.

        Positive and negative counts are had apart by setting the other weights to zero, if all inputs are positive.
        """
        if self.product.form.stand_in.kind != "poisson":
            return (self.difference(images),)
        if self.signed:
            return None
        return self._sums(images, self.weights.clamp(min=0)), -self._sums(images, self.weights.clamp(max=0))

    def difference(self, images: int) -> FloatArray:
        """Return the hardware's sums of the first images."""
        return self._sums(images, self.weights)

    def _sums(self, images: int, weights: Tensor) -> FloatArray:
        full, form = self.product.full, self.product.form
        a, b = WholeNumbers(self.codes[:images].numpy(), full[0]), WholeNumbers(weights.numpy(), full[1])
        return np.asarray(form.arithmetic.layer_sums(a, b, self.product.window), np.float64) / (full[0] * full[1])


def _operands(x: Tensor, weight: Tensor, product: _LayerProduct, scale: Tensor, step: Tensor) -> _Operands:
    """Return the operands of inputs [b, c, h, w] and weights; gradients go straight through to both."""
    full, step = product.full, step.view(-1, 1, 1, 1)
    with torch.no_grad():
        codes, weights, inside = _whole_operands(x, weight, full, scale, step)
        a, b = (_carried(product.form.arithmetic, *pair) for pair in ((codes, full[0]), (weights, full[1])))
    passed, moved = (x if inside is None else x * inside) / scale, weight / (step * full[1])
    return _Operands(product, codes, weights, a + (passed - passed.detach()), b + (moved - moved.detach()))


def _expected(sums: Tensor, counted: int) -> Tensor:
    """Return the expected count of sums of one sign, `StandIn.value` of a ``poisson`` stand-in."""
    powers = sum((counted - i) / math.factorial(i) * sums**i for i in range(1, counted))
    return counted - torch.exp(-sums) * (counted + powers)
