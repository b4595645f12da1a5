"""Pools fitted to the outputs of their layers on calibration images (`slipstick.formats.output_pools`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.formats.output_pools import fit_pool_to_outputs
from slipstick.trained.network import TrainedNetwork, Values
from slipstick.trained.torch.observed_windows import _observe_windows
from slipstick.trained.torch.torch_network import TorchNetwork

if TYPE_CHECKING:
    from slipstick.datasets.images import Images

_POSITIONS = 40  # windows of an image: 500 images give 20,000 for covariances of up to some 600 inputs


def fit_to_outputs(
    network: TrainedNetwork, forms: Mapping[str, Format], sides: Mapping[str, Values], images: Images
) -> tuple[dict[str, FloatArray], dict[str, Values]]:
    """Return the weights of all pooled layers as pools fitted to outputs give them, and their pools and scales.

    Parameters
    ----------
    forms : number format of each layer; others than pools of channels are left out.
    sides : pools fitted to the weights (`_shared_sides`), which this starts from.

    Errors
    ------
    SlipstickError for a network that is no torch module.
    """
    if not isinstance(network, TorchNetwork):
        allowed = "weights, or a torch network"
        raise SlipstickError("cannot be observed in full", path="fit", value=network.name, allowed=allowed)
    groups: dict[Format, list[str]] = {}
    for name, form in forms.items():
        if "pool" in sides.get(name, {}) and getattr(form.encoding, "kind", "") == "z":
            groups.setdefault(form, []).append(name)
    weights = {layer.name: layer.weights for layer in network.layers()}
    fitted: dict[str, FloatArray] = {}
    pools: dict[str, Values] = {}
    for names in groups.values():
        seen = [_covariance(network, name, images) for name in names]
        codes, layers = fit_pool_to_outputs([weights[name] for name in names], seen, sides[names[0]]["pool"])
        for name, (indices, scale) in zip(names, layers, strict=True):
            values = codes[indices].astype(np.float64) * scale.astype(np.float64)[:, None, None]
            fitted[name] = values.reshape(weights[name].shape)
            pools[name] = {"pool": codes, "scale": scale}
    return fitted, pools


def _covariance(network: TorchNetwork, name: str, images: Images) -> FloatArray:
    """Return the covariance of a layer's inputs, in the order of a filter's weights [k, k]."""
    observed = _observe_windows(network.module, images, network._inputs(), [name], positions=_POSITIONS)
    inputs = observed[name].windows[0].astype(np.float64)
    inputs -= inputs.mean(axis=0)
    return np.asarray(inputs.T @ inputs / len(inputs))
