"""Command `adapt`: a trained network in other number formats."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, Inputs, NetworkFile, Shown
from slipstick.cli.output import _progress_bar, _put, _require_writable, _say
from slipstick.compress.adapt_options import CalibrationImages, Retraining, ShiftSchedule

_Group = Parameter(name="*")


def _flag(name: str) -> str:
    """Return the flag of a field of `Retraining`; `epochs` is renamed to differ from those of a training."""
    return "retrain" if name == "epochs" else name


@Parameter(name="*")
@dataclass(frozen=True)
class _AdaptGroups:
    """Options of the verb, in its three groups."""

    calibration: Annotated[CalibrationImages, _Group] = field(default_factory=CalibrationImages)
    schedule: Annotated[ShiftSchedule, _Group] = field(default_factory=ShiftSchedule)
    retraining: Annotated[Retraining, Parameter(name="*", name_transform=_flag)] = field(default_factory=Retraining)


@Parameter(name="*")
@dataclass(frozen=True)
class _AdaptedFiles:
    """Files that the adapted network is written to."""

    out: Path | None = None
    "Write the network there, in the kind of file that it came in."

    packed: Path | None = None
    "Write the network there with packed weights, as a safetensors container that slipstick measure opens; a name that "
    "ends in .slip gets a smaller file."

    weights: Path | None = None
    "Write the weights alone there, in a compact file: batch norms folded into a scale and a bias of each filter, fp16."


_GROUPS, _FILES, _INPUTS = _AdaptGroups(), _AdaptedFiles(), Inputs()


def adapt(
    network: NetworkFile,
    *,
    formats: Annotated[str, Parameter(name=("--formats", "--format"))],
    data: str,
    system: str | None = None,
    files: _AdaptedFiles = _FILES,
    groups: _AdaptGroups = _GROUPS,
    inputs: Inputs = _INPUTS,
    display: Shown = PLAIN,
) -> None:
    """Compress a network's weights, and say what it costs in accuracy and saves in bytes.

    An 8-bit .tflite file stays integers and is not trained; a torch network is rounded, and retrained if asked.

    Parameters
    ----------
    formats
        Of the weights: swis:3, or by patterns, "swis:3;depthwise=int8" (conv, depthwise, pointwise, linear, first,
        last, or a layer's name with *). Several, "int4|swis:2|swis:3", are set side by side, or assigned to layers.
    data
        A data set's name (imagenet-sample, cifar10-jpeg, ...) or path: training images calibrate, test images are
        scored. Without training images every second test image calibrates.
    system
        An array (swis-8x8, stripes-8x8, ...): say what the weights take on it, against int8. With --assign, what
        computes the layers, such as mixed-arrays.
    """
    from slipstick.core.errors import SlipstickError
    from slipstick.datasets import data_set
    from slipstick.trained import open_network
    from slipstick.verbs.adapt import adapt as verb

    paths = (files.out, files.packed, files.weights)
    _require_writable(display, *paths)
    out, packed, weights = paths
    if "|" in formats and groups.schedule.assign is None and any(path is not None for path in paths):
        raise SlipstickError("writes one network", path="formats", value=formats, allowed="one format")
    images = data_set(data)
    opened = open_network(network, images, normal=inputs.normal())
    with _progress_bar(display, "adapting") as progress:
        report = verb(
            opened, formats, images, calibration=groups.calibration, schedule=groups.schedule,
            retraining=groups.retraining, system=system, progress=progress,
        )  # fmt: skip
    if packed is not None:
        _say(f"wrote {packed}, {report.detail.write_packed(packed):,} bytes")
    if weights is not None:
        _say(f"wrote {weights}, {report.detail.write_weights(weights):,} bytes")
    if out is not None:
        report.detail.write(out)
        _say(f"wrote {out}")
    _put(report, display)
