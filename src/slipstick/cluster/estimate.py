"""Estimates of a decoder's training on accelerators, in closed form."""

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
from slipstick.core.question import Question
from slipstick.report.report import Report

PAPERS = ("kundu2024", "narayanan2021", "korthikanti2022", "ardalani2022")


def estimate_training(question: Question, price: CollectivePrice | None = None) -> Report:
    """Return how long, how much memory, energy and money one training step of a decoder takes.

    Parameters
    ----------
    price : what prices the collectives, instead of the closed form.

    Errors
    ------
    SpecErrors where the plan is impossible; too little memory is a finding of the report, not an error.
    """
    workload, system = question.workload, question.system
    setting = training_setting(workload, system, question.plan)
    if price is not None:
        setting = replace(setting, tiers=[replace(tier, price=price) for tier in setting.tiers])
    capacity = system.main_memory.capacity
    plan = resolved(question.plan, workload, system, capacity, lambda some: _time_and_memory(setting, some))
    plans = Plans.of([plan], system)
    step = train(setting, plans)
    useful = model_flops(workload)
    return Report.of(
        question.with_plan(plan),
        training_metrics(setting, workload, system, plans, step, useful, sources(system)),
        training_tables(setting, workload, plans, step),
        title=f"{workload.name} on {system.devices} x {system.name}",
        bottleneck=bottleneck(step),
        papers=PAPERS,
        facts=training_facts(useful, system, step),
    )


def _time_and_memory(setting: Setting, plans: Plans) -> tuple[FloatArray, FloatArray]:
    step = train(setting, plans)
    return step.time, step.peak_memory


def bottleneck(step: Step) -> str:
    """Name the part that takes most of the step, and how much."""
    name, value = max(step.parts.items(), key=lambda part: float(part[1][0]))
    return f"{name.replace('_', ' ')}: {100 * float(value[0] / step.time[0]):.0f} % of the step"
