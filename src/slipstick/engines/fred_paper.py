"""Workloads of the FRED paper on its fabrics: training steps end to end, and the sweep of parallel strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.spec import Spec
from slipstick.engines.question import ask
from slipstick.engines.wafer_job import _job_for
from slipstick.engines.wafer_training import SWEEP_RUNS

if TYPE_CHECKING:
    from slipstick.fabric.strategies import Strategy
    from slipstick.fabric.training.iteration import Iteration

FABRICS = ("mesh", "fred-a", "fred-b", "fred-c", "fred-d")


class _PaperStrategy(Spec):
    """Degrees of parallelism as the paper's table 6 writes them: model (MP: a Plan's tp), data and pipeline."""

    mp: int = Field(gt=0, description="Devices that share each layer")
    dp: int = Field(gt=0, description="Replicas that share the batch")
    pp: int = Field(gt=0, description="Pipeline stages")


class _Sweep(Spec):
    """Sweep of parallel strategies over one workload in the paper (figure 11)."""

    replica: units.Samples = Field(description="Samples of one replica")
    microbatches: dict[int, int] = Field(description="Pipeline stages -> microbatches")


class _WaferCase(Entry):
    """Workload of the paper: network, plan, samples per replica, and compute efficiency with its source."""

    network: str = Field(description="Network (slipstick list workloads)")
    strategy: _PaperStrategy = Field(description="Strategy of the paper's table 6")
    plan: str = Field(description="Plan that slipstick simulate is asked for")
    replica: units.Samples = Field(description="Samples of one replica")
    efficiency: units.Ratio = Field(description="Compute rate over an H100's 989 TFLOP/s")
    calibrated_on: str = Field(description="Row of the paper that gives the efficiency, if one of its own does")
    sweep: _Sweep | None = Field(default=None, description="Sweep of strategies, where the paper has one")


cases = Catalogue(_WaferCase, "wafer/fred.yaml", group="workloads", noun="workload of the FRED paper")


def _end_to_end(name: str, fabric: str, *, efficiency: float | None = None, runs: int | None = None) -> Iteration:
    """Return the simulated training step of a workload on a fabric; efficiency and runs of layers may be overridden.

    Examples
    --------
    >>> mesh, fred = (_end_to_end("ResNet-152", fabric) for fabric in ("mesh", "fred-c"))
    >>> round(mesh.time / fred.time, 1)
    1.4
    """
    from slipstick.fabric.strategies import Strategy
    from slipstick.fabric.topology_file import resolve_topology
    from slipstick.fabric.training.iteration import RUNS, simulate

    case = cases.entry(name)
    strategy = Strategy(case.strategy.mp, case.strategy.dp, case.strategy.pp)
    batch = int(case.replica) * strategy.dp
    question = ask(case.network, "wafer-mesh", case.plan, verb="simulate", batch=batch)
    job = _job_for(question, case.efficiency if efficiency is None else efficiency)(strategy)
    return simulate(job, resolve_topology(f"wafer-{fabric}"), most=RUNS if runs is None else runs)


def _sweep_pairs() -> list[tuple[Strategy, Iteration, Iteration]]:
    """Return the simulated steps of every strategy of the paper's sweep, on the mesh and on FRED-D."""
    from slipstick.fabric.strategies import strategies
    from slipstick.fabric.topology_file import resolve_topology
    from slipstick.fabric.training.iteration import simulate

    case, swept = next((case, case.sweep) for _, case in cases.items() if case.sweep is not None)
    replica = int(swept.replica)
    mesh, fred = (resolve_topology(f"wafer-{name}") for name in ("mesh", "fred-d"))
    pairs = []
    for strategy in strategies(len(mesh.npus)):
        size = replica // swept.microbatches[strategy.pp]
        plan = f"{case.plan.partition(',')[2]},microbatch={size}"
        question = ask(case.network, "wafer-mesh", plan, verb="simulate", batch=replica * strategy.dp)
        job = _job_for(question, case.efficiency)(strategy)
        pairs.append((strategy, simulate(job, mesh, most=SWEEP_RUNS), simulate(job, fred, most=SWEEP_RUNS)))
    return pairs
