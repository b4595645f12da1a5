"""A trained network, however it comes: a file of ours, an ONNX file, a published one by its name, a torch module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.trained.torch.pretrained import efficientnet_lite0
from slipstick.trained.torch.saved_file import load_net, save_net

if TYPE_CHECKING:
    from torch import nn

    from slipstick.datasets.images import DataSet, Normal

PUBLISHED = {"efficientnet-lite0": efficientnet_lite0}  # name -> the network, and how bytes become its inputs
FILES = (".safetensors", ".onnx")
Write = Callable[[str | Path, "DataSet", Mapping[str, object]], None]


@dataclass(frozen=True, eq=False)
class TrainedNet:
    """A torch module of the caller's own, in evaluation mode, and what is known of it.

    `normal` is how bytes become its inputs, None where it does not say: the data set's own then.
    `write` writes the module as it is now in the kind of file that it came in, with the data set and what is said.
    """

    name: str
    module: nn.Module
    normal: Normal | None
    write: Write


def trained_net(net: str | Path | nn.Module) -> TrainedNet:
    """Return a trained network.

    Parameters
    ----------
    net : a ``.safetensors`` file that ``slipstick train --out`` wrote, an ``.onnx`` file, a name of `PUBLISHED`, or a
        torch module, which is copied.

    Errors
    ------
    SlipstickError for a name that is none, and files that are none or damaged.
    """
    if not isinstance(net, str | Path):
        return TrainedNet(type(net).__name__, deepcopy(net).eval(), None, _nowhere)
    if str(net) in PUBLISHED:
        name = str(net)
        module, normal = PUBLISHED[name]()
        return TrainedNet(name, module, normal, _saved(name, module))
    path = Path(net)
    if path.suffix == ".onnx":
        require("torch", "torch")
        from slipstick.trained.onnx import onnx_module, write_onnx

        read = onnx_module(path)
        return TrainedNet(path.stem, read, None, lambda out, data, said: write_onnx(read, out))
    if path.suffix != ".safetensors":
        allowed = [*(f"a {suffix} file" for suffix in (".tflite", *FILES)), *PUBLISHED]
        raise SlipstickError("not a trained network", path="net", value=str(net), allowed=allowed)
    module, normal, about = load_net(path)
    return TrainedNet(str(about["net"]), module, normal, _saved(str(about["net"]), module))


def _saved(name: str, module: Any) -> Write:
    return lambda out, data, said: save_net(module, out, name, data, {"about": data.about, **said})


def _nowhere(out: str | Path, data: DataSet, said: Mapping[str, object]) -> None:
    raise SlipstickError("came in no file: torch or safetensors writes a module", path="out", value=str(out))
