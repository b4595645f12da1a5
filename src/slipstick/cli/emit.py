"""The command `emit`: firmware of a network for a board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, NetworkFile, Shown
from slipstick.cli.output import _put, _require_writable, _say

_Board = Annotated[str, Parameter(help="A board (slipstick list systems), such as nucleo-f446, or a YAML file.")]
_Out = Annotated[Path | None, Parameter(help="The folder, new or empty. Default: none, only the report.")]
_Formats = Annotated[
    str, Parameter(name=("--formats", "--format"), help="Of the weights: swis:3, or by patterns. Default: as they are.")
]
_Run = Annotated[bool, Parameter(help="Compile it, run it in an emulator, compare every output byte.")]
_Patches = Annotated[bool, Parameter(help="Run the first layers tile by tile: a smaller arena, more instructions.")]
_Stream = Annotated[bool, Parameter(help="Take one row of the input a call, and keep what windows need.")]
_Overwrite = Annotated[bool, Parameter(help="Replace a folder that emit wrote.")]


def emit(
    network: NetworkFile,
    *,
    board: _Board,
    out: _Out = None,
    formats: _Formats = "",
    run: _Run = False,
    patches: _Patches = False,
    stream: _Stream = False,
    overwrite: _Overwrite = False,
    display: Shown = PLAIN,
) -> None:
    """Write a network's firmware for a board: C99 in integers, with the kernels that it needs, and projects."""
    from slipstick.verbs.emit import emit as verb

    _require_writable(display)
    report = verb(network, board, out, formats=formats, run=run, patches=patches, stream=stream, overwrite=overwrite)
    if out is not None:
        _say(f"wrote {out}")
    _put(report, display)
