"""Input statistics of an integer network's layers (means, second moments), and how new weights change its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from slipstick.core.arrays import AnyArray, FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.trained.integer.execute import _is_layer, run_integers
from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator, IntegerTensor
from slipstick.trained.integer.weighted_layers import _laid_out
from slipstick.trained.network import ObservedInputs


@dataclass(frozen=True, eq=False)
class _LayerInputs(ObservedInputs):
    """Statistics of one layer's inputs, as integer codes minus zero point; padding is included as 0.

    Changes of weights are in whole numbers [filters, ...]; sums of products in units of the input's scale times the
    filter's.

    Parameters
    ----------
    op : index of the operator.
    mean : over all images and positions: [kh, kw, channels] of a convolution, [inputs] of a dense layer,
        [filters, kh, kw, 1] of a depth-wise convolution, whose filters see a channel each.
    moments : of second order, not central, over the positions sampled: [K, K], K = kh * kw * channels; of a depth-wise
        convolution [filters, kh * kw, kh * kw].
    """

    op: int
    mean: FloatArray
    moments: FloatArray

    def mean_change(self, change: FloatArray) -> FloatArray:
        """Return the change of the mean of each filter's sum of products under new weights, [filters]."""
        rows = self._rows(change)
        if self._depthwise:
            means: FloatArray = np.einsum("fk,fk->f", rows, self.mean.reshape(rows.shape))
            return means
        return rows @ self.mean.ravel()

    def squared_change(self, change: FloatArray) -> FloatArray:
        """Return the mean squared change of each filter's sum of products under new weights, [filters].

        E[(dW x)^2] = dW G dW' with the second moments G.
        """
        rows = self._rows(change)
        if self._depthwise:
            squares: FloatArray = np.einsum("fk,fkl,fl->f", rows, self.moments, rows)
        else:
            squares = np.einsum("fk,fk->f", rows @ self.moments, rows)
        return squares

    def variance(self, change: FloatArray) -> FloatArray:
        """Return the variance of the change of each filter's sum of products under new weights, [filters]."""
        return np.maximum(self.squared_change(change) - self.mean_change(change) ** 2, 0.0)

    @property
    def _depthwise(self) -> bool:
        return self.moments.ndim > 2

    def _rows(self, change: FloatArray) -> FloatArray:
        rows = np.asarray(change, np.float64).reshape(len(change), -1)
        if rows.shape[1] != self.moments.shape[-1]:
            actual, allowed = f"{rows.shape[1]} weights of a filter", f"{self.moments.shape[-1]}"
            raise SlipstickError("not a change of this layer's weights", path="change", value=actual, allowed=allowed)
        return rows


def _layer_inputs(
    network: IntegerNetwork,
    images: AnyArray,
    *,
    weights: Mapping[int, Any] | None = None,
    biases: Mapping[int, Any] | None = None,
    positions: int | None = 16,
    seed: int = 0,
) -> tuple[_LayerInputs, ...]:
    """Run images through a network and return the statistics of each layer's input, in the order of `weights()`.

    Parameters
    ----------
    images, weights, biases : as `run_integers` takes them.
    positions : windows drawn from each image (with replacement) for the second moments; None takes all. A layer with
        no more positions than that gives all of them.
    """
    if positions is not None and positions < 1:
        raise SlipstickError("not a number of positions", path="positions", value=positions, allowed="1 or more, None")
    sums = [_Sums(network, place, op, positions, seed) for place, op in enumerate(network.operators) if _is_layer(op)]

    def observe(tensor: int, codes: AnyArray) -> None:
        for layer in sums:
            if layer.op.inputs[0] == tensor:
                layer.add(codes)

    run_integers(network, images, weights, biases, observe=observe)
    return tuple(layer.finished() for layer in sums)


class _Sums:
    """Running sums of one layer's input statistics."""

    def __init__(
        self,
        network: IntegerNetwork,
        place: int,
        op: IntegerOperator,
        positions: int | None,
        seed: int,
    ) -> None:
        self.place, self.op, self.positions = place, op, positions
        self.x: IntegerTensor = network.tensors[op.inputs[0]]
        self.w: IntegerTensor = network.tensors[op.inputs[1]]
        self.random = np.random.default_rng([seed, place])
        self.first: Any = 0
        self.second: Any = 0
        self.seen = self.sampled = 0

    def add(self, codes: AnyArray) -> None:
        """Add the integer codes of some images to the sums."""
        view = self._windows(codes)
        images, high, wide = view.shape[:3]
        zero = self.x.zero_point
        taps = [view[:, :, :, i, j] for i, j in np.ndindex(view.shape[3:5])]
        total = np.stack([tap.sum(axis=(0, 1, 2), dtype=np.int64) for tap in taps])
        self.seen += images * high * wide
        self.first = self.first + total - zero * images * high * wide
        for image in view:
            rows = image[self._drawn(high, wide)].reshape(-1, len(taps), codes.shape[-1]) - np.float64(zero)
            self.sampled += len(rows)
            self.second = self.second + self._products(rows)

    def finished(self) -> _LayerInputs:
        """Return the statistics: the sums divided by their counts."""
        mean, moments = self.first / self.seen, self.second / self.sampled
        if self.op.kind == "dense":
            return _LayerInputs(self.place, mean[0], moments)
        kernel = self.w.shape[1:3]
        if self.op.kind == "conv":
            return _LayerInputs(self.place, mean.reshape(*kernel, -1), moments)
        times = self.w.shape[3] // self.x.shape[3]
        mean = np.repeat(mean.T, times, axis=0).reshape(-1, *kernel, 1)
        return _LayerInputs(self.place, mean, np.repeat(moments, times, axis=0))

    def _windows(self, codes: AnyArray) -> AnyArray:
        if self.op.kind == "dense":
            return codes.reshape(len(codes), -1, 1, 1, 1, self.w.shape[1])
        kernel = (self.w.shape[1], self.w.shape[2])
        return _laid_out(codes, kernel, self.op.options, self.x, self.x.zero_point)

    def _drawn(self, high: int, wide: int) -> Any:
        if self.positions is None or self.positions >= high * wide:
            return slice(None)
        return np.unravel_index(self.random.integers(0, high * wide, self.positions), (high, wide))

    def _products(self, rows: FloatArray) -> FloatArray:
        if self.op.kind == "depthwise":
            per_channel = rows.transpose(2, 1, 0)
            products: FloatArray = per_channel @ per_channel.transpose(0, 2, 1)
        else:
            flat = rows.reshape(len(rows), -1)
            products = flat.T @ flat
        return products
