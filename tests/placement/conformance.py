"""What every placement solver promises. A third party runs it on its own: ``check_solver(solve)``."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from slipstick.core.topology import Topology
from slipstick.core.workload import Op
from slipstick.placement.problem import Forwarding, OperatorCosts, Problem, problem_of
from slipstick.placement.schedule import PlacementSchedule, check

Solver = Callable[[Problem], PlacementSchedule]


def wire(devices: int, latency: float = 1.0) -> Topology:
    """Devices joined each with each, one byte a second."""
    nodes = {chr(97 + place): "npu" for place in range(devices)}
    return Topology.of("wire", nodes, [(a, b, 1.0, latency) for a in nodes for b in nodes if a != b])


def line(devices: int) -> Topology:
    """Devices in a row: transfers between the ends pass the middle, and share its links."""
    nodes = {chr(97 + place): "npu" for place in range(devices)}
    names = list(nodes)
    pairs = list(pairwise(names))
    return Topology.of("line", nodes, [(*p, 1.0, 0.0) for p in pairs] + [(b, a, 1.0, 0.0) for a, b in pairs])


def random_problem(
    seed: int,
    operators: int,
    topology: Topology,
    forwarding: Forwarding = "store",
    density: float = 0.3,
    **limits: object,
) -> Problem:
    """A random graph of whole seconds and bytes, one tick being one second."""
    rng = np.random.default_rng(seed)
    ops, sent = [], {}
    for k in range(operators):
        before = [i for i in range(k) if rng.random() < density]
        together = "pair" if rng.random() < 0.15 else ""
        ops.append(Op(f"o{k}", "other", {}, 1.0, after=tuple(f"o{i}" for i in before), colocate=together))
        sent |= {(f"o{i}", f"o{k}"): float(rng.integers(0, 6)) for i in before}
    seconds = {op.name: float(rng.integers(1, 10)) for op in ops}
    memory = {op.name: float(rng.integers(1, 5)) for op in ops}
    whole = int(sum(seconds.values()))
    costs = OperatorCosts(seconds, sent, memory)
    return problem_of(ops, costs, topology, forwarding=forwarding, resolution=whole, **limits)  # type: ignore[arg-type]


def check_solver(solve: Solver) -> None:
    for seed in range(4):
        for topology in (wire(2), line(3)):
            problem = random_problem(seed, 4, topology)
            found = check(problem, solve(problem))
            assert problem.critical_path <= found.bound <= found.makespan
            assert found.makespan <= problem.serial, "one device alone is a placement too"
            assert found.status
            assert found.solver
