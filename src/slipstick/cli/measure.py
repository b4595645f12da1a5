"""The command `measure`."""

from __future__ import annotations

from pathlib import Path

from slipstick.cli.options import Shown
from slipstick.cli.output import put

_PLAIN_SHOWN = Shown()


def measure(net: Path, *, data: str, format: str = "", images: int | None = None, shown: Shown = _PLAIN_SHOWN) -> None:
    """Score a network on test images, its weights in any format; nothing is trained or written.

    Parameters
    ----------
    net
        A .tflite file with 8-bit weights and activations, run bit for bit in integers, or a .safetensors file that
        slipstick train --out wrote.
    data
        A data set's name (digits, cifar10-jpeg, imagenet-sample, ...) or path.
    format
        Of the weights: swis:3, or by patterns, "swis:3;depthwise=int8". Default: as they are.
    images
        The first so many only.
    """
    from slipstick.verbs.measure import measure as answer

    put(answer(net, data, format, images=images), shown)
