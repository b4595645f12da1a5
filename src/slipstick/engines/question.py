"""From what a user writes to a question: Workload, System and Plan, with the defaults said out loud."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from slipstick.core.catalogue import is_file_name, resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_yaml
from slipstick.core.plan import Plan, short_keys
from slipstick.core.question import Question
from slipstick.core.spec import override, validate
from slipstick.core.system import Calibration, System
from slipstick.core.workload import Network, Phase, Workload

WorkloadSpec = Workload | Network | Mapping[str, Any] | str | Path
SystemSpec = System | Mapping[str, Any] | str | Path
PlanSpec = Plan | dict[str, Any] | str | None
PhaseName = Literal["train", "prefill", "decode", "infer"]

ROOTS = ("system", "workload", "plan")

# What nobody said: assumed, and shown as "default" in the report.
TRAINING_SEQUENCE = 4096  # tokens; less where the network's longest context is shorter
PROMPT = 1024  # tokens
SAMPLES = 32  # of an operator graph in training, a device
OUTPUT = 128  # tokens generated after a prompt
TRAINING_PLAN = "tp=auto,pp=auto,microbatch=auto,ep=auto,recompute=auto,sp=true,zero=1"  # the fastest that fits
INFERENCE_PLAN = "tp=auto"
ARRAY_PLAN = "formats=int8"


def ask(
    workload: WorkloadSpec,
    system: SystemSpec,
    plan: PlanSpec = None,
    *,
    phase: str | None = None,
    batch: int | None = None,
    sequence: int | None = None,
    output: int | None = None,
    training_tokens: float | None = None,
    overrides: Mapping[str, object] | None = None,
    calibration: Calibration | str | Path | None = None,
) -> Question:
    """Return the question that the arguments of `estimate` put, every spec resolved and every default filled in.

    Errors
    ------
    SlipstickError for unknown names, files that do not fit, and overrides of nothing.

    Examples
    --------
    >>> question = ask("llama-3.1-8b", "h100-sxm-80gb:8", "tp=8", overrides={"system.memory.hbm.bandwidth": "8 TB/s"})
    >>> question.system.main_memory.bandwidth, question.workload.batch, question.chosen["batch"]
    (8000000000000.0, 8, 'default')
    """
    by_root = split_overrides(overrides or {})
    machine = _overridden_system(_calibrated(find_system(system), calibration), by_root["system"])
    chosen: dict[str, str] = {}
    if phase is None and machine.device.kind == "array":
        chosen["phase"] = "default"
    default = "train" if machine.device.kind != "array" else "infer"
    wanted = _phase(workload.phase if isinstance(workload, Workload) else phase or default)
    how = _plan(plan, wanted, by_root["plan"], chosen, machine)
    given = {"batch": batch, "sequence": sequence, "output": output, "training_tokens": training_tokens}
    what = _workload(workload, wanted, {k: v for k, v in given.items() if v is not None}, machine, how, chosen)
    for path in by_root["workload"]:
        chosen.pop(path, None)
    what = override(what, by_root["workload"], root="workload")
    return Question(what, machine, _as_stored(how, what, machine, chosen), chosen)


def find_system(spec: SystemSpec) -> System:
    """Return the System that a name, dict, file or object stands for; ``name@3nm+hbm4:64`` is one in other technology.

    Examples
    --------
    >>> find_system("a100-sxm-80gb@3nm+hbm4:64").devices
    64
    """
    if not isinstance(spec, str) or "@" not in spec or is_file_name(spec):
        return resolve_system(spec)
    from slipstick.tech import resolve

    return resolve(spec)


def split_overrides(overrides: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Return dotted overrides by their root, the root cut off; short keys of a plan spelt out.

    Errors
    ------
    SlipstickError for a path that starts with none of `ROOTS`.

    Examples
    --------
    >>> split_overrides({"plan.tp": 8, "system.power": "1 kW"})["plan"]
    {'parallel.tp': 8}
    """
    found: dict[str, dict[str, object]] = {root: {} for root in ROOTS}
    for path, value in overrides.items():
        root, dot, rest = path.partition(".")
        if root not in ROOTS or not dot or not rest:
            raise SlipstickError("not the path of a field", path="set", value=path, allowed=[f"{r}." for r in ROOTS])
        found[root][short_keys().get(rest, rest) if root == "plan" else rest] = value
    return found


def load_calibration(spec: Calibration | str | Path) -> Calibration:
    """Return the overlay that `slipstick calibrate` wrote to a YAML file."""
    if isinstance(spec, Calibration):
        return spec
    data = load_yaml(spec)
    if not isinstance(data, dict) or set(data) != {"calibration"}:
        raise SlipstickError("not a calibration", path=str(spec), allowed="the group `calibration:` and nothing else")
    return validate(Calibration, data["calibration"], where=str(spec), root="calibration")


def _calibrated(system: System, spec: Calibration | str | Path | None) -> System:
    return system if spec is None else system.model_copy(update={"calibration": load_calibration(spec)})


def _overridden_system(system: System, changes: Mapping[str, object]) -> System:
    """Replace leaves, and say of each that the user did."""
    changed = override(system, changes, root="system")
    marks = dict.fromkeys(changes, "set by the user")
    return changed.model_copy(update={"sources": {**changed.sources, **marks}}) if marks else changed


def _phase(name: str) -> Phase:
    names = [phase.value for phase in Phase]
    if name not in names:
        raise SlipstickError("not a phase", path="phase", value=str(name), allowed=names)
    return Phase(name)


def _plan(spec: PlanSpec, phase: Phase, changes: Mapping[str, object], chosen: dict[str, str], system: System) -> Plan:
    if spec is None or spec == "auto":
        spec = TRAINING_PLAN if phase is Phase.TRAIN else INFERENCE_PLAN
        spec = spec if system.device.kind != "array" else ARRAY_PLAN
        chosen["plan"] = "default"
    return override(Plan.of(spec), changes, root="plan")


def _as_stored(plan: Plan, workload: Workload, system: System, chosen: dict[str, str]) -> Plan:
    """Return the plan with the formats of a quantised checkpoint, for inference, where the plan names none.

    Products run in that format where the device has a rate for it; else only the weights are stored so.
    """
    stored = getattr(workload.network, "quantisation", None)
    if stored is None or workload.phase is Phase.TRAIN or plan.formats.model_fields_set & {"matmul", "weights"}:
        return plan
    from slipstick.formats import format_of

    try:
        format_of(stored.format)
    except SlipstickError:  # a method of a library whose width nothing here knows
        return plan
    field = "matmul" if system.device.rate_of(stored.format) is not None else "weights"
    chosen[field] = "checkpoint"
    return override(plan, {f"formats.{field}": stored.format}, root="plan")


def _workload(
    spec: WorkloadSpec, phase: Phase, given: dict[str, Any], system: System, plan: Plan, chosen: dict[str, str]
) -> Workload:
    if isinstance(spec, Workload):
        return override(spec, given, root="workload")
    from slipstick.networks.find_network import network

    net = network(spec)
    defaults = _defaults(net, phase, system, plan)
    chosen.update(dict.fromkeys(defaults.keys() - given.keys(), "default"))
    return validate(Workload, {"network": net, "phase": phase, **defaults, **given}, root="workload")


def _defaults(network: Network, phase: Phase, system: System, plan: Plan) -> dict[str, int]:
    """Return batch and lengths that nobody gave: for training one microbatch a device, for inference one request."""
    from slipstick.networks.graphs.operator_graph import OperatorGraph

    if isinstance(network, OperatorGraph):
        many = SAMPLES * system.devices if phase is Phase.TRAIN else 1
        return {"batch": many, "sequence": network.max_positions}
    longest = getattr(network, "max_positions", None) or TRAINING_SEQUENCE
    if phase is Phase.TRAIN:
        microbatch = plan.parallel.microbatch
        return {
            "batch": system.devices * (1 if microbatch == "auto" else microbatch),
            "sequence": min(TRAINING_SEQUENCE, longest),
        }
    lengths = {"batch": 1, "sequence": min(PROMPT, longest)}
    return {**lengths, "output": OUTPUT} if phase is Phase.DECODE else lengths
