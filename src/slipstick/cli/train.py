"""`slipstick train`: a network on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from slipstick.cli.options import Shown
from slipstick.cli.output import progress_bar, put, say

_PLAIN_SHOWN = Shown()


def train(
    net: str,
    *,
    data: str = "digits",
    epochs: int | None = None,
    batch: int | None = None,
    chunk: int | None = None,
    rate: float | None = None,
    warmup: float | None = None,
    smoothing: float | None = None,
    augment: Literal["auto", "none", "crop", "crop-flip"] | None = None,
    precision: Literal["auto", "bf16", "fp32"] | None = None,
    seed: int | None = None,
    start: Path | None = None,
    folder: Path | None = None,
    out: Path | None = None,
    size: int | None = None,
    threads: int | None = None,
    shown: Shown = _PLAIN_SHOWN,
) -> None:
    """Train a network on a data set and say how many of the test images it gets right.

    Parameters
    ----------
    net
        mlp, tiny-conv, ds-cnn, resnet-8, resnet-14, resnet-20, resnet-18, resnet-50, mobilenet-v2, vgg-16, alexnet,
        efficientnet-lite0.
    data
        digits, mnist, fashion-mnist, cifar10, cifar10-jpeg, or your own: a folder with a sub-folder for each class, idx
        or npz files.
    epochs
        Passes over the training images. Default: 10.
    batch
        Images of a step. Default: 128.
    chunk
        Images computed at once, if the batch is too large for the memory.
    rate
        The largest learning rate. Default: 0.1.
    warmup
        The share of all steps in which the rate rises to it. Default: 0.1.
    smoothing
        The share of the target that goes to all classes alike. Default: 0.
    augment
        Random shifts (crop) and mirrors. Default: both where mirrored images keep their class.
    precision
        Of activations and gradients. Default: bf16 where the processor multiplies it, else fp32.
    seed
        Of first weights, order and augmentation. Default: 0.
    start
        Weights to begin with.
    folder
        Keep the state there after every epoch; the same command goes on from it.
    out
        Write the weights there (.safetensors).
    size
        The side in pixels to which the pictures of a folder are brought.
    threads
        Of the processor. Default: all cores, or OMP_NUM_THREADS.
    """
    from slipstick.core.extras import require
    from slipstick.verbs.train import train as verb

    asked: dict[str, object] = {"epochs": epochs, "batch": batch, "chunk": chunk, "rate": rate, "warmup": warmup}
    asked |= {"smoothing": smoothing, "augment": augment, "precision": precision, "seed": seed}
    recipe = {name: value for name, value in asked.items() if value is not None}
    if threads is not None:
        require("torch", "torch").set_num_threads(max(1, threads))
    with progress_bar(shown, "training") as progress:
        found = verb(net, data, recipe=recipe, start=start, folder=folder, out=out, size=size, progress=progress)
    if out is not None:
        say(f"wrote {out}")
    put(found.report, shown)
