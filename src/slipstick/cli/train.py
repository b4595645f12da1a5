"""Command `train`: training of a network on a data set."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, Shown
from slipstick.cli.output import _progress_bar, _put, _require_writable, _say
from slipstick.training.recipe import Recipe

if TYPE_CHECKING:
    _RecipeOptions = Recipe
else:  # the fields of Recipe without its checks: `train` makes them, and names what is wrong as every verb does
    _RecipeOptions = make_dataclass(
        "_RecipeOptions",
        [
            (name, Annotated[info.annotation, Parameter(help=info.description)], field(default=info.default))
            for name, info in Recipe.model_fields.items()
        ],
        frozen=True,
    )
    _RecipeOptions.__module__ = __name__  # where its annotations are looked up


@Parameter(name="*")
@dataclass(frozen=True)
class _TrainingFiles:
    """Files of a training: initial weights, checkpoints to resume from, and results."""

    start: Path | None = None
    "Weights to begin with."

    folder: Path | None = None
    "Keep the state there after every epoch; the same command goes on from it."

    out: Path | None = None
    "Write the weights there (.safetensors)."


_MAX_THREADS = 1024
_RECIPE = _RecipeOptions()
_FILES = _TrainingFiles()


def train(
    network: str,
    *,
    data: str = "digits",
    recipe: Annotated[_RecipeOptions, Parameter(name="*")] = _RECIPE,
    files: _TrainingFiles = _FILES,
    size: int | None = None,
    threads: int | None = None,
    display: Shown = PLAIN,
) -> None:
    """Train a network on a data set and say how many of the test images it gets right.

    Parameters
    ----------
    network
        mlp, tiny-conv, fourier-cnn, ds-cnn, resnet-8, resnet-14, resnet-20, resnet-18, resnet-50, mobilenet-v2, vgg-16,
        alexnet, efficientnet-lite0.
    data
        digits, mnist, fashion-mnist, cifar10, cifar10-jpeg, or your own: a folder with a sub-folder for each class, idx
        or npz files.
    size
        The side in pixels to which the pictures of a folder are brought.
    threads
        Of the processor. Default: all cores, or OMP_NUM_THREADS.
    """
    from slipstick.core.errors import SlipstickError
    from slipstick.core.extras import require
    from slipstick.verbs.train import train as verb

    _require_writable(display, files.out)
    if threads is not None:
        if not 1 <= threads <= _MAX_THREADS:
            raise SlipstickError("out of range", path="threads", value=threads, allowed=f"1 to {_MAX_THREADS}")
        require("torch", "torch").set_num_threads(threads)
    settings: dict[str, Any] = asdict(recipe)  # type: ignore[call-overload]
    out = files.out
    with _progress_bar(display, "training") as progress:
        report = verb(
            network, data, recipe=settings, start=files.start, folder=files.folder, out=out, size=size,
            progress=progress,
        )  # fmt: skip
    if out is not None:
        _say(f"wrote {out}")
    _put(report, display)
