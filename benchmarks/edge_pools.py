"""Pool convolutions against CMSIS-NN, esp-nn and our own int8: instructions, estimated cycles, RAM; one line a goal.

Whole calls, tables and lists of addresses counted; the same bytes out of every kernel, or the program stops. Random
data (the generator of weight_pools.csv's checksum row), input offset 128, 16x16 pixels: no step of a kernel depends on
the data. Every compiler at hand builds each kernel at 32 channels; the one of the fewest instructions builds the wider
layers. The family `pools` of `benchmarks/edge_kernels.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from edge_peers.builds import Counted, fastest
from edge_peers.library import Library

from slipstick.edge.emulator import CORES, Core
from slipstick.edge.kernels.firmware_kernels import KERNELS, choose_kernel
from slipstick.edge.kernels.harness import Case, Harness
from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.layers import ConvLayer, Requantisation, WeightStorage

SIDE, VECTORS = 16, 64
BOUNDS = {  # core, channels: least ratios of instructions (assembly, C) and of estimated cycles
    ("cortex-m4", 32): (5.2, 3.6, 3.9),
    ("cortex-m4", 64): (6.8, 4.4, 4.9),
    ("cortex-m3", 32): (6.0, None, 5.3),
    ("cortex-m3", 64): (8.2, None, 7.5),
    ("rv32imac", 32): (None, 7.8, None),
    ("rv32imac", 64): (None, 10.5, None),
}
OWN_INT8 = {("cortex-m4", 32): 2.3, ("cortex-m4", 64): 3.0}
SHAPES = [(core, channels) for channels in (32, 64, 128) for core in ("cortex-m4", "cortex-m3", "rv32imac")]
SHAPES += [("cortex-m7", 32), ("cortex-m7", 64), ("cortex-m0plus", 32), ("cortex-m0plus", 64)]
BY_BITS = {
    "cortex-m3": "nn_conv3x3_pool_bits",
    "cortex-m4": "nn_conv3x3_pool_bits_dsp",
    "rv32imac": "nn_conv3x3_pool_wide",
}
BY_SYMBOL = {kernel.symbol: kernel for kernel in KERNELS}


@dataclass(frozen=True)
class Goal:
    """Figure reached and the bound that is wanted: at least, or True."""

    name: str
    reached: float | bool | str
    wanted: float | bool

    def line(self) -> str:
        """Return the printed line of the goal."""
        if isinstance(self.reached, str):
            return f"goal: {self.name} | not run: {self.reached} | wanted {self.wanted}"
        met = self.reached is True if self.wanted is True else self.reached >= self.wanted
        value = self.reached if isinstance(self.reached, bool) else f"{self.reached:.2f}"
        bound = self.wanted if isinstance(self.wanted, bool) else f">= {self.wanted}"
        return f"goal: {self.name} | reached {value} | wanted {bound} | {'met' if met else 'missed'}"


def random_bytes(count: int, seed: int = 12345) -> np.ndarray:
    state, made = seed, np.empty(count, np.uint8)
    for place in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        made[place] = state >> 24
    return made


def pool_layer(channels: int) -> tuple[ConvLayer, np.ndarray]:
    """Return a 3x3 pool convolution of 16x16 pixels, and an input."""
    pixels, vectors, indices = SIDE * SIDE * channels, VECTORS * 8, 9 * channels * channels // 8
    made = random_bytes(pixels + vectors + indices)
    pool = np.unique(made[pixels : pixels + vectors].view(np.int8).reshape(VECTORS, 8), axis=0)
    assert len(pool) == VECTORS
    weights = pool[made[pixels + vectors :] >> 2].reshape(channels, 3, 3, channels)
    bias = np.arange(channels, dtype=np.int32) * 100 - 1600
    requant = Requantisation(bias, np.full(channels, 1 << 30, np.int32), np.full(channels, -9, np.int8), -3, -128, 127)
    size = (SIDE, SIDE, channels)
    layer = ConvLayer("conv", size, size, (3, 3), (1, 1), (1, 1), (1, 1), 128, 0, weights, requant,
                      WeightStorage("pool", pool))  # fmt: skip
    return layer, made[:pixels].view(np.int8)


_BUILDS: dict[tuple[str, str, bool], str] = {}  # the fastest build of a core's kernel at 32 channels


def counted_call(
    core: Core,
    kernel: Kernel,
    layer: ConvLayer,
    codes: np.ndarray,
    include: Sequence[Path] = (),
    *,
    assembly: bool = True,
) -> Counted:
    """Return a call's counts; the first call of a kernel finds the compiler and flags of the others."""
    key = (core.name, kernel.symbol, assembly)
    size = int(np.prod(layer.output))
    only = _BUILDS.get(key, "")
    counted = fastest(core, Case(kernel, layer), [codes], size, include, assembly=assembly, only=only)
    _BUILDS[key] = counted.build
    return counted


def row(core: Core, layer: ConvLayer, codes: np.ndarray, library: Library) -> dict[str, Counted]:
    """Return what each kernel takes for a layer on a core: pool, pool in C, own int8 (and in C), the vendor's."""
    plain = replace(layer, storage=None)
    counted = {}
    for name, taken in (("pool", layer), ("int8", plain)):
        kernel = choose_kernel(taken, core.features)
        counted[f"{name} C"] = counted_call(core, kernel, taken, codes, assembly=False)
        if kernel.files(sorted(core.features)) != kernel.sources["c"]:
            counted[name] = counted_call(core, kernel, taken, codes)
    if not library.missing:
        counted[library.name] = counted_call(core, library.kernel("conv"), plain, codes, library.include())
    if len({one.output for one in counted.values()}) != 1:
        raise SystemExit(f"{core.name}: kernels disagree")
    return counted


def table_lines(core: str, channels: int, counted: dict[str, Counted]) -> Iterator[str]:
    for name, one in counted.items():
        others = ", ".join(f"{compiler} {count:,d}" for compiler, count in one.others.items() if len(one.others) > 1)
        figures = f"{one.instructions:11,d} {one.cycles:13,.0f} {one.scratch:8,d} B"
        yield f"{core:14s} {channels:4d} {name:9s} {figures}  {one.build:10s} {others}"


FLOORS = {  # instructions of a table entry, of an index for four columns, of an output's requantisation
    "cortex-m4": (5.0, 5.0, 5.0),  # 4 products, load and store shared by two pixels; load and 4 additions; SMMLAR ...
    "cortex-m3": (7.25, 5.0, 5.75),  # 8 rows of pairs, upper sums kept, merge, store; SMLAL ...
    "rv32imac": (13.0, 8.5, 14.0),  # the same without shifted operands; 17 for an index and eight columns
}
PARTS = {
    "scatter and requantise": ("begin", "middle", "finish", "flush"),
    "set-up": ("expand", "prepare", "add_weights"),
}


def floor_of(core: str, channels: int) -> float:
    """Return the instructions below which this way of computing cannot come: nothing but its innermost steps."""
    entry, index, output = FLOORS[core]
    pixels, groups = SIDE * SIDE, channels // 8
    taps = 3 * (3 * SIDE - 2) * SIDE  # rows outside are left out
    return entry * VECTORS * groups * pixels + index * taps * groups * channels / 4 + output * pixels * channels


def part_of(function: str) -> str:
    tables = "tables" if "pool" in function else "driver"
    return next((part for part, names in PARTS.items() if any(name in function for name in names)), tables)


def parts_line(core: Core, channels: int, base: Counted | None) -> str:
    """Return instructions per multiply-accumulate by part, and the floor."""
    layer, codes = pool_layer(channels)
    _, profile = Harness(core, [Case(choose_kernel(layer, core.features), layer)]).run(0, [codes], codes.size)
    parts: dict[str, int] = {}
    for function, count in profile.functions.items():
        parts[part_of(function)] = parts.get(part_of(function), 0) + count
    shares = ", ".join(f"{part} {count / layer.macs:.4f}" for part, count in sorted(parts.items()))
    floor = floor_of(core.name, channels)
    ratio = "" if base is None else f", {base.instructions / floor:.2f} times fewer than the vendor's"
    return f"{core.name} {channels} channels, instructions per MAC: {shares}; floor {floor:,.0f} instructions{ratio}"


def row_goals(core: str, channels: int, counted: dict[str, Counted], library: Library) -> Iterator[Goal]:
    assembly, portable_c = counted.get("pool", counted["pool C"]), counted["pool C"]
    label = f"pool 3x3 {core} {channels} channels"
    instructions, in_c, cycles = BOUNDS.get((core, channels), (None, None, None))
    base = counted.get(library.name)
    for bound, what, kernel, field in (
        (instructions, "instructions", assembly, "instructions"),
        (in_c, "instructions of the C", portable_c, "instructions"),
        (cycles, "estimated cycles", assembly, "cycles"),
    ):
        if bound is not None:
            ratio = library.missing if base is None else getattr(base, field) / getattr(kernel, field)
            yield Goal(f"{label}, {what}, {library.name} / ours", ratio, bound)
    own = counted.get("int8", counted["int8 C"])
    if (core, channels) in OWN_INT8:
        ratio = own.instructions / assembly.instructions
        yield Goal(f"{label}, instructions, own int8 / pool", ratio, OWN_INT8[core, channels])


def run_time_bits(core: Core, symbol: str, channels: int = 32) -> dict[int, int]:
    """Return the instructions by activation bits of one image; outputs are those of inputs rounded beforehand."""
    layer, codes = pool_layer(channels)
    harness = Harness(core, [Case(BY_SYMBOL[symbol], layer)])
    variable, counts = harness.machine.address("nn_pool_bits"), {}
    for bits in range(8, 0, -1):
        step = 1 << (8 - bits)
        rounded = np.minimum(codes.astype(np.int16) + 128 + step // 2, 255) // step * step - 128
        harness.machine.write(variable, bytes([8]))
        expected, _ = harness.run(0, [rounded.astype(np.int8) if bits < 8 else codes], codes.size)
        harness.machine.write(variable, bytes([bits]))
        output, profile = harness.run(0, [codes], codes.size)
        assert (output == expected).all(), "kernels disagree"
        counts[bits] = profile.instructions
    return counts


def pool_goals(libraries: Mapping[str, Library]) -> None:
    """Print the table of pool convolutions and the goals."""
    goals: list[Goal] = []
    print(f"{'core':14s} {'ch':>4s} {'kernel':9s} {'instructions':>11s} {'est. cycles':>13s} {'scratch':>8s}    build")
    vendor = 0
    for name, channels in SHAPES:
        library = libraries["esp-nn" if name == "rv32imac" else "cmsis-nn"]
        counted = row(CORES[name], *pool_layer(channels), library)
        print("\n".join(table_lines(name, channels, counted)), flush=True)
        if name in FLOORS:
            print(parts_line(CORES[name], channels, counted.get(library.name)), flush=True)
        goals += row_goals(name, channels, counted, library)
        if (name, channels) == ("cortex-m3", 32) and library.name in counted:
            vendor = counted[library.name].instructions
    for name, symbol in BY_BITS.items():
        counts = run_time_bits(CORES[name], symbol)
        shown = ", ".join(f"{bits}: {count:,d}" for bits, count in counts.items())
        print(f"{name} 32 channels by activation bits: {shown}")
        if name == "cortex-m4":
            never_more = all(later <= earlier for earlier, later in itertools.pairwise(counts.values()))
            label = "pool 3x3 cortex-m4, instructions never rise with an activation bit less, from 8 to 1"
            goals.append(Goal(label, never_more, True))
        if name == "cortex-m3":
            falls = all(later < earlier for earlier, later in itertools.pairwise(counts.values()))
            goals.append(
                Goal("pool 3x3 cortex-m3, instructions fall with each activation bit from 8 to 1", falls, True)
            )
            ratio = vendor / counts[4] if vendor else libraries["cmsis-nn"].missing
            goals.append(Goal("pool 3x3 cortex-m3 at 4 activation bits, instructions, cmsis-nn / ours", ratio, 7.0))
    for goal in goals:
        print(goal.line())
