"""Number formats that reference rows name by their precision: ``mxfp8``, ``fp4``, ``fp8 (kv fp8)`` and others."""

from __future__ import annotations

import re
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError
from slipstick.report.row_texts import split_comments

# What tables call our formats: fp8 with current or delayed scales (cs, ds) is fp8. NVIDIA's engines mean nvfp4 by fp4
# (the quantisation columns of AIConfigurator say so).
_NAMES = {
    **dict.fromkeys(("fp16", "float16", "half", "f16"), "fp16"), **dict.fromkeys(("bf16", "bfloat16"), "bf16"),
    **dict.fromkeys(("fp32", "float32", "f32"), "fp32"), "tf32": "tf32", **dict.fromkeys(("fp64", "float64"), "fp64"),
    **dict.fromkeys(("fp8", "float8", "fp8_block", "fp8_cs", "fp8_ds"), "fp8"),
    **dict.fromkeys(("fp8_e4m3", "float8_e4m3fn", "e4m3"), "fp8"), "mxfp8": "mxfp8",
    **dict.fromkeys(("fp4", "nvfp4"), "nvfp4"), "mxfp4": "mxfp4", "w4a16_mxfp4": "mxfp4", "int8": "int8",
    "int8_wo": "int8", "int4_wo": "int4",
}  # fmt: skip
_WEIGHTS_ONLY = ("w4a16_mxfp4", "int8_wo", "int4_wo")  # unpacked to 16 bits before they are multiplied
_CACHE = re.compile(r"kv(?:[ _-]?cache)?[ :=]*(\S+)")
_PLAIN_COMMENTS = ("mixed", "mixed precision", "amp")  # what is done anyway
_FULL_GRADIENTS = ("fp32 gradient accumulation", "fp32 gradients")


@dataclass(frozen=True)
class _RowFormats:
    """Formats that a row's precision names: of the weights, of the KV cache and of the gradients ("": not stated)."""

    weights: str
    weights_only: bool = False  # multiplied in 16 bits
    cache: str = ""
    gradients: str = ""

    @property
    def plan(self) -> dict[str, str]:
        """Fields of a Plan: narrow products keep 16-bit activations."""
        wide = {"fp32": "fp32", "tf32": "fp32", "fp16": "fp16"}.get(self.weights, "bf16")
        stated = {"kv_cache": self.cache, "gradients": self.gradients}
        return {"matmul": self.weights, "activations": wide, **{key: name for key, name in stated.items() if name}}


def _row_formats(precision: str) -> _RowFormats:
    """Return the formats that a precision names, comments included.

    Errors
    ------
    SlipstickError where it is empty, which is "not stated", or where a name or a comment is not understood.

    Examples
    --------
    >>> _row_formats("fp8 (kv fp8)").plan
    {'matmul': 'fp8', 'activations': 'bf16', 'kv_cache': 'fp8'}
    """
    name, comments = split_comments(precision)
    if not name:
        raise SlipstickError("not stated: the rate of the matrix units depends on it", path="precision", value="")
    key = name.replace("-", "_").replace(" ", "_")
    weights = _format_named(key, precision)
    stated = [_comment(text, precision) for text in comments]
    merged = {field: value for part in stated for field, value in part.items()}
    return _RowFormats(weights, key in _WEIGHTS_ONLY, **merged)


def _format_named(name: str, precision: str) -> str:
    if name not in _NAMES:
        raise SlipstickError("not a precision", path="precision", value=precision, allowed=sorted(_NAMES))
    return _NAMES[name]


def _comment(text: str, precision: str) -> dict[str, str]:
    cache = _CACHE.fullmatch(text)
    if cache is not None:
        return {"cache": _format_named(cache[1], precision)}
    if text in _FULL_GRADIENTS:
        return {"gradients": "fp32"}
    if text in _PLAIN_COMMENTS:
        return {}
    allowed = ["kv fp8", *_FULL_GRADIENTS, *_PLAIN_COMMENTS]
    raise SlipstickError("a comment that is not understood", path="precision", value=precision, allowed=allowed)
