"""Retraining of a compressed network: forward passes with quantised weights, straight-through gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.training.loop import train
from slipstick.training.recipe import Recipe

if TYPE_CHECKING:
    from slipstick.compress.adapt_options import Retraining
    from slipstick.compress.compression import Compression
    from slipstick.compress.hardware_layers import _HardwareLayers
    from slipstick.core.progress import Progress
    from slipstick.datasets.images import DataSet
    from slipstick.trained.network import TrainedNetwork

_RATE = 0.05  # the largest learning rate of retraining: a quarter of that of a short training from the start
_KEPT = 0.4  # of a weight's distance to its pool vector: below a half its nearest vector stays; 0 was 0.2 points worse
_FOLDED_RATE = 0.01  # without batch norms, as exporters fold them: ResNet-8 on digits falls apart at 0.05


def retrain(
    network: TrainedNetwork,
    compression: Compression,
    data: DataSet,
    retraining: Retraining,
    *,
    hardware: _HardwareLayers | None = None,
    progress: Progress | None = None,
) -> Compression:
    """Retrain a compression's weights in its formats, starting from the network's weights and corrected biases.

    Parameters
    ----------
    network : that was compressed, with its weights as they came.
    data : trained on its training images.
    hardware : layers that compute by their arithmetic, in every forward pass.
    progress : called after every step with the steps done, their number, and a text.

    Errors
    ------
    SlipstickError for a network that cannot be trained, as `slipstick.training.train` and `TrainingPhases` raise it.
    """
    if network.module is None:
        raise SlipstickError("cannot be trained: its arithmetic is of integers", path="retrain", value=network.name)
    formatted: Any = require("slipstick.training.parametrization", "torch")
    pools: Any = require("slipstick.training.learned_pools", "torch")
    learned = retraining.renew == "learned"
    copy: Any = network.with_weights(_starts(network, compression) if learned else {}, compression.biases)
    sides, scales, layers = dict(compression.sides), dict[str, float](), hardware and hardware.formats
    if hardware is not None:
        sides |= {name: {**sides.get(name, {}), **side} for name, side in hardware.sides.items()}
        scales = dict(hardware.input_scales)
    formatted.attach(copy.module, compression.formats, sides=sides, policy=retraining.renew, input_scales=scales)
    formatted.encoded_weights(copy.module)  # before a checkpoint is read: what an epoch sees belongs to its state
    timing: Any = require("slipstick.training.step_timing", "torch")
    recipe = Recipe(epochs=retraining.epochs, rate=largest_rate(network, retraining), seed=retraining.seed)
    recipe, phases, schedule = timing.prepared(copy.module, layers, data, retraining, recipe, copy.normal)
    history = train(
        copy.module, data, recipe, normal=copy.normal, folder=retraining.folder,
        progress=pools.freezing(copy.module, retraining.choosing, progress) if learned else progress,
        teacher=network.module if retraining.distill else None, phases=phases,
    )  # fmt: skip
    encoded = formatted.encoded_weights(copy.module)
    formatted.detach(copy.module)
    trained = phases.finish(history)
    if schedule is not None:
        schedule = replace(schedule, achieved=sum(epoch.seconds for epoch in history.epochs))
    return replace(compression, network=replace(copy), encoded=encoded, trained=trained, schedule=schedule)


def _starts(network: TrainedNetwork, compression: Compression) -> dict[str, FloatArray]:
    """Return the weights behind pools fitted to outputs: near their vectors, so that these stay chosen at first."""
    layers = [layer for layer in network.layers() if "scale" in compression.sides.get(layer.name, {})]
    values = {layer: compression.encoded[layer.name].values for layer in layers}
    return {layer.name: near + _KEPT * (layer.weights - near) for layer, near in values.items()}


def largest_rate(network: TrainedNetwork, retraining: Retraining) -> float:
    """Return the peak learning rate of a retraining: the requested one, or a default by the network's norms."""
    if retraining.rate is not None:
        return retraining.rate
    norms = require("torch.nn", "torch").BatchNorm2d
    return _RATE if any(isinstance(layer, norms) for layer in network.module.modules()) else _FOLDED_RATE
