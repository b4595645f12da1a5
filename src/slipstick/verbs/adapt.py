"""`adapt`: a trained network in other formats, with or without retraining, and what that costs and saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slipstick.core.errors import SlipstickError
from slipstick.engines.adapt_integer import AdaptedInteger, adapt_integer
from slipstick.engines.adapt_rules import CALIBRATE, Rules
from slipstick.engines.adapt_torch import AdaptedTorch, Retraining, adapt_torch

if TYPE_CHECKING:
    from torch import nn

    from slipstick.compress.integer_post_training import Weighed
    from slipstick.compress.torch_parametrization import Policy
    from slipstick.core.progress import Progress
    from slipstick.datasets.images import DataSet, Normal
    from slipstick.engines.question import SystemSpec


def adapt(
    net: str | Path | nn.Module,
    formats: str,
    data: str | Path | DataSet,
    *,
    shifts: float | None = None,
    weighed: Weighed = "bytes",
    columns: int | None = None,
    correct: bool = True,
    calibrate: int = CALIBRATE,
    images: int | None = None,
    system: SystemSpec | None = None,
    retrain: int = 0,
    rate: float | None = None,
    seed: int = 0,
    renew: Policy = "step",
    budget: int | None = None,
    activations: Sequence[int] = (),
    normal: Normal | None = None,
    background: int | None = None,
    folder: str | Path | None = None,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> AdaptedInteger | AdaptedTorch:
    """Put the weights of a trained network into formats, and score it before and after, image by image.

    Parameters
    ----------
    net
        An 8-bit ``.tflite`` file, which stays integers and is run bit for bit; or a ``.safetensors`` file of
        ``slipstick train``, an ``.onnx`` file, ``efficientnet-lite0`` or a torch module from images [n, c, h, w] to
        logits, which can be retrained. A module is copied.
    formats
        ``swis:3``, or by patterns: ``swis:3;depthwise=int8;last=int8``.
    data
        A data set, its name or path: training images calibrate and retrain, the test images are scored. Without
        training images every second test image calibrates, and the others are scored.
    shifts
        The average that a schedule divides over the filters of all layers whose format has shifts.
    weighed
        What the average counts: ``bytes`` (groups) or ``cycles`` (of the system's array; for an integer network without
        a system, groups times positions).
    columns
        Filters that share their shifts. Default: the columns of the array whose cycles count, else 1.
    correct
        Correct the biases by what the changed weights do to the mean of a layer's output.
    calibrate, images
        Calibrate on so many images at most; score so many only, evenly from all.
    system
        An array: the Report says what the weights take on it, against int8.
    retrain, rate, seed, renew
        Epochs of retraining, its largest learning rate (default: 0.05; 0.01 for a network without batch norms), the
        seed of order and augmentation, and when weights are encoded anew: at every ``step`` or every ``epoch``.
    budget
        Bytes of all weights: every pool in `formats` gets the size and vector that fit them best.
    activations
        Bits of the ReLUs' results at which the final network is scored besides, chosen at run time.
    normal
        How bytes become a torch network's inputs. Default: what its file says, else the data set's own.
    background
        Outputs of an integer network before that of class 0. Default: 1 where it has one more than there are classes.
    folder
        Keeps the state of retraining after every epoch; the same call goes on from there.
    root
        The folder of the data sets. Default: the variable SLIPSTICK_DATA.
    progress
        Called with what is done, of how much, and what it is.

    Errors
    ------
    SlipstickError for files and formats that are none, data that does not fit the network, and what a network of its
    kind cannot do.

    Examples
    --------
    >>> from torch import manual_seed
    >>> from slipstick.datasets import data_set
    >>> from slipstick.trained.torch import module
    >>> generator = manual_seed(0)
    >>> digits = data_set("digits")
    >>> found = adapt(module("mlp", digits), "swis:2", digits, shifts=3, images=100)
    >>> found.report["weights.compression"].value > 1, found.report["shifts.by_bytes"].value <= 3
    (True, True)
    """
    from slipstick.datasets import data_set

    rules = Rules(shifts, weighed, columns, correct, calibrate, images)
    found = data_set(data, root=root)
    if isinstance(net, str | Path) and Path(net).suffix == ".tflite":
        asked = {"retrain": retrain, "budget": budget, "activations": activations, "normal": normal, "folder": folder}
        _refuse(asked, "an 8-bit .tflite network stays as it is in integers")
        return adapt_integer(net, formats, found, rules, system=system, background=background, progress=progress)
    _refuse({"background": background}, "only an integer network has outputs before that of class 0")
    from slipstick.trained.torch.open_torch import trained_net

    retraining = Retraining(retrain, rate, seed, renew, Path(folder) if folder else None)
    return adapt_torch(
        trained_net(net), formats, found, rules, retraining, budget=budget, activations=activations, system=system,
        normal=normal, progress=progress,
    )  # fmt: skip


def _refuse(asked: Mapping[str, object], why: str) -> None:
    for name, value in asked.items():
        if value:
            raise SlipstickError(f"not for this network: {why}", path=name, value=str(value))
