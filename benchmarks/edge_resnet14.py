"""ResNet-14 on CIFAR-10 (JPEG copies) in pools, to the end: bytes of the file, accuracy, instructions, run-time bits.

    SLIPSTICK_DATA=../shared python benchmarks/edge_resnet14.py [--seeds 0 1 2] [--folder FOLDER] [--cmsis-nn FOLDER]

For each seed: 20 epochs in fp32 (largest rate 0.2); from that network 8 more epochs in fp32 at 0.05, the control, and
as many at 0.02 in pools of 64 vectors that learn, fitted to the layers' outputs, with the 20-epoch network as teacher.
The file has batch norms folded into a scale and a bias of each filter, both in fp16; int8's is made in the same way.
Every accuracy is of all 10,000 test images, paired image by image, of the network that the file holds.

Instructions are counted in the emulator, whole networks, every output byte compared with the bit-true runner. CMSIS-NN:
the sum of its calls of all layers, random weights, the fastest compiler and flags of each call, the same bytes out as
our kernels give; the mean and the dense layer, for which it has no driver here, count as ours. Bits of activations are
those of the inputs of the pool convolutions, chosen at run time in one firmware for Cortex-M3.

One line a goal; exit 0 either way. Stopped, the same command goes on where it was: what is done is in the folder's
answers.json. An epoch takes 50 s to 4 minutes on one core of an AMD EPYC.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from edge_resnet14_boards import board_goals

import slipstick
from slipstick import CalibrationImages, Retraining
from slipstick.compress.compression import compress
from slipstick.compress.layer_formats import layer_formats
from slipstick.core.encoding import Encoded
from slipstick.core.files import write_text
from slipstick.datasets import data_set
from slipstick.engines.adaptation import _AdaptedNetwork
from slipstick.formats.packed_file import read_packed
from slipstick.trained import open_network
from slipstick.trained.network import TrainedNetwork, right_answers
from slipstick.training.paired_comparison import Paired, paired

DATA, NET = "cifar10-jpeg", "resnet-14"
EPOCHS, RATE = 20, 0.2  # in fp32
AGAIN = 8  # epochs of the control and of the pools, alike
CONTROL_RATE, POOL_RATE, CHOOSING = 0.05, 0.02, 0.95  # at 0.05 and 0.7 pools of seed 0 reach 82.3 %
BLOCKS = {"layer1.0.conv1": "a", "layer1.0.conv2": "b", "layer1.1.conv1": "c", "layer1.1.conv2": "d", "layer2.*": "e"}
BLOCKS |= {"layer3.0.*": "f"}  # seven pools: what fits in the bytes; narrow layers, whose indices are few, get one each
POOLS = ";".join(["pool:size=64", *(f"{names}=pool:size=64,label={label}" for names, label in BLOCKS.items())])
START, CONTROL, PACKED = "fp32.safetensors", "fp32-longer.safetensors", "pools.slip"
STEPS = ["control", "pools", "file"]
LEAST, MOST_LOST = 7.5, 0.01  # times smaller; of the accuracy
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
    for name, work in {"control": _control, "pools": _pools, "file": _file}.items():
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
            epochs=AGAIN, rate=POOL_RATE, seed=seed, renew="learned", choosing=CHOOSING, distill=True,
            folder=folder / "pools",
        ),
    )  # fmt: skip
    pools.detail.write_packed(folder / PACKED)
    return {"pools": packed_bits(pools.detail.after), "rounded": packed_bits(pools.detail.rounded)}


def _file(seed: int, folder: Path) -> _Answers:
    """Return the answers of the network that the weight file holds, and the bytes of that file and of int8's."""
    data = data_set(DATA)
    pools = open_network(folder / PACKED, data)
    folded, size = _written(pools, read_packed(folder / PACKED), folder / "weights.slip")
    control = open_network(folder / CONTROL, data)
    int8 = compress(control, layer_formats(control, "int8:axis=0"), correct=False)
    _, int8_size = _written(int8.network, int8.encoded, folder / "int8.slip")
    return {"file": packed_bits(right_answers(folded, data.test)), "bytes": size, "int8 bytes": int8_size}


def _written(network: TrainedNetwork, encoded: Mapping[str, Encoded], path: Path) -> tuple[TrainedNetwork, int]:
    none = np.zeros(0, bool)
    detail = _AdaptedNetwork(network, encoded, none, none, none, {})
    return detail.folded()[0], detail.write_weights(path)


def goal(name: str, reached: str, wanted: str, met: bool) -> None:
    print(f"goal: {name} | reached {reached} | wanted {wanted} | {'met' if met else 'missed'}", flush=True)


def said(compared: Paired) -> str:
    low, high = (100 * bound for bound in compared.interval)
    return f"{100 * compared.change:+.2f} points [{low:+.2f}, {high:+.2f}]"


def accuracy_goals(by_seed: Mapping[int, _Answers]) -> None:
    """Print a row and a goal of each seed, and the goal of the mean over all seeds."""
    print("seed  start  control  rounded  pools  file   (per cent of 10,000 test images)")
    for seed, answers in by_seed.items():
        shares = (100 * right_of(answers, name).mean() for name in ("before", "control", "rounded", "pools", "file"))
        print(f"{seed:4d}  " + "  ".join(f"{share:5.2f}" for share in shares))
    pairs = {seed: (right_of(answers, "control"), right_of(answers, "file")) for seed, answers in by_seed.items()}
    for seed, (control, file) in pairs.items():
        drop(f"drop against fp32 trained as long, seed {seed}", paired(control, file))
    every = [np.concatenate(parts) for parts in zip(*pairs.values(), strict=True)]
    drop(f"drop against fp32 trained as long, mean of {len(pairs)} seeds", paired(*every))
    for seed, answers in by_seed.items():
        ratio = answers["int8 bytes"] / answers["bytes"]
        sizes = f"{answers['bytes']:,} B, int8 {answers['int8 bytes']:,} B"
        goal(f"bytes of the whole file, seed {seed}", f"{ratio:.3f} times smaller ({sizes})", ">= 7.5", ratio >= LEAST)


def drop(name: str, compared: Paired) -> None:
    goal(name, said(compared), "above -1 point, interval too", compared.interval[0] > -MOST_LOST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("out/edge-resnet14"))
    parser.add_argument("--only", nargs="+", default=STEPS, choices=STEPS, help="steps of training to do now")
    parser.add_argument("--cmsis-nn", type=Path, help="folder of github.com/ARM-software/CMSIS-NN")
    given = parser.parse_args()
    torch.set_num_threads(1)
    by_seed = {seed: trained(seed, given.folder / str(seed), tuple(given.only)) for seed in given.seeds}
    done = {seed: answers for seed, answers in by_seed.items() if {"control", "file"} <= answers.keys()}
    for seed in by_seed.keys() - done.keys():
        print(f"seed {seed}: not trained to the end")
    if done:
        accuracy_goals(done)
        board_goals(given.folder / str(next(iter(done))), given.cmsis_nn)


if __name__ == "__main__":
    main()
