"""What `adapt` is asked for whatever kind the network is: schedules, biases, and which images decide them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.device_kinds import Array
from slipstick.core.errors import SlipstickError

if TYPE_CHECKING:
    from slipstick.compress.integer_post_training import Weighed
    from slipstick.core.question import Question
    from slipstick.datasets.images import DataSet, Images

CALIBRATE = 500  # images


@dataclass(frozen=True)
class Rules:
    """The keywords of `slipstick.verbs.adapt.adapt` that hold for integer networks and torch networks alike."""

    shifts: float | None = None
    weighed: Weighed = "bytes"
    columns: int | None = None
    correct: bool = True
    calibrate: int = CALIBRATE
    images: int | None = None

    def __post_init__(self) -> None:
        if self.calibrate < 1:
            raise SlipstickError("out of range", path="calibrate", value=self.calibrate, allowed="from 1")
        if self.columns is not None and self.columns < 1:
            raise SlipstickError("out of range", path="columns", value=self.columns, allowed="from 1")

    @property
    def looks(self) -> bool:
        """Whether anything depends on what layers see."""
        return self.correct or self.shifts is not None

    def columns_of(self, question: Question | None) -> int:
        """Return how many filters share their shifts: an array's columns where its cycles count, else 1."""
        if self.columns is not None:
            return self.columns
        counts = question is not None and self.weighed == "cycles"
        return question.system.device_as(Array).columns if question is not None and counts else 1

    def said(self, tuning: Images) -> dict[str, Any]:
        """Return what a Report says of them."""
        columns = {} if self.columns is None else {"columns": self.columns}
        return {
            "shifts": self.shifts, "weighed": self.weighed, **columns, "correct": self.correct,
            "calibrated on": len(tuning) if self.looks else 0,
        }  # fmt: skip


def split(data: DataSet, rules: Rules) -> tuple[Images, Images]:
    """Return images to calibrate on, of the training images, and those to score: the test images.

    Without training images every second test image calibrates, and the others are scored.

    Errors
    ------
    SlipstickError for fewer than one image to score, or two where half of them calibrate.
    """
    train, test = data.train, data.test.some(rules.images)
    count = len(test)
    if len(train) and count > 0:
        order = np.random.default_rng(0).permutation(len(train))  # sets are ordered by class, or otherwise
        return train.take(order[: rules.calibrate]), test
    if count < 2:
        raise SlipstickError("too few test images", path="images", value=count, allowed="from 2")
    return test.take(np.arange(0, count, 2)[: rules.calibrate]), test.take(np.arange(1, count, 2))
