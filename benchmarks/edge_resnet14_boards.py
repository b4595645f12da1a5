"""Instructions of whole ResNet-14 firmware: pools, our own int8 and CMSIS-NN; and bits of activations at run time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

import numpy as np
from edge_peers.builds import fastest
from edge_peers.library import Library

from slipstick.core.catalogue import systems
from slipstick.core.files import write_text
from slipstick.datasets import data_set
from slipstick.edge.emulator import Machine
from slipstick.edge.firmware.firmware_build import Firmware, build_firmware
from slipstick.edge.firmware.measured_run import _firmware_image, _tool, run_firmware
from slipstick.edge.kernels.firmware_kernels import choose_kernel
from slipstick.edge.kernels.harness import Case
from slipstick.edge.layers import AddLayer, ConvLayer
from slipstick.engines.board_networks import _BoardNetwork, _quantised
from slipstick.trained import open_network
from slipstick.trained.integer.execute import _prepare

DATA = "cifar10-jpeg"
BOARDS = {"M4": "nucleo-f446", "M3": "nucleo-f207"}
VENDOR, OWN = 4.0, {"M4": 1.7, "M3": 2.1}  # times fewer instructions that are wanted
BITS = range(8, 0, -1)
SOME = 500  # images that run together
_Counts = dict[str, Any]


def board_goals(folder: Path, cmsis_nn: Path | None) -> None:
    """Print the instructions of a seed's networks on both cores with their goals, and the curve over bits."""
    place = folder / "boards.json"
    counts: _Counts = json.loads(place.read_text("utf-8")) if place.exists() else {}

    def counted(name: str, work: Callable[[], Any]) -> Any:
        if name not in counts:
            counts[name] = work()
            write_text(place, json.dumps(counts))
        return counts[name]

    data, networks = data_set(DATA), dict[str, _BoardNetwork]()

    def network(kind: str) -> _BoardNetwork:
        file = {"pools": "pools.slip", "int8": "fp32-longer.safetensors"}[kind]
        if kind not in networks:
            networks[kind] = _quantised(open_network(folder / file, data), data, "")
        return networks[kind]

    library = Library("cmsis-nn", cmsis_nn)
    for core, board in BOARDS.items():
        pools, int8 = (
            counted(f"{kind} {core}", lambda kind=kind, board=board: whole_run(network(kind), board))
            for kind in ("pools", "int8")
        )
        for kind, run in (("pools", pools), ("int8", int8)):
            sizes = f"flash {run['flash']:,} B, arena {run['arena']:,} B"
            print(f"{core}, {kind}: {run['instructions']:,} instructions, {sizes}")
        ratio_goal(f"{core}, own int8 / pools", int8["instructions"] / pools["instructions"], OWN[core])
        if library.missing and f"vendor {core}" not in counts:
            print(f"goal: {core}, CMSIS-NN / pools | not run: {library.missing} | wanted >= {VENDOR}")
            continue
        vendor = counted(f"vendor {core}", lambda board=board: vendor_calls(network("int8"), board, library))
        rest = sum(count for kind, count in zip(int8["kinds"], int8["by layer"], strict=True) if kind in vendor["rest"])
        whole = vendor["instructions"] + rest
        print(f"{core}: CMSIS-NN {whole:,}, of these {rest:,} of our own {' and '.join(sorted(set(vendor['rest'])))}")
        ratio_goal(f"{core}, CMSIS-NN / pools", whole / pools["instructions"], VENDOR)
    curve(counted("bits M3", lambda: bits_run(network("pools"), BOARDS["M3"])),
          counted("bits accuracy", lambda: bits_accuracy(network("pools"), BOARDS["M3"])))  # fmt: skip


def ratio_goal(name: str, reached: float, wanted: float) -> None:
    verdict = "met" if reached >= wanted else "missed"
    print(f"goal: instructions end to end, {name} | reached {reached:.3f} | wanted >= {wanted} | {verdict}", flush=True)


def built(made: _BoardNetwork, board: str) -> Firmware:
    return build_firmware(made.network.network, systems.entry(board), storages=made.storages)


def whole_run(made: _BoardNetwork, board: str) -> _Counts:
    """Return the measurements of one inference; every output byte is the runner's, or the run fails."""
    run = run_firmware(built(made, board))
    calls = run.firmware.network.calls
    return {
        "instructions": run.instructions, "by layer": list(run.by_layer), "kinds": [call.layer.kind for call in calls],
        "kernels": [use.kernel.symbol for use in run.firmware.uses], "flash": run.flash, "arena": run.arena,
        "stack": run.stack, "compared": dict(run.compared),
    }  # fmt: skip


def vendor_calls(made: _BoardNetwork, board: str, library: Library) -> _Counts:
    """Return the sum of the vendor's calls of an int8 network's layers; kinds without a driver are the rest."""
    firmware, random = built(made, board), np.random.default_rng(0)
    core = _tool(firmware)
    calls: dict[str, int] = {}
    total, rest = 0, []
    for call in firmware.network.calls:
        layer: Any = call.layer
        conv = isinstance(layer, ConvLayer) and layer.kind != "dense"
        if not conv and not isinstance(layer, AddLayer):
            rest.append(layer.kind)
            continue
        shapes = (layer.input, layer.output, layer.kernel, layer.stride, layer.padding) if conv else (layer.size,)
        key = f"{layer.kind} {shapes}"
        if key not in calls:
            sizes = [layer.input] if conv else [layer.size, layer.size]
            codes = [random.integers(-128, 128, size).astype(np.int8) for size in sizes]
            count = int(np.prod(layer.output)) if conv else layer.size
            theirs = fastest(core, Case(library.kernel(layer.kind), layer), codes, count, library.include())
            ours = fastest(core, Case(choose_kernel(layer, core.features), layer), codes, count, only="zig -O2")
            if ours.output != theirs.output:
                raise SystemExit(f"{key} on {core.name}: other bytes than ours")
            calls[key] = theirs.instructions
            print(f"  {core.name} {key}: {theirs.instructions:,} ({theirs.build})", flush=True)
        total += calls[key]
    return {"instructions": total, "calls": calls, "rest": rest}


def bits_run(made: _BoardNetwork, board: str) -> dict[str, int]:
    """Return the instructions by activation bits of one binary, whose outputs are those of the rounded integers."""
    firmware = built(made, board)
    machine = Machine(_firmware_image(firmware, _tool(firmware)))
    codes, size = firmware.vectors.inputs[0], firmware.vectors.outputs.shape[1]
    source, sink, variable = machine.place(codes), machine.reserve(size), machine.address("nn_pool_bits")
    counts = {}
    shape = made.network.network.tensors[made.network.network.input].shape[1:]
    for bits in BITS:
        machine.write(variable, bytes([bits]))
        profile, _ = machine.profile_calls("network_run", source, sink)
        wanted = next(rounded_run(made, pooled_operators(firmware), codes.reshape(1, *shape), bits))
        if machine.read(sink, size) != wanted.astype(np.int8).tobytes():
            raise SystemExit(f"{bits} bits: other bytes than the runner's")
        counts[str(bits)] = profile.instructions
    return counts


def pooled_operators(firmware: Firmware) -> set[int]:
    """Return the operators that a pool convolution computes: their inputs have bits that are chosen at run time."""
    calls = zip(firmware.uses, firmware.network.calls, strict=True)
    return {
        call.operator for use, call in calls if use.kernel.symbol.startswith(("nn_conv3x3_pool", "nn_conv1x1_pool"))
    }


def bits_accuracy(made: _BoardNetwork, board: str) -> dict[str, float]:
    """Return the accuracy by activation bits, in integers, of all test images."""
    test, pooled = data_set(DATA).test, pooled_operators(built(made, board))
    codes, shares = made.network._codes(test), {}
    for bits in BITS:
        outputs = np.concatenate(list(rounded_run(made, pooled, codes, bits)))
        shares[str(bits)] = float((outputs.reshape(len(test), -1).argmax(axis=1) == test.labels).mean())
        print(f"  {bits} bits: {shares[str(bits)]:.2%} of {len(test)}", flush=True)
    return shares


def rounded_run(made: _BoardNetwork, pooled: Set[int], batch: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    """Yield the integer network's outputs, the inputs of the operators `pooled` rounded to their upper bits."""
    network, step = made.network.network, 1 << (8 - bits)
    computes = _prepare(network, {}, {})
    for start in range(0, len(batch), SOME):
        alive: dict[int, np.ndarray] = {network.input: batch[start : start + SOME]}
        for place, (op, compute) in enumerate(zip(network.operators, computes, strict=True)):
            values = [alive[index] for index in op.inputs if index in alive]
            if place in pooled and bits < 8:
                lifted = values[0].astype(np.int16) + 128 + step // 2
                values[0] = (np.minimum(lifted, 255) // step * step - 128).astype(np.int8)
            alive[op.output] = compute(*values)
        yield alive[network.output]


def curve(instructions: dict[str, int], shares: dict[str, float]) -> None:
    """Print the curve over activation bits, and whether instructions fall with every bit."""
    for bits in BITS:
        print(f"{bits} bits of activations: {instructions[str(bits)]:,} instructions on M3, {shares[str(bits)]:.2%}")
    counts = [instructions[str(bits)] for bits in BITS]
    falls = all(later < earlier for earlier, later in itertools.pairwise(counts))
    reached = (
        f"{counts[0] / 1e6:.2f} M to {counts[-1] / 1e6:.2f} M, {'falling' if falls else 'not falling'} with every bit"
    )
    print(f"goal: one binary at 8 to 1 bits, M3 | reached {reached} | wanted falling | {'met' if falls else 'missed'}")
