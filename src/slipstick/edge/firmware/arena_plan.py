"""Arena of a firmware: the problem that its calls are for the planner, and the kernels that it has room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from slipstick.edge.arena.arena_layout import ArenaLayout
from slipstick.edge.arena.arena_problem import ALIGNMENT, ArenaProblem, ArenaStep, ArenaTensor, ArenaWindow, Overlap
from slipstick.edge.arena.kernel_fit import _fit_kernels
from slipstick.edge.arena.plan_arena import tflm_plan
from slipstick.edge.firmware.kernel_call import KernelCall
from slipstick.edge.firmware.lowering import LoweredNetwork
from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.layers import AddLayer, ConvLayer, CopyLayer, Layer, PoolLayer, RequantizeLayer, Size


@dataclass(frozen=True)
class ArenaPlan:
    """Layout of a firmware's arena, and where its tensors are.

    Parameters
    ----------
    places : of the network's tensors in the layout's problem.
    states : offset [B] of each tensor that is kept between calls, in an array of its own.
    tflm : bytes that TensorFlow Lite Micro's greedy planner takes for the same tensors in the file's order, without
        any scratch.
    """

    layout: ArenaLayout
    places: Mapping[int, int]
    states: Mapping[int, int]
    tflm: int

    @property
    def size(self) -> int:
        """Bytes of the arena."""
        return self.layout.size

    def address(self, tensor: int) -> str:
        """Return the C expression of a tensor's address: in the arena, or in the state that is kept between calls."""
        return f"state + {self.states[tensor]}" if tensor in self.states else f"arena + {self.offset(tensor)}"

    def offset(self, tensor: int) -> int:
        """Return the offset of a tensor in the arena [B]."""
        return self.layout.offsets[self.places[tensor]]


def _plan_memory(
    network: LoweredNetwork, choices: Sequence[Sequence[Kernel]], limit: float, tflm: int
) -> tuple[tuple[Kernel, ...], ArenaPlan]:
    """Return the kernel of each call and the arena: the fastest kernels whose arena keeps to a limit [B].

    Parameters
    ----------
    choices : of each call the kernels that compute it, the fastest first.
    tflm : bytes of TensorFlow Lite Micro's plan.
    """
    counts = tuple(len(options) for options in choices)
    problems = tuple(
        _arena_problem(network, [options[min(column, len(options) - 1)] for options in choices])[0]
        for column in range(max(counts))
    )
    places, layout = _fit_kernels(problems, counts, limit)
    kernels = tuple(options[place] for options, place in zip(choices, places, strict=True))
    _, of_tensor = _arena_problem(network, kernels)
    return kernels, ArenaPlan(layout, of_tensor, _state_offsets(network), tflm)


def _tflm_bytes(network: LoweredNetwork) -> int:
    """Return the bytes of TensorFlow Lite Micro's plan for the tensors of a network, without scratch."""
    return tflm_plan(_arena_problem(network)[0]).size


def _arena_problem(
    network: LoweredNetwork, kernels: Sequence[Kernel] | None = None
) -> tuple[ArenaProblem, dict[int, int]]:
    """Return the arena problem of kernel calls, and the place of each tensor in it.

    Without `kernels`, calls have no scratch and overlap nothing. A tensor that several calls write piece by piece
    is held from the first to the last of them.
    """
    flowing = [tensor for tensor in network.sizes if tensor not in network.states]
    places = {tensor: place for place, tensor in enumerate(flowing)}
    shapes = _tensor_shapes(network)
    tensors = [ArenaTensor(f"tensor {tensor}", network.sizes[tensor], shapes.get(tensor)) for tensor in flowing]
    steps: list[ArenaStep] = []
    written: set[int] = set()
    for number, call in enumerate(network.calls):
        step = _step(call, None if kernels is None else kernels[number], places)
        if call.output in written or call.output in network.states:  # a further piece, or state: nothing of its own
            tensors.append(ArenaTensor(f"piece {number}", 0))
            whole = (places[call.output],) if call.output in places else ()
            step = replace(step, reads=(*step.reads, *whole), writes=len(tensors) - 1, overwrites=())
        written.add(call.output)
        steps.append(step)
    return ArenaProblem(tuple(tensors), tuple(steps), places[network.input], places[network.output]), places


def _step(call: KernelCall, kernel: Kernel | None, places: dict[int, int]) -> ArenaStep:
    layer = call.layer
    reads = tuple(dict.fromkeys(places[tensor] for tensor in call.inputs if tensor in places))
    overlap = None if kernel is None else kernel.overlap(layer)
    over = reads if layer.kind == "add" else tuple(places[tensor] for tensor in call.inputs[:1] if tensor in places)
    return ArenaStep(
        f"{call.operator}: {layer.kind}",
        layer.kind,
        reads,
        places.get(call.output, -1),
        scratch=0 if kernel is None else kernel.scratch_bytes(layer),
        overwrites=() if overlap is None else over,
        overlap=overlap or Overlap(),
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


def _state_bytes(network: LoweredNetwork) -> int:
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
