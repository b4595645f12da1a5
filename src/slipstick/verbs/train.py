"""`train`: a network on a data set, so that there are weights to compress, place and emit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.extras import require
from slipstick.core.spec import validate
from slipstick.datasets.find_dataset import data_set
from slipstick.datasets.images import DataSet
from slipstick.report.answer import Answer
from slipstick.report.report import Metric, Report, Table
from slipstick.training.evaluation import evaluate, interval
from slipstick.training.loop import settled
from slipstick.training.loop import train as train_net
from slipstick.training.recipe import History, Recipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from slipstick.core.progress import Progress


@dataclass(frozen=True, eq=False)
class Trained(Answer):
    """A trained network (`torch.nn.Module`, in evaluation mode), what it was trained on, and its Report.

    `right` tells for each test image whether its class got the largest output, computed in fp32.
    """

    net: Any
    data: DataSet
    history: History
    right: NDArray[np.bool_]
    report: Report


def train(
    net: str,
    data: str | Path | DataSet,
    *,
    recipe: Recipe | Mapping[str, object] | None = None,
    start: str | Path | None = None,
    folder: str | Path | None = None,
    out: str | Path | None = None,
    root: str | Path | None = None,
    size: int | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train a network on a data set and report its accuracy on the test images.

    Parameters
    ----------
    net
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
        Write the weights there (.safetensors); `slipstick.trained.torch.load_net` reads them.
    root
        The folder of the data sets. Default: the variable SLIPSTICK_DATA.
    size
        The side to which the pictures of a folder are brought.
    progress
        Called after every step with steps done, all steps, and a text.

    Errors
    ------
    SlipstickError for what is missing or does not fit; with no `out` written.

    Examples
    --------
    >>> found = train("mlp", "digits", recipe={"epochs": 10})
    >>> found.report.value("accuracy.test") > 0.8
    True
    """
    torch = require("torch", "torch")
    from slipstick.trained.torch import module
    from slipstick.trained.torch.safetensors_weights import load_weights
    from slipstick.trained.torch.saved_file import save_net

    how = settled(recipe if isinstance(recipe, Recipe) else validate(Recipe, recipe or {}, where="recipe"))
    images = data_set(data, root=root, size=size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        built = module(net, images)
    if start is not None:
        load_weights(built, start)
    history = train_net(built, images, how, folder=Path(folder) if folder else None, progress=progress)
    right = evaluate(built, images.test, images.normal)
    report = _report(net, images, how, history, right, sum(p.numel() for p in built.parameters()))
    if out is not None:
        said = {"about": images.about, "recipe": how.model_dump(), "accuracy": report.value("accuracy.test")}
        save_net(built, out, net, images, said | {"history": [asdict(epoch) for epoch in history.epochs]})
    return Trained(built, images, history, right, report)


def _report(
    net: str, data: DataSet, recipe: Recipe, history: History, right: NDArray[np.bool_], parameters: int
) -> Report:
    low, high = interval(right)
    source = f"{len(right)} test images, {data.about or data.name}"
    tree: dict[str, Any] = {"network": {"parameters": Metric(parameters, "parameter", "measured", net)}}
    tree["accuracy"] = {
        "test": Metric(float(right.mean()), "fraction", "measured", source, "computed in fp32"),
        "low": Metric(low, "fraction", "measured", "Wilson interval, 95 %"),
        "high": Metric(high, "fraction", "measured", "Wilson interval, 95 %"),
    }
    if history.epochs:
        seconds = sum(epoch.seconds for epoch in history.epochs)
        tree["time"] = {"training": Metric(seconds, "s", "measured", "wall clock, tests included")}
    rows = [(n, epoch.loss, epoch.accuracy, epoch.seconds) for n, epoch in enumerate(history.epochs, 1)]
    return Report(
        title=f"{net} trained on {data.name}, {len(history.epochs)} epochs",
        metrics=tree,
        breakdowns={"epochs": Table.of({"epoch": "", "loss": "", "test": "fraction", "time": "s"}, rows)},
        inputs={"net": net, "data": data.name, "recipe": recipe},
    )
