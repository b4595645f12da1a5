"""Closed-form estimates of training and inference, the origin of each input, and the operations that `ops` lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan, plan_fields
from slipstick.core.workload import Op, Phase, Workload
from slipstick.engines.question import PlanSpec, SystemSpec, WorkloadSpec, _bare_workload, ask
from slipstick.engines.refusals import engine_for
from slipstick.report.report import Metric, Report, Table

if TYPE_CHECKING:
    from slipstick.core.question import Question

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
    return report.with_breakdowns({"question": _chosen_by(question, report), **report.breakdowns})


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
    """Return every input with its origin: given by the user, default, or auto (found by the engine)."""
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
    engine, asked, off = engine_for("estimate", question), question.plan, Plan().off()
    resolved = Plan.of(report.inputs["plan"])  # no field is `auto` that the engine had to fill
    stated = asked.model_dump(exclude_unset=True)
    for field in plan_fields():
        if not engine.reads(field.path):
            continue
        value, name = field.of(resolved), field.path.rpartition(".")[2]
        if field.of(asked) == "auto" and value != "auto":
            origin = "auto"
        elif asked.others == "off" and value == field.of(off):
            origin = "others=off"
        elif name in (stated.get(field.group, {}) if field.group else stated):
            origin = question.origins.get(name, question.origins.get("plan", "given"))
        else:
            origin = "default"
        yield f"plan {field.key}", _cell(value), origin


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else "none" if value in (None, "") else value
