"""Layers that compute by an approximate arithmetic: their input ranges and weight scales, from calibration images.

A sum that saturates wants small weights, streams of few bits want large ones: the scale of a layer's weights is that at
which the exact sums correlate best with the layer's own outputs. The search is our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.format import Format

if TYPE_CHECKING:
    from slipstick.core.arithmetic import Arithmetic
    from slipstick.core.arrays import AnyArray
    from slipstick.datasets.images import Images
    from slipstick.trained.network import TrainedNetwork, Values

_IMAGES = 64  # on which ranges of inputs and scales of weights are found
_PROBED = 16  # of them, on which every scale is tried
_GAINS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # of a weight's scale over that which its largest magnitude fills


@dataclass(frozen=True, eq=False)
class _HardwareLayers:
    """Layers of a network whose products are not exact: formats, input at full scale, and scales of the weights."""

    formats: Mapping[str, Format]
    input_scales: Mapping[str, float]
    sides: Mapping[str, Values]


def hardware_layers(network: TrainedNetwork, forms: Mapping[str, Format], images: Images) -> _HardwareLayers | None:
    """Return the layers whose arithmetic is approximate, calibrated on images; None where there are none.

    Errors
    ------
    SlipstickError for a network without a torch module.
    """
    formats = {name: form for name, form in forms.items() if not form.arithmetic.exact_products}
    if not formats:
        return None
    if network.module is None:
        reason = "a network of 8-bit integers keeps its arithmetic"
        raise SlipstickError(f"not for this network: {reason}", path="formats", value=next(iter(formats.values())).name)
    inputs = _inputs(network, list(formats), images.some(_IMAGES))
    scales = {name: formats[name].arithmetic.input_scale(values) for name, values in inputs.items()}
    sides = {name: _side(network, name, form, inputs[name], scales[name]) for name, form in formats.items()}
    for name, form in formats.items():
        arithmetic = _fitted(network, name, form, inputs[name], scales[name], sides[name]["scale"])
        formats[name] = replace(form, arithmetic=arithmetic)
    return _HardwareLayers(formats, scales, sides)


def on_hardware(network: TrainedNetwork, layers: _HardwareLayers | None) -> TrainedNetwork:
    """Return a network that predicts by the arithmetic of its layers; its weights and files stay as they are."""
    if layers is None:
        return network
    formatted: Any = require("slipstick.training.parametrization", "torch")

    def put(module: Any) -> Any:
        formatted.attach(module, layers.formats, sides=layers.sides, input_scales=layers.input_scales)
        return module

    computing: Any = network
    running: TrainedNetwork = replace(computing, hardware=put)
    return running


def _inputs(network: Any, names: list[str], images: Images) -> dict[str, AnyArray]:
    """Return what reaches the named layers, magnitudes and signs alike, [images, ...]."""
    parts: dict[str, list[AnyArray]] = {name: [] for name in names}
    hooks = [
        network.module.get_submodule(name).register_forward_pre_hook(
            lambda layer, inputs, name=name: parts[name].append(inputs[0].detach().float().numpy().copy())
        )
        for name in names
    ]
    try:
        network.predict(images)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _side(network: Any, name: str, form: Format, inputs: AnyArray, scale: float) -> Values:
    """Return the scale of a layer's weights under which exact sums correlate best with the layer's outputs."""
    torch: Any = require("torch", "torch")
    layers: Any = require("slipstick.training.approximate_layers", "torch")
    part = network.module.get_submodule(name)
    weights = next(layer.weights for layer in network.layers() if layer.name == name)
    least = form.encoding.encode(weights).side["scale"]
    x = torch.from_numpy(inputs[:_PROBED])
    if part.weight.ndim == 2:
        x = x.reshape(-1, x.shape[-1])[:, :, None, None]
    with torch.inference_mode():
        weight = part.weight.reshape(*part.weight.shape[:2], *(part.weight.shape[2:] or (1, 1)))
        plain = layers.plain_sums(part, x, weight).numpy().ravel()
        exact = [layers.exact_sums(part, form, x, weight, scale, least * np.float32(gain)) for gain in _GAINS]
    fits = [_correlation(plain, sums.numpy().ravel()) for sums in exact]
    return {"scale": (least * np.float32(_GAINS[int(np.argmax(fits))])).astype(np.float32)}


def _fitted(network: Any, name: str, form: Format, inputs: AnyArray, scale: float, step: AnyArray) -> Arithmetic:
    """Return a layer's arithmetic, calibrated on the whole numbers that its inputs and weights become."""
    torch: Any = require("torch", "torch")
    layers: Any = require("slipstick.training.approximate_layers", "torch")
    part = network.module.get_submodule(name)
    with torch.inference_mode():
        operands = layers.whole_operands(part, form, torch.from_numpy(inputs[:_PROBED]), part.weight, scale, step)
    return form.arithmetic.calibrated(*operands)


def _correlation(plain: AnyArray, exact: AnyArray) -> float:
    """Return the correlation of exact with plain sums; 0 where all exact ones are alike."""
    centred = [values.astype(np.float64) - values.mean(dtype=np.float64) for values in (plain, exact)]
    norm = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / norm if norm else 0.0
