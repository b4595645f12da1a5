"""Arena of a firmware: the problem that its kernel calls are for the planner, with each kernel's own scratch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipstick.edge.arena.arena_layout import ArenaLayout
from slipstick.edge.arena.arena_problem import ArenaProblem, ArenaStep, ArenaTensor
from slipstick.edge.arena.plan_arena import plan_arena, tflm_plan
from slipstick.edge.firmware.kernel_choice import KernelUse
from slipstick.edge.firmware.lowering import LoweredNetwork


@dataclass(frozen=True)
class ArenaPlan:
    """Offsets [B] in the arena: of each tensor, and of each call's scratch; and the arena's size [B].

    Parameters
    ----------
    bound : least bytes that any layout of these tensors and scratch needs.
    tflm : bytes that TensorFlow Lite Micro's greedy planner takes for the same tensors, without scratch.
    """

    size: int
    bound: int
    tflm: int
    tensors: dict[int, int]
    scratch: dict[int, int]


def firmware_arena(network: LoweredNetwork, uses: Sequence[KernelUse]) -> ArenaPlan:
    """Return the places of all tensors, input and output among them, and of the scratch of each call."""
    problem, places = _problem(network, uses)
    layout = plan_arena(problem)
    bare, _ = _problem(network, uses, scratch=False)
    tensors = {tensor: layout.offsets[place] for tensor, place in places.items()}
    return ArenaPlan(layout.size, layout.bound, tflm_plan(bare).size, tensors, dict(layout.scratch))


def _problem(
    network: LoweredNetwork, uses: Sequence[KernelUse], *, scratch: bool = True
) -> tuple[ArenaProblem, dict[int, int]]:
    """Return the arena problem of kernel calls, and the place of each tensor in it."""
    places = {tensor: place for place, tensor in enumerate(network.sizes)}
    tensors = tuple(ArenaTensor(f"tensor {tensor}", size) for tensor, size in network.sizes.items())
    steps = tuple(_step(use, places, use.scratch if scratch else 0) for use in uses)
    return ArenaProblem(tensors, steps, places[network.input], places[network.output]), places


def _step(use: KernelUse, places: dict[int, int], scratch: int) -> ArenaStep:
    reads = tuple(dict.fromkeys(places[tensor] for tensor in use.call.inputs))
    overwrites = reads if use.kernel.in_place else ()
    name = f"{use.call.operator}: {use.call.layer.kind}"
    return ArenaStep(name, use.call.layer.kind, reads, places[use.call.output], scratch, overwrites)


def layout_of(network: LoweredNetwork, uses: Sequence[KernelUse]) -> ArenaLayout:
    """Return the layout with its blocks over time, as pictures draw it."""
    return plan_arena(_problem(network, uses)[0])
