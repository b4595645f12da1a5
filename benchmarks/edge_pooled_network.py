"""ResNet-14 on CIFAR-10 as int8, with pooled weights and by CMSIS-NN: instructions of every layer, and of all together.

Geometry alone: weights, codes and scales are random, since no kernel's count depends on them. Every layer but the first
(3 channels) and the last (dense) has its weights in one pool of 64 vectors. Whole calls in the emulator, the same bytes
out of all three. A layer's kernels are those that firmware takes, built as it is built; CMSIS-NN is built by every
compiler at hand, and each of its layers counts as the build of the fewest instructions. The family `network` of
`benchmarks/edge_kernels.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from edge_peers.builds import Counted, fastest
from edge_peers.library import Library

from slipstick.edge.emulator import CORES, Core
from slipstick.edge.kernels.firmware_kernels import choose_kernel
from slipstick.edge.kernels.harness import Case
from slipstick.edge.layers import AddLayer, ConvLayer, MeanLayer, Requantisation, Scaling, WeightStorage

VECTORS = 64
BOUNDS = {"cortex-m4": (4.0, 1.7), "cortex-m3": (4.0, 2.1)}  # of CMSIS-NN and of our own int8


@dataclass(frozen=True)
class Step:
    """Layer of the network, how often it occurs, and its inputs."""

    name: str
    layer: Any
    times: int
    inputs: list[np.ndarray]

    @property
    def size(self) -> int:
        """Bytes of the output."""
        layer = self.layer
        return int(layer.size if isinstance(layer, AddLayer) else np.prod(getattr(layer, "output", layer.input[2])))


def convolution(
    rng: np.random.Generator,
    pool: np.ndarray | None,
    shape: tuple[int, int, int],
    filters: int,
    side: int,
    stride: int = 1,
) -> ConvLayer:
    """Return a convolution with "same" padding as TensorFlow Lite lays it; weights from the pool, if any."""
    height, width, channels = shape
    full = (filters, side, side, channels)
    if pool is None:
        weights = rng.integers(-127, 128, full).astype(np.int8)
    else:
        weights = pool[rng.integers(0, len(pool), (*full[:3], channels // 8))].reshape(full)
    output = (-(-height // stride), -(-width // stride), filters)
    padding = max(0, ((output[0] - 1) * stride + side - height) // 2)
    shift = np.full(filters, -(3 + int(np.log2(weights[0].size)) // 2), np.int8)
    bias, multiplier = rng.integers(-3000, 3000, filters), rng.integers(2**30, 2**31 - 1, filters)
    requant = Requantisation(bias.astype(np.int32), multiplier.astype(np.int32), shift, -128, -128, 127)
    storage = None if pool is None else WeightStorage("pool", pool)
    return ConvLayer("conv", shape, output, (side, side), (stride, stride), (1, 1), (padding, padding), 128, 0,
                     weights, requant, storage)  # fmt: skip


def steps(seed: int = 0) -> list[Step]:
    """Return the layers of ResNet-14: three stages of two blocks, 16, 32 and 64 channels."""
    rng = np.random.default_rng(seed)
    pool = np.unique(rng.integers(-127, 128, (VECTORS, 8)).astype(np.int8), axis=0)
    scaling = Scaling(3 << 29, -1)
    made: list[tuple[str, Any, int]] = [("first 3x3, 3-16", convolution(rng, None, (32, 32, 3), 16, 3), 1)]
    for side, channels in ((32, 16), (16, 32), (8, 64)):
        shape, before = (side, side, channels), (2 * side, 2 * side, channels // 2)
        if channels > 16:
            made.append(
                (f"3x3 stride 2, {channels // 2}-{channels}", convolution(rng, pool, before, channels, 3, 2), 1)
            )
            made.append(
                (f"1x1 stride 2, {channels // 2}-{channels}", convolution(rng, pool, before, channels, 1, 2), 1)
            )
        times = 4 if channels == 16 else 3
        made.append((f"3x3, {channels} at {side}x{side}", convolution(rng, pool, shape, channels, 3), times))
        scalings = (scaling, scaling, Scaling(3 << 29, -19))
        addition = AddLayer(side * side * channels, (128, 128), scalings, -128, -128, 127)
        made.append((f"addition, {channels} at {side}x{side}", addition, 2))
    made.append(("mean", MeanLayer((8, 8, 64), 128, Scaling(1 << 30, -5), -128), 1))
    made.append(("last, 64-10", replace(convolution(rng, None, (1, 1, 64), 10, 1), padding=(0, 0)), 1))
    return [Step(name, layer, times, _inputs(rng, layer)) for name, layer, times in made]


def _inputs(rng: np.random.Generator, layer: Any) -> list[np.ndarray]:
    size, count = (layer.size, 2) if isinstance(layer, AddLayer) else (int(np.prod(layer.input)), 1)
    return [rng.integers(-128, 128, size).astype(np.int8) for _ in range(count)]


def _counted(core: Core, step: Step, layer: Any, library: Library | None) -> Counted:
    if library is None or not isinstance(layer, ConvLayer | AddLayer):
        kernel = choose_kernel(layer, core.features)
        return fastest(core, Case(kernel, layer), step.inputs, step.size, only="zig -O2")
    kernel = library.kernel(layer.kind)
    return fastest(core, Case(kernel, layer), step.inputs, step.size, library.include())


def row(core: Core, step: Step, library: Library) -> dict[str, Counted]:
    """Return a layer's counts as int8, pooled and by the vendor (but for its mean, which is ours)."""
    plain = replace(step.layer, storage=None) if isinstance(step.layer, ConvLayer) else step.layer
    sides = [("int8", plain, None), ("pool", step.layer, None)]
    sides += [] if library.missing else [(library.name, plain, library)]
    counted = {name: _counted(core, step, layer, peer) for name, layer, peer in sides}
    if len({one.output for one in counted.values()}) != 1:
        raise SystemExit(f"{core.name}, {step.name}: kernels disagree")
    return counted


def network_goals(libraries: Mapping[str, Library]) -> None:
    """Print the layers of ResNet-14 on Cortex-M4 and M3, and the goals of the whole network."""
    library = libraries["cmsis-nn"]
    for name, bounds in BOUNDS.items():
        core, sums, cycles = CORES[name], dict[str, float](), dict[str, float]()
        print(f"{name + ', ResNet-14':34s} times {'own int8':>12s} {'pool':>12s} {library.name:>12s}  kernel")
        for step in steps():
            counted = row(core, step, library)
            for side, one in counted.items():
                sums[side] = sums.get(side, 0) + step.times * one.instructions
                cycles[side] = cycles.get(side, 0) + step.times * one.cycles
            figures = " ".join(f"{one.instructions:12,d}" for one in counted.values())
            symbol = choose_kernel(step.layer, core.features).symbol
            print(f"{step.name:34s} {step.times:5d} {figures}  {symbol}", flush=True)
        print(f"{'all, instructions':40s} " + " ".join(f"{total:12,.0f}" for total in sums.values()))
        print(f"{'all, estimated cycles':40s} " + " ".join(f"{total:12,.0f}" for total in cycles.values()))
        for side, bound in zip((library.name, "int8"), bounds, strict=True):
            label = f"goal: ResNet-14 {name}, instructions, {side if side != 'int8' else 'own int8'} / pool"
            if side not in sums:
                print(f"{label} | not run: {library.missing} | wanted >= {bound}")
                continue
            ratio = sums[side] / sums["pool"]
            print(f"{label} | reached {ratio:.2f} | wanted >= {bound} | {'met' if ratio >= bound else 'missed'}")
