"""The command `measure`: a network's accuracy on test images, and its instructions on a board."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, Inputs, NetworkFile, Shown
from slipstick.cli.output import _put

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


def measure(
    network: NetworkFile,
    *,
    data: _Data = None,
    formats: _Formats = "",
    images: _Count = None,
    board: _Board = None,
    inputs: Inputs = _INPUTS,
    display: Shown = PLAIN,
) -> None:
    """Score a network on test images, or count its instructions on a board, its weights in any format."""
    from slipstick.datasets import data_set
    from slipstick.trained import open_network
    from slipstick.verbs.measure import measure as verb

    images_of = None if data is None else data_set(data)
    opened = open_network(network, images_of, normal=inputs.normal())
    _put(verb(opened, images_of, formats, images=images, board=board), display)
