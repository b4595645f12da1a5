"""ResNet-14 retrained for two shifts and for a pool, three seeds: beside fp32, and beside fp32 trained on as long.

    SLIPSTICK_DATA=../shared python benchmarks/resnet14_formats.py --data cifar10-jpeg [--seeds 0 1 2] [--folder FOLDER]

Every figure is of all 10,000 test images, paired image by image. Fixed beforehand, for both data sets and all seeds:
the formats, the rates, the epochs. Each retraining starts from the same fp32 network, ends after as many epochs and
sees the same images as fp32 does, so that what further training brings by itself can be told from what the format
costs. Stopped, the same command goes on where it was; what is done is in the folder's answers.json. ResNet-14 takes 2
to 2.5 minutes an epoch on one core of an AMD EPYC (AVX2): two hours for CIFAR-10, one for Fashion-MNIST.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

import slipstick
from slipstick.adapt.paired import Paired, paired
from slipstick.core.files import write_text
from slipstick.verbs.adapt import adapt
from slipstick.verbs.adapt_torch import AdaptedTorch

EPOCHS = {"cifar10-jpeg": (5, 3), "fashion-mnist": (3, 2)}  # in fp32, then of each retraining
RATE, AGAIN = 0.2, 0.1  # the largest learning rates
FORMATS = {
    "fp32": "fp32",
    "swis:2": "swis:2",
    "pool": "pool:size=64;pointwise=int8:axis=0",  # the two shortcuts stay out of it
}
BITS = (8, 7, 6, 5, 4, 3, 2)  # of activations, at run time


def right_of(answers: dict[str, Any], name: str) -> np.ndarray:
    """Return which test images are right, from hexadecimal digits of packed bits."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(answers[name]), np.uint8)).astype(bool)


def kept(right: np.ndarray) -> str:
    return np.packbits(right).tobytes().hex()


def one(data: str, seed: int, folder: Path) -> dict[str, Any]:
    """Return the answers of one seed: trained and retrained where they are not there yet."""
    first, again = EPOCHS[data]
    place, net = folder / "answers.json", folder / "fp32.safetensors"
    answers: dict[str, Any] = json.loads(place.read_text("utf-8")) if place.exists() else {}
    if "before" not in answers:
        recipe = {"epochs": first, "rate": RATE, "seed": seed}
        found = slipstick.train("resnet-14", data, recipe=recipe, folder=folder / "training", out=net)
        answers["before"] = kept(found.right)
        write_text(place, json.dumps(answers))
    for name, formats in FORMATS.items():
        if name in answers:
            continue
        at = folder / name.replace(":", "-")
        changed = adapt(
            net, formats, data, retrain=again, rate=AGAIN, seed=seed, correct=False, folder=at / "training",
            activations=BITS if name == "pool" else (),
        )  # fmt: skip
        assert isinstance(changed, AdaptedTorch)
        changed.write_packed(at / "weights.packed")
        answers |= {
            name: kept(changed.after),
            f"{name} rounded": kept(changed.rounded),
            f"{name} sizes": sizes(changed),
        }
        if name == "pool":
            answers["bits"] = [share for _, share in changed.report.breakdowns["bits of activations"].rows]
        write_text(place, json.dumps(answers))
    return answers


def sizes(changed: AdaptedTorch) -> dict[str, float]:
    tree = changed.report.metrics.get("weights", {})
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
    first, again = EPOCHS[asked.data]
    print(f"ResNet-14 on {asked.data}: {first} epochs in fp32, then {again} of each, from that network")
    print("seed  format    before  rounded  after  against before        against fp32 trained on")
    for seed in asked.seeds:
        answers = one(asked.data, seed, asked.folder / asked.data / str(seed))
        before, longer = right_of(answers, "before"), right_of(answers, "fp32")
        for name in FORMATS:
            rounded, after = right_of(answers, f"{name} rounded"), right_of(answers, name)
            shares = "".join(f"{100 * right.mean():8.1f}" for right in (before, rounded, after))
            beside = "" if name == "fp32" else said(paired(longer, after))
            print(f"{seed:4d}  {name:8s}{shares}  {said(paired(before, after))}   {beside}")
        for name in ("swis:2", "pool"):
            print(f"      {name} bytes: " + ", ".join(f"{k} {v:,.6g}" for k, v in answers[f"{name} sizes"].items()))
        curve = ", ".join(f"{bits}: {100 * share:.1f}" for bits, share in zip(BITS, answers["bits"], strict=True))
        print(f"      pool, bits of activations at run time: {curve}", flush=True)


if __name__ == "__main__":
    main()
