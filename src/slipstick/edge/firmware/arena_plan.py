"""Arena of a firmware: the problem that its kernel calls are for the planner, with each kernel's own scratch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from slipstick.edge.arena.arena_problem import ALIGNMENT, ArenaProblem, ArenaStep, ArenaTensor, ArenaWindow
from slipstick.edge.arena.plan_arena import plan_arena, tflm_plan
from slipstick.edge.firmware.kernel_choice import KernelUse
from slipstick.edge.firmware.lowering import KernelCall, LoweredNetwork
from slipstick.edge.layers import AddLayer, ConvLayer, CopyLayer, Layer, PoolLayer, RequantizeLayer, Size


@dataclass(frozen=True)
class ArenaPlan:
    """Offsets [B] in the arena: of each tensor, and of each call's scratch; and the arena's size [B].

    Parameters
    ----------
    bound : least bytes that any layout of these tensors and scratch needs.
    states : offset of each tensor that is kept between calls, in an array of its own.
    bare : bytes that the planner needs for the tensors alone, without scratch and without writes in place.
    tflm : bytes that TensorFlow Lite Micro's greedy planner takes for the same tensors, without scratch.
    """

    size: int
    bound: int
    bare: int
    tflm: int
    tensors: dict[int, int]
    scratch: dict[int, int]
    states: dict[int, int]


def _firmware_arena(network: LoweredNetwork, uses: Sequence[KernelUse]) -> ArenaPlan:
    """Return the places of all tensors, input and output among them, and of the scratch of each call."""
    problem, places = arena_problem(network, uses)
    layout = plan_arena(problem)
    bare, _ = arena_problem(network)
    tensors = {tensor: layout.offsets[place] for tensor, place in places.items()}
    return ArenaPlan(
        size=layout.size,
        bound=layout.bound,
        bare=plan_arena(bare).size,
        tflm=tflm_plan(bare).size,
        tensors=tensors,
        scratch=dict(layout.scratch),
        states=_state_offsets(network),
    )


def arena_problem(
    network: LoweredNetwork, uses: Sequence[KernelUse] | None = None
) -> tuple[ArenaProblem, dict[int, int]]:
    """Return the arena problem of kernel calls, and the place of each tensor in it.

    Without `uses`, calls have no scratch and write nothing in place. A tensor that several calls write piece by piece
    is held from the first to the last of them.
    """
    flowing = [tensor for tensor in network.sizes if tensor not in network.states]
    places = {tensor: place for place, tensor in enumerate(flowing)}
    shapes = _tensor_shapes(network)
    tensors = [ArenaTensor(f"tensor {tensor}", network.sizes[tensor], shapes.get(tensor)) for tensor in flowing]
    steps: list[ArenaStep] = []
    written: set[int] = set()
    for number, call in enumerate(network.calls):
        use = None if uses is None else uses[number]
        step = _step(call, use, places)
        if call.output in written or call.output in network.states:  # a further piece, or state: nothing of its own
            tensors.append(ArenaTensor(f"piece {number}", 0))
            whole = (places[call.output],) if call.output in places else ()
            step = replace(step, reads=(*step.reads, *whole), writes=len(tensors) - 1, overwrites=())
        written.add(call.output)
        steps.append(step)
    return ArenaProblem(tuple(tensors), tuple(steps), places[network.input], places[network.output]), places


def _step(call: KernelCall, use: KernelUse | None, places: dict[int, int]) -> ArenaStep:
    layer = call.layer
    reads = tuple(dict.fromkeys(places[tensor] for tensor in call.inputs if tensor in places))
    return ArenaStep(
        f"{call.operator}: {layer.kind}",
        layer.kind,
        reads,
        places.get(call.output, -1),
        scratch=use.scratch if use else 0,
        overwrites=reads if use and (use.kernel.in_place or use.kernel.overwrites(layer)) else (),
        macs=float(layer.macs) if isinstance(layer, ConvLayer) else 0.0,
        window=_window(layer),
    )


def _window(layer: Layer) -> ArenaWindow | None:
    """Return how far an output of a layer reaches into its input; None: over all of it."""
    if isinstance(layer, AddLayer | RequantizeLayer):
        return ArenaWindow()
    if not isinstance(layer, ConvLayer | PoolLayer) or layer.kind == "dense":
        return None
    dilation = layer.dilation if isinstance(layer, ConvLayer) else (1, 1)
    span = ((layer.kernel[0] - 1) * dilation[0] + 1, (layer.kernel[1] - 1) * dilation[1] + 1)
    return ArenaWindow(span, layer.stride, layer.padding)


def _tensor_shapes(network: LoweredNetwork) -> dict[int, Size]:
    """Return height, width and channels of the tensors that are images."""
    shapes: dict[int, Size] = {}
    for call in network.calls:
        if isinstance(call.layer, ConvLayer | PoolLayer | CopyLayer) and call.layer.kind != "dense":
            shapes |= {call.inputs[0]: call.layer.input, call.output: call.layer.output}
        elif isinstance(call.layer, AddLayer | RequantizeLayer):
            known = [shapes[tensor] for tensor in call.inputs if tensor in shapes]
            shapes |= dict.fromkeys((*call.inputs, call.output), known[0]) if known else {}
    return shapes


def state_bytes(network: LoweredNetwork) -> int:
    """Return the bytes that are kept from one call of the firmware to the next, each tensor filled up to words."""
    return sum(_aligned(size) for size in network.states.values())


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _state_offsets(network: LoweredNetwork) -> dict[int, int]:
    offsets, end = {}, 0
    for tensor, size in network.states.items():
        offsets[tensor] = end
        end += _aligned(size)
    return offsets
