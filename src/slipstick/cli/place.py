"""Command `place`: from options to a placement."""

from __future__ import annotations

from typing import Annotated, Unpack

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, Shown, WorkName, _options_of
from slipstick.cli.output import _put
from slipstick.engines.verb_options import PlaceOptions

_Formats = Annotated[str | None, Parameter(help="The formats. Default: matmul=fp16,activations=fp16.")]
_System = Annotated[
    str,
    Parameter(help="A system with a topology, such as dgx1-v100:2 (its two best connected devices), or a YAML file."),
]


@_options_of(PlaceOptions)
def place(
    workload: WorkName,
    system: _System,
    *,
    plan: _Formats = None,
    display: Shown = PLAIN,
    **options: Unpack[PlaceOptions],
) -> None:
    """Place a network's operators on a system's devices, as fast as can be, and say how far that is proved."""
    from slipstick.verbs.place import place as verb

    _put(verb(workload, system, plan, **options), display)
