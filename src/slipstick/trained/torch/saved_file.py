"""Named network with its weights in one safetensors file, whose header states architecture and input normalisation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.files import parse_json, write_bytes
from slipstick.datasets.images import Normal
from slipstick.trained.torch.image_networks import module
from slipstick.trained.torch.torch_network import TorchNetwork, _ModuleFile

if TYPE_CHECKING:
    from torch import nn

    from slipstick.datasets.images import DataSet

_KEY = "slipstick"  # in the file's header: JSON of what is below
_STRUCTURE = ("net", "data", "classes", "shape", "normal", "about")  # of a header: how to build the network
_LARGEST = 2**16  # classes, channels, or pixels of a side


def save_net(net: Any, path: str | Path, name: str, data: DataSet, about: Mapping[str, object]) -> None:
    """Write a network of the registry to a safetensors file with name, image shape, normalisation and `about`."""
    header = {"net": name, "data": data.name, "classes": len(data.classes), "shape": data.shape}
    header |= {"normal": asdict(data.normal), **about}
    write_bytes(path, _net_bytes(net, header))


def load_net(path: str | Path) -> tuple[Any, Normal, dict[str, Any]]:
    """Return the network of a file that `save_net` or ``slipstick train --out`` wrote, in evaluation mode.

    With it come how bytes become its inputs, and all that the header says: `net`, `data`, `accuracy` and more.

    Errors
    ------
    SlipstickError for a file without such a header, or whose tensors do not fit it.
    """
    from slipstick.trained.torch.safetensors_weights import load_tensors

    return _built(*load_tensors(path), str(path))


def _saved_network(raw: bytes, path: str) -> TorchNetwork:
    """Return the trained network in the bytes of a file that `save_net` wrote; errors as those of `load_net`."""
    from slipstick.trained.torch.safetensors_weights import _parse_tensors

    net, normal, header = _built(*_parse_tensors(raw, path), path)
    return _named_network(net, normal, header)


def _named_network(net: nn.Module, normal: Normal, header: Mapping[str, Any]) -> TorchNetwork:
    """Return a network of the registry as a trained network, which is written back as `save_net` writes.

    Parameters
    ----------
    header : `net`, `classes`, `shape` and what else a file's header says; figures of the training stay out of it.
    """
    structure = {key: header[key] for key in _STRUCTURE if key in header} | {"normal": asdict(normal)}
    height, width, channels = header["shape"]
    file = _ModuleFile(".safetensors", lambda module, notes: _net_bytes(module, {**structure, **notes}))
    return TorchNetwork(str(header["net"]), net, normal, (height, width, channels), file)


def _net_bytes(net: nn.Module, header: Mapping[str, object]) -> bytes:
    from slipstick.trained.torch.safetensors_weights import _tensor_bytes

    return _tensor_bytes(net.state_dict(), {_KEY: json.dumps(header)})


def _built(tensors: Mapping[str, Any], texts: Mapping[str, str], path: str) -> tuple[Any, Normal, dict[str, Any]]:
    """Return the network that a header describes, with its weights; its normalisation, and the header."""
    from slipstick.trained.torch.safetensors_weights import fill

    about: Any = parse_json(texts.get(_KEY, "null"), where=path)
    try:
        normal = Normal(*(tuple(float(n) for n in about["normal"][key]) for key in ("mean", "deviation")))
        height, width, channels = (_size(number) for number in about["shape"])
        with require("torch", "torch").device("meta"):  # a header may ask for any size: no memory before tensors fit
            net = module(str(about["net"]), classes=_size(about["classes"]), shape=(height, width, channels))
    except (TypeError, KeyError, ValueError):
        raise SlipstickError("says not how to build its network: not from slipstick train", path=path) from None
    if not len(normal.mean) == len(normal.deviation) == channels or not all(d > 0 for d in normal.deviation):
        raise SlipstickError(f"a mean and a deviation for {channels} channels", path=f"{path}: normal")
    fill(net, tensors, path)
    return net.eval(), normal, dict(about)


def _size(number: object) -> int:
    if type(number) is not int or not 0 < number <= _LARGEST:
        raise ValueError
    return number
