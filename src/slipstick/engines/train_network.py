"""Engine of `train`: a network trained on a data set, with its test accuracy and the results of every epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.extras import require
from slipstick.report.report import Metric, Report, Table
from slipstick.training.evaluation import evaluate, interval
from slipstick.training.loop import settled, train
from slipstick.training.recipe import History, Recipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from slipstick.core.progress import Progress
    from slipstick.datasets.images import DataSet


@dataclass(frozen=True, eq=False)
class TrainedModule:
    """Trained network (`torch.nn.Module`, evaluation mode) and its training data set: the detail of `train`.

    `right` tells for each test image whether its class got the largest output, computed in fp32.
    """

    module: Any
    data: DataSet
    history: History
    right: NDArray[np.bool_]


def train_network(
    network: str,
    data: DataSet,
    recipe: Recipe,
    *,
    start: str | Path | None = None,
    folder: str | Path | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Return the Report of training a network by its name; the arguments are those of `slipstick.train`."""
    torch = require("torch", "torch")
    from slipstick.trained.torch import module
    from slipstick.trained.torch.safetensors_weights import load_weights
    from slipstick.trained.torch.saved_file import save_net

    recipe = settled(recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        built = module(network, data)
    if start is not None:
        load_weights(built, start)
    history = train(built, data, recipe, folder=Path(folder) if folder else None, progress=progress)
    right = evaluate(built, data.test, data.normal)
    detail = TrainedModule(built, data, history, right)
    report = _report(network, recipe, detail)
    if out is not None:
        notes = {"about": data.about, "recipe": recipe.model_dump(), "accuracy": report.value("accuracy.test")}
        save_net(built, out, network, data, notes | {"history": [asdict(epoch) for epoch in history.epochs]})
    return report.with_detail(detail)


def _report(network: str, recipe: Recipe, trained: TrainedModule) -> Report:
    data, history, (low, high) = trained.data, trained.history, interval(trained.right)
    parameters = sum(parameter.numel() for parameter in trained.module.parameters())
    source = f"{len(trained.right)} test images, {data.about or data.name}"
    metrics: dict[str, Any] = {"network": {"parameters": Metric(parameters, "parameter", "measured", network)}}
    metrics["accuracy"] = {
        "test": Metric(float(trained.right.mean()), "fraction", "measured", source, "computed in fp32"),
        "low": Metric(low, "fraction", "measured", "Wilson interval, 95 %"),
        "high": Metric(high, "fraction", "measured", "Wilson interval, 95 %"),
    }
    if history.epochs:
        seconds = sum(epoch.seconds for epoch in history.epochs)
        metrics["time"] = {"training": Metric(seconds, "s", "measured", "wall clock, tests included")}
    rows = [(n, epoch.loss, epoch.accuracy, epoch.seconds) for n, epoch in enumerate(history.epochs, 1)]
    return Report.of(
        {"network": network, "data": data.name, "recipe": recipe},
        metrics,
        {"epochs": Table.of({"epoch": "", "loss": "", "test": "fraction", "time": "s"}, rows)},
        title=f"{network} trained on {data.name}, {len(history.epochs)} epochs",
    )
