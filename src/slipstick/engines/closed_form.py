"""Closed-form estimates of training and inference, the origin of each input, and the operations that `ops` lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan, PlanField, plan_fields
from slipstick.core.workload import Op, Phase, Workload
from slipstick.engines.question import PlanSpec, SystemSpec, WorkloadSpec, _bare_workload, ask
from slipstick.engines.refusals import engine_for
from slipstick.report.contents import QUESTION
from slipstick.report.report import Metric, Report, Table

if TYPE_CHECKING:
    from slipstick.core.question import Question

_ASSUMED = ("stack", "serving.acceptance", "serving.draft_cost")  # beside formats and kernels
_OPS = "ops"  # the breakdown into kernels or operations


def estimate_report(
    workload: WorkloadSpec, system: SystemSpec, plan: PlanSpec = None, *, strict: bool = False, **options: Any
) -> Report:
    """Return the Report of `slipstick.estimate`.

    Errors
    ------
    SlipstickError for what no engine takes, and with `strict` for a report with findings.
    """
    question = ask(workload, system, plan, **options)
    report = engine_for("estimate", question).answer(question)
    if strict and report.warnings:
        findings = "; ".join(finding.message for finding in report.warnings)
        raise SlipstickError(f"the report has findings and strict is set: {findings}", path=report.title)
    return report.with_breakdowns({QUESTION: _chosen_by(question, report), **report.breakdowns})


def operations_report(
    workload: WorkloadSpec, system: SystemSpec | None = None, plan: PlanSpec = None, **options: Any
) -> Report:
    """Return the Report of `slipstick.ops`: kernels of an estimate, or without a system a network's operations."""
    if system is not None:
        report = estimate_report(workload, system, plan, **options)
        return report.with_breakdowns({_OPS: report.breakdowns[_OPS]})
    asked = _bare_workload(workload, plan, **options)
    operations = list(_all_ops(asked))
    names = ("m", "n", "k", "batch")
    columns = {"op": "", "kind": "", "count": "", **dict.fromkeys(names, ""), "flops": "FLOP"}
    table = Table.of({**columns, "weights": "", "inputs": "", "outputs": ""}, map(_op_row, operations))
    flops = Metric(
        sum(op.flops * op.count for op in operations), "FLOP", "estimated", "counted, operation by operation"
    )
    return Report.of(
        {"workload": asked}, {"work": {"flops": flops}}, {_OPS: table}, title=f"operations of {asked.name}"
    )


def train_decoder(question: Question) -> Report:
    """Return the estimate of a decoder's training; the option `fabric` prices collectives on the links."""
    from slipstick.cluster.training.estimate import estimate_training

    if not question.options.get("fabric"):
        return estimate_training(question)
    from slipstick.engines.wafer_training import _topology_of
    from slipstick.fabric.link_load_price import FabricPrice

    return estimate_training(question, FabricPrice(_topology_of(question.system)))


def _all_ops(workload: Workload) -> Iterator[Op]:
    yield from workload.ops
    if workload.phase is Phase.TRAIN:
        from slipstick.networks.decoder.operations import backward

        for op in reversed(workload.ops):
            yield from backward(op)


def _op_row(op: Op) -> tuple[object, ...]:
    sizes = (op.dims.get(name) for name in ("m", "n", "k", "batch"))
    return (op.name, op.kind, op.count, *sizes, op.flops, op.weights, op.inputs, op.outputs)


def _chosen_by(question: Question, report: Report) -> Table:
    """Return every input with its origin: given by the user, default, assumed, or auto (found by the engine)."""
    workload, origins = question.workload, question.origins
    rows: list[tuple[str, object, str]] = [
        ("workload", workload.network.name, "given"),
        ("phase", str(workload.phase), origins.get("phase", "given")),
        ("system", f"{question.system.name}:{question.system.devices}", "given"),
    ]
    names = ["batch", "sequence", *(["output"] if workload.phase is Phase.DECODE else [])]
    rows += [(name, getattr(workload, name), origins.get(name, "given")) for name in names]
    return Table.of({"field": "", "value": "", "chosen by": ""}, [*rows, *_plan_rows(question, report)])


def _plan_rows(question: Question, report: Report) -> Iterator[tuple[str, object, str]]:
    """Yield every plan field that the engine reads: its effective value, and who chose it."""
    engine = engine_for("estimate", question)
    resolved = Plan.of(report.inputs["plan"])  # no field is `auto` that the engine had to fill
    for field in plan_fields():
        if engine.reads(field.path):
            value, followed = _effective(field, resolved, question.workload.phase)
            yield f"plan {field.key}", _cell(value), followed or _origin(field, question, value)


def _effective(field: PlanField, plan: Plan, phase: Phase) -> tuple[object, str]:
    """Return the value that a field has in effect, and the field that it follows, if it is ``auto`` and follows one."""
    from slipstick.cluster.kernels.precision import WIDE

    value, formats = field.of(plan), plan.formats
    if value != "auto":
        return value, ""
    if field.path.endswith("_tier"):
        return "by rank order", "default"
    leaders = {
        "formats.weights": "activations" if phase is Phase.TRAIN else "matmul",
        "formats.kv_cache": "activations",
        "formats.head": "matmul" if formats.matmul in WIDE else "activations",
    }
    leader = leaders.get(field.path)
    return (getattr(formats, leader), f"as {leader}") if leader else (value, "")


def _origin(field: PlanField, question: Question, value: object) -> str:
    """Return who chose a plan's field: the user, the planner, or nobody.

    What the user's software is, such as its formats and kernels, is no choice of the planner: it is assumed. Tensors
    are offloaded, and serving options used, only where a user asks for them.
    """
    asked, name = question.plan, field.path.rpartition(".")[2]
    stated = asked.model_dump(exclude_unset=True)
    if field.of(asked) == "auto" and value != "auto":
        return "auto"
    if asked.others == "off" and value == field.of(Plan().off()):
        return "others=off"
    if name in (stated.get(field.group, {}) if field.group else stated):
        return question.origins.get(name, question.origins.get("plan", "given"))
    assumed = field.group in ("formats", "kernels") or field.path in _ASSUMED
    return "assumed" if assumed else "off unless given"


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else "none" if value in (None, "") else value
