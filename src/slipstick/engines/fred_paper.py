"""The FRED paper's workloads on its fabrics: end to end, and the sweep of strategies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from slipstick.core.catalogue import DATA
from slipstick.core.files import load_yaml
from slipstick.engines.question import ask
from slipstick.engines.wafer_job import job_for
from slipstick.engines.wafer_training import SWEEP_RUNS

if TYPE_CHECKING:
    from slipstick.fabric.strategies import Strategy
    from slipstick.fabric.training.iteration import Iteration

FABRICS = ("mesh", "fred-a", "fred-b", "fred-c", "fred-d")


@dataclass(frozen=True)
class Case:
    """One workload of the paper: the network, the plan, samples of a replica, and the efficiency with its origin."""

    name: str
    network: str
    plan: str
    replica: int
    efficiency: float
    efficiency_source: str
    calibrated_on: str
    strategy: tuple[int, int, int]


@cache
def cases() -> dict[str, Case]:
    """Return the paper's workloads by name, from data/wafer/fred.yaml.

    Examples
    --------
    >>> list(cases()), cases()["GPT-3"].calibrated_on
    (['ResNet-152', 'Transformer-17B', 'GPT-3', 'Transformer-1T'], '')
    """
    found = {}
    for name, entry in _data()["workloads"].items():
        sizes = entry["strategy"]
        found[name] = Case(
            name, entry["network"], entry["plan"], int(entry["replica"]["value"]),
            float(entry["efficiency"]["value"]), entry["efficiency"]["source"], entry["on"],
            (sizes["mp"], sizes["dp"], sizes["pp"]),
        )  # fmt: skip
    return found


def end_to_end(name: str, fabric: str, *, efficiency: float | None = None, runs: int | None = None) -> Iteration:
    """Return one step of a workload on a fabric; with another efficiency, or in fewer runs of layers, if given.

    Examples
    --------
    >>> mesh, fred = (end_to_end("ResNet-152", fabric) for fabric in ("mesh", "fred-c"))
    >>> round(mesh.time / fred.time, 1)
    1.4
    """
    from slipstick.fabric.strategies import Strategy
    from slipstick.fabric.topology_file import resolve_topology
    from slipstick.fabric.training.iteration import RUNS, simulate

    case = cases()[name]
    strategy = Strategy(*case.strategy)
    question = ask(case.network, "wafer-mesh", case.plan, verb="simulate", batch=case.replica * strategy.dp)
    job = job_for(question, case.efficiency if efficiency is None else efficiency)(strategy)
    return simulate(job, resolve_topology(f"wafer-{fabric}"), most=RUNS if runs is None else runs)


def sweep_pairs() -> list[tuple[Strategy, Iteration, Iteration]]:
    """Return every strategy of the paper's sweep on the mesh and on FRED-D."""
    from slipstick.fabric.strategies import strategies
    from slipstick.fabric.topology_file import resolve_topology
    from slipstick.fabric.training.iteration import simulate

    asked = _data()["sweep"]
    case, replica = cases()[asked["workload"]], int(asked["replica"]["value"])
    mesh, fred = (resolve_topology(f"wafer-{name}") for name in ("mesh", "fred-d"))
    found = []
    for strategy in strategies(len(mesh.npus)):
        size = replica // asked["microbatches"][strategy.pp]
        plan = f"{case.plan.partition(',')[2]},microbatch={size}"
        question = ask(case.network, "wafer-mesh", plan, verb="simulate", batch=replica * strategy.dp)
        job = job_for(question, case.efficiency)(strategy)
        found.append((strategy, simulate(job, mesh, most=SWEEP_RUNS), simulate(job, fred, most=SWEEP_RUNS)))
    return found


@cache
def _data() -> dict[str, Any]:
    return dict(load_yaml(DATA / "wafer" / "fred.yaml"))
