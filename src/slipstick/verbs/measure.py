"""`measure`: accuracy of a network, its instructions on a board, or the pulse in colour traces of a face."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from slipstick.datasets.images import DataSet
    from slipstick.engines.question import SystemSpec
    from slipstick.report.report import Report
    from slipstick.trained.network import TrainedNetwork
    from slipstick.vitals.face_traces import FaceTraces


def measure(
    network: str | Path | nn.Module | TrainedNetwork | FaceTraces,
    data: str | Path | DataSet | None = None,
    formats: str = "",
    *,
    images: int | None = None,
    board: SystemSpec | None = None,
    method: str = "auto",
    clip: int | None = None,
) -> Report:
    """Score a network on the test images of a data set, or count its instructions on a board; or measure a pulse.

    Parameters
    ----------
    network
        An 8-bit ``.tflite`` file, which is run bit for bit in integers; a ``.safetensors`` file of ``slipstick train``;
        an ``.onnx`` file; a file of packed weights that ``slipstick adapt --packed`` wrote; ``efficientnet-lite0``; any
        torch module from images [n, c, h, w] to logits, which is left as it was; what `slipstick.trained.open_network`
        gives. Or colour traces of a face, ``.npz`` or ``.csv`` (`slipstick.vitals.read_traces`): a heart rate.
    data
        A data set, its name or path.
    formats
        ``swis:3``, or by patterns: ``swis:3;depthwise=int8``. Default: the weights as they are.
    images
        So many only, evenly from all.
    board
        A board: firmware is compiled, run in an emulator, and every output byte compared with the bit-true runner (and
        with LiteRT where it is installed); instructions by layer and function, stack, flash, arena. Needs the extra
        ``edge``. A network in real numbers is quantised on training images of `data`; the accuracy is then that of its
        integers, beside the real numbers'.
    method, clip
        Of traces: auto, green, chrom, pos, lgi, omit, pbv, or mombat, which is patented; the clip of a file of several.

    Returns
    -------
    A Report whose `detail` tells for each image whether it was right; with a board alone, the firmware's run; of traces
    the windows' rates, intervals and readings, and `csv()`: not a medical device.

    Errors
    ------
    SlipstickError for files, formats, data and boards that are none or do not fit each other, and where neither data
    nor a board is given.

    Examples
    --------
    >>> from slipstick.datasets import data_set
    >>> from slipstick.trained.torch import module
    >>> digits = data_set("digits")
    >>> report = measure(module("mlp", digits), digits, "int4:axis=0")
    >>> report.value("weights.compression") > 1.7
    True
    """
    from slipstick.engines.measure_pulse import is_trace_file, traces_report
    from slipstick.vitals.face_traces import FaceTraces

    if isinstance(network, FaceTraces) or (isinstance(network, str | Path) and is_trace_file(network)):
        return traces_report(network, method, clip, data=data, formats=formats, images=images, board=board)
    from slipstick.engines.measure_network import measure_everywhere

    return measure_everywhere(network, data, formats, images, board)
