"""`measure`: test accuracy of a network with its weights in any number format; nothing is trained or written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from slipstick.datasets.images import DataSet
    from slipstick.report.report import Report
    from slipstick.trained.network import TrainedNetwork


def measure(
    network: str | Path | nn.Module | TrainedNetwork,
    data: str | Path | DataSet,
    formats: str = "",
    *,
    images: int | None = None,
) -> Report:
    """Score a network on the test images of a data set, its weights in `formats`.

    Parameters
    ----------
    network
        An 8-bit ``.tflite`` file, which is run bit for bit in integers; a ``.safetensors`` file of ``slipstick train``;
        an ``.onnx`` file; a file of packed weights that ``slipstick adapt --packed`` wrote; ``efficientnet-lite0``; any
        torch module from images [n, c, h, w] to logits, which is left as it was; or what
        `slipstick.trained.open_network` gives, which also takes how bytes become a module's inputs.
    data
        A data set, its name or path.
    formats
        ``swis:3``, or by patterns: ``swis:3;depthwise=int8``. Default: the weights as they are.
    images
        So many only, evenly from all.

    Returns
    -------
    A Report whose `detail` tells for each image whether it was right.

    Errors
    ------
    SlipstickError for files, formats and data that are none or do not fit each other.

    Examples
    --------
    >>> from slipstick.datasets import data_set
    >>> from slipstick.trained.torch import module
    >>> digits = data_set("digits")
    >>> report = measure(module("mlp", digits), digits, "int4:axis=0")
    >>> report.value("weights.compression") > 1.7
    True
    """
    from slipstick.datasets import data_set
    from slipstick.engines.measure_network import measure_network

    return measure_network(network, data_set(data), formats, images)
