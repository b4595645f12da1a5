"""The command `measure`: a network's accuracy, its instructions on a board, or the pulse in traces of a face."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, Inputs, NetworkFile, Shown
from slipstick.cli.output import _put, _require_writable, _say

_INPUTS = Inputs()
_Count = Annotated[int | None, Parameter(help="So many only, evenly from all.")]
_Formats = Annotated[
    str,
    Parameter(
        name=("--formats", "--format"),
        help='Of the weights: swis:3, or by patterns, "swis:3;depthwise=int8". Default: as they are.',
    ),
]


_Data = Annotated[
    str | None, Parameter(help="A data set's name (digits, cifar10-jpeg, imagenet-sample, ...) or path: accuracy.")
]
_Board = Annotated[
    str | None, Parameter(help="A board, such as nucleo-f446: instructions, stack, flash and arena in an emulator.")
]


@Parameter(name="*")
@dataclass(frozen=True)
class _Pulse:
    """Options of colour traces of a face (.npz, .csv)."""

    method: str = "auto"
    "Of traces of a face: auto, green, chrom, pos, lgi, omit, pbv, or mombat, which is patented (US 10,755,125)."

    clip: int | None = None
    "Of traces of a face: the clip's number, in a file with several."

    out: Path | None = None
    "Of traces of a face: write a row a second to this CSV file."


_PULSE = _Pulse()


def measure(
    network: NetworkFile,
    *,
    data: _Data = None,
    formats: _Formats = "",
    images: _Count = None,
    board: _Board = None,
    pulse: _Pulse = _PULSE,
    inputs: Inputs = _INPUTS,
    display: Shown = PLAIN,
) -> None:
    """Score a network on test images, or count its instructions on a board; or measure a pulse in traces of a face."""
    from slipstick.core.files import write_text
    from slipstick.datasets import data_set
    from slipstick.engines.measure_pulse import is_trace_file
    from slipstick.trained import open_network
    from slipstick.verbs.measure import measure as verb

    _require_writable(display, pulse.out)
    if is_trace_file(network):
        report = verb(network, data, formats, images=images, board=board, method=pulse.method, clip=pulse.clip)
        if pulse.out is not None:
            write_text(pulse.out, report.detail.csv())
            _say(f"wrote {pulse.out}")
        _put(report, display)
        return
    images_of = None if data is None else data_set(data)
    opened = open_network(network, images_of, normal=inputs.normal())
    _put(verb(opened, images_of, formats, images=images, board=board), display)
