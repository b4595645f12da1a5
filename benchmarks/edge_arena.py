"""Arena of the networks of the reference data on a board: TensorFlow Lite Micro's plan, ours, its bound, with patches.

SLIPSTICK_DATA=../shared python benchmarks/edge_arena.py [--board BOARD] [--pictures FOLDER]

TFLM's plan is of the tensors alone; ours has the kernels' scratch, and outputs overlap inputs.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from slipstick.core.catalogue import systems
from slipstick.core.system import System
from slipstick.edge.arena.arena_picture import arena_svg
from slipstick.edge.arena.plan_arena import plan_arena
from slipstick.edge.firmware.firmware_build import build_firmware
from slipstick.edge.layers import ConvLayer
from slipstick.trained.tflite.tflite_file import read_tflite

DATA = Path(os.environ.get("SLIPSTICK_DATA") or Path(__file__).parents[2] / "shared") / "data"
NETWORKS = (
    "mlperf_tiny_models/pretrainedResnet_quant", "mlperf_tiny_models/kws_ref_model", "mlperf_tiny_models/vww_96_int8",
    "mlperf_tiny_models/ad01_int8", "mlperf_tiny_models/str_ww_ref_model",
    "mobilenet_tflite/mobilenet_v1_0.25_128_quant", "mobilenet_tflite/mobilenet_v2_1.0_224_quant",
)  # fmt: skip


def unlimited(name: str) -> System:
    """Return a board with memory for any of the networks."""
    system = systems.entry(name)
    memory = {key: tier.model_copy(update={"capacity": 1e9}) for key, tier in system.memory.items()}
    return system.model_copy(update={"memory": memory})


def print_network(path: Path, board: System, pictures: Path | None) -> bool:
    """Print the arenas of one network [B]; return whether ours is the least possible and no larger than TFLM's."""
    network = read_tflite(path)
    ours, patched = (build_firmware(network, board, patches=patches) for patches in (False, True))
    least = plan_arena(ours.arena.layout.problem, exact=True, time_limit=60.0)
    macs = sum(use.call.layer.macs for use in patched.uses if isinstance(use.call.layer, ConvLayer))
    halo = 100 * (macs / ours.network.macs - 1)
    print(
        f"{path.stem:32} TFLM {ours.arena.tflm:9,d}  ours {ours.arena.size:9,d}  least {least.bound:9,d}  "
        f"patches {patched.arena.size:9,d} ({halo:.1f} % more MACs)"
    )
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        (pictures / f"{path.stem}.svg").write_text(arena_svg(ours.arena.layout, path.stem), "utf-8")
    return ours.arena.size <= min(least.bound, ours.arena.tflm)


def main() -> None:
    """Print every network and the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", default="nucleo-f446", help="board whose kernels are taken; its memory is no limit")
    parser.add_argument("--pictures", type=Path, help="folder for an SVG of each arena")
    given = parser.parse_args()
    present = [path for path in (DATA / f"{name}.tflite" for name in NETWORKS) if path.exists()]
    met = sum(print_network(path, unlimited(given.board), given.pictures) for path in present)
    name = "arena the least that is possible and never above TFLM's plan"
    if not present:
        print(f"goal: {name} | reached nothing | wanted all networks | not run (no {DATA}: set SLIPSTICK_DATA)")
    else:
        verdict = "met" if met == len(present) else "missed"
        print(f"goal: {name} | reached {met} of {len(present)} networks | wanted all | {verdict}")


if __name__ == "__main__":
    main()
