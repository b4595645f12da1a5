"""MobileNetV2 with fewer shifts and no training: every method's accuracy, by our bit-true path and by LiteRT.

    SLIPSTICK_DATA=../shared python benchmarks/swis_mobilenet.py [--shifts 4 3] [--methods SWIS] [--pictures FOLDER]

The int8 file tf2_mobilenet_v2_1.0_224_ptq.tflite and 1,000 ImageNet training images. Images 0, 2, 4, ... calibrate
(what layers see, for biases and schedules), images 1, 3, 5, ... are scored; nothing else is chosen on any image. Fixed
beforehand: groups of 4 along the channels, weight 1 of the signed error, all layers or all but the depth-wise ones.
"""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slipstick.adapt.draw import accuracy_svg
from slipstick.adapt.paired import paired
from slipstick.adapt.post_training import Compressed, compress, shift_costs
from slipstick.core.files import write_text
from slipstick.models.datasets import data_set
from slipstick.models.integer.score import accuracy
from slipstick.models.integer.statistics import layer_inputs
from slipstick.models.tflite import patch, read_tflite

FILE = Path(os.environ.get("SLIPSTICK_DATA", "../shared")) / "data/mobilenet_tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite"
POSITIONS = 12
# name -> format, corrected biases, how the average of shifts is weighed if it is scheduled
METHODS = {
    "truncate": ("truncate:{n}", False, None),
    "round": ("round:{n}", False, None),
    "round, bias": ("round:{n}", True, None),
    "SWIS-C": ("swis:{n},consecutive=true,alpha=1", False, None),
    "SWIS-C, bias": ("swis:{n},consecutive=true,alpha=1", True, None),
    "SWIS": ("swis:{n},alpha=1", False, None),
    "SWIS, bias": ("swis:{n},alpha=1", True, None),
    "round, scheduled, bias": ("round:{n}", True, "bytes"),
    "SWIS, scheduled, bias": ("swis:{n},alpha=1", True, "bytes"),
    "SWIS, scheduled by cycles, bias": ("swis:{n},alpha=1", True, "cycles"),
}


def by_litert(found: Compressed | None, images: NDArray[np.uint8], labels: NDArray[np.int64], kernels: str) -> float:
    """Return LiteRT's top-1 in per cent; not a number where it is not asked for."""
    if kernels == "none":
        return math.nan
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    chosen = OpResolverType.BUILTIN_REF if kernels == "reference" else OpResolverType.AUTO
    content = FILE.read_bytes() if found is None else patch(FILE, found.weights, found.biases)
    runner = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=chosen)
    runner.allocate_tensors()
    source, target = runner.get_input_details()[0]["index"], runner.get_output_details()[0]["index"]
    right = 0
    for image, label in zip(images, labels, strict=True):
        runner.set_tensor(source, image[None])
        runner.invoke()
        right += int(runner.get_tensor(target)[0].argmax()) == label + 1
    return 100 * right / len(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shifts", type=int, nargs="+", default=[5, 4, 3, 2])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument(
        "--kernels", choices=("none", "default", "reference"), default="default",
        help="LiteRT's: the reference ones are slow, and equal to ours byte for byte",
    )  # fmt: skip
    asked = parser.parse_args()
    network, images = read_tflite(FILE), data_set("imagenet-sample").test
    seen = layer_inputs(network, images.images[::2], positions=POSITIONS)
    pictures, labels = images.images[1::2], images.labels[1::2]
    plain = accuracy(network, pictures, labels, background=1)
    other = by_litert(None, pictures, labels, asked.kernels)
    print(f"int8: {100 * plain.mean():.1f} % here, {other:.1f} % in LiteRT; {len(labels)} images")
    series: dict[str, list[tuple[float, float, str]]] = {}
    for layers, rest in (("all layers", ""), ("all but depth-wise", ";depthwise=int8")):
        heads = "shifts  method                            here  LiteRT  change [95 %]            bytes  by cycles"
        print(f"\n{layers}\n{heads}")
        for count in asked.shifts:
            for name, (text, correct, weighed) in ((name, METHODS[name]) for name in asked.methods):
                found = compress(
                    network, text.format(n=count) + rest, inputs=seen, correct=correct,
                    shifts=count if weighed else None, weighed=weighed or "bytes",
                )  # fmt: skip
                ours = accuracy(network, pictures, labels, background=1, weights=found.weights, biases=found.biases)
                theirs, compared = by_litert(found, pictures, labels, asked.kernels), paired(plain, ours)
                size = sum(one.storage_bytes for one in found.layers)
                low, high = (100 * bound for bound in compared.interval)
                cycles = found.effective_shifts(shift_costs(network, 4, "cycles"))
                print(
                    f"{count}       {name:33s} {100 * ours.mean():4.1f}  {theirs:5.1f}"
                    f"  {100 * compared.change:+6.1f} [{low:+.1f}, {high:+.1f}]  {size:9,d}"
                    f"  {'' if cycles is None else f'{cycles:.2f}'}",
                    flush=True,
                )
                if not rest:
                    series.setdefault(name, []).append((size / 1e6, float(ours.mean()), f"{count} shifts"))
    if asked.pictures:
        title = "MobileNetV2, no training, all layers"
        write_text(asked.pictures / "swis_mobilenet.svg", accuracy_svg(series, title, "MB of all weights"))


if __name__ == "__main__":
    main()
