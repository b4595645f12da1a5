"""Look-up of the engine for a Question; where none takes it, an error with all faults and what would be taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slipstick.core.catalogue import systems
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.plan import Plan
from slipstick.core.plugins import check_plugins
from slipstick.core.question import Question
from slipstick.engines.table import ENTRY_POINTS, Engine, _plugged_rows, engines, rows_of

# kind of network -> in the singular, and what a user can write for one
_NETWORKS = {
    "decoder": ("a decoder", "decoders such as llama-3.1-8b, or a config.json"),
    "graph": ("an operator graph", "operator graphs such as mobilenet-v2, or an .onnx or .tflite file"),
    "trained": ("a network with weights", "networks with weights, such as a .tflite or .safetensors file"),
}


def engine_for(verb: str, question: Question) -> Engine:
    """Return the entry of the table of engines that answers a Question.

    Errors
    ------
    SlipstickError where nothing answers the verb on the system's kind of device, or a plug-in that might have answered
    does not load; SpecErrors with every field of the question that the nearest engine does not take, and what it would
    take.

    Examples
    --------
    >>> from slipstick.engines.question import ask
    >>> engine_for("estimate", ask("mobilenet-v2", "swis-8x8")).function
    'slipstick.array.estimate:estimate'
    >>> engine_for("estimate", ask("llama-3.1-8b", "swis-8x8"))
    Traceback (most recent call last):
    slipstick.core.errors.SpecErrors: workload: 'llama-3.1-8b' is a decoder; swis-8x8 runs operator graphs such as ...
    """
    system, network, phase = question.system, question.workload.network, question.workload.phase
    rows = rows_of(verb, system.device.kind)
    if not rows:
        check_plugins(ENTRY_POINTS, _plugged_rows)  # one that does not load might have answered
        raise _wrong_device(verb, question)
    problems: list[SlipstickError] = []
    fitting = [row for row in rows if network.kind in row.networks]
    if not fitting:
        problems.append(_wrong_network(question, rows))
    rows = fitting or rows
    fitting = [row for row in rows if phase in row.phases]
    if not fitting:
        allowed = dict.fromkeys(str(known) for row in rows for known in row.phases)
        message = f"not a phase that `{verb}` takes of {_singular(network.kind)} on {system.name}"
        problems.append(SlipstickError(message, path="phase", value=str(phase), allowed=allowed))
    rows = fitting or rows
    row = max(rows, key=lambda row: len(question.options.keys() & set(row.options)))
    problems += [*_options(verb, question, row), *_sizes(question, row), *_plan(verb, question, row)]
    if problems:
        check_plugins(ENTRY_POINTS, _plugged_rows)
        raise SpecErrors(problems)
    return row


def _wrong_device(verb: str, question: Question) -> SlipstickError:
    rows = [engine for engine in engines() if engine.verb == verb]
    known = list(dict.fromkeys(engine.device for engine in rows))
    fitting = [
        name
        for name, system in systems.items()
        if any(row.device == system.device.kind and (system.topology or not row.needs_topology) for row in rows)
    ]
    allowed = f"{' or '.join(map(_article, known)) or 'nothing'}, such as {', '.join(fitting[:3])}" if fitting else None
    message = f"{question.system.name} is {_article(question.system.device.kind)}, which `{verb}` does not answer for"
    return SlipstickError(f"{message} (slipstick list engines)", path="system", allowed=allowed)


def _wrong_network(question: Question, rows: Sequence[Engine]) -> SlipstickError:
    network = question.workload.network
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.networks))
    runs = " and ".join(_NETWORKS.get(kind, ("", f"networks of the kind {kind}"))[1] for kind in kinds)
    message = f"{network.name!r} is {_singular(network.kind)}; {question.system.name} runs {runs}"
    listed = [kind for kind in kinds if kind != "trained"]  # those of the catalogue have no weights
    more = f" (slipstick list workloads --kind {listed[0]})" if listed else ""
    return SlipstickError(f"{message}{more}", path="workload")


def _options(verb: str, question: Question, row: Engine) -> Iterator[SlipstickError]:
    for name in question.options.keys() - set(row.options):
        others = [other for other in engines() if other.verb == verb and name in other.options]
        taken = "; ".join(f"{' or '.join(o.phases)} of {' or '.join(o.networks)}s on {o.device}s" for o in others)
        message = f"not an option of `{verb}` for {_singular(question.workload.network.kind)} in this phase"
        yield SlipstickError(message, path=name, value=question.options[name], allowed=taken or None)


def _sizes(question: Question, row: Engine) -> Iterator[SlipstickError]:
    system = question.system
    if row.max_devices is not None and system.devices > row.max_devices:
        message = f"more devices than this engine takes of {_article(system.device.kind)}"
        yield SlipstickError(message, path="system.devices", value=system.devices, allowed=f"{row.max_devices}")
    if row.needs_topology and not system.topology:
        wired = [name for name, known in systems.items() if known.topology and known.device.kind == system.device.kind]
        message = f"`{row.verb}` needs the links between the devices, and this system has no topology"
        yield SlipstickError(message, path="system.topology", value=system.name, allowed=wired)
    network = question.workload.network
    quantised = "data" in question.options
    if row.needs_integers and network.kind in row.networks and not (network.integers or quantised):
        message = "computes in real numbers; firmware computes in 8-bit integers, and quantising needs calibration data"
        allowed = (
            "--data NAME: images like those that it was trained on (digits, cifar10-jpeg, a folder), or an 8-bit "
            ".tflite file, which needs none"
        )
        yield SlipstickError(message, path="data", value=network.name, allowed=allowed)


def _plan(verb: str, question: Question, row: Engine) -> Iterator[SlipstickError]:
    """Yield an error for each plan field that is set to more than its default and that the engine does not read.

    ``auto`` leaves the choice to the engine, so that a field which it does not read may stay at it.
    """
    plain = _fields(Plan().off().model_dump())
    network, phase = question.workload.network.kind, question.workload.phase
    asked = f"{_singular(network)} ({phase} on {question.system.name})"
    unread: list[SlipstickError] = []
    for path, value in _fields(question.plan.model_dump(exclude_unset=True)).items():
        if value in (plain[path], "auto") or path == "others":
            continue
        values = row.values(path)
        if not row.reads(path):
            allowed = f"{_written(plain[path])}" + (f"; {row.hint}" if row.hint else "")
            message = f"`{verb}` does not read it for {asked}"
            unread.append(SlipstickError(message, path=f"plan.{path}", value=value, allowed=allowed))
        elif values and str(value) not in values:
            yield SlipstickError(f"not taken for {asked}", path=f"plan.{path}", value=value, allowed=values)
    yield from unread[:-1]
    if unread:
        last = unread[-1]
        allowed = f"{last.allowed}. Fields that it reads: {row.plan_text}"
        yield SlipstickError(last.message, path=last.path, value=last.value, allowed=allowed)


def _fields(dump: dict[str, object]) -> dict[str, object]:
    leaves: dict[str, object] = {}
    for name, value in dump.items():
        if isinstance(value, dict):
            leaves |= {f"{name}.{key}": leaf for key, leaf in value.items()}
        else:
            leaves[name] = value
    return leaves


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) if value not in ("", None) else "left out"


def _article(kind: str) -> str:
    return f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}"


def _singular(kind: str) -> str:
    return _NETWORKS.get(kind, (_article(kind), ""))[0]
