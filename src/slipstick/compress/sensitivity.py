"""Sensitivity of a network's output to noise in each of its layers, measured layer by layer on a few images.

Layer by layer, weights are put into few shifts with the bias corrected; how far the outputs move, over the noise that
this made in the layer, is its sensitivity. It is our own measure: the second derivatives that others take need
gradients, which integers have not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slipstick.compress.bias_correction import corrected_biases
from slipstick.compress.encoded_layers import _kept_weights, _noise_share
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.trained.network import ObservedInputs, TrainedNetwork, WeightLayer

if TYPE_CHECKING:
    from slipstick.core.progress import Progress
    from slipstick.datasets.images import Images

_PROBE = 2  # shifts of the layer that is probed: its noise stands out of what rounding elsewhere makes of any change


def _sensitivities(
    network: TrainedNetwork,
    forms: Mapping[str, Format],
    observed: Mapping[str, ObservedInputs],
    images: Images,
    *,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Return each layer's sensitivity: relative change of the network's output per relative noise in the layer.

    A layer is probed in two shifts, or in its own format where that has no shifts; integer networks, in which every
    rounding answers, are probed in shifts only, and their other layers get 0.

    Parameters
    ----------
    forms : the format of each layer that is probed.
    observed : statistics of the layers' inputs (`TrainedNetwork.observe`).
    images : one run of them for each layer.
    progress : called with the layers done, their number, and a text.

    Errors
    ------
    SlipstickError without images.
    """
    if not len(images):
        raise SlipstickError("needs images", path="images", allowed="one or more to measure sensitivities on")
    plain = network.logits(images)
    power = float(plain.var(axis=0).sum()) or 1.0
    layers = [layer for layer in network.layers() if layer.name in forms]
    shares: dict[str, float] = {}
    for place, layer in enumerate(layers):
        if progress:
            progress(place, len(layers), f"sensitivity of {layer.label or layer.name}")
        form = forms[layer.name]
        shifts = form.encoding.max_shifts is not None
        if network.integers and not shifts:
            shares[layer.name] = 0.0
            continue
        probed = _kept_weights(layer, form, {"shifts": np.full(layer.filters, _PROBE)} if shifts else None)
        share = _noise_share(layer, probed, observed[layer.name])
        biases = corrected_biases([layer], {layer.name: probed}, observed)
        moved = network.with_weights({layer.name: _moved(layer, probed)}, biases).logits(images) - plain
        shares[layer.name] = float((moved**2).mean(axis=0).sum()) / power / share if share else 0.0
    return shares


def _moved(layer: WeightLayer, weights: NDArray[Any]) -> NDArray[Any]:
    """Return changed weights as the layer's weights plus the change in fp32, as a torch module would add them."""
    return weights if layer.scales is not None else layer.weights + (weights - layer.weights).astype(np.float32)
