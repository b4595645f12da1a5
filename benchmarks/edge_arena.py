"""Arena of the networks of the reference data: TensorFlow Lite Micro's plan, ours, the optimum, and with patches.

SLIPSTICK_DATA=../shared python benchmarks/edge_arena.py [--pictures FOLDER]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from slipstick.edge.arena.arena_picture import arena_svg
from slipstick.edge.arena.integer_arena import integer_problem
from slipstick.edge.arena.patches import patch_plan
from slipstick.edge.arena.plan_arena import plan_arena, tflm_plan
from slipstick.trained.tflite.tflite_file import read_tflite

DATA = Path(os.environ.get("SLIPSTICK_DATA") or Path(__file__).parents[2] / "shared") / "data"
NETWORKS = (
    "mlperf_tiny_models/pretrainedResnet_quant", "mlperf_tiny_models/kws_ref_model", "mlperf_tiny_models/vww_96_int8",
    "mlperf_tiny_models/ad01_int8", "mlperf_tiny_models/str_ww_ref_model",
    "mobilenet_tflite/mobilenet_v1_0.25_128_quant", "mobilenet_tflite/mobilenet_v2_1.0_224_quant",
)  # fmt: skip


def print_network(path: Path, pictures: Path | None) -> bool:
    """Print the arenas of one network [B]; return whether ours is the bound and no larger than TFLM's."""
    problem = integer_problem(read_tflite(path))
    theirs, ours, patched = tflm_plan(problem), plan_arena(problem, exact=True), patch_plan(problem)
    halo = 100 * patched.extra / patched.macs if patched.macs else 0.0
    print(
        f"{path.stem:32} TFLM {theirs.size:9,d}  ours {ours.size:9,d}  bound {ours.bound:9,d}  "
        f"patches {patched.layout.size:9,d} ({patched.stage} calls in {patched.tiles}x{patched.tiles}, {halo:.1f} %)"
    )
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        (pictures / f"{path.stem}.svg").write_text(arena_svg(patched.layout, path.stem), "utf-8")
    return ours.optimal and ours.size <= theirs.size


def main() -> None:
    """Print every network and the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, help="folder for an SVG of each arena")
    pictures = parser.parse_args().pictures
    paths = [DATA / f"{name}.tflite" for name in NETWORKS]
    present = [path for path in paths if path.exists()]
    met = sum(print_network(path, pictures) for path in present)
    name = "arena at its bound and never above TFLM's plan"
    if not present:
        print(f"goal: {name} | reached nothing | wanted all networks | not run (no {DATA}: set SLIPSTICK_DATA)")
    else:
        verdict = "met" if met == len(present) else "missed"
        print(f"goal: {name} | reached {met} of {len(present)} networks | wanted all | {verdict}")


if __name__ == "__main__":
    main()
