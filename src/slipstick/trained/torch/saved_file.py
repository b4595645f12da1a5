"""A named network with its weights in one safetensors file: the header says how to build it and what its inputs are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.files import parse_json
from slipstick.datasets.images import Normal
from slipstick.trained.torch.image_networks import module

if TYPE_CHECKING:
    from slipstick.datasets.images import DataSet

KEY = "slipstick"  # in the file's header: JSON of what is below
LARGEST = 2**16  # classes, channels, or pixels of a side


def save_net(net: Any, path: str | Path, name: str, data: DataSet, about: Mapping[str, object]) -> None:
    """Write a network of the registry with its name, its data set's shape and normalisation, and `about`."""
    from slipstick.trained.torch.safetensors_weights import save_weights

    said = {"net": name, "data": data.name, "classes": len(data.classes), "shape": data.shape}
    said |= {"normal": asdict(data.normal), **about}
    save_weights(net, path, {KEY: json.dumps(said)})


def load_net(path: str | Path) -> tuple[Any, Normal, dict[str, Any]]:
    """Return a network that `save_net` or ``slipstick train --out`` wrote, in evaluation mode.

    With it come how bytes become its inputs, and all that the header says: `net`, `data`, `accuracy` and more.

    Errors
    ------
    SlipstickError for a file without such a header, or whose tensors do not fit it.
    """
    from slipstick.trained.torch.safetensors_weights import fill, load_tensors

    tensors, header = load_tensors(path)
    about: Any = parse_json(header.get(KEY, "null"), where=str(path))
    try:
        normal = Normal(*(tuple(float(n) for n in about["normal"][key]) for key in ("mean", "deviation")))
        height, width, channels = (_size(number) for number in about["shape"])
        with require("torch", "torch").device("meta"):  # a header may ask for any size: no memory before tensors fit
            net = module(str(about["net"]), classes=_size(about["classes"]), shape=(height, width, channels))
    except (TypeError, KeyError, ValueError):
        raise SlipstickError("says not how to build its network: not from slipstick train", path=str(path)) from None
    if not len(normal.mean) == len(normal.deviation) == channels or not all(d > 0 for d in normal.deviation):
        raise SlipstickError(f"a mean and a deviation for {channels} channels", path=f"{path}: normal")
    fill(net, tensors, str(path))
    return net.eval(), normal, dict(about)


def _size(number: object) -> int:
    if type(number) is not int or not 0 < number <= LARGEST:
        raise ValueError
    return number
