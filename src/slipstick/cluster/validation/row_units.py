"""Units of reference rows, comments included: which figure a row states, of one device or of all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError
from slipstick.report.row_texts import split_comments

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_BYTES = {"gib": 2.0**30, "gb": 1e9, "mib": 2.0**20, "mb": 1e6}
_FLOPS = {"tflop/s": 1e12, "tflops": 1e12, "tflops/s": 1e12, "pflop/s": 1e15, "pflops": 1e15, "pflops/s": 1e15}
_SPELLINGS = (  # what tables write -> what is looked for below
    (r"[-_]", " "), (r"µs|microseconds?", "us"), (r"milliseconds?|msec", "ms"), (r"seconds?|secs?\b", "s"),
    (r"\bper\b", "/"), (r"\s*/\s*", "/"), (r"\b(?:gpus?|chips?|devices?|accelerators?|cards?|tpus?|npus?)\b", "device"),
    (r"\btok(?:en)?s?\b", "token"), (r"\b(?:samples?|sequences?)\b", "sample"), (r"\breq(?:uest)?s?\b", "request"),
    (r"\b(?:iterations?|iters?|steps?)\b", "step"), (r"\b(?:an?|each|every) device\b", "/device"), (r" ?/ ?", "/"),
)  # fmt: skip
_PERCENTILE = re.compile(r"\bp(?:[6-9]\d|100)\b|\b[6-9]\dth\b|\bmax(?:imum)?\b|minimum|percentile")
_ALL_DEVICES = re.compile(r"whole|total|all |aggregate|instance|system|cluster|node")


@dataclass(frozen=True)
class _RowUnit:
    """Figure that a unit names: the quantity, its SI value of one unit, and whether it is of one device."""

    quantity: str
    scale: float = 1.0
    per_device: bool = False


def _spelled(text: str) -> str:
    for pattern, plain in _SPELLINGS:
        text = re.sub(pattern, plain, text)
    return " ".join(text.split())


def _split(unit: str) -> tuple[str, str]:
    """Return a unit without its comments, and the comments, as one text each with words spelled alike.

    Errors
    ------
    SlipstickError for a percentile or an extreme, where our figure is a mean.
    """
    base, comments = split_comments(unit)
    base, comment = _spelled(base), _spelled("; ".join(comments))
    if _PERCENTILE.search(f"{base}; {comment}"):
        raise SlipstickError("a percentile or an extreme, where ours is a mean", path="unit", value=unit)
    return base, comment


def _of_one_device(base: str, comment: str, unit: str) -> bool:
    """Return whether a rate is of one device, by the unit or, where that says nothing, by its comment."""
    if "/device" in base:
        if _ALL_DEVICES.search(comment):
            raise SlipstickError("of one device by the unit, of all by its comment", path="unit", value=unit)
        return True
    return "/device" in comment


def _not_a_unit(unit: str, kind: str, allowed: list[str]) -> SlipstickError:
    return SlipstickError(f"not a unit of a row of kind {kind}", path="unit", value=unit, allowed=allowed)


_TRAINING = ["s/iteration", "tokens/s/gpu", "tokens/s", "samples/s", "model TFLOP/s/gpu", "TFLOP/s/gpu hardware"]


def _training_unit(unit: str) -> _RowUnit:
    """Return the figure that the unit of a training row names: step, tokens, samples, model or hardware operations.

    Errors
    ------
    SlipstickError for any other unit, and where operations are not said to be of one device.

    Examples
    --------
    >>> _training_unit("ms per step"), _training_unit("tokens/s/gpu (mean of 10 steps)").per_device
    (_RowUnit(quantity='step', scale=0.001, per_device=False), True)
    """
    base, comment = _split(unit)
    seconds = re.fullmatch(r"(us|ms|s|min)(?:/step| a step|/batch)", base)
    if seconds is not None:
        return _RowUnit("step", _SECONDS[seconds[1]])
    rate = re.fullmatch(r"(token|sample)/s(?:/device)?", base)
    if rate is not None:
        return _RowUnit(rate[1], 1.0, _of_one_device(base, comment, unit))
    return _operations_unit(base, comment, unit)


def _operations_unit(base: str, comment: str, unit: str) -> _RowUnit:
    words = base.replace("/device", "").split()
    kinds, scales = [word for word in words if word in ("model", "hardware")], [w for w in words if w in _FLOPS]
    if len(kinds) != 1 or len(scales) != 1 or len(words) != 2:
        raise _not_a_unit(unit, "train", _TRAINING)
    if not _of_one_device(base, comment, unit):
        raise SlipstickError("of one device, or of all? the unit does not say", path="unit", value=unit)
    formula = "96bslh^2" in comment.replace(" ", "")
    return _RowUnit("operations by formula" if formula else f"{kinds[0]} operations", _FLOPS[scales[0]], True)


# A latency of a request: longest names first, since "time per output token" holds other names.
_LATENCIES = (
    ("first token", ("time to first token", "ttft", "first token")),
    ("per token", ("inter token", "itl", "tpot", "tbt", "/output token", "/token", "between token")),
    ("request", ("end to end", "e2e", "/request", "request latency", "whole request")),
)
_INFERENCE = ["ms time to first token", "ms inter-token", "s end-to-end", "output tok/s", "output tok/s/gpu",
              "tok/s/user", "requests/s"]  # fmt: skip


def _inference_unit(unit: str, kind: str) -> _RowUnit:
    """Return the figure that the unit of a row of kind prefill or decode names.

    A bare time is that of the kind: to the first token of a prefill, between the tokens of a decode row.

    Errors
    ------
    SlipstickError for any other unit.

    Examples
    --------
    >>> _inference_unit("output tok/s (whole instance)", "decode")
    _RowUnit(quantity='output', scale=1.0, per_device=False)
    >>> _inference_unit("ms", "decode")
    _RowUnit(quantity='per token', scale=0.001, per_device=False)
    """
    base, comment = _split(unit)
    if "token/s" in base or "request/s" in base:
        return _rate_unit(base, comment, unit, kind)
    head, _, rest = base.partition(" ")
    scale, slash, tail = head.partition("/")
    words = f"{slash}{tail} {rest}".strip()
    if scale in _SECONDS:
        if not words:
            return _RowUnit("first token" if kind == "prefill" else "per token", _SECONDS[scale])
        for quantity, names in _LATENCIES:
            if any(name in words for name in names):
                return _RowUnit(quantity, _SECONDS[scale])
    raise _not_a_unit(unit, kind, _INFERENCE)


def _rate_unit(base: str, comment: str, unit: str, kind: str) -> _RowUnit:
    if base == "request/s":
        return _RowUnit("requests")
    user = re.fullmatch(r"(?:(?:output|out|generated) )?token/s/user", base)
    rate = re.fullmatch(r"(?:(output|out|generated|generation|decode|input|prompt|prefill) )?token/s(?:/device)?", base)
    if user is None and (rate is None or "/user" in comment or re.search(r"\binput\b|prompt", comment)):
        raise _not_a_unit(unit, kind, _INFERENCE)
    if rate is None:
        return _RowUnit("one user")
    of_prompts = rate[1] in ("input", "prompt", "prefill") or (not rate[1] and kind == "prefill")
    if of_prompts != (kind == "prefill"):
        raise SlipstickError(f"tokens of the other phase than {kind}", path="unit", value=unit)
    return _RowUnit("prompt" if of_prompts else "output", 1.0, _of_one_device(base, comment, unit))


_MEMORY = {
    "parameters+optimizer": "states", "parameters + optimizer": "states", "activations": "activations", "peak": "peak",
    "peak allocated": "peak",
}  # fmt: skip
_SHARE = "percent of activation memory with tensor parallelism only"


def _memory_unit(unit: str) -> _RowUnit:
    """Return the figure that the unit of a memory row names: states, activations, their share, or the peak.

    Errors
    ------
    SlipstickError for any other unit: what an allocator reserves is more than what it holds.
    """
    base, _ = _split(unit)
    if base == _SHARE:
        return _RowUnit("share")
    stated = re.fullmatch(r"(gib|gb|mib|mb)/device (.+)", base)
    if stated is None or stated[2] not in _MEMORY:
        allowed = [f"GiB/gpu {name}" for name in ("parameters+optimizer", "activations", "peak allocated")]
        raise _not_a_unit(unit, "memory", [*allowed, _SHARE])
    return _RowUnit(_MEMORY[stated[2]], _BYTES[stated[1]])
