"""`emit`: firmware of a trained network for a board, as C text with projects; run in an emulator if asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipstick.engines.question import SystemSpec
    from slipstick.report.report import Report
    from slipstick.trained.network import TrainedNetwork


def emit(
    network: str | Path | TrainedNetwork,
    board: SystemSpec,
    out: str | Path | None = None,
    *,
    formats: str = "",
    run: bool = False,
    patches: bool = False,
    stream: bool = False,
    overwrite: bool = False,
) -> Report:
    """Write a network's firmware: C99 in integers, no library, no malloc, with the kernels that it needs alone.

    Parameters
    ----------
    network
        An 8-bit ``.tflite`` file, a file of packed weights made of one, or what `slipstick.open_network` gives.
    board
        A board's name (``slipstick list systems --kind board``), a YAML file, a dict or a System.
    out
        The folder: new, or empty. It appears whole or not at all. Default: none, only the Report.
    formats
        Of the weights, as `adapt` takes them: ``swis:3``, or by patterns. Those of shared shifts are stored packed and
        unpacked by the kernels; a network whose weights are few vectors gets a pool by itself. Default: as they are.
    run
        Compile it (ziglang), run it in an emulator (unicorn) and compare every output byte with the bit-true runner,
        and with LiteRT's reference kernels where ai-edge-litert is installed. Needs the extra ``edge``.
    patches
        Run the first layers tile by tile where that makes the arena smaller: some pixels are computed twice, outputs
        stay the same.
    stream
        Take one row of the input a call (a new frame of sound, say) and keep what windows need of the earlier ones:
        outputs are those of the whole network on the last rows. For layers of stride 1 without padding along rows.
    overwrite
        Replace a folder that `emit` wrote.

    Returns
    -------
    A Report with flash and arena, layer by layer; after a run with instructions by layer and function, and stack.
    `detail` is the firmware, or its run.

    Errors
    ------
    SlipstickError for a network that computes in floating point or does not fit the board, an operator without a
    kernel, a system that is no board, and a folder that cannot be written.

    Examples
    --------
    >>> report = emit("examples/data/small.tflite", "nucleo-f446")
    >>> report.value("arena.size") < 1024
    True
    """
    from slipstick.engines.emit_firmware import emit_firmware

    return emit_firmware(
        network, board, out, formats=formats, run=run, patches=patches, stream=stream, overwrite=overwrite
    )
