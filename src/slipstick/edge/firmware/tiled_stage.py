"""First stage of a network in tiles: its calls once for every tile of its result, so that wide tensors are never whole.

Source: Lin et al., "MCUNetV2" (NeurIPS 2021); which stage and how many tiles: `edge/arena/patches.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product

from slipstick.core.errors import SlipstickError
from slipstick.edge.arena.arena_problem import ArenaProblem, ArenaStep
from slipstick.edge.arena.patches import Region, needed_region, patch_plans, tile_regions
from slipstick.edge.firmware.arena_plan import ArenaPlan
from slipstick.edge.firmware.kernel_call import KernelCall
from slipstick.edge.firmware.lowering import LoweredNetwork
from slipstick.edge.layers import AddLayer, ConvLayer, CopyLayer, Layer, PoolLayer, RequantizeLayer, Size

_PLANS = 3  # that are laid out with their kernels: a plan's own bound knows neither copies nor the kernels of tiles


def _with_patches(network: LoweredNetwork, arena: ArenaPlan) -> Iterator[LoweredNetwork]:
    """Yield the network with its first stage in tiles, in the ways that promise the smallest arenas.

    Outputs stay the same to the last bit: every tile computes its pixels from the same pixels.

    Parameters
    ----------
    arena : of the network as it is.
    """
    problem = arena.layout.problem
    tensors = {place: tensor for tensor, place in arena.places.items()}
    for plan in patch_plans(problem)[:_PLANS]:
        tiled = _Tiled(network, problem, tensors, plan.stage, dict(network.sizes))
        height, width, _ = problem.tensors[tiled.result].shape or (1, 1, 1)
        for row, column in product(range(plan.tiles), repeat=2):
            rows = (row * height // plan.tiles, (row + 1) * height // plan.tiles)
            columns = (column * width // plan.tiles, (column + 1) * width // plan.tiles)
            tiled.add_tile((*rows, *columns))
        calls = (*tiled.calls, *network.calls[plan.stage :])
        used = {network.input, *(tensor for call in calls for tensor in (*call.inputs, call.output))}
        sizes = {tensor: size for tensor, size in tiled.sizes.items() if tensor in used}
        yield replace(network, calls=calls, sizes=sizes)


@dataclass(eq=False)
class _Tiled:
    """Calls of a stage in tiles, as they are added tile by tile; `sizes` grows by the tiles' tensors."""

    network: LoweredNetwork
    problem: ArenaProblem
    tensors: dict[int, int]  # place in the problem -> tensor of the network
    stage: int
    sizes: dict[int, int]
    calls: list[KernelCall] = field(default_factory=list)

    @property
    def result(self) -> int:
        """Place of the stage's result in the problem."""
        return self.problem.steps[self.stage - 1].writes

    def add_tile(self, tile: Region) -> None:
        """Add the calls that compute one tile of the stage's result, and the copy to its place there."""
        regions = tile_regions(self.problem, self.stage, tile)
        stored = {self.problem.input: (self.tensors[self.problem.input], self._whole(self.problem.input))}
        for call, step in zip(self.network.calls[: self.stage], self.problem.steps, strict=False):
            region = regions[step.writes]
            inputs = [self._read(call, step, place, stored[place], region) for place in self._reads(call)]
            needed = needed_region(self.problem, step, self._reads(call)[0], region)
            layer = _cut(call.layer, needed, region, self._channels(step.writes))
            output = self._fresh(region, self._channels(step.writes))
            self.calls.append(replace(call, layer=layer, inputs=tuple(inputs), output=output))
            stored[step.writes] = output, region
        last = self.network.calls[self.stage - 1]
        tensor, region = stored[self.result]
        shape = self._shape(self.result)
        layer = CopyLayer(_size(region, shape[2]), shape, _size(region, shape[2]), to_corner=(region[0], region[2]))
        self.calls.append(replace(last, layer=layer, inputs=(tensor,), output=self.tensors[self.result]))

    def _reads(self, call: KernelCall) -> list[int]:
        """Return the places of a call's inputs, one that is read twice as often as that."""
        places = {tensor: place for place, tensor in self.tensors.items()}
        return [places[tensor] for tensor in call.inputs]

    def _read(self, call: KernelCall, step: ArenaStep, place: int, stored: tuple[int, Region], region: Region) -> int:
        """Return the tensor with the part of an input that a region of the output needs: cut out where it is larger."""
        tensor, present = stored
        needed = needed_region(self.problem, step, place, region)
        if needed == present:
            return tensor
        channels = self._channels(place)
        corner = (needed[0] - present[0], needed[2] - present[2])
        part = self._fresh(needed, channels)
        size = _size(needed, channels)
        copy = CopyLayer(_size(present, channels), size, size, from_corner=corner)
        self.calls.append(replace(call, layer=copy, inputs=(tensor,), output=part))
        return part

    def _fresh(self, region: Region, channels: int) -> int:
        """Return the number of a new tensor that holds a region."""
        height, width, _ = _size(region, channels)
        number = max(self.sizes) + 1
        self.sizes[number] = height * width * channels
        return number

    def _shape(self, place: int) -> Size:
        shape = self.problem.tensors[place].shape
        if shape is None:
            raise SlipstickError("no image", path="patches", value=self.problem.tensors[place].name)
        return shape

    def _channels(self, place: int) -> int:
        return self._shape(place)[2]

    def _whole(self, place: int) -> Region:
        height, width, _ = self._shape(place)
        return 0, height, 0, width


def _size(region: Region, channels: int) -> Size:
    return region[1] - region[0], region[3] - region[2], channels


def _cut(layer: Layer, needed: Region, region: Region, channels: int) -> Layer:
    """Return a layer that computes a region of its output from the region of its input that it needs."""
    height, width, _ = output = _size(region, channels)
    if isinstance(layer, AddLayer | RequantizeLayer):
        return replace(layer, size=height * width * channels)
    if not isinstance(layer, ConvLayer | PoolLayer):
        raise SlipstickError("a layer that has no tiles", path="patches", value=layer.kind)
    top = needed[0] - (region[0] * layer.stride[0] - layer.padding[0])
    left = needed[2] - (region[2] * layer.stride[1] - layer.padding[1])
    return replace(layer, input=_size(needed, layer.input[2]), output=output, padding=(top, left))
