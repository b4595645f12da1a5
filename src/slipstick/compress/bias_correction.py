"""Bias correction: the mean shift that changed weights cause in a layer's output, subtracted from its bias.

Source: M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section
4.2; here with the means measured on images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.trained.network import ObservedInputs, Values, WeightLayer

_LIMIT = 2**31  # of an int32 bias


def corrected_biases(
    layers: Iterable[WeightLayer], weights: Values, observed: Mapping[str, ObservedInputs]
) -> dict[str, NDArray[Any]]:
    """Return the corrected biases, which keep the mean of every layer's output under its new weights.

    Layers whose weights stay, and those that have neither a bias nor a batch norm, are left out.

    Parameters
    ----------
    weights : by layer, in the layers' units.
    observed : statistics of the layers' inputs (`TrainedNetwork.observe`).

    Errors
    ------
    SlipstickError if 32 bits do not hold a bias of whole numbers.
    """
    biases = {}
    for layer in layers:
        if layer.bias is not None and layer.name in weights and (weights[layer.name] != layer.weights).any():
            biases[layer.name] = corrected_bias(layer, weights[layer.name], observed[layer.name])
    return biases


def corrected_bias(layer: WeightLayer, weights: NDArray[Any], inputs: ObservedInputs) -> NDArray[Any]:
    """Return one layer's corrected bias: its bias less the mean change of each filter's output."""
    if layer.bias is None:
        raise SlipstickError("the layer has neither a bias nor a batch norm", path=layer.name)
    mean = inputs.mean_change(weights.astype(np.float64) - layer.weights)
    if layer.scales is None:
        return np.asarray(layer.bias - mean.astype(np.float32))
    bias = layer.bias - np.rint(mean)
    if np.abs(bias).max(initial=0) >= _LIMIT:
        raise SlipstickError("a corrected bias beyond 32 bits", path=layer.name)
    return bias.astype(np.int32)
