"""Accuracy of ResNet-8 on a joint transform correlator: converters, edge effect, readouts, and what training recovers.

    SLIPSTICK_DATA=../shared python benchmarks/optics_accuracy.py [--net WEIGHTS] [--images 10000] [--cells NAME ...]

Every cell, a format that is measured or trained for, is stored in the folder's answers.json when it is done: stopped,
the same command goes on where it was. Cells of one network are paired image by image; those trained stand against a
float network trained as long on the same images. One line a goal; what was not run says so. On one core of a Xeon with
AVX-512 VNNI 10,000 images take 20 s in closed form and 5 min with square readouts, an epoch of training 4 min.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import slipstick
from slipstick import CalibrationImages, Retraining
from slipstick.core.files import write_text
from slipstick.datasets import data_set
from slipstick.training.paired_comparison import paired

DATA = "cifar10-jpeg"
MEASURED = {  # cell: format
    "fp32": "",
    "int8 weights": "int8",
    "guard": "int8@correlator",
    "edge": "int8@correlator:guard=none",
    "edge, ADC 6": "int8@correlator:guard=none,adc_bits=6",
    "edge, ADC 4": "int8@correlator:guard=none,adc_bits=4",
    "square_sqrt": "int8@correlator:readout=square_sqrt",
    "square_integrate": "int8@correlator:readout=square_integrate",
    "square_integrate, T=4": "int8@correlator:readout=square_integrate,depth=4",
}
TRAINED = {
    "float, trained on": "fp32",
    "edge, trained": "int8@correlator:guard=none",
    "square_sqrt, trained": "int8@correlator:readout=square_sqrt",
    "square_integrate, trained": "int8@correlator:readout=square_integrate",
}
SLOW = 20  # cells of square readouts are measured on one image in so many


class Answers:
    """Which images each cell answers right, kept in a file."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.cells: dict[str, Any] = json.loads(place.read_text("utf-8")) if place.exists() else {}

    def right(self, cell: str) -> np.ndarray | None:
        """Return which images are right, None if the cell was not run."""
        known = self.cells.get(cell)
        bits = None if known is None else np.frombuffer(bytes.fromhex(known["right"]), np.uint8)
        return None if bits is None else np.unpackbits(bits)[: known["images"]].astype(bool)

    def store(self, cell: str, right: np.ndarray) -> None:
        """Keep which images a cell answers right."""
        self.cells[cell] = {"images": len(right), "right": np.packbits(right).tobytes().hex()}
        write_text(self.place, json.dumps(self.cells))


def run(answers: Answers, asked: argparse.Namespace) -> None:
    """Measure and train what is asked and not there yet, printing a line a cell."""
    data = data_set(DATA)
    some = replace(data, train=data.train.some(asked.train_images))
    for cell, form in MEASURED.items():
        if cell in asked.cells and answers.right(cell) is None:
            images = max(1, asked.images // SLOW) if "square" in cell else asked.images
            report = slipstick.measure(asked.net, data, form, images=images)
            answers.store(cell, report.detail)
            say(answers, cell)
    for cell, form in TRAINED.items():
        if cell in asked.cells and answers.right(cell) is None:
            epochs = Retraining(epochs=asked.epochs, rate=asked.rate, folder=asked.folder / cell.replace(", ", "-"))
            images = max(1, asked.images // SLOW) if "square" in cell else asked.images
            report = slipstick.adapt(
                asked.net, form, some, calibration=CalibrationImages(correct=False, images=images), retraining=epochs
            )
            answers.store(cell, report.detail.after)
            say(answers, cell)


def say(answers: Answers, cell: str) -> None:
    right = answers.right(cell)
    if right is not None:
        print(f"{cell}: {right.mean():.2%} of {len(right):,} images", flush=True)


def change(answers: Answers, cell: str, against: str) -> tuple[float, str] | None:
    """Return the change in points of a cell against another, with its 95 % interval; None if either was not run."""
    first, second = answers.right(against), answers.right(cell)
    if first is None or second is None:
        return None
    if len(first) != len(second):  # the smaller one is evenly from all
        many = min(len(first), len(second))
        places = np.linspace(0, len(first) - 1, many).round().astype(int)
        first = first[places] if len(first) > many else first
    if len(first) != len(second):
        return 100 * float(second.mean() - first.mean()), ", not paired"
    compared = paired(first, second)
    low, high = (100 * bound for bound in compared.interval)
    return 100 * compared.change, f" [{low:+.1f}, {high:+.1f}]"


def goal(name: str, reached: float | None, wanted: str, met: bool, note: str = "") -> None:
    if reached is None:
        print(f"goal: {name} | not run: its cells are not in the folder, ask for them by --cells | wanted {wanted}")
    else:
        print(f"goal: {name} | reached {reached:.2f}{note} | wanted {wanted} | {'met' if met else 'missed'}")


def goals(answers: Answers, asked: argparse.Namespace) -> None:
    """Print the goals of the issue."""
    drop = change(answers, "guard", "fp32")
    goal("guard, 8 bits, T=16, linear: drop in points", drop and -drop[0], "<= 0.5", bool(drop) and drop[0] >= -0.5,
         drop[1] if drop else "")  # fmt: skip
    edge = change(answers, "edge", "fp32")
    goal("edge effect without guards: drop in points", edge and -edge[0], "shown", True, edge[1] if edge else "")
    after = change(answers, "edge, trained", "float, trained on")
    share = None if edge is None or after is None or not edge[0] else 100 * (1 - after[0] / edge[0])
    note = ""
    if after:
        note = f" % in {asked.epochs} epochs of {asked.train_images:,} images (left: {after[0]:+.2f}{after[1]})"
    goal("edge effect recovered by training", share, ">= 70 in 5 epochs", share is not None and share >= 70, note)
    for readout in ("square_sqrt", "square_integrate"):
        lost, left = change(answers, readout, "fp32"), change(answers, f"{readout}, trained", "float, trained on")
        goal(f"{readout}: drop in points", lost and -lost[0], "shown", True, lost[1] if lost else "")
        back = None if lost is None or left is None or not lost[0] else 100 * (1 - left[0] / lost[0])
        goal(f"{readout}: recovered by training", back, ">= 90", back is not None and back >= 90, " %")


def main() -> None:
    """Run the cells that are asked for, then print every cell and goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", type=Path, help="ResNet-8 for cifar10-jpeg (.safetensors); default: five epochs here")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--cells", nargs="*", default=[*MEASURED, *TRAINED], choices=[*MEASURED, *TRAINED])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--train-images", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, default=Path("out/optics"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.net is None:
        asked.net = asked.folder / "fp32.safetensors"
        if not asked.net.exists():
            recipe = {"epochs": 5, "rate": 0.2, "seed": 0}
            slipstick.train("resnet-8", DATA, recipe=recipe, folder=asked.folder / "fp32", out=asked.net)
    answers = Answers(asked.folder / "answers.json")
    run(answers, asked)
    print("ResNet-8 on CIFAR-10 (JPEG copies):")
    for cell in (*MEASURED, *TRAINED):
        say(answers, cell)
    goals(answers, asked)


if __name__ == "__main__":
    main()
