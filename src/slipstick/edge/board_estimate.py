"""Estimates of systems that are boards: an operator graph's inference in int8 or packed weights, without compiling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from slipstick.core.encoding import Encoding
from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question
from slipstick.core.units import format_quantity
from slipstick.edge.arena.arena_layout import ArenaLayout
from slipstick.edge.arena.arena_picture import arena_svg
from slipstick.edge.arena.liveness import _overlaps_of
from slipstick.edge.arena.memory_tiers import TierPlace, _tensor_traffic, place_in_tiers
from slipstick.edge.board import Board
from slipstick.edge.board_figures import board_figures
from slipstick.edge.board_memory import _arena_tiers, _board_bytes, _BoardBytes
from slipstick.edge.core_table import cores
from slipstick.edge.latency.board_cycles import _FlashPath, _layer_times, _LayerTime
from slipstick.edge.latency.kernel_mixes import KernelMix, mix_for
from slipstick.edge.latency.layer_work import LayerWork, _work_of
from slipstick.formats.accuracy_table import accuracy_metrics
from slipstick.formats.grammar import format_of
from slipstick.formats.layer_patterns import DEFAULT, PatternLayer, formats_of
from slipstick.report.report import Metric, Report, Table

_COLUMNS = {
    "op": "", "kind": "", "format": "", "MACs": "MAC", "instructions": "", "time": "s", "waiting": "s", "weights": "B",
}  # fmt: skip
_TENSORS = {"tensor": "", "bytes": "B", "memory": "", "offset": "B", "traffic": "B", "stall": "s", "saved if fast": "s"}
_WEIGHTS = {"weights of": "", "bytes": "B", "stall": "s", "saved a byte": "s/B", "fits": ""}
_FILTER_BYTES = 9  # of each filter beside its weights: bias and multiplier of 4 bytes, a shift of 1
_LINEAR = {"dense": "linear"}  # a kind in patterns of formats
_MOST_PLANNED = 2.0**26  # bytes of a tensor whose windows are laid out: as whole numbers of 8 bytes, some GB
_PAPERS = ("lin2020mcunet", "lai2018cmsis")


@dataclass(frozen=True)
class BoardRun:
    """Run of a network on a board: the time of every call, the arena, and the places of its tensors."""

    question: Question
    mix: KernelMix
    calls: tuple[_LayerTime, ...]
    bytes: _BoardBytes
    places: tuple[TierPlace, ...]

    @property
    def layout(self) -> ArenaLayout:
        """Layout of the arena."""
        return self.bytes.layout

    @property
    def board(self) -> Board:
        """The board that is the system's device."""
        return self.question.system.device_as(Board)

    @cached_property
    def parts(self) -> dict[str, float]:
        """Seconds of computing, and of waiting for weights and for tensors in slow memory."""
        return {
            "compute": sum(call.compute for call in self.calls),
            "waiting_for_weights": sum(call.weights for call in self.calls),
            "waiting_for_tensors": sum(place.stall for place in self.places),
        }

    @property
    def time(self) -> float:
        """Seconds of an inference."""
        return sum(self.parts.values())

    @property
    def weights(self) -> float:
        """Bytes of all weights with their biases and scales."""
        return sum(call.stored for call in self.calls)


def estimate(question: Question) -> Report:
    """Return time, energy and memory of an inference on a board in closed form, with the band of its calibration.

    Instructions are counted in closed form by kind of layer, cycles follow from the core's table, milliseconds from the
    calibration of the kernels on published rows. Activations have 8 bits; weights are as ``plan.formats.layers`` says.
    The report's detail is the BoardRun.

    Errors
    ------
    SlipstickError for a network that does not fit the board's flash or memory, or that has operations without kernels.
    """
    run = _board_run(question)
    name = question.workload.name
    tables = {"ops": Table.of(_COLUMNS, [_row(call) for call in run.calls])}
    if run.parts["waiting_for_weights"]:
        tables["weights in flash"] = Table.of(_WEIGHTS, _waiting(run))
    if run.places:
        tables["tensors"] = Table.of(_TENSORS, [_place_row(place) for place in run.places])
    return Report.of(
        question, _metrics(run), tables, title=f"{name} on {question.system.name}", bottleneck=_bottleneck(run),
        papers=_PAPERS,
    ).with_detail(run, lambda: {"arena": arena_svg(run.layout, f"{name}: arena")})  # fmt: skip


def _board_run(question: Question) -> BoardRun:
    system, workload = question.system, question.workload
    board = system.device_as(Board)
    core = cores.entry(board.core)
    mix = mix_for(board.kernels, core)
    ops = workload.ops
    works = _work_of(ops)
    flash = system.memory["flash"]
    encodings = _encodings(works, question.plan.formats.layers or DEFAULT)
    _check_largest_tensor(works, question)
    taken = _board_bytes(ops, encodings, mix, core)
    _check_flash(taken.flash, question)
    times = _layer_times(works, encodings, mix, core, board.clock, _FlashPath(flash.bandwidth, board.cache))
    layout = taken.layout
    blocks = [block for block, _ in layout.blocks]
    places = (
        place_in_tiers(blocks, _tensor_traffic(layout), _arena_tiers(system), _overlaps_of(layout.problem, blocks))
        if _too_large(layout, question)
        else ()
    )
    return BoardRun(question, mix, tuple(times), taken, places)


def _too_large(layout: ArenaLayout, question: Question) -> bool:
    """Return whether tensors must be spread over several memories: the arena does not fit the fastest one."""
    tiers = _arena_tiers(question.system)
    room = max(tier.capacity for tier in tiers)
    if layout.bound > sum(tier.capacity for tier in tiers) or (len(tiers) == 1 and layout.size > room):
        raise _no_room(float(layout.size), question)
    return layout.size > tiers[0].capacity


def _check_largest_tensor(works: Sequence[LayerWork], question: Question) -> None:
    """Check that memory holds a tensor of more bytes than the planner places, before it lays out every window."""
    largest = max((max(work.inputs, work.elements) for work in works), default=0.0)
    if largest > max(_MOST_PLANNED, sum(tier.capacity for tier in _arena_tiers(question.system))):
        raise _no_room(largest, question)


def _no_room(nbytes: float, question: Question) -> SlipstickError:
    """Return the error of tensors that the memories of a board do not hold."""
    return SlipstickError(
        f"needs {format_quantity(nbytes, 'B')} for tensors", path="memory.arena", value=question.workload.network.name,
        allowed=f"{question.system.name} has "
        + " and ".join(
            f"{format_quantity(float(tier.capacity), 'B')} of {tier.name}" for tier in _arena_tiers(question.system)
        ),
    )  # fmt: skip


def _check_flash(nbytes: float, question: Question) -> None:
    room = question.system.memory["flash"].capacity
    if nbytes > room:
        raise SlipstickError(
            f"needs {format_quantity(nbytes, 'B')} of flash", path="memory.flash",
            value=question.workload.network.name,
            allowed=f"{question.system.name} has {format_quantity(room, 'B')}; formats of fewer bits take less",
        )  # fmt: skip


def _encodings(works: Sequence[LayerWork], text: str) -> list[tuple[Encoding, float]]:
    """Return the encoding of every call's weights, and their bytes with biases and scales; shared bytes count once."""
    layers = [work for work in works if work.filters]
    patterns = [PatternLayer(work.name, _LINEAR.get(work.kind, work.kind)) for work in layers]
    texts = formats_of(text, patterns, path="plan.formats.layers")
    known = {name: format_of(name).encoding for name in {*texts, DEFAULT}}
    plain, shared = known[DEFAULT], 0
    rest = iter(texts)
    encodings: list[tuple[Encoding, float]] = []
    for work in works:
        if not work.filters:
            encodings.append((plain, 0.0))
            continue
        encoding = known[next(rest)]
        shape = (work.filters, work.taps, work.reduction // work.taps)
        ends = {"first": work is layers[0], "last": work is layers[-1]}
        if not encoding.takes(shape, depthwise=work.kind == "depthwise", **ends):
            encoding = plain
        nbytes = work.filters * _FILTER_BYTES + _weight_bytes(encoding, shape)
        encodings.append((encoding, float(nbytes - min(shared, encoding.shared_bytes))))
        shared = max(shared, encoding.shared_bytes)
    return encodings


def _weight_bytes(encoding: Encoding, shape: tuple[int, ...]) -> int:
    """Return the bytes of weights alone: scales are the multipliers of the filters, which are counted there."""
    scales = sum(
        4 * _size(of) for name, (_, of) in encoding.side_layout(shape).items() if name == "scale"
    )  # fp32: 4 bytes
    return encoding.storage_bytes(shape) - scales


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for length in shape:
        total *= length
    return total


def _metrics(run: BoardRun) -> dict[str, Any]:
    mix = run.mix
    computed = run.parts["compute"]
    source = (
        f"instructions of {mix.name} in closed form x cycles of {run.board.core} (data/cores), "
        f"{mix.source_of('calibration')}"
    )
    waiting = run.time - computed
    note = "band: tenth to ninetieth percentile of published rows"
    ends = (computed * mix.low + waiting, computed * mix.high + waiting)
    figures = board_figures(Metric(run.time, "s", "estimated", source, note, *ends), run.question.system)
    inference = figures["time"].pop("inference")
    parts = {name: Metric(value, "s", "estimated", source) for name, value in run.parts.items() if value > 0}
    metrics: dict[str, Any] = {
        "time": {"inference": inference, "parts": parts, **figures.pop("time")},
        "throughput": figures.pop("throughput"),
        "work": {
            "macs": Metric(
                sum(call.work.macs for call in run.calls), "MAC", "counted", "counted from layers and formats"
            ),
            "instructions": Metric(sum(call.instructions for call in run.calls), "", "estimated", mix.source),
        },
        "memory": _memory(run),
    }
    price = figures.pop("price", None)
    metrics |= figures
    metrics |= accuracy_metrics(run.question.options, run.question.plan.formats.layers or DEFAULT)
    return metrics if price is None else metrics | {"price": price}


def _memory(run: BoardRun) -> dict[str, Metric]:
    """Return the bytes of tensors and of flash, each beside what the board has."""
    system, layout, taken = run.question.system, run.layout, run.bytes
    counted = "counted from layers and formats"
    planned = "arena planned in int8" + (", with the kernels' scratch" if taken.structs else ", without scratch")
    room = float(sum(tier.capacity for tier in _arena_tiers(system)))
    structs = (
        {"structs": Metric(taken.structs, "B", "counted", "sizes of the kernels' layers")} if taken.structs else {}
    )
    return {
        "peak": Metric(layout.size, "B", "counted", planned, "stack beside" if structs else "stack and scratch beside"),
        "capacity": Metric(room, "B", "given", system.source_of(f"memory.{run.board.arena[0]}.capacity")),
        "arena": Metric(layout.size, "B", "counted", planned),
        "bound": Metric(layout.bound, "B", "counted", "most bytes alive at one call"),
        "flash": Metric(taken.flash, "B", "estimated", f"{counted}, and code"),
        "weights": Metric(taken.constants, "B", "counted", counted, "biases and scales included"),
        **structs,
        "code": Metric(taken.code, "B", "estimated", taken.source),
        "flash_capacity": Metric(
            system.memory["flash"].capacity, "B", "given", system.source_of("memory.flash.capacity")
        ),
    }


def _row(call: _LayerTime) -> tuple[object, ...]:
    work = call.work
    return (
        work.name, work.kind, call.format if work.filters else "", work.macs, call.instructions,
        call.compute + call.weights, call.weights, call.stored,
    )  # fmt: skip


def _waiting(run: BoardRun) -> list[tuple[object, ...]]:
    """Return the layers whose weights are waited for, those first whose copy in fast memory saves most for its bytes.

    Whether a layer's weights fit beside the arena is said of each alone.
    """
    room = _arena_tiers(run.question.system)[0].capacity - run.layout.size
    waiting = sorted((call for call in run.calls if call.weights), key=lambda call: -call.weights / call.stored)
    return [
        (call.work.name, call.stored, call.weights, call.weights / call.stored, call.stored <= room) for call in waiting
    ]


def _place_row(place: TierPlace) -> tuple[object, ...]:
    return (
        place.block.name, place.block.size, place.tier, place.offset, place.traffic, place.stall, place.saved,
    )  # fmt: skip


def _bottleneck(run: BoardRun) -> str:
    """Name the kind of layer that takes most of the time, or the memory that is waited for."""
    shares: dict[str, float] = {}
    for call in run.calls:
        shares[f"{call.work.kind} layers"] = shares.get(f"{call.work.kind} layers", 0.0) + call.compute
    shares |= {name.replace("_", " "): value for name, value in run.parts.items() if name != "compute"}
    kind = max(shares, key=lambda name: shares[name])
    return f"{kind}: {100 * shares[kind] / run.time:.0f} % of the time"
