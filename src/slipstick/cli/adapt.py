"""The command `adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from slipstick.cli.options import Inputs, Shown, whole_numbers
from slipstick.cli.output import progress_bar, put, say

_PLAIN_INPUTS, _PLAIN_SHOWN = Inputs(), Shown()


def adapt(
    net: str,
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
    rate: float | None = None,
    seed: int = 0,
    renew: Literal["step", "epoch"] = "step",
    budget: str = "",
    activations: str = "",
    folder: Path | None = None,
    out: Path | None = None,
    packed: Path | None = None,
    inputs: Inputs = _PLAIN_INPUTS,
    shown: Shown = _PLAIN_SHOWN,
) -> None:
    """Compress a network's weights, and say what it costs in accuracy and saves in bytes.

    An 8-bit .tflite file stays integers and is not trained; a torch network is rounded, and retrained if asked.

    Parameters
    ----------
    net
        A .tflite file with 8-bit weights and activations; a .safetensors file that slipstick train --out wrote; an
        .onnx file; or efficientnet-lite0, with its published weights.
    format
        Of the weights: swis:3, or by patterns, "swis:3;depthwise=int8" (conv, depthwise, pointwise, linear, first,
        last, or a layer's name with *). Several, "int4|swis:2|swis:3", are set side by side.
    data
        A data set's name (imagenet-sample, cifar10-jpeg, ...) or path: training images calibrate, test images are
        scored. Without training images every second test image calibrates.
    shifts
        Divide this average of shifts over the filters of all layers, where they matter most.
    weighed
        What the average counts: bytes (groups) or cycles (the system's; for a .tflite file without one, groups times
        positions).
    columns
        Filters that share their shifts; default: the columns of the array whose cycles count, else 1.
    correct
        Correct the biases by what the changed weights do to the mean of a layer's output.
    system
        An array (swis-8x8, stripes-8x8, ...): say what the weights take on it, against int8.
    calibrate
        Images to calibrate on, at most.
    images
        Score so many images only.
    retrain
        Epochs of retraining.
    rate
        The largest learning rate of retraining. Default: 0.05; 0.01 for a network without batch norms.
    seed
        Of the order and augmentation of retraining.
    renew
        Encode the weights anew at every step of retraining, or at every epoch.
    budget
        Bytes of all weights, such as "24 kB": pools get the size and vector that fit best.
    activations
        Bits of the ReLUs' results, by comma: the final network is scored at each (8,6,4,2).
    folder
        Keep the state of retraining there; the same command goes on from it.
    out
        Write the network there, in the kind of file that it came in.
    packed
        Write the packed weights there, as a safetensors container.
    """
    from slipstick.core.errors import SlipstickError
    from slipstick.core.units import parse
    from slipstick.verbs.adapt import adapt as answer
    from slipstick.verbs.adapt_several import adapt_several

    asked = {
        "shifts": shifts, "weighed": weighed, "columns": columns, "correct": correct, "system": system,
        "calibrate": calibrate, "images": images, "retrain": retrain, "rate": rate, "seed": seed, "renew": renew,
        "budget": int(parse(budget, "B")) if budget else None, "normal": inputs.normal(), "folder": folder,
        "activations": whole_numbers(activations, "activations") if activations else (),
    }  # fmt: skip
    several = [text.strip() for text in format.split("|")]
    if len(several) > 1:
        if out is not None or packed is not None:
            raise SlipstickError("writes one network", path="format", value=format, allowed="one format")
        with progress_bar(shown, "adapting") as progress:
            put(adapt_several(net, several, data, progress=progress, **asked), shown)
        return
    with progress_bar(shown, "adapting") as progress:
        found = answer(net, format, data, progress=progress, **asked)  # type: ignore[arg-type]
    if packed is not None:
        say(f"wrote {packed}, {found.write_packed(packed):,} bytes")
    if out is not None:
        found.write(out)
        say(f"wrote {out}")
    put(found, shown)
