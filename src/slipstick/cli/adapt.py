"""The command `adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from slipstick.cli.options import Shown, whole_numbers
from slipstick.cli.output import progress_bar, put, say

_PLAIN_SHOWN = Shown()


def adapt(
    net: Path,
    *,
    format: str,
    data: str,
    shifts: float | None = None,
    weighed: Literal["bytes", "cycles"] = "bytes",
    columns: int | None = None,
    correct: bool = True,
    system: str | None = None,
    calibrate: int = 500,
    images: int | None = None,
    retrain: int = 0,
    rate: float = 0.05,
    seed: int = 0,
    activations: str = "",
    folder: Path | None = None,
    out: Path | None = None,
    packed: Path | None = None,
    shown: Shown = _PLAIN_SHOWN,
) -> None:
    """Compress a network's weights, and say what it costs in accuracy and saves in bytes.

    An 8-bit .tflite file stays integers and is not trained; a network of slipstick train is rounded, and retrained.

    Parameters
    ----------
    net
        A .tflite file with 8-bit weights and activations, or a .safetensors file that slipstick train --out wrote.
    format
        Of the weights: swis:3, or by patterns, "swis:3;depthwise=int8" (conv, depthwise, pointwise, linear, first,
        last, or a layer's name with *).
    data
        A data set's name (imagenet-sample, cifar10-jpeg, ...) or path: training images calibrate, test images are
        scored. Without training images every second test image calibrates.
    shifts
        Divide this average of shifts over the filters of all layers, where they matter most.
    weighed
        What the average counts: bytes (groups) or cycles (the system's; without one, groups times positions).
    columns
        Filters that share their shifts; default: the columns of the array whose cycles count, else 1.
    correct
        Correct the biases by what the changed weights do to the mean of a layer's output.
    system
        An array (swis-8x8, stripes-8x8, ...): say what the weights take on it, against int8.
    calibrate
        Images to calibrate on, at most.
    images
        Use so many images only.
    retrain
        Epochs of retraining, of a .safetensors file.
    rate
        The largest learning rate of retraining.
    seed
        Of the order and augmentation of retraining.
    activations
        Bits of the ReLUs' results, by comma: the retrained network is scored at each (8,6,4,2).
    folder
        Keep the state of retraining there; the same command goes on from it.
    out
        Write the network there, in the kind of file that it came in.
    packed
        Write the packed weights there, as a safetensors container.
    """
    from slipstick.core.files import write_bytes
    from slipstick.verbs.adapt import adapt as answer
    from slipstick.verbs.retrained import retrained

    if net.suffix == ".safetensors":
        with progress_bar(shown, "retraining") as progress:
            found = retrained(
                net, format, data, epochs=retrain, rate=rate, seed=seed, out=out, packed=packed, folder=folder,
                activations=whole_numbers(activations, "activations") if activations else (), progress=progress,
            )  # fmt: skip
        put(found, shown)
        return
    with progress_bar(shown, "adapting") as progress:
        adapted = answer(
            net, format, data, shifts=shifts, weighed=weighed, columns=columns, correct=correct, system=system,
            calibrate=calibrate, images=images, progress=progress,
        )  # fmt: skip
    if packed is not None:
        say(f"wrote {packed}, {adapted.write_packed(packed):,} bytes")
    if out is not None:
        write_bytes(out, adapted.file())
        say(f"wrote {out}")
    put(adapted, shown)
