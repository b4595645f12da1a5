"""Opening of trained networks by file, name or torch module: the only place that looks at a file's suffix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.files import read_bytes
from slipstick.formats.packed_file import NetworkRest, is_packed, parse_packed_network, write_packed
from slipstick.trained.network import TrainedNetwork, WeightLayer, _layer_named

if TYPE_CHECKING:
    from torch import nn

    from slipstick.core.encoding import Encoded
    from slipstick.core.workload import Network
    from slipstick.datasets.images import DataSet, Normal
    from slipstick.trained.torch.torch_network import TorchNetwork

    NetworkSpec = str | Path | nn.Module | TrainedNetwork

_PUBLISHED = ("efficientnet-lite0",)  # names of networks whose published weights a package carries
_SHORT_SUFFIX = ".slip"  # of a packed file with a deflated header
_MAX_BYTES = 2**33  # of a file: 8 GiB; VGG-16 has 0.55 GB


@dataclass(frozen=True)
class _Hints:
    """Caller's hints about a network: how it reads images, or the data set that it will be scored on."""

    data: DataSet | None
    normal: Normal | None
    background: int | None


def open_network(
    spec: NetworkSpec, data: DataSet | None = None, *, normal: Normal | None = None, background: int | None = None
) -> TrainedNetwork:
    """Return a trained network, whose weighted layers can be observed, replaced, scored and written.

    Parameters
    ----------
    spec : an 8-bit ``.tflite`` file, which stays integers and is run bit for bit; a ``.safetensors`` file that
        ``slipstick train --out`` wrote; an ``.onnx`` file; a file that ``slipstick adapt --packed`` wrote;
        ``efficientnet-lite0``, with its published weights; a torch module from images [n, c, h, w] to logits, which is
        copied; or a TrainedNetwork, which is returned as it is.
    data : the data set that it shall score: its images' size, and their normalisation where nothing else says it.
    normal : how bytes become a torch network's inputs. Default: its file's, else the data set's.
    background : outputs of an integer network before that of class 0. Default: those that it has more than `data`
        has classes.

    Errors
    ------
    SlipstickError for a name that is none, and files that are none or damaged.

    Examples
    --------
    >>> network = open_network("examples/data/small.tflite")
    >>> network.name, [layer.kind for layer in network.layers()]
    ('small', ['conv', 'depthwise', 'pointwise', 'linear'])
    """
    if isinstance(spec, TrainedNetwork):
        return spec
    hints = _Hints(data, normal, background)
    if not isinstance(spec, str | Path):
        return _module(spec, hints)
    if str(spec) in _PUBLISHED:
        from slipstick.trained.torch.pretrained import _lite0_network

        return _torch(_lite0_network(), hints)
    path = Path(spec)
    if path.suffix not in _KINDS and not path.is_file():
        allowed = [*(f"a {suffix} file" for suffix in _KINDS), "a file of slipstick adapt --packed", *_PUBLISHED]
        raise SlipstickError("not a trained network", path="network", value=str(spec), allowed=allowed)
    return _parsed(read_bytes(path, limit=_MAX_BYTES), path.suffix, str(path), path.stem, hints)


def _file_sizes(path: Path) -> Network:
    """Return the operator graph of a trained network's file, without weights; read again where it has changed."""
    if not path.is_file():
        return open_network(path).graph()  # the error of opening it
    stat = path.stat()
    return _sizes_of_state(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)  # networks of one search: each of its points asks
def _sizes_of_state(path: Path, changed: int, size: int) -> Network:
    """Return the operator graph of a file in the state of its time stamp [ns] and size [B]."""
    return open_network(path).graph()


# suffix -> sizes of such a file
SIZE_READERS: Mapping[str, Callable[[Path], Network]] = dict.fromkeys(
    (".tflite", ".safetensors", _SHORT_SUFFIX), _file_sizes
)


def write_packed_network(path: str | Path, network: TrainedNetwork, encoded: Mapping[str, Encoded]) -> int:
    """Write a network with packed weights, which `open_network` reads; return the file's size [B].

    Parameters
    ----------
    path : a name that ends in ``.slip`` gets a short file, whose header is deflated; others a safetensors container.
    network : its weights are those that `encoded` stands for. One that came in no file leaves its weights alone behind.
    encoded : of each layer whose weights are packed.

    Errors
    ------
    SlipstickError for weights that their encoding does not give back, and what cannot be written.
    """
    short = Path(path).suffix == _SHORT_SUFFIX
    layers = network.layers()
    for name, tensor in encoded.items():
        layer = _layer_named(layers, name, "packed")
        if not np.array_equal(_decoded(layer, tensor), layer.weights):
            raise SlipstickError("its encoding does not give its weights back", path=name, value=tensor.encoding.name)
    if not network.suffix:
        return write_packed(path, encoded, short=short)
    zeros = {name: np.zeros_like(_layer_named(layers, name, "packed").weights) for name in encoded}
    rest = NetworkRest(network.suffix, network.with_weights(zeros).to_bytes())
    return write_packed(path, encoded, rest, short=short)


def _decoded(layer: WeightLayer, encoded: Encoded) -> Any:
    """Return a layer's decoded weights, in the layer's units, from their encoding."""
    values = np.asarray(encoded.values, np.float64)
    if layer.scales is None or values.shape != layer.weights.shape:
        return values
    return np.rint(values / layer.column_scales).astype(np.int64)


def _parsed(raw: bytes, suffix: str, path: str, name: str, hints: _Hints) -> TrainedNetwork:
    if suffix not in _FLATBUFFERS and is_packed(raw):
        return _packed(raw, path, name, hints)
    if suffix not in _KINDS:
        allowed = [*(f"a {kind} file" for kind in _KINDS), "a file of slipstick adapt --packed", *_PUBLISHED]
        raise SlipstickError("not a trained network", path="network", value=path, allowed=allowed)
    return _KINDS[suffix](raw, path, name, hints)


def _packed(raw: bytes, path: str, name: str, hints: _Hints) -> TrainedNetwork:
    tensors, rest = parse_packed_network(raw, where=path)
    if rest is None or rest.kind not in _KINDS:
        allowed = "a file that slipstick adapt --packed wrote of a network that came in a file"
        raise SlipstickError("packed weights without the rest of their network", path=path, allowed=allowed)
    network = _KINDS[rest.kind](rest.file, f"{path}: network", name, hints)
    layers = network.layers()
    values = {key: _decoded(_layer_named(layers, key, path), value) for key, value in tensors.items()}
    return network.with_weights(values).with_encoded(tensors)


def _module(module: nn.Module, hints: _Hints) -> TrainedNetwork:
    from slipstick.trained.torch.torch_network import _module_network

    return _torch(_module_network(module), hints)


def _saved(raw: bytes, path: str, name: str, hints: _Hints) -> TrainedNetwork:
    require("torch", "torch")
    from slipstick.trained.torch.saved_file import _saved_network

    return _torch(_saved_network(raw, path), hints)


def _onnx(raw: bytes, path: str, name: str, hints: _Hints) -> TrainedNetwork:
    require("torch", "torch")
    from slipstick.trained.onnx.onnx_network import _onnx_network

    return _torch(_onnx_network(raw, path, name=name), hints)


def _torch(network: TorchNetwork, hints: _Hints) -> TrainedNetwork:
    """Return a torch network with its input normalisation: from the hints, else its file, else the data set."""
    if hints.background:
        _refuse("background", hints.background, "only an integer network has outputs before that of class 0")
    normal = hints.normal or network.normal or (hints.data.normal if hints.data else None)
    shape = hints.data.shape if hints.data else network.shape
    return replace(network, normal=normal, shape=shape)


def _tflite(raw: bytes, path: str, name: str, hints: _Hints) -> TrainedNetwork:
    from slipstick.trained.tflite.tflite_network import _tflite_network

    if hints.normal:
        _refuse("normal", str(hints.normal), "an 8-bit .tflite network takes bytes as they are")
    network = _tflite_network(raw, path, name=name, background=hints.background or 0)
    if hints.background is None and hints.data is not None:
        outputs = network.network.tensors[network.network.output].size
        return replace(network, background=outputs - len(hints.data.classes))
    return network


def _refuse(name: str, value: object, reason: str) -> None:
    raise SlipstickError(f"not for this network: {reason}", path=name, value=value)


_FLATBUFFERS = (".tflite", ".onnx")  # kinds that are no containers of packed weights
_KINDS: dict[str, Callable[[bytes, str, str, _Hints], TrainedNetwork]] = {
    ".tflite": _tflite,
    ".safetensors": _saved,
    ".onnx": _onnx,
}
