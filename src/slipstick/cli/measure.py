"""The command `measure`."""

from __future__ import annotations

from slipstick.cli.options import Inputs, Shown
from slipstick.cli.output import put

_PLAIN_INPUTS, _PLAIN_SHOWN = Inputs(), Shown()


def measure(
    net: str,
    *,
    data: str,
    format: str = "",
    images: int | None = None,
    inputs: Inputs = _PLAIN_INPUTS,
    shown: Shown = _PLAIN_SHOWN,
) -> None:
    """Score a network on test images, its weights in any format; nothing is trained or written.

    Parameters
    ----------
    net
        A .tflite file with 8-bit weights and activations, run bit for bit in integers; a .safetensors file that
        slipstick train --out wrote; an .onnx file; or efficientnet-lite0, with its published weights.
    data
        A data set's name (digits, cifar10-jpeg, imagenet-sample, ...) or path.
    format
        Of the weights: swis:3, or by patterns, "swis:3;depthwise=int8". Default: as they are.
    images
        So many only, evenly from all.
    """
    from slipstick.verbs.measure import measure as answer

    put(answer(net, data, format, images=images, normal=inputs.normal()), shown)
