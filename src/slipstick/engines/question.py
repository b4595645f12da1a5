"""From a verb's arguments to a Question: Workload, System and Plan, with the origin of every default recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.catalogue import is_file_name, resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_fields, parse_yaml
from slipstick.core.plan import Plan, short_keys
from slipstick.core.question import Question
from slipstick.core.spec import override, validate
from slipstick.core.system import Calibration, System
from slipstick.core.workload import Network, Phase, Workload
from slipstick.engines.table import engines, rows_of

if TYPE_CHECKING:
    from torch import nn

    from slipstick.trained.network import TrainedNetwork

    WeightsSpec = str | Path | nn.Module | TrainedNetwork

WorkloadSpec = Workload | Network | Mapping[str, Any] | str | Path
SystemSpec = System | Mapping[str, Any] | str | Path
PlanSpec = Plan | dict[str, Any] | str | None

WEIGHTED = "trained"  # kind of a network with weights, as rows of the table name it
_ROOTS = ("system", "workload", "plan")
_SIZES = ("batch", "sequence", "output", "training_tokens")
_COMMON = ("phase", *_SIZES, "set", "calibration")  # options that are answered here, whatever the engine


def ask(
    workload: WorkloadSpec | WeightsSpec,
    system: SystemSpec,
    plan: PlanSpec = None,
    *,
    verb: str = "estimate",
    **options: Any,
) -> Question:
    """Return the Question of a verb's arguments: every spec resolved, every default filled in.

    Defaults are those of the verb's first engine for the kind of device (see `slipstick.engines.table`), sizes those of
    the network. Whether an engine takes the question is looked up later.

    Parameters
    ----------
    options : phase, batch, sequence, output, training_tokens, set and calibration as `slipstick.estimate` takes them;
        others are the verb's own and stay in `Question.options`, unless they are None or False.

    Errors
    ------
    SlipstickError for unknown names and options, files that do not fit, and overrides of nothing.

    Examples
    --------
    >>> question = ask("llama-3.1-8b", "h100-sxm-80gb:8", "tp=8", set={"system.memory.hbm.bandwidth": "8 TB/s"})
    >>> question.system.main_memory.bandwidth, question.workload.batch, question.origins["batch"]
    (8000000000000.0, 8, 'default')
    """
    own = {
        name: value
        for name, value in options.items()
        if name not in _COMMON and value is not None and value is not False
    }
    _known_options(verb, own)
    changes = _split_overrides(parse_overrides(options.get("set") or {}))
    machine = _calibrated(find_system(system), options.get("calibration"))
    machine = _overridden_system(machine, changes["system"])
    origins: dict[str, str] = {}
    phase = _phase(workload, options.get("phase"), verb, machine, origins)
    network = _network(workload, weights=_takes_weights(verb, machine))
    full_plan = _plan(plan, verb, machine, (network.kind, phase), origins)
    full_plan = override(full_plan, changes["plan"], root="plan")
    sizes = {name: options[name] for name in _SIZES if options.get(name) is not None}
    if isinstance(workload, Workload):
        asked = override(workload, sizes, root="workload")
    else:
        asked = _sized(network, phase, sizes, origins, devices=machine.devices, plan=full_plan)
    for path in changes["workload"]:
        origins.pop(path, None)
    asked = override(asked, changes["workload"], root="workload")
    _check_tokens(asked)
    return Question(asked, machine, _as_stored(full_plan, asked, machine, origins), origins, own)


def _check_tokens(workload: Workload) -> None:
    """Raise a SlipstickError for tokens of a whole run of what is no training of a decoder."""
    if workload.training_tokens and not (workload.phase is Phase.TRAIN and workload.network.kind == "decoder"):
        raise SlipstickError(
            "only the training of a decoder is a run of tokens", path="workload.training_tokens",
            value=f"{workload.training_tokens:g} in {workload.name}", allowed="phase train of a decoder",
        )  # fmt: skip


def _bare_workload(workload: WorkloadSpec, plan: PlanSpec = None, **options: Any) -> Workload:
    """Return a workload for no particular system, with the default sizes of one device.

    Errors
    ------
    SlipstickError for unknown names, and overrides of nothing.
    """
    changes = _split_overrides(parse_overrides(options.get("set") or {}))
    sizes = {name: options[name] for name in _SIZES if options.get(name) is not None}
    if isinstance(workload, Workload):
        return override(workload, {**sizes, **changes["workload"]}, root="workload")
    full_plan = override(Plan.of(None if plan == "auto" else plan), changes["plan"], root="plan")
    phase = _checked_phase(options.get("phase") or Phase.TRAIN)
    asked = _sized(_network(workload), phase, sizes, {}, devices=1, plan=full_plan)
    return override(asked, changes["workload"], root="workload")


def _sized(
    network: Network, phase: Phase, sizes: Mapping[str, object], origins: dict[str, str], *, devices: int, plan: Plan
) -> Workload:
    """Return a network's workload; default sizes are filled in, and recorded in `origins`."""
    microbatch = plan.parallel.microbatch
    defaults = network.default_sizes(phase, devices, 1 if microbatch == "auto" else microbatch)
    origins.update(dict.fromkeys(defaults.keys() - sizes.keys(), "default"))
    return validate(Workload, {"network": network, "phase": phase, **defaults, **sizes}, root="workload")


def find_system(spec: SystemSpec) -> System:
    """Return the System of a name, dict, file or object; ``name@3nm+hbm4:64`` changes its technology and count.

    Examples
    --------
    >>> find_system("a100-sxm-80gb@3nm+hbm4:64").devices
    64
    """
    if not isinstance(spec, str) or "@" not in spec or is_file_name(spec):
        return resolve_system(spec)
    from slipstick.tech import resolve

    return resolve(spec)


def find_network(spec: str | Path | Network | Mapping[str, Any]) -> Network:
    """Return the network of a name, file, dict or object, including files of trained networks.

    The arguments and errors are those of `slipstick.networks.network`; files with weights (``.tflite``,
    ``.safetensors``) are read for their sizes too.

    Examples
    --------
    >>> find_network("examples/data/small.tflite").name
    'small'
    """
    from slipstick.networks.find_network import network

    if not isinstance(spec, str | Path) or not Path(spec).suffix:  # readers are told apart by suffix
        return network(spec)
    from slipstick.trained.open import SIZE_READERS

    return network(spec, readers=SIZE_READERS)


def parse_overrides(changes: Mapping[str, object] | Sequence[str]) -> Mapping[str, object]:
    """Return overrides as a mapping, from texts ``path=value`` with values as in YAML: 8, true, null, 8 TB/s.

    Errors
    ------
    SlipstickError for text without a path, and for a path that stands twice.

    Examples
    --------
    >>> parse_overrides(["system.memory.hbm.bandwidth=8 TB/s", "workload.batch=64"])
    {'system.memory.hbm.bandwidth': '8 TB/s', 'workload.batch': 64}
    """
    if isinstance(changes, Mapping):
        return changes
    values: dict[str, object] = {}
    for pair in changes:
        path, equals, text = pair.partition("=")
        if not equals or not path.strip():
            allowed = "path=value, such as system.memory.hbm.bandwidth='8 TB/s'"
            raise SlipstickError("not of the form path=value", path="--set", value=pair, allowed=allowed)
        if path.strip() in values:
            raise SlipstickError("the path stands twice", path="--set", value=path.strip())
        values[path.strip()] = parse_yaml(text, where=f"--set {path.strip()}")
    return values


def _split_overrides(overrides: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Return dotted overrides grouped by their root; short keys of a plan are expanded.

    Errors
    ------
    SlipstickError for a path that starts with none of `_ROOTS`.

    Examples
    --------
    >>> _split_overrides({"plan.tp": 8, "system.power": "1 kW"})["plan"]
    {'parallel.tp': 8}
    """
    by_root: dict[str, dict[str, object]] = {root: {} for root in _ROOTS}
    for path, value in overrides.items():
        root, dot, rest = path.partition(".")
        if root not in _ROOTS or not dot or not rest:
            raise _no_root(path)
        by_root[root][short_keys().get(rest, rest) if root == "plan" else rest] = value
    return by_root


def _no_root(path: str) -> SlipstickError:
    """Return the error of an override without a root, with the roots whose field its first part is."""
    fields = {
        "system": set(System.model_fields),
        "workload": set(Workload.model_fields),
        "plan": {*Plan.model_fields, *short_keys()},
    }
    meant = [f"{root}.{path}" for root, names in fields.items() if path.partition(".")[0] in names]
    hint = f"; did you mean {' or '.join(meant)}?" if meant else ""
    return SlipstickError(f"not the path of a field{hint}", path="set", value=path, allowed=[f"{r}." for r in _ROOTS])


def _load_calibration(spec: Calibration | str | Path) -> Calibration:
    """Return the calibration factors that `slipstick calibrate` wrote to a YAML file."""
    if isinstance(spec, Calibration):
        return spec
    data = load_fields(spec)
    if set(data) != {"calibration"}:
        raise SlipstickError("not a calibration", path=str(spec), allowed="the group `calibration:` and nothing else")
    return validate(Calibration, data["calibration"], where=str(spec), root="calibration")


def _calibrated(system: System, spec: Calibration | str | Path | None) -> System:
    return system if spec is None else system.model_copy(update={"calibration": _load_calibration(spec)})


def _overridden_system(system: System, changes: Mapping[str, object]) -> System:
    """Return the system with some fields overridden, each marked as given by the user."""
    changed = override(system, changes, root="system")
    marks = dict.fromkeys(changes, "set by the user")
    return changed.model_copy(update={"sources": {**changed.sources, **marks}}) if marks else changed


def _known_options(verb: str, options: Mapping[str, Any]) -> None:
    known = [name for engine in engines() if engine.verb == verb for name in engine.options]
    for name, value in options.items():
        if name not in known:
            raise SlipstickError(
                f"no such option of `{verb}`", path=name, value=value, allowed=dict.fromkeys([*_COMMON, *known])
            )


def _phase(spec: object, name: str | None, verb: str, system: System, origins: dict[str, str]) -> Phase:
    """Return the phase to estimate: the workload's, the user's, or the first that the verb's engine supports."""
    rows = rows_of(verb, system.device.kind) or rows_of("estimate", system.device.kind)
    default = rows[0].phases[0] if rows else Phase.INFER
    if name is None and default is not Phase.TRAIN:
        origins["phase"] = "default"
    return _checked_phase(spec.phase if isinstance(spec, Workload) else name or default)


def _checked_phase(name: str) -> Phase:
    names = [phase.value for phase in Phase]
    if name not in names:
        raise SlipstickError("not a phase", path="phase", value=str(name), allowed=names)
    return Phase(name)


def _takes_weights(verb: str, system: System) -> bool:
    """Return whether an engine of the verb runs networks with weights on this kind of device, or on any other."""
    rows = rows_of(verb, system.device.kind) or [engine for engine in engines() if engine.verb == verb]
    return any(WEIGHTED in engine.networks for engine in rows)


def _network(spec: Any, *, weights: bool = False) -> Network:
    """Return the network of a spec: with its weights where the engines take such, but for names of sizes alone."""
    if isinstance(spec, Workload):
        return spec.network
    if not weights or isinstance(spec, Network | Mapping):
        return find_network(spec)
    from slipstick.networks.find_network import presets
    from slipstick.trained.open import open_network
    from slipstick.trained.weighted_network import WeightedNetwork

    if isinstance(spec, str) and presets.get(spec) is not None:
        return find_network(spec)  # the table of engines refuses it, and says what would be taken
    return WeightedNetwork.of_weights(open_network(spec))


def _plan(spec: PlanSpec, verb: str, system: System, asked: tuple[str, Phase], origins: dict[str, str]) -> Plan:
    """Return the user's plan, or the default plan of the engine for this kind of network and phase."""
    if spec is not None and spec != "auto":
        return Plan.of(spec)
    origins["plan"] = "default"
    rows = rows_of(verb, system.device.kind)
    network, phase = asked
    fitting = [row for row in rows if network in row.networks and phase in row.phases]
    fitting += [row for row in rows if phase in row.phases] + rows
    return Plan.of(fitting[0].default_plan if fitting else None)


def _as_stored(plan: Plan, workload: Workload, system: System, origins: dict[str, str]) -> Plan:
    """Return the plan with a quantised checkpoint's own formats, for inference, where the plan names none.

    Products run in that format where the device has a rate for it; else only the weights are stored so.
    """
    stored = workload.network.stored_format
    if stored is None or workload.phase is Phase.TRAIN or plan.formats.model_fields_set & {"matmul", "weights"}:
        return plan
    from slipstick.formats import format_of

    try:
        format_of(stored)
    except SlipstickError:  # a method of a library whose width nothing here knows
        return plan
    field = "matmul" if system.device.rate_of(stored) is not None else "weights"
    origins[field] = "checkpoint"
    return override(plan, {f"formats.{field}": stored}, root="plan")
