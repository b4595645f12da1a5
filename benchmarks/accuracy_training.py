"""Training and test of one cell of the study of accuracy on approximate hardware."""

from __future__ import annotations

import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accuracy_cells import BY_SUM, CALIBRATION, FORMATS, TRAINED, UNIT, Cell, Row, Study

from slipstick.compress.hardware_layers import hardware_layers
from slipstick.compress.layer_formats import layer_formats
from slipstick.datasets import DataSet, Images
from slipstick.trained import open_network
from slipstick.trained.torch import module
from slipstick.trained.torch.batch_prediction import input_tensor
from slipstick.training import History, Recipe, evaluate, train
from slipstick.training.error_injection import TrainingPhases
from slipstick.training.parametrization import attach


class Bench:
    """Data, folder and float networks that all cells share."""

    def __init__(self, folder: Path, data: DataSet, processor: str = "", commit: str = "") -> None:
        self.folder, self.data, self.processor, self.commit = folder, data, processor, commit

    def train_data(self, count: int) -> DataSet:
        """Return some training images, without test images: those are scored once, at the end."""
        none = Images(self.data.test.images[:0], self.data.test.labels[:0])
        return replace(self.data, train=self.data.train.some(count), test=none)

    def run(self, cell: Cell) -> Row:
        """Train and score a cell."""
        study = cell.study
        net, seconds = self.start(cell, study)
        start_right = self.right(replace(cell, form="-", treatment="float"))
        assert start_right is not None
        right = start_right
        if cell.treatment != "float":
            began = time.process_time()
            net = self.treated(net, cell, study)
            seconds = time.process_time() - began
            right = evaluate(net, self.data.test, UNIT)
            self.keep(cell, right)
        other = self.right(replace(cell, treatment="exact")) if cell.treatment in TRAINED[1:] else start_right
        pair = (-1, -1) if other is None else (int((other & ~right).sum()), int((~other & right).sum()))
        return Row(
            **asdict(cell), right=int(right.sum()), images=len(right), start_right=int(start_right.sum()),
            lost=pair[0], won=pair[1], seconds=round(seconds, 1), **asdict(study),
            date=date.today().isoformat(), commit=self.commit, processor=self.processor,
        )  # fmt: skip

    def start(self, cell: Cell, study: Study) -> tuple[Any, float]:
        """Return the float network of a cell's seed, trained now if the folder has none, and its training time [s]."""
        start = (cell.network, study.start_images, study.start_epochs, study.start_rate, cell.seed)
        name = "-".join(str(value) for value in start)
        path, took = self.folder / f"{name}.pt", self.folder / f"{name}.seconds"
        torch.manual_seed(cell.seed)
        net: Any = module(cell.network, self.data)
        if not path.exists():
            began = time.process_time()
            recipe = Recipe(epochs=study.start_epochs, rate=study.start_rate, seed=cell.seed)
            train(net, self.train_data(study.start_images), recipe, normal=UNIT)
            self.folder.mkdir(parents=True, exist_ok=True)
            took.write_text(str(time.process_time() - began))
            self.keep(replace(cell, form="-", treatment="float"), evaluate(net, self.data.test, UNIT))
            torch.save(net.state_dict(), path.with_suffix(".new"))
            path.with_suffix(".new").replace(path)  # last and at once: a run that was stopped begins again
        net.load_state_dict(torch.load(path))
        return net.eval(), float(took.read_text())

    def treated(self, net: Any, cell: Cell, study: Study) -> Any:
        """Return a float network on the hardware of a cell, if it has one, trained as its treatment says."""
        data, recipe = self.train_data(study.train_images), Recipe(epochs=study.epochs, rate=study.rate, seed=cell.seed)
        if cell.treatment == "longer":
            train(net, data, recipe, normal=UNIT)
            return net
        opened: Any = open_network(net, self.data, normal=UNIT)
        forms = layer_formats(opened, FORMATS[cell.form])
        random = np.random.default_rng(0)
        hardware = hardware_layers(opened, forms, data.train.take(random.permutation(len(data.train))[:CALIBRATION]))
        assert hardware is not None
        changed = deepcopy(opened.module)
        attach(changed, hardware.formats, sides=hardware.sides, input_scales=hardware.input_scales)
        if cell.treatment == "norms":
            phases = TrainingPhases(changed, hardware.formats, "proxy", 1)
            phases.begin(0, 1)
            phases.end(_batches(data.train, recipe, cell.seed))  # as after any epoch that is not exact
            phases.finish(History())
        elif cell.treatment != "untrained":
            method: Any = BY_SUM.get(cell.treatment, cell.treatment)
            errors: Any = "sum" if cell.treatment in BY_SUM else "auto"
            phases = TrainingPhases(changed, hardware.formats, method, study.epochs, errors)
            phases.finish(train(changed, data, recipe, normal=UNIT, phases=phases))
        return changed.eval()

    def right(self, cell: Cell) -> np.ndarray | None:
        """Return which test images a cell had right, None where the folder does not know."""
        path = self._answers(cell)
        return np.unpackbits(np.load(path))[: len(self.data.test)].astype(bool) if path.exists() else None

    def keep(self, cell: Cell, right: np.ndarray) -> None:
        """Store which test images a cell had right."""
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(self._answers(cell), np.packbits(right))

    def _answers(self, cell: Cell) -> Path:
        study = "-".join(str(value) for value in asdict(cell.study).values())
        return self.folder / f"{cell.name.replace('/', '-')}-{study}.npy"


def _batches(images: Images, recipe: Recipe, seed: int) -> Iterator[torch.Tensor]:
    order = np.random.default_rng(seed).permutation(len(images))
    for first in range(0, len(images), recipe.batch):
        yield input_tensor(images.images[order[first : first + recipe.batch]], UNIT)
