"""Quantisation of a checkpoint from its quantization_config: number format of the weights, excluded modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.networks.decoder.decoder import Quantisation

_LEFT = ("modules_to_not_convert", "ignore", "exclude_modules", "ignored_layers")
_LAYER_NUMBER = re.compile(r"\.\d+(?=\.|$)")
_NAMED = ("nvfp4", "mxfp4", "fp8")  # formats that a method names itself
_WIDTHS = {"int": range(2, 17), "fp": (4, 8, 16)}  # bits of an element
_WIDTHS_TEXT = {"int": "a whole number from 2 to 16", "fp": "4, 8, 16"}
_PATH = "quantization_config"
_KNOWN = (
    f"a method that names {', '.join(_NAMED)}; bitsandbytes with load_in_4bit or load_in_8bit; "
    "any with bits, such as gptq, awq; or no quantization_config, and --plan weights=int4"
)


def _checkpoint_quantisation(config: object) -> Quantisation | None:
    """Return the quantisation that a quantization_config describes, or None if there is none.

    Errors
    ------
    SlipstickError for a method that says no number format, and for a width that none has.

    Examples
    --------
    >>> _checkpoint_quantisation({"quant_method": "gptq", "bits": 4, "group_size": 128}).format
    'int4'
    """
    if not config:
        return None
    if not isinstance(config, Mapping):
        raise SlipstickError("not an object", path=_PATH, value=config, allowed=_KNOWN)
    method = str(config.get("quant_method") or config.get("quant_algo") or "")
    weights = _weight_scheme(config)
    block = weights.get("weight_block_size") or weights.get("group_size")
    left: list[object] = next((config[key] for key in _LEFT if isinstance(config.get(key), list)), [])
    return Quantisation(
        format=_format(method, config, weights),
        method=method,
        block=_block(block),
        dynamic=config.get("activation_scheme", "dynamic") != "static",
        unquantised=tuple(dict.fromkeys(_LAYER_NUMBER.sub(".*", str(module)) for module in left)),
    )


def _weight_scheme(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the entry that describes the weights: nested in config_groups (compressed-tensors), else at the top."""
    groups = config.get("config_groups")
    if isinstance(groups, Mapping):
        for group in groups.values():
            if isinstance(group, Mapping) and isinstance(group.get("weights"), Mapping):
                return dict(group["weights"])
    return config


def _format(method: str, config: Mapping[str, Any], weights: Mapping[str, Any]) -> str:
    text = f"{method} {config.get('quant_algo', '')} {config.get('format', '')}".lower()
    for named in _NAMED:
        if named in text:
            return named
    if config.get("load_in_4bit"):
        return "int4"
    if config.get("load_in_8bit"):
        return "int8"
    name = next((name for name in ("num_bits", "bits") if weights.get(name) is not None), None)
    if name is None:
        raise SlipstickError("no number format known", path=f"{_PATH}.quant_method", value=method, allowed=_KNOWN)
    kind, bits = "fp" if weights.get("type") == "float" else "int", weights[name]
    if isinstance(bits, bool) or not isinstance(bits, int) or bits not in _WIDTHS[kind]:
        allowed = _WIDTHS_TEXT[kind]
        raise SlipstickError("no width of a number format", path=f"{_PATH}.{name}", value=bits, allowed=allowed)
    return f"{kind}{bits}"


def _block(block: object) -> tuple[int, ...]:
    if isinstance(block, int) and block > 0:
        return (block,)
    if isinstance(block, list) and all(isinstance(size, int) for size in block):
        return tuple(block)
    return ()
