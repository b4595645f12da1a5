"""`estimate`, `compare` and `ops`: questions about a workload on a system under a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from slipstick.core.collective_price import CollectivePrice
from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_text
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.system import Calibration
from slipstick.core.workload import Op, Phase, Workload
from slipstick.engines.question import PlanSpec, SystemSpec, WorkloadSpec, ask
from slipstick.report.comparison import Comparison
from slipstick.report.report import Report, Table


def estimate(
    workload: WorkloadSpec,
    system: SystemSpec,
    plan: PlanSpec = None,
    *,
    phase: str | None = None,
    batch: int | None = None,
    sequence: int | None = None,
    output: int | None = None,
    training_tokens: float | None = None,
    set: Mapping[str, object] | None = None,
    calibration: Calibration | str | Path | None = None,
    strict: bool = False,
    fabric: bool = False,
) -> Report:
    """Return how long, how much memory, energy and money a workload takes on a system under a plan, in closed form.

    Parameters
    ----------
    workload
        A name of the catalogue, the path of a ``config.json``, a dict, a Network or a Workload.
    system
        A name, ``name:count`` or ``name@3nm+hbm4:count``, the path of a YAML file, a dict or a System.
    plan
        ``"tp=8,pp=8,..."``, a dict or a Plan. None: the fastest split of the devices that fits memory.
    phase
        One of train, prefill, decode and infer. Default: train; infer on an array.
    batch
        Sequences, over all devices. Default: training one microbatch a device, inference 1.
    sequence
        Tokens of a sequence, or of the prompt. Default: 4096 in training, a prompt of 1024, at most the network's
        longest context.
    output
        Tokens generated in decode. Default 128.
    training_tokens
        Tokens of a whole training run; adds its time, energy and cost.
    set
        Dotted path from ``system.``, ``workload.`` or ``plan.`` -> new value.
    calibration
        An overlay of `calibrate`, or its YAML file.
    strict
        Refuse a report with findings, such as too little memory.
    fabric
        Price the collectives of a decoder's training on the links of the system's topology, not by the closed form.

    Errors
    ------
    SlipstickError for what cannot be: unknown names, impossible plans, wrong units.

    Examples
    --------
    >>> report = estimate("llama-3.1-8b", "h100-sxm-80gb:8", "tp=8", batch=8, sequence=4096)
    >>> report["time.step"].unit, report["time.step"].how
    ('s', 'estimated')
    >>> faster = estimate("llama-3.1-8b", "h100-sxm-80gb:8", "tp=8", set={"system.memory.hbm.bandwidth": "8 TB/s"})
    >>> faster.value("time.step") < report.value("time.step")
    True
    """
    question = ask(
        workload,
        system,
        plan,
        phase=phase,
        batch=batch,
        sequence=sequence,
        output=output,
        training_tokens=training_tokens,
        overrides=set,
        calibration=calibration,
    )
    report = _answer(question, fabric)
    if strict and report.warnings:
        found = "; ".join(finding.message for finding in report.warnings)
        raise SlipstickError(f"refused because of --strict: {found}", path=report.title)
    return report.with_breakdowns({"question": _asked(question, report), **report.breakdowns})


def _answer(question: Question, fabric: bool) -> Report:
    """Return the report of the model that knows the system's kind."""
    if question.system.device.kind == "array":
        from slipstick.array.estimate import estimate as of_array

        if fabric:
            raise SlipstickError("an array has no collectives to price", path="fabric", value=True)
        return of_array(question.workload, question.system, question.plan)
    if question.plan.formats.layers:
        raise SlipstickError(
            "formats layer by layer are for arrays", path="plan.formats.layers", value=question.plan.formats.layers,
            allowed=["matmul=...", "weights=...", "activations=..."],
        )  # fmt: skip
    from slipstick.cluster.estimate import estimate as of_cluster

    return of_cluster(question.workload, question.system, question.plan, _price(question) if fabric else None)


def _price(question: Question) -> CollectivePrice:
    from slipstick.fabric.collective_prices import FabricPrice
    from slipstick.verbs.simulate import topology_of

    return FabricPrice(topology_of(question.system))


def compare(*reports: Report | str | Path) -> Comparison:
    """Return two or more reports side by side; a path names a file that `Report.json` wrote.

    Examples
    --------
    >>> plans = ("tp=8", "tp=4", "tp=2")
    >>> found = compare(*(estimate("llama-3.1-8b", "h100-sxm-80gb:8", plan) for plan in plans))
    >>> len(found.rows["time.step"])
    3
    """
    return Comparison(tuple(r if isinstance(r, Report) else Report.from_json(read_text(r)) for r in reports))


def ops(workload: WorkloadSpec, system: SystemSpec | None = None, plan: PlanSpec = None, **asked: Any) -> Table:
    """Return every operation, forward and (in training) backward, with its sizes.

    With a system: the kernels that one device runs under the plan, for one microbatch or step, each with its time and
    what bounds it. Without: the operations of the whole network, undivided. `asked` as for `estimate`.

    Examples
    --------
    >>> table = ops("llama-3.1-8b", phase="decode", batch=4)
    >>> [row[0] for row in table.rows if row[1] == "matmul"][0]
    'layer.qkv'
    """
    if system is not None:
        return estimate(workload, system, plan, **asked).breakdowns["ops"]
    asked["overrides"] = asked.pop("set", None)
    for name in ("strict", "fabric"):  # without a system there is nothing to refuse, and no link
        asked.pop(name, None)
    question = ask(workload, _NOWHERE, plan, **asked)
    rows = [_op_row(op) for op in _all_ops(question.workload)]
    names = ("m", "n", "k", "batch")
    columns = {"op": "", "kind": "", "count": "", **dict.fromkeys(names, ""), "flops": "FLOP"}
    return Table.of({**columns, "weights": "", "inputs": "", "outputs": ""}, rows)


_NOWHERE = {
    "name": "no system",
    "device": {"kind": "accelerator", "cores": 1, "clock": 1, "matrix": {}, "vector": {}},
    "memory": {"none": {"capacity": 0}},
}


def _all_ops(workload: Workload) -> Iterator[Op]:
    yield from workload.ops
    if workload.phase is Phase.TRAIN:
        from slipstick.networks.decoder.operations import backward

        for op in reversed(workload.ops):
            yield from backward(op)


def _op_row(op: Op) -> tuple[object, ...]:
    sizes = (op.dims.get(name) for name in ("m", "n", "k", "batch"))
    return (op.name, op.kind, op.count, *sizes, op.flops, op.weights, op.inputs, op.outputs)


def _asked(question: Question, report: Report) -> Table:
    """Return what was asked, and who chose it: given, default, or auto (found by us)."""
    workload, chosen = question.workload, question.chosen
    rows: list[tuple[str, object, str]] = [
        ("workload", workload.network.name, "given"),
        ("phase", str(workload.phase), chosen.get("phase", "given")),
        ("system", f"{question.system.name}:{question.system.devices}", "given"),
    ]
    names = ["batch", "sequence", *(["output"] if workload.phase is Phase.DECODE else [])]
    rows += [(name, getattr(workload, name), chosen.get(name, "given")) for name in names]
    resolved = validated_plan(report)
    for group, fields in question.plan.model_dump(exclude_unset=True).items():
        for name in fields if isinstance(fields, dict) else ():
            value = getattr(getattr(resolved, group), name)
            origin = "auto" if fields[name] == "auto" else chosen.get(name, chosen.get("plan", "given"))
            rows.append((f"plan {name}", value if not isinstance(value, bool) else str(value).lower(), origin))
    return Table.of({"field": "", "value": "", "chosen by": ""}, rows)


def validated_plan(report: Report) -> Plan:
    """Return the plan that a report was computed with: no field is ``auto`` that the model had to fill."""
    return Plan.of(report.inputs["plan"])
