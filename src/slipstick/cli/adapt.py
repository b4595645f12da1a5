"""The command `adapt`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cyclopts import Parameter

from slipstick.cli.options import Inputs, Shown, whole_numbers
from slipstick.cli.output import progress_bar, put, say


@Parameter(name="*")
@dataclass(frozen=True)
class Retraining:
    """How a torch network is retrained for its formats."""

    retrain: int = 0
    "Epochs of retraining."

    rate: float | None = None
    "The largest learning rate of retraining. Default: 0.05; 0.01 for a network without batch norms."

    seed: int = 0
    "Of the order and augmentation of retraining."

    renew: Literal["step", "epoch"] = "step"
    "Encode the weights anew at every step of retraining, or at every epoch."

    folder: Path | None = None
    "Keep the state of retraining there; the same command goes on from it."


@Parameter(name="*")
@dataclass(frozen=True)
class Schedule:
    """What is found on images that calibrate."""

    shifts: float | None = None
    "Divide this average of shifts over the filters of all layers, where they matter most."

    weighed: Literal["bytes", "cycles"] = "bytes"
    """What the average counts: bytes (groups) or cycles (the system's; for a .tflite file without one, groups times
    positions)."""

    columns: int | None = None
    "Filters that share their shifts; default: the columns of the array whose cycles count, else 1."

    correct: bool = True
    "Correct the biases by what the changed weights do to the mean of a layer's output; --correct=false leaves them."

    calibrate: int = 500
    "Images to calibrate on, at most."


_PLAIN_SCHEDULE, _PLAIN_RETRAINING, _PLAIN_INPUTS, _PLAIN_SHOWN = Schedule(), Retraining(), Inputs(), Shown()


def adapt(
    net: str,
    *,
    format: str,
    data: str,
    system: str | None = None,
    images: int | None = None,
    budget: str = "",
    activations: str = "",
    out: Path | None = None,
    packed: Path | None = None,
    schedule: Schedule = _PLAIN_SCHEDULE,
    retraining: Retraining = _PLAIN_RETRAINING,
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
    system
        An array (swis-8x8, stripes-8x8, ...): say what the weights take on it, against int8.
    images
        Score so many images only, evenly from all.
    budget
        Bytes of all weights, such as "24 kB": pools get the size and vector that fit best.
    activations
        Bits of the ReLUs' results, by comma: the final network is scored at each (8,6,4,2).
    out
        Write the network there, in the kind of file that it came in.
    packed
        Write the packed weights there, as a safetensors container.
    """
    from slipstick.core.errors import SlipstickError
    from slipstick.core.units import parse
    from slipstick.engines.adapt_several import adapt_several
    from slipstick.verbs.adapt import adapt as answer

    asked = {
        **vars(schedule), **vars(retraining), "system": system, "images": images, "normal": inputs.normal(),
        "budget": int(parse(budget, "B")) if budget else None,
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
        found = answer(net, format, data, progress=progress, **asked)
    if packed is not None:
        say(f"wrote {packed}, {found.write_packed(packed):,} bytes")
    if out is not None:
        found.write(out)
        say(f"wrote {out}")
    put(found, shown)
