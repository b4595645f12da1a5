"""The command `emit`: firmware of a network for a board, golden vectors for an array."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, Inputs, NetworkFile, Shown, _options_of
from slipstick.cli.output import _put, _require_writable, _say
from slipstick.engines.verb_options import EmitOptions

_INPUTS = Inputs()
_Board = Annotated[
    str,
    Parameter(
        name=("--board", "--system"),
        help="A board (firmware), such as nucleo-f446; a dot-product array (golden vectors), such as "
        "stochastic-256x64; or a YAML file.",
    ),
]
_Out = Annotated[Path | None, Parameter(help="The folder, new or empty. Default: none, only the report.")]


@_options_of(EmitOptions)
def emit(
    network: NetworkFile,
    *,
    board: _Board,
    out: _Out = None,
    inputs: Inputs = _INPUTS,
    display: Shown = PLAIN,
    **options: Unpack[EmitOptions],
) -> None:
    """Write a network's firmware for a board (C99 in integers), or golden vectors of its layers on an array."""
    from slipstick.datasets import data_set
    from slipstick.trained import open_network
    from slipstick.verbs.emit import emit as verb

    _require_writable(display)
    data = options.get("data")
    if data is None:
        report = verb(network, board, out, **options)
    else:
        images = options["data"] = data_set(data)
        report = verb(open_network(network, images, normal=inputs.normal()), board, out, **options)
    if out is not None:
        _say(f"wrote {out}")
    _put(report, display)
