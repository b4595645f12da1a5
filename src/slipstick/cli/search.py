"""`slipstick search`: which plan or system is best under these limits?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from slipstick.cli.options import Phase, Shown
from slipstick.cli.output import progress_bar, put, say

_PLAIN_SHOWN = Shown()


def search(
    workload: str,
    *system: str,
    plan: str = "",
    minimize: str = "time",
    subject_to: str = "",
    set_: Annotated[list[str] | None, Parameter(name="--set", show_default=False)] = None,
    phase: Phase | None = None,
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
        Objectives, by comma: time, step, memory, price, devices, throughput (which is maximised), or the path of any
        figure of the answer, such as energy.step or time.first_token.
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
    from slipstick.verbs.search import search as verb

    with progress_bar(shown, "points") as progress:
        frontier = verb(
            workload,
            *system,
            minimize=minimize,
            subject_to=subject_to,
            progress=progress,
            plan=plan,
            set=set_,
            phase=phase,
            batch=batch,
            sequence=sequence,
            output=output,
            executor=executor,
            workers=workers,
            folder=folder,
            resume=resume,
            budget=budget,
            trials=trials,
            seed=seed,
        )
    if out is not None:
        frontier.write(out)
        say(f"wrote {out}")
    put(frontier, shown)
