"""The command `place`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from slipstick.cli.options import Shown, overrides
from slipstick.cli.output import put

_PLAIN_SHOWN = Shown()


def place(
    workload: str,
    system: str,
    *,
    plan: str | None = None,
    phase: Literal["train", "infer"] = "train",
    batch: int | None = None,
    sequence: int | None = None,
    forwarding: Literal["store", "cut-through"] = "store",
    time_limit: float = 60.0,
    set_: Annotated[list[str], Parameter(name="--set", show_default=False)] = [],  # noqa: B006  cyclopts copies it
    shown: Shown = _PLAIN_SHOWN,
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
    phase
        train: forward and backward passes; infer: the forward pass.
    batch
        Samples of one step, over all devices together.
    sequence
        Tokens of a sample.
    forwarding
        store: a link begins when the one before has delivered all; cut-through: all links of a way at once.
    time_limit
        Seconds; then the best found so far, with its gap. Ctrl-C does the same once one is found.
    set_
        Replace one field, such as system.memory.hbm.capacity='1 GiB'. Repeatable.
    """
    from slipstick.verbs.place import run_placement

    found = run_placement(
        workload, system, plan, phase=phase, batch=batch, sequence=sequence, forwarding=forwarding,
        time_limit=time_limit, set=overrides(set_),
    )  # fmt: skip
    put(found, shown)
