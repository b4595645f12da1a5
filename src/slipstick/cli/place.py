"""The command `place`: options in, placement out."""

from __future__ import annotations

from typing import Unpack

from slipstick.cli.options import Shown, options_of
from slipstick.cli.output import put
from slipstick.engines.verb_options import PlaceOptions

_PLAIN_SHOWN = Shown()


@options_of(PlaceOptions)
def place(
    workload: str,
    system: str,
    *,
    plan: str | None = None,
    shown: Shown = _PLAIN_SHOWN,
    **options: Unpack[PlaceOptions],
) -> None:
    """Place a network's operators on a system's devices, as fast as can be, and say how far that is proved.

    Parameters
    ----------
    workload
        A name (slipstick list workloads), or the path of a config.json.
    system
        A system with a topology, such as dgx1-v100:2 (its two best connected devices), or a YAML file.
    plan
        The formats. Default: matmul=fp16,activations=fp16.
    """
    from slipstick.verbs.place import place as verb

    put(verb(workload, system, plan, **options), shown)
