"""Accuracy against the bits of activations, chosen at run time: the same network, its ReLUs' results in fewer steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.training.evaluation import evaluate, tensor

if TYPE_CHECKING:
    from torch import nn

    from slipstick.datasets.images import Images, Normal

BATCH = 128  # images of one step of the running mean
WIDEST = 8  # bits: the width at which the ranges are found


def by_bits(
    net: nn.Module, test: Images, calibration: Images, normal: Normal, widths: Sequence[int]
) -> dict[int, NDArray[np.bool_]]:
    """Return for each width which test images are right when the results of all ReLUs have so many bits.

    Ranges are a running mean of the largest values over the calibration images, one for each ReLU module; a narrower
    width covers the same range by coarser steps. The network is left as it was.

    Errors
    ------
    SlipstickError for a network without ReLU modules, and widths that are not 2 to 8.
    """
    torch_module = require("slipstick.compress.torch_parametrization", "torch")
    found = {}
    with _held(net) as held:
        _calibrate(net, held, calibration, normal)
        for bits in widths:
            torch_module.set_activation_bits(net, bits)
            found[bits] = evaluate(net, test, normal)
    return found


def _calibrate(net: nn.Module, held: list[nn.Module], calibration: Images, normal: Normal) -> None:
    """Let the activations, and nothing else, see the calibration images in training mode."""
    net.eval()
    for activation in held:
        activation.train()
    with require("torch", "torch").inference_mode():
        for start in range(0, len(calibration), BATCH):
            net(tensor(calibration.images[start : start + BATCH], normal))
    for activation in held:
        activation.eval()


@contextmanager
def _held(net: nn.Module) -> Iterator[list[nn.Module]]:
    """Put an activation behind every ReLU, and take them away again."""
    torch = require("torch", "torch")
    torch_module = require("slipstick.compress.torch_parametrization", "torch")
    names = [name for name, module in net.named_modules() if isinstance(module, torch.nn.ReLU | torch.nn.ReLU6)]
    if not names:
        raise SlipstickError("has no ReLU modules", path="activations", value=type(net).__name__)
    plain = {name: net.get_submodule(name) for name in names}
    held = [torch_module.Activation(WIDEST) for _ in names]
    training = net.training
    net.eval()
    try:
        for (name, module), activation in zip(plain.items(), held, strict=True):
            net.set_submodule(name, torch.nn.Sequential(module, activation))
        yield held
    finally:
        for name, module in plain.items():
            net.set_submodule(name, module)
        net.train(training)
