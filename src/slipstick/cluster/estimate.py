"""The verb `estimate` for accelerators: Workload x System x Plan -> Report, in closed form."""

from __future__ import annotations

from dataclasses import replace

from slipstick.cluster.assembly import sources, training_setting
from slipstick.cluster.sweep.choose_plan import resolved
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.step import Step, train
from slipstick.cluster.training.training_report import model_flops, training_facts, training_metrics, training_tables
from slipstick.cluster.training.training_setting import Setting
from slipstick.core.arrays import FloatArray
from slipstick.core.collective_price import CollectivePrice
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload
from slipstick.networks.graphs.operator_graph import OperatorGraph
from slipstick.report.checks import run_checks
from slipstick.report.report import Report, flatten

PAPERS = ("kundu2024", "narayanan2021", "korthikanti2022", "ardalani2022")


def estimate(workload: Workload, system: System, plan: Plan, price: CollectivePrice | None = None) -> Report:
    """Return how long, how much memory, energy and money `workload` takes on `system` under `plan`.

    Parameters
    ----------
    price : what prices the collectives of a decoder's training, instead of the closed form.

    Errors
    ------
    SpecErrors where the plan is impossible; too little memory is a finding of the report, not an error.
    """
    decoder = not isinstance(workload.network, OperatorGraph)
    if price is not None and not (decoder and workload.phase is Phase.TRAIN):
        raise SlipstickError("a fabric prices the training of decoders", path="workload", value=workload.name)
    if isinstance(workload.network, OperatorGraph):
        from slipstick.cluster.graph_estimate import estimate_graph

        return estimate_graph(workload, system, plan)
    if workload.phase is Phase.INFER:
        raise SlipstickError(
            "a decoder's inference has two phases", path="phase", value="infer", allowed=["prefill", "decode"]
        )
    if workload.phase is not Phase.TRAIN:
        from slipstick.cluster.inference.inference_report import estimate_inference

        return estimate_inference(workload, system, plan)
    return _estimate_training(workload, system, plan, price)


def _estimate_training(workload: Workload, system: System, plan: Plan, price: CollectivePrice | None) -> Report:
    setting = training_setting(workload, system, plan)
    if price is not None:
        setting = replace(setting, tiers=[replace(tier, price=price) for tier in setting.tiers])
    capacity = system.main_memory.capacity
    plan = resolved(plan, workload, system, capacity, lambda some: _time_and_memory(setting, some))
    plans = Plans.of([plan], system)
    step = train(setting, plans)
    useful = model_flops(workload)
    metrics = training_metrics(setting, workload, system, plans, step, useful, sources(system))
    facts = {path: metric.value for path, metric in flatten(metrics)}
    return Report(
        title=f"{workload.name} on {system.devices} x {system.name}",
        metrics=metrics,
        breakdowns=training_tables(setting, workload, plans, step),
        bottleneck=bottleneck(step),
        warnings=run_checks({**facts, **training_facts(useful, system, step)}),
        inputs={"workload": workload, "system": system, "plan": plan},
        papers=PAPERS,
    )


def _time_and_memory(setting: Setting, plans: Plans) -> tuple[FloatArray, FloatArray]:
    step = train(setting, plans)
    return step.time, step.peak_memory


def bottleneck(step: Step) -> str:
    """Name the part that takes most of the step, and how much."""
    name, value = max(step.parts.items(), key=lambda part: float(part[1][0]))
    return f"{name.replace('_', ' ')}: {100 * float(value[0] / step.time[0]):.0f} % of the step"
