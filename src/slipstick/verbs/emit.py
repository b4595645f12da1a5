"""`emit`: firmware of a trained network for a board, or golden vectors of its layers for the designer of an array."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from slipstick.engines.verb_options import EmitOptions

if TYPE_CHECKING:
    from torch import nn

    from slipstick.engines.question import SystemSpec
    from slipstick.report.report import Report
    from slipstick.trained.network import TrainedNetwork


def emit(
    network: str | Path | nn.Module | TrainedNetwork,
    board: SystemSpec,
    out: str | Path | None = None,
    **options: Unpack[EmitOptions],
) -> Report:
    """Write a network's firmware for a board, or golden vectors of its layers on a dot-product array.

    Firmware is C99 in integers, no library, no malloc, with the kernels that it needs alone. Golden vectors are
    operands and expected sums in whole numbers (NPZ, hex, CSV), with a reference in plain numpy that computes them.

    Parameters
    ----------
    network
        An 8-bit ``.tflite`` file; or a network in real numbers, which is quantised on the option `data`: a
        ``.safetensors`` file of ``slipstick train``, an ``.onnx`` file, packed weights, a torch module, or what
        `slipstick.open_network` gives.
    board
        Name of a board or dot-product array (``slipstick list systems --kind board``), a YAML file, a dict or a System.
    out
        The folder: new, or empty. It appears whole or not at all. Default: none, only the Report.
    options
        Fields of `EmitOptions`: data, formats, overwrite; for firmware run, patches, arena, stream; for golden vectors
        layers, images, trace.

    Returns
    -------
    A Report with flash and arena, layer by layer; after a run with instructions by layer and function, and stack.
    `detail` is the firmware, or its run. Of golden vectors: values by layer, `detail` are the layers.

    Errors
    ------
    SlipstickError for a network in real numbers without data, operators without an integer form or a kernel, a network
    that does not fit the board, a system of another kind, and a folder that cannot be written.

    Examples
    --------
    >>> report = emit("examples/data/small.tflite", "nucleo-f446")
    >>> report.value("memory.arena") < 1024
    True
    """
    from slipstick.engines.emit_firmware import emit_for_board

    return emit_for_board(network, board, out, options)
