"""Instruction mixes of kernels, measured in the emulator: the coefficients of data/instructions.

Each kernel runs on several shapes a kind of layer. Instructions = a x multiply-accumulates + b x outputs is fitted to
the relative errors; the shares of the classes are means over the layers (0.6 pointwise, 0.2 conv, 0.2 depthwise).

    python benchmarks/edge_mixes.py [--cores cortex-m4,rv32imac] [--cmsis-nn FOLDER] [--esp-nn FOLDER] [--write]

`--write` puts the coefficients of our own kernels into data/instructions/slipstick.yaml; calibrations stay.

The folders are checkouts of github.com/ARM-software/CMSIS-NN and github.com/espressif/esp-nn; none of their code is
kept.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from slipstick.edge.emulator import CORES, Build, Core, Profile
from slipstick.edge.kernels.firmware_kernels import choose_kernel
from slipstick.edge.kernels.harness import Case, Harness
from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.latency.measured_time import instruction_classes
from slipstick.edge.layers import AddLayer, ConvLayer, Requantisation, Scaling, WeightStorage

CONVS = ((32, 3, 16), (16, 16, 16), (16, 32, 32), (8, 64, 64))  # side, channels, filters
POINTWISE = ((24, 16, 32), (12, 64, 64), (6, 128, 128), (3, 256, 256))
DEPTHWISE = ((24, 8), (12, 64), (3, 256))  # side, channels
DENSE = ((640, 128), (128, 128), (64, 10))  # inputs, outputs
POOLS, VECTORS = ((16, 16), (16, 32), (16, 64), (8, 64)), 64  # side, channels of 3x3 convolutions made of vectors
ADDS = (16384, 4096)
LEAST_SHARE = 0.002  # of a class that is written
WEIGHTS = {"pointwise": 0.6, "conv": 0.2, "depthwise": 0.2}  # of the kinds in the shares: as MobileNets spend them
OWN = Path(__file__).parents[1] / "src" / "slipstick" / "data" / "instructions" / "slipstick.yaml"
ENTRIES = {  # of the file, by the core that is measured
    "cortex-m4": "slipstick-dsp", "cortex-m3": "slipstick-plain", "cortex-m0plus": "slipstick-thumb1",
    "rv32imac": "slipstick-c",
}  # fmt: skip
PEER_KINDS = {"conv": "conv", "pointwise": "conv", "depthwise": "depthwise", "add": "add"}  # drivers of the peers


@dataclass(frozen=True, eq=False)
class Measured:
    """Layer of a kind: its multiply-accumulates and outputs, the layer, and inputs."""

    kind: str
    macs: int
    outputs: int
    layer: Any
    inputs: list[Any]


def conv_layer(rng: np.random.Generator, kind: Any, side: int, channels: int, filters: int, taps: int) -> Measured:
    """Return a convolution of stride 1 with random constants, padded to keep its size."""
    shape = (taps, taps, filters) if kind == "depthwise" else (filters, taps, taps, channels)
    weights = rng.integers(-127, 128, shape).astype(np.int8)
    pad = taps // 2
    layer = ConvLayer(
        kind, (side, side, channels), (side, side, filters), (taps, taps), (1, 1), (1, 1), (pad, pad), 128, 0, weights,
        requantisation(rng, filters),
    )  # fmt: skip
    name = "pointwise" if taps == 1 else kind
    image = rng.integers(-128, 128, (1, side, side, channels)).astype(np.int8)
    return Measured(name, side * side * weights.size, side * side * filters, layer, [image])


def dense_layer(rng: np.random.Generator, inputs: int, outputs: int) -> Measured:
    """Return a dense layer of one row with random constants."""
    weights = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    layer = ConvLayer(
        "dense", (1, 1, inputs), (1, 1, outputs), (1, 1), (1, 1), (1, 1), (0, 0), 128, 0, weights,
        requantisation(rng, outputs),
    )  # fmt: skip
    return Measured("dense", weights.size, outputs, layer, [rng.integers(-128, 128, (1, inputs)).astype(np.int8)])


def add_layer(rng: np.random.Generator, size: int) -> Measured:
    """Return an addition with plausible scales."""
    scalings = (Scaling(1 << 30, 0), Scaling(1 << 30, -1), Scaling(1 << 30, -18))
    layer = AddLayer(size, (3, -5), scalings, 7, -128, 127)
    return Measured("add", 0, size, layer, [rng.integers(-128, 128, (1, size)).astype(np.int8) for _ in range(2)])


def requantisation(rng: np.random.Generator, filters: int) -> Requantisation:
    """Return random biases and multipliers, with shifts that keep most outputs inside their range."""
    bias = rng.integers(-3000, 3000, filters).astype(np.int32)
    multiplier = rng.integers(1 << 30, (1 << 31) - 1, filters).astype(np.int32)
    return Requantisation(bias, multiplier, np.full(filters, -9, np.int8), -3, -128, 127)


def layers() -> Iterator[Measured]:
    """Yield every layer that is measured."""
    rng = np.random.default_rng(1)
    for side, channels, filters in CONVS:
        yield conv_layer(rng, "conv", side, channels, filters, 3)
    for side, channels, filters in POINTWISE:
        yield conv_layer(rng, "conv", side, channels, filters, 1)
    for side, channels in DEPTHWISE:
        yield conv_layer(rng, "depthwise", side, channels, channels, 3)
    for inputs, outputs in DENSE:
        yield dense_layer(rng, inputs, outputs)
    for size in ADDS:
        yield add_layer(rng, size)


def profiles(core: Core, kernel: Kernel, build: Build, measured: Measured) -> Profile:
    """Return the profile of one call."""
    harness = Harness(core, [Case(kernel, measured.layer)], build=build)
    return harness.run(0, measured.inputs, measured.outputs)[1]


def fit(rows: Sequence[tuple[Measured, Profile]]) -> tuple[float, float, float]:
    """Return instructions per multiply-accumulate and per output, and the largest relative error."""
    sizes = np.array([[measured.macs, measured.outputs] for measured, _ in rows], float)
    counts = np.array([profile.instructions for _, profile in rows], float)
    used = [place for place in range(2) if sizes[:, place].any()]
    if rows[0][0].kind == "depthwise":
        used = [0]  # outputs are a ninth of the multiply-accumulates: both cannot be told apart
    found, *_ = np.linalg.lstsq(sizes[:, used] / counts[:, None], np.ones(len(rows)), rcond=None)
    if found.min() < 0:
        used, found = [0], np.array([float(np.median(counts / sizes[:, 0]))])
    both = np.zeros(2)
    both[used] = found
    return float(both[0]), float(both[1]), float(np.abs(sizes @ both / counts - 1).max())


def pool_fit(core: Core) -> dict[str, float]:
    """Return the instructions of a dot product, per multiply-accumulate and per output of pool convolutions."""
    rng, rows = np.random.default_rng(2), []
    for side, channels in POOLS:
        measured = conv_layer(rng, "conv", side, channels, channels, 3)
        pool = np.unique(rng.integers(-60, 61, (VECTORS, 8)).astype(np.int8), axis=0)
        weights = pool[rng.integers(0, len(pool), (channels, 3, 3, channels // 8))].reshape(
            measured.layer.weights.shape
        )
        layer = replace(measured.layer, weights=weights, storage=WeightStorage("pool", pool))
        case = Measured("conv", measured.macs, measured.outputs, layer, measured.inputs)
        count = profiles(core, choose_kernel(layer, core.features), Build(), case).instructions
        products = len(pool) * measured.macs / (8 * 9 * channels)
        rows.append((products / count, measured.macs / count, measured.outputs / count))
    both, *_ = np.linalg.lstsq(np.array(rows), np.ones(len(rows)), rcond=None)
    return dict(zip(("pool_table", "pool_scatter", "pool_element"), both.tolist(), strict=True))


def shares(rows: Mapping[str, Sequence[tuple[Measured, Profile]]]) -> dict[str, float]:
    """Return the shares of the classes of instructions."""
    total: Counter[str] = Counter()
    for kind, weight in WEIGHTS.items():
        for _, profile in rows.get(kind, ()):
            for name, count in instruction_classes(profile.mnemonics).items():
                total[name] += weight * count / profile.instructions / len(rows[kind])
    return {name: value / sum(total.values()) for name, value in total.most_common()}


def libraries(arguments: argparse.Namespace, core: Core) -> Iterator[tuple[str, Any]]:
    """Yield each library with a function that gives kernel and build for a layer; None where it has none."""
    yield "slipstick", lambda measured: (choose_kernel(measured.layer, core.features), Build())
    for name, folder, flags in (("cmsis-nn", arguments.cmsis_nn, "-O3"), ("esp-nn", arguments.esp_nn, "-O2")):
        if folder is None or (name == "esp-nn" and "rv32" not in core.features):
            continue
        from edge_peers import peers  # drivers of the vendors' functions, beside this script

        build = Build(flags, (), (peers.HERE, *peers.includes(name, folder)))

        def chosen(measured: Measured, name: str = name, folder: Path = folder, build: Build = build) -> Any:
            kind = PEER_KINDS.get(measured.kind)
            return None if kind is None else (peers.peer(name, folder, kind), build)

        yield name, chosen


def write(
    entry: str,
    fits: Mapping[str, tuple[float, float, float]],
    classes: Mapping[str, float],
    pools: Mapping[str, float],
) -> None:
    """Put measured coefficients into an entry of our own kernels' file; kinds that were not measured stay."""
    head, start, rest = OWN.read_text("utf-8").partition(f"  {entry}:\n")
    size = re.search(r"\n  \S", rest)
    body, tail = (rest, "") if size is None else (rest[: size.start() + 1], rest[size.start() + 1 :])
    known = yaml.safe_load(f"entry:\n{body}")["entry"]
    measured = "measured in the emulator (benchmarks/edge_mixes.py)"
    macs = {kind: f'{{value: {fit[0]:.3g}, source: "{measured}"}}' for kind, fit in fits.items() if kind != "add"}
    elements = known["elements"] | {kind: float(f"{fit[1]:.3g}") for kind, fit in fits.items()}
    texts = {
        "macs": ", ".join(f"{kind}: {text}" for kind, text in macs.items()),
        "elements": ", ".join(f"{kind}: {value(number):g}" for kind, number in elements.items()),
        "shares": ", ".join(f"{name}: {share:.3f}" for name, share in classes.items() if share >= LEAST_SHARE),
    }
    for field, text in texts.items():
        body = re.sub(rf"    {field}:(?: \{{.*\}}\n|\n(?:      .*\n)+)", f"    {field}: {{{text}}}\n", body, count=1)
    for field, number in pools.items():
        line = f'    {field}: {{value: {number:.3g}, source: "{measured}"}}\n'
        body = re.sub(rf"    {field}: \{{.*\}}\n", line, body, count=1)
    OWN.write_text(head + start + body + tail, "utf-8")


def value(leaf: Any) -> float:
    """Return the number of a leaf of YAML, which may have a source."""
    return float(leaf["value"] if isinstance(leaf, dict) else leaf)


def main() -> None:
    """Print the coefficients of every library on every core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", default="cortex-m4", help="by comma: " + ", ".join(CORES))
    parser.add_argument("--cmsis-nn", type=Path, help="checkout of CMSIS-NN")
    parser.add_argument("--esp-nn", type=Path, help="checkout of esp-nn")
    parser.add_argument("--write", action="store_true", help="write the coefficients of our own kernels")
    arguments = parser.parse_args()
    for core in (CORES[name] for name in arguments.cores.split(",")):
        for library, chosen in libraries(arguments, core):
            rows: dict[str, list[tuple[Measured, Profile]]] = defaultdict(list)
            for measured in layers():
                if (pair := chosen(measured)) is not None:
                    rows[measured.kind].append((measured, profiles(core, *pair, measured)))
            print(f"{library} on {core.name}")
            fits = {kind: fit(measured_rows) for kind, measured_rows in rows.items()}
            for kind, (macs, outputs, error) in fits.items():
                print(f"  {kind:10} macs {macs:.3f}  elements {outputs:.1f}  (within {100 * error:.0f} %)")
            classes = shares(rows)
            print("  shares " + ", ".join(f"{name}: {share:.3f}" for name, share in classes.items()))
            if library == "slipstick" and core.name in ENTRIES:
                pools = pool_fit(core)
                print("  pools " + ", ".join(f"{name}: {number:.3f}" for name, number in pools.items()))
                if arguments.write:
                    write(ENTRIES[core.name], fits, classes, pools)


if __name__ == "__main__":
    main()
