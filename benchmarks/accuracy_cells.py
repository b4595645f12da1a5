"""Cells of the study of accuracy on approximate hardware: recipes, order of priority, recorded rows."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import get_type_hints

from slipstick.datasets import Normal

ROWS = Path(__file__).parent / "measured" / "approximate_accuracy.csv"
LAST = "last=int8@stochastic:length=128"  # the classifier has streams of 128 cycles at least in REX-SC
FORMATS = {
    "sc32-or1": f"int8@stochastic:length=32;{LAST}",
    "analog-r9-b4": "int8@analog:rows=9,adc_bits=4",
    "analog-r64-b4": "int8@analog:rows=64,adc_bits=4",
    "analog-r64-b6": "int8@analog:rows=64,adc_bits=6",
    "mul7u_09Y": "int8@mul7u_09Y",
    "mul8s_1KR3": "int8@mul8s_1KR3",  # MAE 3.1 %: the catalogue's table above 2 %
    "sc32-or2": f"int8@stochastic:length=32,accumulate=or2;{LAST},accumulate=or2",
    "sc64-or1": f"int8@stochastic:length=64;{LAST}",
    "sc64-or2": f"int8@stochastic:length=64,accumulate=or2;{LAST},accumulate=or2",
}
TREATMENTS = ("untrained", "norms", "exact", "inject+finetune", "inject", "proxy")  # after `float`
PLAIN = ("float", "longer")  # no hardware: as float, and trained on as long as the others
BY_SUM = {
    "sum+finetune": "inject+finetune",
    "sum": "inject",
}  # type 1 of the paper, errors by the sum alone: of streams
TRAINED = (*TREATMENTS[2:], *BY_SUM)
NETS = ("tiny-conv", "resnet-8")
MANY, FEW = 5, 3  # seeds that are asked for
FIVE = ("sc32-or1", "analog-r9-b4", "analog-r64-b4", "analog-r64-b6")  # of tiny-conv
UNIT = Normal((0.0,) * 3, (1.0,) * 3)  # inputs in 0 to 1, as in REX-SC: no negative ones
CALIBRATION = 500  # images
MILLISECONDS = {"tiny-conv": 0.6, "resnet-8": 1.0}  # of a training image as float, for a first prediction


@dataclass(frozen=True)
class Study:
    """Recipe of all cells of a network: images, epochs and largest rate of its float training, and of that after."""

    start_images: int
    start_epochs: int
    start_rate: float
    train_images: int
    epochs: int
    rate: float


_START = (12800, 8, 0.1)  # images, epochs and rate as float
STREAMS, OTHERS = Study(*_START, 8000, 5, 0.3), Study(*_START, 8000, 5, 0.1)


def treatments(form: str) -> tuple[str, ...]:
    """Return the treatments of a format, without `float`."""
    return (*TREATMENTS, *BY_SUM) if form.startswith("sc") else TREATMENTS


def study_of(form: str) -> Study:
    """Return the recipe of a format; the float network is the same for all."""
    return STREAMS if form.startswith("sc") else OTHERS


@dataclass(frozen=True)
class Cell:
    """One training (or none) and its test: `form` is a name of FORMATS, or ``-`` for float."""

    network: str
    form: str
    treatment: str
    seed: int

    @property
    def name(self) -> str:
        """Name in lists and files."""
        return f"{self.network}/{self.form}/{self.treatment}/{self.seed}"

    def is_of(self, network: str, form: str) -> bool:
        """Whether it belongs to a network on a format."""
        return (self.network, self.form) == (network, form)

    @property
    def study(self) -> Study:
        """Recipe that it is to be computed with."""
        return study_of(self.form)


@dataclass(frozen=True)
class Row:
    """Result of a cell: right test images; those of the float network that it started from; recipe; where and when.

    `lost` and `won` count images that only the reference, or only this network, has right; the reference is exact
    training of the same seed for the other trainings, the float network for all else; -1: not at hand. `seconds` are
    the processor's, of training alone.
    """

    network: str
    form: str
    treatment: str
    seed: int
    right: int
    images: int
    start_right: int
    lost: int
    won: int
    seconds: float
    start_images: int
    start_epochs: int
    start_rate: float
    train_images: int
    epochs: int
    rate: float
    date: str
    commit: str
    processor: str

    @property
    def cell(self) -> Cell:
        """Cell that it is the result of."""
        return Cell(self.network, self.form, self.treatment, self.seed)

    @property
    def study(self) -> Study:
        """Recipe that it was computed with."""
        return Study(
            self.start_images, self.start_epochs, self.start_rate, self.train_images, self.epochs, self.rate
        )  # fmt: skip

    @property
    def accuracy(self) -> float:
        """Accuracy in per cent."""
        return 100 * self.right / self.images

    @property
    def start(self) -> float:
        """Accuracy of the float network that it started from, in per cent."""
        return 100 * self.start_right / self.images


def seeds_wanted(network: str, form: str) -> int:
    return MANY if network == "tiny-conv" and form in FIVE else FEW


def cells() -> list[Cell]:
    """Return all cells, the most wanted first: three seeds of the aim, two of the arrays, then the rest."""
    wanted = [("tiny-conv", FIVE[0], 3), *(("tiny-conv", form, 2) for form in FIVE[1:]), ("tiny-conv", FIVE[0], MANY)]
    wanted += [("resnet-8", FIVE[0], 1), *(("tiny-conv", form, MANY) for form in FIVE[1:])]
    wanted += [(network, form, seeds_wanted(network, form)) for network in NETS for form in FORMATS]
    found: dict[Cell, None] = {}
    for network, form, seeds in wanted:
        for seed in range(seeds):
            for treatment in (*PLAIN, *treatments(form)):
                found[Cell(network, "-" if treatment in PLAIN else form, treatment, seed)] = None
    return list(found)


def read_rows(path: Path) -> list[Row]:
    """Return the recorded rows, those of other recipes too."""
    kinds = get_type_hints(Row)
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [Row(**{name: kinds[name](text) for name, text in row.items()}) for row in csv.DictReader(file)]


def add_row(path: Path, row: Row) -> None:
    """Append a row to the file, which it begins if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begins = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        if begins:
            writer.writeheader()
        writer.writerow(asdict(row))


def of_recipe(rows: Iterable[Row]) -> dict[Cell, Row]:
    """Return the rows of the recipe of their cell, the last one if a cell has several."""
    return {row.cell: row for row in rows if row.cell.study == row.study}


def predicted(cell: Cell, rows: Iterable[Row]) -> float:
    """Return the predicted processor time of a cell [s]: of like rows per image, else a guess; tests included."""
    study = cell.study
    images = _passes(cell.treatment, study)
    like = [
        row.seconds / _passes(cell.treatment, row.study)
        for row in rows
        if (row.network, row.treatment) == (cell.network, cell.treatment) and row.form in (cell.form, "-")
    ]
    test = 10.0
    if cell.treatment in ("untrained", "norms"):
        return test
    guess = MILLISECONDS[cell.network] / 1e3 * (1 if cell.treatment in PLAIN else 3)
    return (min(like) if like else guess) * images + test


def _passes(treatment: str, study: Study) -> int:
    """Return how many training images a treatment passes, every epoch anew."""
    return study.start_images * study.start_epochs if treatment == "float" else study.train_images * study.epochs
