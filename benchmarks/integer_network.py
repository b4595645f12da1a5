"""A .tflite network of 8-bit integers run by us and by LiteRT: milliseconds an image, top-1, images that differ.

    SLIPSTICK_DATA=../shared python benchmarks/integer_network.py [--images 1000] [FILE.tflite ...]

LiteRT's reference kernels are the definition that ours must equal byte for byte; its optimised kernels and XNNPACK
round otherwise, and are timed as the baseline of speed. Images are the sample of ImageNet in the folder that
SLIPSTICK_DATA names. One thread.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402  after the thread limits
from ai_edge_litert.interpreter import Interpreter, OpResolverType  # noqa: E402

from slipstick.datasets.imagenet_sample import _imagenet_sample  # noqa: E402
from slipstick.trained.tflite import read_tflite  # noqa: E402

KERNELS = {
    "reference": OpResolverType.BUILTIN_REF,
    "optimised": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "XNNPACK": OpResolverType.AUTO,
}
FILES = ("tf2_mobilenet_v2_1.0_224_ptq.tflite", "mobilenet_v2_1.0_224_quant.tflite")


def litert(raw: bytes, kind: Any) -> Callable[[Any], Any]:
    made = Interpreter(model_content=raw, experimental_op_resolver_type=kind, num_threads=1)
    made.allocate_tensors()
    source, sink = made.get_input_details()[0]["index"], made.get_output_details()[0]["index"]

    def run(images: Any) -> Any:
        found = []
        for image in images:
            made.set_tensor(source, image[None])
            made.invoke()
            found.append(made.get_tensor(sink).copy())
        return np.concatenate(found)

    return run


def timed(run: Callable[[Any], Any], images: Any) -> tuple[Any, float]:
    run(images[:1])
    started = time.perf_counter()
    found = run(images)
    return found, 1e3 * (time.perf_counter() - started) / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    data = Path(os.environ.get("SLIPSTICK_DATA", "../shared")) / "data"
    test = _imagenet_sample(data / "imagenet_sample_1000").test
    images, labels = test.images[: options.images], test.labels[: options.images]
    print(f"{platform.machine()}, one thread, {len(images)} images")
    for path in options.files or [data / "mobilenet_tflite" / name for name in FILES]:
        network, raw = read_tflite(path), path.read_bytes()
        ours, taken = timed(network.run, images)
        print(f"{network.name}\n  ours       {taken:6.1f} ms an image, top-1 {top(ours, labels):.1f} %")
        for name, kind in KERNELS.items():
            theirs, taken = timed(litert(raw, kind), images)
            apart = int((theirs != ours).any(axis=1).sum())
            named = int((theirs.argmax(axis=1) != ours.argmax(axis=1)).sum())
            said = f"{apart} images differ from ours, {named} in the first class"
            print(f"  {name:10} {taken:6.1f} ms an image, top-1 {top(theirs, labels):.1f} %, {said}", flush=True)


def top(outputs: Any, labels: Any) -> float:
    return 100 * float((outputs.argmax(axis=1) == labels + 1).mean())  # output 0 is the background


if __name__ == "__main__":
    main()
