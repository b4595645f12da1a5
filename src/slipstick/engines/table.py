"""Table of engines: the function that answers a verb on a kind of device, and the inputs it takes; one entry each.

A new kind of hardware adds rows: here, by `register`, or from a package of its own through the entry point group
``slipstick.engines``, whose entries load to an Engine or to several. Nothing else in the house asks for a kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import import_module
from typing import TYPE_CHECKING

from slipstick.core.errors import SlipstickError
from slipstick.core.plan import short_keys
from slipstick.core.plugins import Plugin, check_plugins, working
from slipstick.core.workload import Phase
from slipstick.report.metric import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipstick.core.question import Question
    from slipstick.report.report import Report

ENTRY_POINTS = "slipstick.engines"


@dataclass(frozen=True)
class Engine:
    """Entry of the table of engines: an engine, and the verb, devices, networks, phases and plans that it takes.

    Parameters
    ----------
    verb, device
        Name of the verb, and the kind of device (`System.device.kind`) that it answers for.
    networks, phases
        Kinds of network (`Network.kind`) and phases that it takes; the first phase is asked where the user names none.
    plan
        Fields of a plan that it reads: dotted names or patterns (``parallel.*``), ``!pattern`` for those that it does
        not, ``parallel.zero=0|1|2`` where it takes some values only. Any other field must stay at its default.
    function
        ``module:function``, called with the Question; returns the Report.
    options
        The verb's options beyond workload, system and plan that it reads.
    default_plan
        Plan of a user who gives none.
    max_devices
        Most devices; None: any number.
    needs_topology
        Whether the system must say how its devices are linked.
    needs_integers
        Whether the network must compute in 8-bit integers, or the option `data` be there to quantise it on.
    objectives
        Figures that `search` weighs where the user names none: those of them that the Reports have. Default: time.
    sweep
        ``module:NAME`` of the Sweep (`slipstick.core.sweep`) that `search` uses; empty: it asks point by point.
    hint
        What to do instead, said behind a refused field of the plan.
    """

    verb: str
    device: str
    networks: tuple[str, ...]
    phases: tuple[Phase, ...]
    plan: tuple[str, ...]
    function: str
    options: tuple[str, ...] = ()
    default_plan: str = ""
    max_devices: int | None = None
    needs_topology: bool = False
    needs_integers: bool = False
    objectives: tuple[str, ...] = ()
    sweep: str = ""
    hint: str = field(default="", compare=False)

    def reads(self, path: str) -> bool:
        """Return whether the engine reads the plan field at a dotted path."""
        patterns = [pattern.partition("=")[0] for pattern in self.plan]
        listed = any(fnmatchcase(path, pattern) for pattern in patterns)
        return listed and not any(fnmatchcase(path, pattern[1:]) for pattern in patterns if pattern.startswith("!"))

    def values(self, path: str) -> tuple[str, ...]:
        """Return the values that the engine takes in a plan field; empty where it takes any."""
        return next((tuple(p.partition("=")[2].split("|")) for p in self.plan if p.startswith(f"{path}=")), ())

    @property
    def plan_text(self) -> str:
        """Plan fields that the engine reads, in users' spelling; a group that is read as a whole, by its name."""
        groups: dict[str, list[str]] = {}
        for path in short_keys().values():
            group, _, name = path.rpartition(".")
            groups.setdefault(group, []).append(name)
        return "; ".join(filter(None, (self._group_text(group, names) for group, names in groups.items()))) or "none"

    def _group_text(self, group: str, names: list[str]) -> str:
        """Return the plan fields read of one group, as ``parallel but cp`` or ``parallel.dp, parallel.zero=0|1``."""
        paths = [f"{group}.{name}".strip(".") for name in names]
        read = [path for path in paths if self.reads(path)]
        limited = any(self.values(path) for path in read)
        if len(read) > 1 and len(paths) - len(read) <= 1 and not limited:
            return group + "".join(f" but {path.rpartition('.')[2]}" for path in paths if path not in read)
        return ", ".join(path + f"={'|'.join(self.values(path))}" * bool(self.values(path)) for path in read)

    def answer(self, question: Question) -> Report:
        """Return the engine's Report.

        Errors
        ------
        SlipstickError for a row whose function is not there, and whatever the engine refuses.
        """
        module, _, name = self.function.partition(":")
        try:
            function: Callable[[Question], Report] = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            message = f"the engine of `{self.verb}` on {self.device} devices does not load ({error})"
            raise SlipstickError(message, path="engines", value=self.function) from error
        return function(question)


_FORMATS = ("formats.*", "!formats.layers")
_INFERENCE = (
    "parallel.tp", "parallel.pp", "parallel.dp", "parallel.ep", "parallel.etp", *_FORMATS, "kernels.*", "serving.*",
    "stack",
)  # fmt: skip
MIXED_PRECISION = "matmul=fp16,activations=fp16"  # the formats of mixed-precision training since Volta
_PLACE = "slipstick.place divides one network over devices"

ENGINES: tuple[Engine, ...] = (
    Engine(
        "estimate", "accelerator", ("decoder",), (Phase.TRAIN,),
        ("parallel.*", "collectives.*", "offload.*", *_FORMATS, "kernels.*"),
        "slipstick.engines.closed_form:train_decoder", options=("fabric",),
        sweep="slipstick.cluster.training.training_columns:TRAINING",
    ),
    Engine(
        "estimate", "accelerator", ("decoder",), (Phase.PREFILL,), _INFERENCE,
        "slipstick.cluster.inference.estimate:estimate_inference",
        sweep="slipstick.cluster.inference.inference_columns:PREFILL",
    ),
    Engine(
        "estimate", "accelerator", ("decoder",), (Phase.DECODE,), _INFERENCE,
        "slipstick.cluster.inference.estimate:estimate_inference",
        options=("rate", "arrivals", "variation", "queue_mean", "queue_p99", "queue_first_token"),
        sweep="slipstick.cluster.inference.inference_columns:DECODE",
    ),
    Engine(
        "estimate", "accelerator", ("graph",), (Phase.TRAIN,),
        ("parallel.dp", "parallel.microbatch", "parallel.sp", "parallel.zero=0|1|2", "collectives.dp_*", *_FORMATS,
         "kernels.fused"),
        "slipstick.cluster.graphs.estimate:estimate_graph", hint=_PLACE,
    ),
    Engine(
        "estimate", "accelerator", ("graph",), (Phase.INFER,),
        ("parallel.dp", "parallel.microbatch", *_FORMATS, "kernels.fused", "kernels.cuda_graphs"),
        "slipstick.cluster.graphs.estimate:estimate_graph", hint=_PLACE,
    ),
    Engine(
        "estimate", "array", ("graph",), (Phase.INFER,), ("formats.layers",),
        "slipstick.array.estimate:estimate", options=("accuracies",), default_plan="formats=int8", max_devices=1,
    ),
    Engine(
        "estimate", "dot-product", ("graph",), (Phase.INFER,), ("formats.layers",),
        "slipstick.array.dot_product_estimate:estimate", options=("accuracies",), max_devices=1,
    ),
    Engine(
        "estimate", "mixed-arrays", ("graph",), (Phase.INFER,), ("formats.layers",),
        "slipstick.array.mixed_estimate:estimate", options=("accuracies",), default_plan="formats=int8", max_devices=1,
    ),
    Engine(
        "estimate", "fourier", ("graph",), (Phase.INFER,), (),
        "slipstick.optics.fourier_estimate:estimate", max_devices=1,
    ),
    Engine(
        "estimate", "correlator", ("graph",), (Phase.INFER,), (),
        "slipstick.optics.correlator_estimate:estimate", max_devices=1,
        sweep="slipstick.optics.architecture_sweep:ARCHITECTURES",
        objectives=("efficiency.samples_per_joule", "edp.sample", "area.total"),
    ),
    Engine(
        "estimate", "photonic-array", ("graph",), (Phase.INFER,), (),
        "slipstick.optics.photonic_array_estimate:estimate", max_devices=1,
        objectives=("efficiency.samples_per_joule", "edp.sample", "area.total"),
    ),
    Engine(
        "estimate", "board", ("graph",), (Phase.INFER,), ("formats.layers",),
        "slipstick.edge.board_estimate:estimate", options=("accuracies",), default_plan="formats=int8",
        max_devices=1,
        objectives=("price", "time.inference", "energy.inference", "accuracy.top1", "memory.peak", "memory.flash"),
    ),
    Engine(
        "simulate", "accelerator", ("decoder", "graph"), (Phase.TRAIN,),
        ("parallel.tp", "parallel.pp", "parallel.dp", "parallel.microbatch", "parallel.zero", "parallel.schedule",
         "collectives.dp_overlap", "offload.weights", *_FORMATS, "kernels.*"),
        "slipstick.engines.wafer_training:simulate_step", options=("efficiency", "sweep"),
        default_plan="zero=2,gradients=bf16", needs_topology=True,
    ),
    Engine(
        "simulate", "array", ("graph",), (Phase.INFER,), ("formats.layers",),
        "slipstick.array.bit_true_run:simulate_layers", default_plan="formats=int8", max_devices=1,
    ),
    Engine(
        "place", "accelerator", ("decoder", "graph"), (Phase.TRAIN, Phase.INFER), (*_FORMATS, "kernels.*"),
        "slipstick.engines.operator_placement:place", options=("forwarding", "time_limit"),
        default_plan=MIXED_PRECISION, needs_topology=True,
    ),
    Engine(
        "measure", "host", ("trained",), (Phase.INFER,), ("formats.layers",),
        "slipstick.engines.measure_network:measure_accuracy", options=("data", "images"), max_devices=1,
    ),
    Engine(
        "measure", "board", ("trained",), (Phase.INFER,), ("formats.layers",),
        "slipstick.engines.emit_firmware:measure_board", options=("data", "images"), max_devices=1, needs_integers=True,
    ),
    Engine(
        "emit", "board", ("trained",), (Phase.INFER,), ("formats.layers",),
        "slipstick.engines.emit_firmware:emit_firmware",
        options=("data", "out", "run", "patches", "arena", "stream", "overwrite"), max_devices=1, needs_integers=True,
    ),
    Engine(
        "emit", "dot-product", ("trained",), (Phase.INFER,), ("formats.layers",),
        "slipstick.engines.emit_vectors:emit_vectors",
        options=("data", "out", "layers", "images", "trace", "overwrite"), max_devices=1,
    ),
)  # fmt: skip

_registered: list[Engine] = []


def register(*rows: Engine) -> None:
    """Add engines to the table for this process, such as those of a third party's kind of device."""
    _registered.extend(rows)


def engines() -> tuple[Engine, ...]:
    """Return every entry of the table: built-in engines, those of installed packages, and registered ones.

    Examples
    --------
    >>> sorted({engine.device for engine in engines() if engine.verb == "simulate"})
    ['accelerator', 'array']
    """
    plugged = (row for _, rows in working(ENTRY_POINTS, _plugged_rows) for row in rows)
    return (*ENGINES, *plugged, *_registered)


def _plugged_rows(plugin: Plugin) -> tuple[Engine, ...]:
    """Return the engines that another package's entry point loads: one Engine or several.

    Errors
    ------
    SlipstickError naming the package, for what does not load or is no Engine.
    """
    loaded = plugin.value
    rows = (loaded,) if isinstance(loaded, Engine) else tuple(loaded) if isinstance(loaded, Iterable) else ()
    if not rows or not all(isinstance(row, Engine) for row in rows):
        raise plugin.error("loads to no Engine", "an Engine, or a tuple of them")
    return rows


def rows_of(verb: str, device: str) -> list[Engine]:
    """Return the engines of a verb for a kind of device, in the table's order."""
    return [engine for engine in engines() if engine.verb == verb and engine.device == device]


def _rows_table() -> Table:
    """Return the table of engines for printing: one row per engine, with everything that it takes.

    Errors
    ------
    SlipstickError for a plug-in that does not load.
    """
    check_plugins(ENTRY_POINTS, _plugged_rows)
    columns = ("verb", "device", "networks", "phases", "plan fields", "options and needs", "engine")
    return Table.of(dict.fromkeys(columns, ""), [_row(engine) for engine in engines()])


def _row(engine: Engine) -> tuple[str, ...]:
    more = [*engine.options, *(["needs a topology"] if engine.needs_topology else [])]
    more += ["needs a network in integers, or data to quantise it on"] if engine.needs_integers else []
    more += [f"at most {engine.max_devices} device{'s' * (engine.max_devices > 1)}"] if engine.max_devices else []
    more += ["vectorised in search"] if engine.sweep else []
    return (
        engine.verb, engine.device, ", ".join(engine.networks), ", ".join(engine.phases), engine.plan_text,
        ", ".join(more), engine.function.removeprefix("slipstick."),
    )  # fmt: skip
