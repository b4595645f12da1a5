"""Keyword options of `search`; the same in Python and on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from slipstick.datasets.images import DataSet


class SearchOptions(TypedDict, total=False):
    """Options of a search: the inputs that all points share, and how the points are evaluated."""

    plan: str | Mapping[str, object]
    """Fields with their values: tp=1..8,pp=1..16,microbatch=1|2|4. low..high doubles, low..high+step adds.
    Default: tensor and pipeline parallelism, in training also microbatches, recomputation and ZeRO, in inference the
    division of experts, as far as the system goes."""

    space: str
    """Systems, formats and fields in one line: board=*,format=int8|int4|pool:size=64 are all boards with three formats.
    system= and board= take names and patterns joined by |; retrain=0|2, rate=, method= and seed=0|1|2 say how the
    network is retrained in each format before accuracy is measured; what is given beside is added. Default: none."""

    set: list[str] | Mapping[str, object] | None
    'Any other leaf with its values, such as system.memory.hbm.bandwidth="2..8 TB/s". Repeatable.'

    phase: Literal["train", "prefill", "decode", "infer"] | None
    "What the network is used for. Default: train; infer on an array."

    batch: str | int | Sequence[int] | None
    """Sequences over all devices; several values are tried: 1..256 (doubling), 8..64+8, 8|32|96. Default: training one
    microbatch a device, inference 1, with --rate or --arrivals 1..512."""

    sequence: str | int | Sequence[int] | None
    """Tokens of a sequence, or of the prompt, one or several. Default: 4096 in training, a prompt of 1024; at most the
    longest context."""

    output: str | int | Sequence[int] | None
    "Tokens generated in decode, one or several. Default: 128."

    rate: str | float | None
    """Requests that arrive, at random (a Poisson process): 50/s, 3000/min. Of every point, the copies of its system are
    counted that keep the conditions on time.queue.mean, .p99 and .first_token; without one, 99 of 100 start at once."""

    arrivals: Path | str | None
    "CSV of a trace in place of --rate: a column time [s], and if there are, prompt and output [tokens]. Simulated."

    variation: float | None
    "Coefficient of variation of the time of a request with --rate, 0 (equal requests) to 1 (exponential). Default: 0."

    accuracies: Path | str | Mapping[str, float] | None
    """CSV of measured accuracies, for boards and arrays: columns format and accuracy (0 to 1). Adds the figure
    accuracy.top1, which is maximised; formats that it does not have are left out."""

    data: str | Path | DataSet | None
    """A data set, for networks with weights (.tflite, .safetensors, .onnx) on boards and arrays: accuracy in each
    format is measured on its test images, and is the figure accuracy.top1. Nothing is retrained unless the space says
    so. Each measurement is a run of its own for the workers; --folder keeps the finished ones. Default: none."""

    images: int | None
    "So many test images only, evenly from all."

    tolerance: float | None
    """Retrain (retrain= in the space) only in formats that lose more accuracy than this share as they come, such as
    0.02. Default: in all."""

    top: int
    "Print so many of the best points, each with its plan to paste, in place of the frontier. Default: none."

    workers: int
    "Processes. Default: 1."

    executor: str | Executor | None
    '"ray" for a local Ray, ray://host:port for a cluster; in Python also any concurrent.futures.Executor.'

    budget: int
    """Points that are all tried; of a larger space Optuna chooses some: TPE for one objective, NSGA-II for several.
    Default: 10000000."""

    trials: int
    "How many it chooses. Default: 2000."

    seed: int
    "Of what it chooses. Default: 0."

    folder: Path | str | None
    "Keep finished chunks there."

    resume: bool
    "Go on with the run in the folder."
