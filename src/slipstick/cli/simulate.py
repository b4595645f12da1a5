"""The command `simulate`."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from slipstick.cli.options import Shown, overrides
from slipstick.cli.output import put

_PLAIN_SHOWN = Shown()


def simulate(
    workload: str,
    system: str,
    *,
    plan: str | None = None,
    batch: int | None = None,
    sequence: int | None = None,
    efficiency: float | None = None,
    set_: Annotated[list[str], Parameter(name="--set", show_default=False)] = [],  # noqa: B006  cyclopts copies it
    sweep: bool = False,
    shown: Shown = _PLAIN_SHOWN,
) -> None:
    """Say how long a training step takes on a system whose links are known, with all traffic on them in events.

    Parameters
    ----------
    workload
        A name (slipstick list workloads), or the path of a config.json.
    system
        A system with a topology, such as wafer-mesh, wafer-fred-d or dgx1-v100, or a YAML file.
    plan
        tp=2,pp=2,dp=5,microbatch=8,... Default: the fastest split of the nodes.
    batch
        Samples over all replicas.
    sequence
        Tokens of a sample.
    efficiency
        The share of the peak rate that the layers reach. Default: what the kernel models say.
    set_
        Replace one field, such as system.topology=wafer-fred-c. Repeatable.
    sweep
        Print every strategy that takes all nodes, the fastest first.
    """
    from slipstick.cli.list_show import put_table
    from slipstick.verbs import simulate as verb

    asked: dict[str, Any] = {"batch": batch, "sequence": sequence, "efficiency": efficiency, "set": overrides(set_)}
    if sweep:
        put_table("strategies", verb.sweep(workload, system, plan, **asked), shown.json)
        return
    put(verb.run_simulation(workload, system, plan, **asked), shown)
