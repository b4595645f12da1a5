"""One layer in a number format: decoded weights, packed weights, and the quantisation noise in its output."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import FloatArray
from slipstick.core.encoding import Encoded
from slipstick.core.format import Format
from slipstick.trained.network import ObservedInputs, Values, WeightLayer

_MAX_STEP_POWER = 7  # of two, of the steps of an int8 code that a format of fewer bits keeps


def _kept_weights(layer: WeightLayer, form: Format, side: Values | None = None) -> NDArray[Any]:
    """Return a layer's weights quantised to a format and decoded again, in the layer's units.

    Parameters
    ----------
    side : what stands beside the codes and is given: ``shifts`` of each filter, a shared ``pool``.

    Errors
    ------
    SlipstickError for whole numbers and a format that keeps none at given scales.
    """
    if layer.scales is None:
        return form.encoding.encode(layer.weights, side).values.astype(np.float64) + 0.0  # no negative zeros
    return form.encoding.recode(layer.weights, side)


def _encode_layer(layer: WeightLayer, form: Format, side: Values | None = None) -> Encoded:
    """Return a layer's weights packed in a format; arguments as `_kept_weights` takes them.

    Whole numbers stay under their scales. A format of fewer bits than int8 stores them in steps of a power of two: the
    least under which its codes give the weights back.
    """
    if layer.scales is None:
        return form.encoding.encode(layer.weights, side)
    codes = _kept_weights(layer, form, side)
    real, steps = codes * layer.column_scales, [2**power for power in range(_MAX_STEP_POWER + 1)]
    tried = []
    for step in steps:
        scales = (layer.scales * np.float32(step)).astype(np.float32)
        tried.append(form.encoding.encode(real, {"scale": scales, **(side or {})}))
        if np.array_equal(np.rint(tried[-1].values.astype(np.float64) / layer.column_scales), codes):
            return tried[-1]
    return tried[0]  # of the right size; `write_packed_network` refuses it


def _noise(layer: WeightLayer, change: NDArray[Any], inputs: ObservedInputs) -> FloatArray:
    """Return the quantisation noise of each filter's output, the variance of its change, [filters].

    For whole numbers in units of the input's scale, squared: filters of large scales weigh more, as they do in the
    layer's output.
    """
    power = inputs.variance(np.asarray(change, np.float64))
    return power if layer.scales is None else np.asarray(power * layer.scales.astype(np.float64) ** 2)


def _signal(layer: WeightLayer, inputs: ObservedInputs) -> float:
    """Return the signal power of a layer: the variance of its output before its bias, over all filters; never 0."""
    power = float(_noise(layer, layer.weights, inputs).sum())
    return power or 1.0  # an output that never changes: nothing does more or less to it


def _noise_share(layer: WeightLayer, weights: NDArray[Any], inputs: ObservedInputs) -> float:
    """Return the noise-to-signal ratio of a layer's output under new weights."""
    return float(_noise(layer, weights.astype(np.float64) - layer.weights, inputs).sum()) / _signal(layer, inputs)
