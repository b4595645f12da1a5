"""Kernels of microcontrollers beside the vendors': instructions of whole calls in the emulator, same bytes out.

    python benchmarks/edge_kernels.py [--cmsis-nn FOLDER] [--esp-nn FOLDER] [--only int8|pools|network]

Instructions are counted exactly, cycles are a crude estimate (load, store and branch 2, LDM 1 + n; M3: MLA 2, SMULL 4,
SMLAL 5.5; no wait states). Every compiler at hand with its fast flags builds every kernel, theirs and ours, and the
fastest counts. Set-up is part of a call. RAM is what a call used of its scratch. Random weights and codes, padding
"same", zero point -128.

Floors, instructions a product: M4 3x3 0.729 (LDM 1, LDR 1.5, SXTB16 3, SMLAD 12 for 24 products), any window 0.781
(LDM 1, LDRD 0.25, SXTB16 1, SMLAD 4 for 8), depth-wise 0.833 (three LDRD and twelve SMLA for 18) and 1.83 with bias,
codes, stores and loop; M3 3x3 1.333 (LDM 1, LDRSB 3, MLA 12 for 12); RV32 3x3 2.375 (6 + 12 loads, 48 MUL, 48 ADD for
48). M3 with two pixels in a product 0.833 (LDM 1, LDRSB 3, SMLAL 6 for 12): fewest instructions, but more cycles than
with MLA, so that firmware does not take it; its weights are half as large here, so that sums keep to 23 bits (neither
library's count depends on weights). Each filter's four codes cost 41 (M4), 48 (M3) or some 75 (RV32) instructions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests")]

import numpy as np  # noqa: E402  after the paths
from edge_peers.builds import Counted, compilers, fastest  # noqa: E402
from edge_peers.library import Library  # noqa: E402
from edge_pooled_network import network_goals  # noqa: E402
from edge_pools import pool_goals  # noqa: E402

from edge.single_layers import Single, addition, convolution  # noqa: E402
from slipstick.edge.emulator import CORES  # noqa: E402
from slipstick.edge.kernels.firmware_kernels import KERNELS, choose_kernel  # noqa: E402
from slipstick.edge.kernels.harness import Case  # noqa: E402

Libraries = dict[str, Library]


def goal(name: str, reached: float | None, wanted: str, met: bool | None, why: str = "") -> None:
    """Print a goal's line; `met` is None where it could not be run."""
    if reached is None or met is None:
        print(f"goal: {name} | not run: {why} | wanted {wanted}")
    else:
        print(f"goal: {name} | reached {reached:.3f} | wanted {wanted} | {'met' if met else 'missed'}")


@dataclass(frozen=True)
class Contest:
    """Layer on a core, the library it is measured against, and the most that ours may take of theirs."""

    name: str
    core: str
    library: str
    make: Callable[[np.random.Generator], Single]
    assembly: float | None = None
    portable: float | None = None
    symbol: str = ""  # of our kernel; empty: the one that firmware takes


def _conv(
    kind: str, shape: tuple[int, int, int], filters: int, side: int, stride: int = 1, *, narrow: bool = False
) -> Callable[..., Single]:
    options: dict[str, Any] = {"padding": "same", "stride": (stride, stride), "plain": True, "narrow": narrow}
    return lambda rng: convolution(rng, kind, shape, filters, (side, side), x_zero=-128, **options)


def _int8_contests() -> list[Contest]:
    square = {channels: _conv("conv", (16, 16, channels), channels, 3) for channels in (16, 32, 64, 128)}
    narrow = {channels: _conv("conv", (16, 16, channels), channels, 3, narrow=True) for channels in (32, 64)}
    m4, m3, rv32 = ("cortex-m4", "cmsis-nn"), ("cortex-m3", "cmsis-nn"), ("rv32imac", "esp-nn")
    return [
        Contest("3x3, 32", *m4, square[32], 0.45, 0.57),
        Contest("3x3, 64", *m4, square[64], 0.45, 0.57),
        Contest("3x3, 16", *m4, square[16]),
        Contest("3x3, 128", *m4, square[128]),
        Contest("1x1, 32", *m4, _conv("conv", (16, 16, 32), 32, 1), 0.5),
        Contest("1x1, 64", *m4, _conv("conv", (16, 16, 64), 64, 1), 0.5),
        Contest("depth-wise 3x3, 32", *m4, _conv("depthwise", (16, 16, 32), 32, 3), 0.35),
        Contest("depth-wise 3x3, 64", *m4, _conv("depthwise", (16, 16, 64), 64, 3), 0.35),
        Contest("3x3 stride 2, 32-64", *m4, _conv("conv", (16, 16, 32), 64, 3, 2), 0.48),
        Contest("3x3 stride 2, 16-32", *m4, _conv("conv", (32, 32, 16), 32, 3, 2), 0.48),
        Contest("1x1 stride 2, 32-64", *m4, _conv("conv", (16, 16, 32), 64, 1, 2)),
        Contest("first 3x3, 3-16", *m4, _conv("conv", (32, 32, 3), 16, 3)),
        Contest("add, 16384", *m4, lambda rng: addition(rng, 16384, (0.05, 0.02, 0.06)), None, 0.30),
        Contest("3x3, 32", "cortex-m7", "cmsis-nn", square[32]),
        Contest("3x3, 32", *m3, square[32], 0.53),  # MLA: what firmware takes
        Contest("3x3, 64", *m3, square[64], 0.53),
        Contest("3x3 SMLAL, 32", *m3, narrow[32], 0.53, symbol="nn_conv3x3_s8_long"),
        Contest("3x3 SMLAL, 64", *m3, narrow[64], 0.53, symbol="nn_conv3x3_s8_long"),
        Contest("1x1, 64", *m3, _conv("conv", (16, 16, 64), 64, 1)),
        Contest("depth-wise 3x3, 32", *m3, _conv("depthwise", (16, 16, 32), 32, 3)),
        Contest("3x3, 32", *rv32, square[32], None, 0.42),
        Contest("3x3, 64", *rv32, square[64], None, 0.42),
        Contest("3x3, 32", "rv32imac", "cmsis-nn", square[32]),
        Contest("add, 16384", *rv32, lambda rng: addition(rng, 16384, (0.05, 0.02, 0.06))),
        Contest("3x3, 32", "cortex-m0plus", "cmsis-nn", square[32]),
    ]


def int8_goals(libraries: Libraries) -> None:
    """Print the table of int8 kernels, then a line for each goal."""
    print(f"{'int8':36} {'theirs':>11} {'C':>11} {'.S':>11}   C/theirs .S/theirs  cycles C, .S/theirs  scratch, ours")
    lines: list[tuple[Any, ...]] = []
    for contest in _int8_contests():
        lines += _contest(contest, libraries[contest.library])
    for name, bound, reached, why in lines:
        goal(name, reached, f"<= {bound:.2f}", None if reached is None else reached <= bound, why)


def _contest(contest: Contest, library: Library) -> list[tuple[str, float, float | None, str]]:
    """Measure a contest, print its row, and return its goals: name, bound, reached, why not."""
    single = contest.make(np.random.default_rng(0))
    core, layer, size = CORES[contest.core], single.layer, single.expected.nbytes
    named = [kernel for kernel in KERNELS if kernel.symbol == contest.symbol and kernel.applies(layer)]
    kernel = named[0] if named else choose_kernel(layer, core.features)
    case = Case(kernel, layer)
    portable = fastest(core, case, single.inputs, size, assembly=False)
    has_assembly = any(name.endswith(".S") for name in kernel.files(core.features))
    assembly = fastest(core, case, single.inputs, size) if has_assembly else None
    theirs = None
    if not library.missing:
        theirs = fastest(core, Case(library.kernel(layer.kind), layer), single.inputs, size, library.include())
    for counted in (portable, assembly, theirs):
        if counted and counted.output != single.expected.tobytes():
            raise SystemExit(f"{contest.name} on {contest.core}: other bytes than the runner's ({counted.build})")
    _print_row(contest, theirs, portable, assembly)
    prefix = f"int8 {contest.core} {contest.name} of {contest.library}"
    goals = []
    for bound, ours, kind in ((contest.assembly, assembly, ".S"), (contest.portable, portable, "C")):
        if bound is not None and ours is not None:
            reached = ours.instructions / theirs.instructions if theirs else None
            goals.append((f"{prefix}, {kind}", bound, reached, library.missing))
    return goals


def _print_row(contest: Contest, theirs: Counted | None, portable: Counted, assembly: Counted | None) -> None:
    def number(counted: Counted | None) -> str:
        return f"{counted.instructions:>11,}" if counted else f"{'-':>11}"

    def ratio(counted: Counted | None, field: str) -> str:
        return f"{getattr(counted, field) / getattr(theirs, field):>8.3f}" if counted and theirs else f"{'-':>8}"

    row = " ".join(map(number, (theirs, portable, assembly)))
    ratios = " ".join(ratio(counted, field) for field in ("instructions", "cycles") for counted in (portable, assembly))
    scratch = f"{theirs.scratch if theirs else '-':>7} {portable.scratch:>6}"
    builds = f"{theirs.others if theirs else ''} C {portable.others}"
    print(f"{contest.core + ' ' + contest.name:36} {row}   {ratios}  {scratch}  {builds}", flush=True)


FAMILIES: dict[str, Callable[[Libraries], None]] = {
    "int8": int8_goals,
    "pools": pool_goals,
    "network": network_goals,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cmsis-nn", type=Path)
    parser.add_argument("--esp-nn", type=Path)
    parser.add_argument("--only", choices=sorted(FAMILIES))
    given = parser.parse_args()
    libraries = {
        name: Library(name, folder) for name, folder in (("cmsis-nn", given.cmsis_nn), ("esp-nn", given.esp_nn))
    }
    arm, riscv = ("+".join(compilers(CORES[core])) for core in ("cortex-m4", "rv32imac"))
    print(f"compilers: Arm {arm}, RISC-V {riscv}")
    for name, library in libraries.items():
        print(f"{name}: {library.missing or library.folder}")
    for name, family in FAMILIES.items():
        if given.only in (None, name):
            family(libraries)


if __name__ == "__main__":
    main()
