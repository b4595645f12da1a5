"""Accuracy against the bits of activations, chosen at run time by quantising the outputs of all ReLUs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.trained.torch.batch_prediction import input_tensor
from slipstick.training.evaluation import evaluate

if TYPE_CHECKING:
    from torch import nn

    from slipstick.datasets.images import Images, Normal

_BATCH = 128  # images of one step of the running mean
_WIDEST = 8  # bits: the width at which the ranges are found


def right_by_bits(
    net: nn.Module, test: Images, calibration: Images, normal: Normal, widths: Sequence[int]
) -> dict[int, NDArray[np.bool_]]:
    """Return, by activation bits, which images [images] are right when all ReLU outputs are quantised to them.

    Ranges are a running mean of the largest values over the calibration images, one for each ReLU module; a narrower
    width covers the same range by coarser steps. The network is left as it was.

    Errors
    ------
    SlipstickError for a network without ReLU modules, and widths that are not 2 to 8.
    """
    formatted = require("slipstick.training.parametrization", "torch")
    right = {}
    with _activations(net) as activations:
        _calibrate(net, activations, calibration, normal)
        for bits in widths:
            formatted.set_activation_bits(net, bits)
            right[bits] = evaluate(net, test, normal)
    return right


def _calibrate(net: nn.Module, activations: list[nn.Module], calibration: Images, normal: Normal) -> None:
    """Calibrate the activation quantisers, and nothing else, on the calibration images in training mode."""
    net.eval()
    for activation in activations:
        activation.train()
    with require("torch", "torch").inference_mode():
        for start in range(0, len(calibration), _BATCH):
            net(input_tensor(calibration.images[start : start + _BATCH], normal))
    for activation in activations:
        activation.eval()


@contextmanager
def _activations(net: nn.Module) -> Iterator[list[nn.Module]]:
    """Insert an activation quantiser behind every ReLU, and remove all of them afterwards."""
    torch = require("torch", "torch")
    formatted = require("slipstick.training.parametrization", "torch")
    names = [name for name, module in net.named_modules() if isinstance(module, torch.nn.ReLU | torch.nn.ReLU6)]
    if not names:
        raise SlipstickError("has no ReLU modules", path="activations", value=type(net).__name__)
    plain = {name: net.get_submodule(name) for name in names}
    activations = [formatted.Activation(_WIDEST) for _ in names]
    training = net.training
    net.eval()
    try:
        for (name, module), activation in zip(plain.items(), activations, strict=True):
            net.set_submodule(name, torch.nn.Sequential(module, activation))
        yield activations
    finally:
        for name, module in plain.items():
            net.set_submodule(name, module)
        net.train(training)
