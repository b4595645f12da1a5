"""`train`: training of a network on a data set, for weights to compress, place and emit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from slipstick.training.recipe import Recipe

if TYPE_CHECKING:
    from slipstick.core.progress import Progress
    from slipstick.datasets.images import DataSet
    from slipstick.report.report import Report


def train(
    network: str,
    data: str | Path | DataSet = "digits",
    *,
    recipe: Recipe | Mapping[str, object] | None = None,
    start: str | Path | None = None,
    folder: str | Path | None = None,
    out: str | Path | None = None,
    size: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Train a network on a data set and report its accuracy on the test images.

    Parameters
    ----------
    network
        A name of `slipstick.trained.torch.NETS`, such as ``resnet-14``.
    data
        A name of `slipstick.datasets.names`, such as ``fashion-mnist``, the path of your own, or a DataSet.
    recipe
        A Recipe, or its fields that differ from the defaults.
    start
        Weights to begin with (.safetensors). Default: random ones by the recipe's seed.
    folder
        Keeps the state after every epoch; the same call goes on from there.
    out
        Write the weights there (.safetensors); `slipstick.trained.open_network` reads them.
    size
        The side to which the pictures of a folder are brought.
    progress
        Called with (steps_done, steps_total, label).

    Returns
    -------
    A Report whose `detail` has the trained `module`, the `history` of its epochs and the `right` answers.

    Errors
    ------
    SlipstickError for what is missing or does not fit; with no `out` written.

    Examples
    --------
    >>> train("mlp", "digits", recipe={"epochs": 10}).value("accuracy.test") > 0.8
    True
    """
    from slipstick.core.spec import validate
    from slipstick.datasets import data_set
    from slipstick.engines.train_network import train_network

    settings = recipe if isinstance(recipe, Recipe) else validate(Recipe, recipe or {}, where="recipe")
    images = data_set(data, size=size)
    return train_network(network, images, settings, start=start, folder=folder, out=out, progress=progress)
