"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from slipstick.datasets.images import Normal

MOST = 10**7  # of anything that is counted on the command line
Phase = Literal["train", "prefill", "decode", "infer"]


@Parameter(name="*")
@dataclass(frozen=True)
class Asked:
    """What is asked of a workload on a system."""

    phase: Phase | None = None
    "What the network is used for. Default: train; infer on an array."

    batch: int | None = None
    "Sequences over all devices. Default: training one microbatch a device, inference 1."

    sequence: int | None = None
    "Tokens of a sequence, or of the prompt. Default: 4096 in training, a prompt of 1024; at most the longest context."

    output: int | None = None
    "Tokens generated in decode. Default: 128."

    training_tokens: float | None = None
    "Tokens of a whole training run: adds its time, energy and cost."

    set_: Annotated[list[str], Parameter(name="--set", show_default=False)] = field(default_factory=list)
    "Replace one field, such as system.memory.hbm.bandwidth='8 TB/s'. Repeatable."

    calibration: Path | None = None
    "An overlay that slipstick calibrate wrote."

    strict: bool = False
    "Refuse an answer with findings, such as too little memory (exit code 2)."

    fabric: bool = False
    "Price collectives on the links of the system's topology, not by the closed form."

    def arguments(self) -> dict[str, Any]:
        """Return them as the keywords of `slipstick.estimate`."""
        names = ("phase", "batch", "sequence", "output", "training_tokens", "calibration", "strict", "fabric")
        return {**{name: getattr(self, name) for name in names}, "set": overrides(self.set_)}


@Parameter(name="*")
@dataclass(frozen=True)
class Inputs:
    """How bytes become a torch network's inputs, where its file does not say."""

    mean: str = ""
    "Of each channel, subtracted from value / 255: 0.485,0.456,0.406. Default: the data set's."

    deviation: str = ""
    "Of each channel, which divides what is left: 0.229,0.224,0.225. Default: the data set's."

    def normal(self) -> Normal | None:
        """Return them; None where neither is given."""
        from slipstick.core.errors import SlipstickError
        from slipstick.datasets.images import Normal

        if not self.mean and not self.deviation:
            return None
        if not self.mean or not self.deviation:
            raise SlipstickError("come together", path="--mean, --deviation", value=self.mean or self.deviation)
        mean, deviation = numbers(self.mean, "mean"), numbers(self.deviation, "deviation")
        if len(mean) != len(deviation) or not all(number > 0 for number in deviation):
            allowed = "as many numbers as means, each above 0"
            raise SlipstickError(
                "not a deviation of each channel", path="deviation", value=self.deviation, allowed=allowed
            )
        return Normal(tuple(mean), tuple(deviation))


@Parameter(name="*")
@dataclass(frozen=True)
class Shown:
    """Where the answer goes."""

    json: bool = False
    "Print JSON and nothing else."

    html: Path | None = None
    "Also write one self-contained HTML file."


def overrides(pairs: Sequence[str]) -> dict[str, object]:
    """Return ``path=value`` texts as a dict; values are read as in a YAML file, so 8, true and null mean what they do.

    Errors
    ------
    SlipstickError for text without a path, and for a path that stands twice.

    Examples
    --------
    >>> overrides(["system.memory.hbm.bandwidth=8 TB/s", "workload.batch=64"])
    {'system.memory.hbm.bandwidth': '8 TB/s', 'workload.batch': 64}
    """
    from slipstick.core.errors import SlipstickError
    from slipstick.core.files import parse_yaml

    found: dict[str, object] = {}
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals or not path.strip():
            allowed = "path=value, such as system.memory.hbm.bandwidth='8 TB/s'"
            raise SlipstickError("not of the form path=value", path="--set", value=pair, allowed=allowed)
        if path.strip() in found:
            raise SlipstickError("the path stands twice", path="--set", value=path.strip())
        found[path.strip()] = parse_yaml(text, where=f"--set {path.strip()}")
    return found


def whole_numbers(text: str, path: str) -> list[int]:
    """Return whole numbers from 1 on: ``2,4,8``, ``2..256`` (doubling) or ``8|64``."""
    from slipstick.core.errors import SlipstickError

    found = []
    for value in _values(text, path):
        if not value.isdecimal() or not 0 < int(value) < MOST:
            raise SlipstickError(
                "not a whole number", path=path, value=value, allowed="from 1, such as 2..256 or 2,4,8"
            )
        found.append(int(value))
    return found


def numbers(text: str, path: str) -> list[float]:
    """Return numbers: ``0.01,0.1``."""
    from slipstick.core.errors import SlipstickError

    try:
        return [float(value) for value in _values(text, path)]
    except ValueError:
        raise SlipstickError("not numbers", path=path, value=text, allowed="such as 0.01,0.1") from None


def _values(text: str, path: str) -> list[str]:
    from slipstick.core.value_ranges import values_of

    parts = [values_of(part.strip(), path) for part in text.split(",")]
    return [str(value).strip() for values in parts for value in values]
