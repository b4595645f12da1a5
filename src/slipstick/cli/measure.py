"""The command `measure`: a network's accuracy on test images."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from slipstick.cli.options import Inputs, Shown
from slipstick.cli.output import put

_INPUTS, _SHOWN = Inputs(), Shown()


def measure(
    network: str,
    *,
    data: str,
    formats: Annotated[str, Parameter(name=("--formats", "--format"))] = "",
    images: int | None = None,
    inputs: Inputs = _INPUTS,
    shown: Shown = _SHOWN,
) -> None:
    """Score a network on test images, its weights in any format; nothing is trained or written.

    Parameters
    ----------
    network
        A .tflite file with 8-bit weights and activations, run bit for bit in integers; a .safetensors file that
        slipstick train --out wrote; an .onnx file; a file that slipstick adapt --packed wrote; or efficientnet-lite0,
        with its published weights.
    data
        A data set's name (digits, cifar10-jpeg, imagenet-sample, ...) or path.
    formats
        Of the weights: swis:3, or by patterns, "swis:3;depthwise=int8". Default: as they are.
    images
        So many only, evenly from all.
    """
    from slipstick.datasets import data_set
    from slipstick.trained import open_network
    from slipstick.verbs.measure import measure as verb

    images_of = data_set(data)
    opened = open_network(network, images_of, normal=inputs.normal())
    put(verb(opened, images_of, formats, images=images), shown)
