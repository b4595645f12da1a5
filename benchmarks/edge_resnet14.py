"""ResNet-14 on CIFAR-10 (JPEG copies) in pools, to the end: bytes of the whole file, accuracy, instructions, run-time bits.

    SLIPSTICK_DATA=../shared python benchmarks/edge_resnet14.py [--seeds 0 1 2] [--folder FOLDER] [--cmsis-nn FOLDER]

For each seed: 20 epochs in fp32 (largest rate 0.2); from that network 8 more epochs at 0.05 in fp32, the control, and
as many in pools of 64 vectors that learn, fitted to the layers' outputs, with the 20-epoch network as teacher. Every
figure is of all 10,000 test images, paired image by image. One line a goal; exit 0 either way. Stopped, the same
command goes on where it was: what is done is in the folder's answers.json. An epoch takes 50 s to 2 minutes on one core
of an AMD EPYC.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

import slipstick
from slipstick import CalibrationImages, Report, Retraining
from slipstick.core.files import write_text
from slipstick.training.paired_comparison import paired

DATA, NET = "cifar10-jpeg", "resnet-14"
EPOCHS, RATE = 20, 0.2  # in fp32
AGAIN = 8  # epochs of the control and of the pools, alike
CONTROL_RATE, POOL_RATE = 0.05, 0.02  # pools lose what their start has at higher rates: at 0.05, 82.3 % of seed 0
BLOCKS = {"layer1.0.conv1": "a", "layer1.0.conv2": "b", "layer1.1.conv1": "c", "layer1.1.conv2": "d", "layer2.*": "e"}
BLOCKS |= {"layer3.0.*": "f"}  # seven pools: what fits in the bytes; narrow layers, whose indices are few, get one each
POOLS = ";".join(["pool:size=64", *(f"{names}=pool:size=64,label={label}" for names, label in BLOCKS.items())])
START, CONTROL, PACKED = "fp32.safetensors", "fp32-longer.safetensors", "pools.slip"
_Answers = dict[str, Any]


def packed_bits(right: np.ndarray) -> str:
    """Return which images are right as hexadecimal digits."""
    return np.packbits(right).tobytes().hex()


def right_of(answers: _Answers, name: str) -> np.ndarray:
    """Return which test images are right, from hexadecimal digits of packed bits."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(answers[name]), np.uint8)).astype(bool)


def trained(seed: int, folder: Path, steps: tuple[str, ...]) -> _Answers:
    """Return the answers of one seed: trained where they are not there yet."""
    place = folder / "answers.json"
    answers = stored(place, {})
    if not (folder / START).exists():
        recipe = {"epochs": EPOCHS, "rate": RATE, "seed": seed}
        slipstick.train(NET, DATA, recipe=recipe, folder=folder / "training", out=folder / START)
    for name, work in {"control": _control, "pools": _pools}.items():
        if name not in answers and name in steps:
            stored(place, work(seed, folder))
    return stored(place, {})


def stored(place: Path, more: _Answers) -> _Answers:
    """Return the answers of a file, with more of them added to it; two processes may train one seed."""
    answers: _Answers = json.loads(place.read_text("utf-8")) if place.exists() else {}
    if more:
        answers |= more
        write_text(place, json.dumps(answers))
    return answers


def _control(seed: int, folder: Path) -> _Answers:
    longer = slipstick.adapt(
        folder / START, "fp32", DATA,
        retraining=Retraining(epochs=AGAIN, rate=CONTROL_RATE, seed=seed, folder=folder / "control"),
    )  # fmt: skip
    longer.detail.write(folder / CONTROL)
    return {"before": packed_bits(longer.detail.before), "control": packed_bits(longer.detail.after)}


def _pools(seed: int, folder: Path) -> _Answers:
    pools = slipstick.adapt(
        folder / START, POOLS, DATA,
        calibration=CalibrationImages(fit="outputs"),
        retraining=Retraining(
            epochs=AGAIN, rate=POOL_RATE, seed=seed, renew="learned", distill=True, folder=folder / "pools"
        ),
    )  # fmt: skip
    pools.detail.write_packed(folder / PACKED)
    return {"pools": packed_bits(pools.detail.after), "rounded": packed_bits(pools.detail.rounded)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("out/edge-resnet14"))
    parser.add_argument("--only", nargs="+", default=["control", "pools"], choices=["control", "pools"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    for seed in given.seeds:
        answers = trained(seed, given.folder / str(seed), tuple(given.only))
        print(seed, {name: right_of(answers, name).mean() for name in answers}, flush=True)


if __name__ == "__main__":
    main()
