"""`slipstick search`: which plan or system is best under these limits?"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from slipstick.cli.options import Phase, Shown, overrides
from slipstick.cli.output import progress_bar, put, say

_PLAIN_SHOWN = Shown()
DEFAULT = "tp=1..8,pp=1..16,microbatch=1..8,recompute=none|selective|full,sp=true|false,zero=0|1"


def search(
    workload: str,
    *system: str,
    plan: str = "",
    minimize: str = "time",
    subject_to: str = "",
    set_: Annotated[list[str] | None, Parameter(name="--set", show_default=False)] = None,
    phase: Phase = "train",
    batch: int | None = None,
    sequence: int | None = None,
    output: int | None = None,
    workers: int = 1,
    executor: str = "",
    budget: int = 10_000_000,
    trials: int = 2000,
    seed: int = 0,
    folder: Path | None = None,
    resume: bool = False,
    out: Path | None = None,
    shown: Shown = _PLAIN_SHOWN,
) -> None:
    """Try every plan and system of a space; print those that no other beats.

    Parameters
    ----------
    workload
        A name of the catalogue or the path of a config.json.
    system
        Systems, each a name with a count or a range of counts: h100-sxm:64..1024 (64, 128, ... 1024).
    plan
        Fields with their values: tp=1..8,pp=1..16,microbatch=1|2|4. low..high doubles, low..high+step adds.
        Default: tensor and pipeline parallelism, microbatches, recomputation and ZeRO as far as the system goes.
    minimize
        Objectives, by comma: time, step, memory, price, devices, throughput (which is maximised), or a figure's path.
    subject_to
        Conditions, such as "memory.peak < 75 GiB and time.step < 10 s".
    set_
        Any other leaf with its values, such as system.memory.hbm.bandwidth="2..8 TB/s".
    workers
        Processes.
    executor
        "ray" for a local Ray, ray://host:port for a cluster.
    budget
        Points that are all tried; of a larger space Optuna chooses some: TPE for one objective, NSGA-II for several.
    trials
        How many it chooses.
    seed
        Of what it chooses.
    folder
        Keep finished chunks there.
    resume
        Go on with the run in the folder.
    out
        Write the points that keep the conditions as parquet.
    """
    from slipstick.core.errors import SlipstickError
    from slipstick.exploration.run import search as find
    from slipstick.exploration.space import Space

    if not system:
        raise SlipstickError("names no system", path="search", allowed="such as h100-sxm:64..1024")
    space = Space.of(system=system, plan=plan or DEFAULT, fields=overrides(set_ or []))
    with progress_bar(shown, "points") as progress, _executor(executor) as pool:
        found = find(
            workload,
            space,
            [name.strip() for name in minimize.split(",")],
            subject_to,
            phase=phase,
            batch=batch,
            sequence=sequence,
            output=output,
            executor=pool,
            workers=workers,
            folder=folder,
            resume=resume,
            progress=progress,
            budget=budget,
            trials=trials,
            seed=seed,
        )
    if out is not None:
        found.write(out)
        say(f"wrote {out}")
    put(found, shown)


@contextmanager
def _executor(name: str) -> Iterator[Executor | None]:
    """Yield the executor that a name stands for; none: processes of this machine."""
    from slipstick.core.errors import SlipstickError

    if not name:
        yield None
        return
    if name != "ray" and not name.startswith("ray://"):
        raise SlipstickError("no such executor", path="executor", value=name, allowed="ray, or ray://host:port")
    from slipstick.exploration.ray_executor import RayExecutor

    with RayExecutor(None if name == "ray" else name) as pool:
        yield pool
