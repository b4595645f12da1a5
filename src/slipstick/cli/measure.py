"""The command `measure`: a network's accuracy on test images."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, DataSetName, Inputs, NetworkFile, Shown
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


def measure(
    network: NetworkFile,
    *,
    data: DataSetName,
    formats: _Formats = "",
    images: _Count = None,
    inputs: Inputs = _INPUTS,
    display: Shown = PLAIN,
) -> None:
    """Score a network on test images, its weights in any format; nothing is trained or written."""
    from slipstick.datasets import data_set
    from slipstick.trained import open_network
    from slipstick.verbs.measure import measure as verb

    images_of = data_set(data)
    opened = open_network(network, images_of, normal=inputs.normal())
    _put(verb(opened, images_of, formats, images=images), display)
