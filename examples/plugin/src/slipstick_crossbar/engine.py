"""Closed form of an analogue crossbar: reads of tiles one after another, every product at the same energy."""

from math import ceil

from slipstick import Engine, Metric, Op, Phase, Question, Report, Table
from slipstick_crossbar.device import Crossbar

PRODUCTS = ("conv", "matmul")


def reads(op: Op, lines: int) -> int:
    """Return the reads of a product [m, k] by [k, n]: one for each of m vectors on each tile of the weights."""
    sizes = op.dims
    return op.count * sizes["batch"] * sizes["m"] * ceil(sizes["k"] / lines) * ceil(sizes["n"] / lines)


def estimate(question: Question) -> Report:
    """Return time [s], energy [J] and memory [B] of one inference; operations without products cost nothing."""
    crossbar, workload = question.system.device_as(Crossbar), question.workload
    layers = [op for op in workload.ops if op.kind in PRODUCTS]
    seconds = [reads(op, crossbar.lines) * crossbar.read_time for op in layers]
    joules = [op.flops * op.count / 2 * crossbar.energy for op in layers]

    def figure(value: float, unit: str) -> Metric:
        return Metric(value, unit, "estimated", "closed form of slipstick-crossbar")

    metrics = {
        "time": {"step": figure(sum(seconds), "s")},
        "throughput": {"samples": figure(workload.batch / sum(seconds), "sample/s")},
        "energy": {"step": figure(sum(joules), "J")},
        "memory": {
            "peak": figure(workload.network.parameters, "B"),  # a byte a weight
            "capacity": figure(question.system.main_memory.capacity, "B"),
        },
    }
    rows = zip([op.name for op in layers], seconds, joules, strict=True)
    tables = {"layers": Table.of({"layer": "", "time": "s", "energy": "J"}, rows)}
    title = f"{workload.name} on {question.system.name}"
    return Report.of(question, metrics, tables, title=title, bottleneck="reads of tiles")


ENGINES = (
    Engine(
        verb="estimate",
        device="crossbar",
        networks=("graph",),
        phases=(Phase.INFER,),
        plan=(),  # it reads no field of a plan
        function="slipstick_crossbar.engine:estimate",
        max_devices=1,
    ),
)
