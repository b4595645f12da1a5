"""MobileNetV2 with fewer shifts and no training: every method's accuracy, by our bit-true path and by LiteRT.

    SLIPSTICK_DATA=../shared python benchmarks/swis_mobilenet.py [--shifts 4 3] [--methods SWIS] [--pictures FOLDER]

The int8 file tf2_mobilenet_v2_1.0_224_ptq.tflite and 1,000 ImageNet training images. Images 0, 2, 4, ... calibrate
(what layers see, for biases and schedules; 40 of them show what noise in each layer does), images 1, 3, 5, ... are
scored; nothing else is chosen on any image. Fixed beforehand: groups of 4 along the channels, weight 1 of the signed
error, all layers or all but the depth-wise ones.
"""

from __future__ import annotations

import argparse
import math
import os
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slipstick.array.encoded_weights import on_array, shift_cycles
from slipstick.compress.accuracy_pictures import Point, accuracy_svg
from slipstick.compress.compression import Compression, LayerStudy, compress
from slipstick.compress.layer_formats import layer_formats
from slipstick.compress.sensitivity import _sensitivities
from slipstick.compress.shift_budget import _schedule_shifts
from slipstick.core.files import write_text
from slipstick.datasets import data_set
from slipstick.engines.question import ask
from slipstick.trained import TrainedNetwork, open_network, right_answers
from slipstick.training.paired_comparison import paired

FILE = Path(os.environ.get("SLIPSTICK_DATA", "../shared")) / "data/mobilenet_tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite"
ARRAY, COLUMNS = "swis-8x8", 8
# name -> format, corrected biases, what the average of shifts counts if it is scheduled: bytes, or the array's cycles
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
    "round, scheduled for the array, bias": ("round:{n}", True, "array"),
    "SWIS, scheduled for the array, bias": ("swis:{n},alpha=1", True, "array"),
}


def by_litert(network: TrainedNetwork, images: NDArray[np.uint8], labels: NDArray[np.int64], kernels: str) -> float:
    """Return LiteRT's top-1 in per cent; not a number where it is not asked for."""
    if kernels == "none":
        return math.nan
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    chosen = OpResolverType.BUILTIN_REF if kernels == "reference" else OpResolverType.AUTO
    runner = Interpreter(model_content=network.to_bytes(), num_threads=1, experimental_op_resolver_type=chosen)
    runner.allocate_tensors()
    source, target = runner.get_input_details()[0]["index"], runner.get_output_details()[0]["index"]
    right = 0
    for image, label in zip(images, labels, strict=True):
        runner.set_tensor(source, image[None])
        runner.invoke()
        right += int(runner.get_tensor(target)[0].argmax()) == label + 1
    return 100 * right / len(labels)


class Table:
    """Scores methods on the odd images; what they need of the even ones is found once."""

    def __init__(self, kernels: str) -> None:
        images = data_set("imagenet-sample").test
        self.kernels, self.network = kernels, open_network(FILE, background=1)
        self.question = ask(self.network.graph(), ARRAY)
        tuning, self.scored = images.take(slice(0, None, 2)), images.take(slice(1, None, 2))
        observed, probed = self.network.calibration_images(tuning)
        self.observed = self.network.observe(observed)
        self.sensitivity = {
            family: _sensitivities(self.network, layer_formats(self.network, f"{family}:3"), self.observed, probed)
            for family in ("round", "swis")
        }
        self.costs = shift_cycles(self.question.workload, self.question.system)
        self.plain = right_answers(self.network, self.scored)

    def compressed(self, method: str, count: int, rest: str) -> Compression:
        """Return the network in a method's format of so many shifts."""
        text, correct, counts = METHODS[method]
        forms, shifts = layer_formats(self.network, text.format(n=count) + rest), {}
        if counts:
            by_array = {"costs": self.costs, "columns": COLUMNS} if counts == "array" else {}
            sensitivity = self.sensitivity[text.partition(":")[0]]
            shifts = _schedule_shifts(
                self.network, forms, self.observed, count, sensitivity=sensitivity, **by_array
            )  # fmt: skip
        return compress(self.network, forms, LayerStudy(self.observed, {}, shifts), correct=correct)

    def row(self, method: str, count: int, rest: str) -> tuple[str, float, float, float]:
        """Return a printed row, its accuracy, its bytes and its cycles."""
        compression = self.compressed(method, count, rest)
        ours, size = right_answers(compression.network, self.scored), compression.packed_bytes
        theirs = by_litert(compression.network, self.scored.images, self.scored.labels, self.kernels)
        compared = paired(self.plain, ours)
        cycles = on_array(self.question.workload, self.question.system, compression.encoded)["cycles"].value
        low, high = (100 * bound for bound in compared.interval)
        said = f"{count}       {method:37s} {100 * ours.mean():4.1f}  {theirs:6.1f}"
        said += f"  {100 * compared.change:+6.1f} [{low:+5.1f}, {high:+5.1f}]  {size:9,d}  {cycles / 1e6:7.2f}"
        return said, float(ours.mean()), size, cycles


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
    table = Table(asked.kernels)
    other = by_litert(table.network, table.scored.images, table.scored.labels, asked.kernels)
    print(f"int8: {100 * table.plain.mean():.1f} % here, {other:.1f} % in LiteRT; {len(table.scored)} images")
    by_bytes: dict[str, list[Point]] = {}
    by_cycles: dict[str, list[Point]] = {}
    for layers, rest in (("all layers", ""), ("all but depth-wise", ";depthwise=int8")):
        heads = "shifts  method                                here  LiteRT  change [95 %]            bytes  Mcycles"
        print(f"\n{layers}\n{heads}")
        for count, name in product(asked.shifts, asked.methods):
            said, share, size, cycles = table.row(name, count, rest)
            print(said, flush=True)
            if not rest:
                by_bytes.setdefault(name, []).append((size / 1e6, share, f"{count} shifts"))
                by_cycles.setdefault(name, []).append((cycles / 1e6, share, f"{count} shifts"))
    if asked.pictures:
        title = "MobileNetV2, no training, all layers"
        write_text(asked.pictures / "mobilenet.svg", accuracy_svg(by_bytes, title, "MB of all weights"))
        write_text(asked.pictures / "mobilenet_cycles.svg", accuracy_svg(by_cycles, title, f"Mcycles on {ARRAY}"))


if __name__ == "__main__":
    main()
