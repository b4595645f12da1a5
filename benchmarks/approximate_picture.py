"""Joint picture of approximate hardware: accuracy of ResNet-8 against energy, area and time, six families of formats.

    python benchmarks/approximate_picture.py [--data cifar10-jpeg] [--epochs 5] [--retrain 1] [--folder out/joint]

One search: formats cross systems, accuracies are measured on all test images (`--images N`: on some). ResNet-8 is
trained first, and kept in the folder with every finished run; the same command goes on after an interruption. With
`--retrain N`, formats that lose more than five points as they come are retrained for N epochs. Pictures are written to
the folder. Prints the frontier, a row for each point, and the goal.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import slipstick
from slipstick.exploration.family_picture import _family_of

SYSTEMS = "int8-8x8|swis-8x8|approximate-16x16|stochastic-256x64|analog-128x128"
FORMATS = (
    "int8|int4:axis=0|int3:axis=0|swis:4|swis:3|swis:2|pool:size=64|int8@mul8s_1L2H|int8@mul7u_09Y|int8@mul8u_185Q|"
    "int8@mul8u_FTA|int8@mul8s_1KVL|int8@stochastic:length=32|int8@stochastic:length=128|"
    "int8@stochastic:length=128,count=or2|int8@stochastic:length=128,count=binary|int8@analog:rows=9,adc_bits=4|"
    "int8@analog:rows=64,adc_bits=4|int8@analog:rows=64,adc_bits=6|int8@analog:rows=128,adc_bits=8"
)
OBJECTIVES = "accuracy,energy.step,energy.on_chip,area.multipliers,time.step"
TOLERANCE = 0.05
POINTS, FAMILIES = 20, 5  # of the goal
LAYERS = "plan.formats.layers"


def main() -> None:
    """Search, write the pictures, print the points and the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10-jpeg")
    parser.add_argument("--epochs", type=int, default=5, help="of the network, in fp32")
    parser.add_argument("--retrain", type=int, default=0, help="epochs in formats that lose more than five points")
    parser.add_argument("--images", type=int, default=None)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--formats", default=FORMATS, help="joined by |")
    parser.add_argument("--folder", type=Path, default=Path("out/joint"))
    parser.add_argument("--network", type=Path, default=None, help="trained ResNet-8; default: trained here")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    network = asked.folder / "resnet-8.safetensors"
    if asked.network is not None:
        shutil.copyfile(asked.network, network)
    elif not network.exists():
        recipe = {"epochs": asked.epochs, "rate": 0.2}
        slipstick.train("resnet-8", asked.data, recipe, folder=asked.folder / "training", out=network)
    treatment = f",retrain=0|{asked.retrain}" if asked.retrain else ""
    frontier = slipstick.search(
        str(network), space=f"system={SYSTEMS},format={asked.formats}{treatment}", data=asked.data, minimize=OBJECTIVES,
        images=asked.images, workers=asked.workers, folder=asked.folder / f"search-{asked.retrain}", resume=True,
        tolerance=TOLERANCE if asked.retrain else None,
        progress=lambda done, total, label: print(f"  {done}/{total} {label}", flush=True),
    )  # fmt: skip
    print(frontier)
    print_points(frontier)
    for name, picture in frontier.pictures().items():
        (asked.folder / f"accuracy-{name}.svg").write_text(picture)
    (asked.folder / "joint.html").write_text(frontier.html())
    measured = {_family_of(text) for text in frontier.points[LAYERS].to_list()}
    met = "met" if len(frontier.points) >= POINTS and len(measured) >= FAMILIES else "missed"
    reached = f"{len(frontier.points)} points of {len(measured)} families ({', '.join(sorted(measured))})"
    print(f"goal: joint picture of ResNet-8 | reached {reached} | wanted >= {POINTS} of >= {FAMILIES} | {met}")


def print_points(frontier: slipstick.Frontier) -> None:
    """Print one row a point: what nobody knows is a dash, not a zero."""
    print(f"{'format':42} {'system':18} {'epochs':>6} {'accuracy':>8} {'uJ':>7} {'on chip':>7} {'mm2':>7} {'us':>6}")
    for row in frontier.points.fill_nan(None).to_dicts():
        figures = ((row["energy.step"], 1e6), (row["energy.on_chip"], 1e6), (row["area.multipliers"], 1e6))
        texts = ["-" if value is None else f"{scale * value:.3f}" for value, scale in figures]
        print(
            f"{row[LAYERS]:42} {row['system']:18} {row.get('treatment.retrain', '0'):>6} {row['accuracy.top1']:8.2%} "
            f"{texts[0]:>7} {texts[1]:>7} {texts[2]:>7} {1e6 * row['time.step']:6.0f}"
        )


if __name__ == "__main__":
    main()
