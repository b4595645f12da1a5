"""The command `adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from slipstick.cli.options import Shown
from slipstick.cli.output import progress_bar, put, say

_PLAIN_SHOWN = Shown()


def adapt(
    net: Path,
    *,
    format: str,
    data: str,
    shifts: float | None = None,
    weighed: Literal["bytes", "cycles"] = "bytes",
    columns: int = 1,
    correct: bool = True,
    calibrate: int = 500,
    images: int | None = None,
    out: Path | None = None,
    shown: Shown = _PLAIN_SHOWN,
) -> None:
    """Compress an 8-bit network without training, and say what it costs in accuracy and saves in bytes.

    Parameters
    ----------
    net
        A .tflite file with 8-bit weights and activations.
    format
        Of the weights: swis:3, or by patterns, "swis:3;depthwise=int8" (conv, depthwise, pointwise, linear, first,
        last, or a layer's name with *).
    data
        A data set's name (imagenet-sample, cifar10-jpeg, ...) or path: training images calibrate, test images are
        scored. Without training images every second test image calibrates.
    shifts
        Divide this average of shifts over the filters of all layers, where they matter most.
    weighed
        What the average counts: bytes (groups) or cycles (groups times positions).
    columns
        Filters that share their shifts, as the columns of an array do.
    correct
        Correct the biases by what the changed weights do to the mean of a layer's output.
    calibrate
        Images to calibrate on, at most.
    images
        Use so many images only.
    out
        Write the network there as .tflite: the same file with other weights and biases.
    """
    from slipstick.core.files import write_bytes
    from slipstick.verbs.adapt import adapt as answer

    with progress_bar(shown, "adapting") as progress:
        found = answer(
            net, format, data, shifts=shifts, weighed=weighed, columns=columns, correct=correct, calibrate=calibrate,
            images=images, progress=progress,
        )  # fmt: skip
    if out is not None:
        write_bytes(out, found.file())
        say(f"wrote {out}")
    put(found, shown)
