"""ResNet-14 retrained for two shifts and for pools, three seeds: beside fp32, and beside fp32 trained on as long.

    SLIPSTICK_DATA=../shared python benchmarks/resnet14_formats.py --data cifar10-jpeg [--seeds 0 1 2] [--folder FOLDER]

Every figure is of all 10,000 test images, paired image by image. Each retraining starts from the same fp32 network,
ends after as many epochs and sees the same images as fp32 does, so that what further training brings by itself can be
told from what the format costs. Two stages: the first starts from a network of few epochs; the second from that
network trained on. Stopped, the same command goes on where it was; what is done is in the folder's answers.json.
ResNet-14 takes 2 to 2.5 minutes an epoch on one core of an AMD EPYC (AVX2): four hours for CIFAR-10, two for
Fashion-MNIST.
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
from slipstick.training.paired_comparison import Paired, paired

EPOCHS = {"cifar10-jpeg": (5, 3, 5), "fashion-mnist": (3, 2, 2)}  # in fp32, then of each retraining of each stage
RATE, AGAIN = 0.2, 0.1  # the largest learning rates
FIRST, LONGER = "fp32.safetensors", "fp32-longer.safetensors"
STAGES = {
    FIRST: {"fp32": "fp32", "swis:2": "swis:2", "pool": "pool:size=64;pointwise=int8:axis=0"},
    LONGER: {"again/fp32": "fp32", "again/pools": "pool:size=64,vector=4;layer3.*=pool:size=64"},
}
BITS = (8, 7, 6, 5, 4, 3, 2)  # of activations, at run time


def right_of(answers: dict[str, Any], name: str) -> np.ndarray:
    """Return which test images are right, from hexadecimal digits of packed bits."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(answers[name]), np.uint8)).astype(bool)


def packed_bits(right: np.ndarray) -> str:
    return np.packbits(right).tobytes().hex()


def one(data: str, seed: int, folder: Path) -> dict[str, Any]:
    """Return the answers of one seed: trained and retrained where they are not there yet."""
    first, *again = EPOCHS[data]
    place = folder / "answers.json"
    answers: dict[str, Any] = json.loads(place.read_text("utf-8")) if place.exists() else {}
    if "before" not in answers:
        recipe = {"epochs": first, "rate": RATE, "seed": seed}
        report = slipstick.train("resnet-14", data, recipe=recipe, folder=folder / "training", out=folder / FIRST)
        answers["before"] = packed_bits(report.detail.right)
        write_text(place, json.dumps(answers))
    for (net, formats), epochs in zip(STAGES.items(), again, strict=True):
        for name, text in formats.items():
            if name in answers:
                continue
            at = folder / name.replace(":", "-")
            changed = slipstick.adapt(
                folder / net, text, data,
                calibration=CalibrationImages(correct=False, activations=BITS if "pool" in text else ()),
                retraining=Retraining(epochs=epochs, rate=AGAIN, seed=seed, folder=at / "training"),
            )  # fmt: skip
            if name == "fp32":
                changed.detail.write(folder / LONGER)
            changed.detail.write_packed(at / "weights.packed")
            answers |= answered(name, changed)
            write_text(place, json.dumps(answers))
    return answers


def answered(name: str, changed: Report) -> dict[str, Any]:
    """Return the answers of one retraining that are stored."""
    answers: dict[str, Any] = {
        name: packed_bits(changed.detail.after),
        f"{name} rounded": packed_bits(changed.detail.rounded),
        f"{name} sizes": sizes(changed),
    }
    if "bits of activations" in changed.breakdowns:
        answers[f"{name} bits"] = [share for _, share in changed.breakdowns["bits of activations"].rows]
    return answers


def sizes(changed: Report) -> dict[str, float]:
    tree = changed.metrics.get("weights", {})
    return {name: metric.value for name, metric in tree.items()}


def said(compared: Paired) -> str:
    low, high = (100 * bound for bound in compared.interval)
    return f"{100 * compared.change:+5.1f} [{low:+4.1f}, {high:+4.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=EPOCHS, default="cifar10-jpeg")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("out/resnet14"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    first, again, later = EPOCHS[asked.data]
    print(f"ResNet-14 on {asked.data}: {first} epochs in fp32, then {again} of each from that network (against it),")
    print(f"and of its fp32 network {later} more of each (against that one)")
    print("seed  format         from  rounded  after  against that network  against fp32 trained on as long")
    for seed in asked.seeds:
        answers = one(asked.data, seed, asked.folder / asked.data / str(seed))
        for formats, before in zip(STAGES.values(), ("before", "fp32"), strict=True):
            longer, *names = formats
            for name in (longer, *names):
                print(row(seed, answers, name, before, longer), flush=True)
            for name in names:
                print_details(answers, name)


def row(seed: int, answers: dict[str, Any], name: str, before: str, longer: str) -> str:
    """Return a retraining beside the network that it starts from, and beside fp32 trained on."""
    start, rounded, after = (right_of(answers, one) for one in (before, f"{name} rounded", name))
    shares = "".join(f"{100 * right.mean():8.1f}" for right in (start, rounded, after))
    beside = "" if name == longer else said(paired(right_of(answers, longer), after))
    return f"{seed:4d}  {name:11s}{shares}  {said(paired(start, after))}   {beside}"


def print_details(answers: dict[str, Any], name: str) -> None:
    print(f"      {name} bytes: " + ", ".join(f"{key} {size:,.6g}" for key, size in answers[f"{name} sizes"].items()))
    if f"{name} bits" in answers:
        shares = zip(BITS, answers[f"{name} bits"], strict=True)
        print(f"      {name}, bits of ReLUs: " + ", ".join(f"{bits}: {100 * share:.1f}" for bits, share in shares))


if __name__ == "__main__":
    main()
