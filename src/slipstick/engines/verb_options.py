"""Keyword options of the verbs beyond workload, system and plan; the same in Python and on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from slipstick.cluster.convergence.epochs_to_target import Epochs
    from slipstick.core.system import Calibration
    from slipstick.datasets.images import DataSet

_PhaseName = Literal["train", "prefill", "decode", "infer"]
_Overrides = list[str] | Mapping[str, object]  # texts "path=value", or a mapping


class QuestionOptions(TypedDict, total=False):
    """Options of every verb that takes a workload and a system."""

    phase: _PhaseName | None
    "What the network is used for. Default: train; infer on an array."

    batch: int | None
    "Sequences over all devices. Default: training one microbatch a device, inference 1."

    sequence: int | None
    "Tokens of a sequence, or of the prompt. Default: 4096 in training, a prompt of 1024; at most the longest context."

    set: _Overrides | None
    "Replace one field, such as system.memory.hbm.bandwidth='8 TB/s'. Repeatable."


class EstimateOptions(QuestionOptions, total=False):
    """Options of `estimate`, `compare` and `ops`."""

    output: int | None
    "Tokens generated in decode. Default: 128."

    training_tokens: str | float | None
    "Tokens of a whole training run, such as 1T or 300B: adds its time, energy, cost and goodput."

    calibration: Path | str | Calibration | None
    "An overlay that slipstick calibrate wrote."

    strict: bool
    "Refuse an answer with findings, such as too little memory (exit code 2)."

    rate: str | float | None
    """Requests that arrive in decode, at random (a Poisson process): 50/s, 3000/min. Adds the copies of the system that
    they need, and how long they wait."""

    arrivals: Path | str | None
    "CSV of a trace in place of --rate: a column time [s], and if there are, prompt and output [tokens]. Simulated."

    variation: float | None
    "Coefficient of variation of the time of a request with --rate, 0 (equal requests) to 1 (exponential). Default: 0."

    queue_mean: str | float | None
    "Longest mean waiting for a place with --rate or --arrivals: 100 ms. Default: 99 of 100 requests start at once."

    queue_p99: str | float | None
    "Longest waiting of 99 of 100 requests."

    queue_first_token: str | float | None
    "Longest time from arrival to first token of 99 of 100 requests."

    accuracies: Path | str | Mapping[str, float] | None
    """CSV of measured accuracies, for boards and arrays: columns format and accuracy (0 to 1). Adds accuracy.top1 of
    the plan's formats."""

    fabric: bool
    "Price collectives on the links of the system's topology, not by the closed form."


class SimulateOptions(QuestionOptions, total=False):
    """Options of the verb `simulate`, on fabrics and arrays."""

    efficiency: float | None
    "The share of the peak rate that the layers reach. Default: what the kernel models say."

    sweep: bool
    "Simulate every strategy that takes all nodes, the fastest first."


class EmitOptions(TypedDict, total=False):
    """Options of the verb `emit`: firmware of a board, and golden vectors of a dot-product array."""

    data: str | Path | DataSet | None
    """A data set's name (digits, cifar10-jpeg, ...) or path, whose training images calibrate a network in real numbers:
    .safetensors, .onnx, a torch module. An 8-bit .tflite file needs none. Golden vectors are of its first test
    images."""

    formats: str
    """Of the weights, as adapt takes them: swis:3, pool:size=64, or by patterns. Those of shared shifts, four bits and
    of a pool are stored packed, and the kernels unpack them. Weights that are few vectors get a pool by themselves.
    Default: as they are."""

    run: bool
    """Compile it (ziglang), run it in an emulator (unicorn), compare every output byte with the bit-true runner, and
    with LiteRT where it is installed. Needs the extra edge."""

    patches: bool
    "Run the first layers tile by tile: a smaller arena, more instructions, the same outputs."

    arena: str | float | None
    """Limit of the arena, such as 20 kB: the fastest kernels whose scratch it has room for are taken. Default: what
    TensorFlow Lite Micro's planner takes for the tensors alone."""

    stream: bool
    """Take one row of the input a call (a new frame of sound, say) and keep what windows need of the earlier ones. For
    layers of stride 1 without padding along rows."""

    layers: str | None
    "Golden vectors of these layers alone: names with * for any text, by comma. Default: all."

    images: int | None
    "Test images whose golden vectors are written. Default: 1."

    trace: int | None
    """Outputs of each layer whose inner signals are written: streams and counts by cycle, sums and codes of converters,
    products of taps. Default: 4; 0 for none."""

    overwrite: bool
    "Replace a folder that emit wrote."


class PlaceOptions(QuestionOptions, total=False):
    """Options of the verb `place`, beyond those of every question."""

    forwarding: Literal["store", "cut-through"]
    "store: a link begins when the one before has delivered all; cut-through: all links of a way at once."

    time_limit: float
    "Seconds; then the best found so far, with its gap. Ctrl-C does the same once one is found. Default: 60."


class HybridOptions(TypedDict, total=False):
    """Options of the verb `hybrid`: epochs, workers and step speed-ups."""

    epochs: Path | str | Epochs | None
    """A CSV file with the columns batch and epochs: epochs to the target at each global batch. Beyond its points
    nothing is said."""

    extrapolate: bool
    "Fit the critical-batch model to the points of the file of epochs, and use it everywhere."

    critical_batch: float | None
    "Instead of epochs: E(B) = E_min (1 + B / critical batch)."

    least_epochs: float | None
    "E_min of the critical batch, for the time to converge."

    batch: int | None
    "Samples of one worker."

    widths: str | Sequence[int]
    "M, the devices of one worker, by comma. Default: 2,4,8."

    step_speedups: str | Mapping[int, float]
    "Your own SU^M, such as 2=1.32,4=1.9: those are not worked out."

    method: Literal["auto", "placement", "pipeline"]
    "How one step is divided: placement (CP-SAT), pipeline (balanced stages), auto (the better of both)."

    scaling: Literal["model", "ideal"]
    "model: the scaling efficiency SE_N of the cluster model; ideal: 1."

    time_limit: float
    "Seconds for each placement. Default: 20."

    samples: float | None
    "Of the data set: adds the time to converge."
