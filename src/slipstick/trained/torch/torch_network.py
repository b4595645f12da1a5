"""Torch modules as trained networks, from any kind of file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.files import write_bytes
from slipstick.datasets.images import Images, Normal, Shape
from slipstick.trained.network import TrainedNetwork, Values, WeightLayer
from slipstick.trained.torch.batch_prediction import predict
from slipstick.trained.torch.module_layers import _module_layers, _norms_behind, _put_weights
from slipstick.trained.torch.observed_windows import _InputWindows, _observe_windows

if TYPE_CHECKING:
    from torch import nn

    from slipstick.core.encoding import Encoded
    from slipstick.networks.graphs.imported import ImportedGraph

_OBSERVED = 128  # images of which the layers' inputs are kept
_PROBED = 40  # images on which sensitivities are measured: each is a mean over all outputs of all of them
_FOREIGN = "came in no file: torch or safetensors writes a module"


@dataclass(frozen=True)
class _ModuleFile:
    """Kind of file that a module was read from: its suffix, and its writer.

    `to_bytes` is called with a module of the same structure and with notes for a header.
    """

    suffix: str
    to_bytes: Callable[[nn.Module, Mapping[str, object]], bytes]


@dataclass(frozen=True, eq=False)
class TorchNetwork(TrainedNetwork):
    """Torch module from images [n, c, h, w] to logits, in evaluation mode, as a trained network.

    Parameters
    ----------
    name, background : as `TrainedNetwork` tells them.
    module : of this network alone: not to be changed.
    normal : how bytes become its inputs; None: neither the file nor the caller says.
    shape : height, width and channels of its images; None: unknown.
    file : the kind of file that it came in; None for a module of the caller's own.
    hardware : puts a copy of the module on the arithmetic of hardware, by which it then predicts; None: it computes as
        it is. Weights and files are those of the module itself.
    encoded : encodings of the layers whose weights came packed, which the quantiser keeps.
    """

    integers: ClassVar[bool] = False
    name: str
    module: nn.Module
    normal: Normal | None = None
    shape: Shape | None = None
    file: _ModuleFile | None = None
    background: int = 0
    hardware: Callable[[nn.Module], nn.Module] | None = None
    encoded: Mapping[str, Encoded] = field(default_factory=dict)

    @property
    def suffix(self) -> str:
        """File suffix of the module's file, empty for a module of the caller's own."""
        return self.file.suffix if self.file else ""

    def graph(self) -> ImportedGraph:
        """Return the operator graph for one image, traced by torch.export.

        Errors
        ------
        SlipstickError for a module whose images' size is unknown, or which torch.export cannot trace.
        """
        from slipstick.networks.importers.torch_export import from_torch

        if self.shape is None:
            allowed = "a data set with it: open_network(module, data)"
            raise SlipstickError("says not how large its images are", path=self.name, allowed=allowed)
        high, wide, channels = self.shape
        example = require("torch", "torch").zeros(1, channels, high, wide)
        return from_torch(self.module, (example,), name=self.name)

    def layers(self) -> tuple[WeightLayer, ...]:
        """Return convolutions and dense layers by their names in the module."""
        return self._layers

    @cached_property
    def _layers(self) -> tuple[WeightLayer, ...]:
        return _module_layers(self.module, self._norms)

    @cached_property
    def _norms(self) -> dict[str, str]:
        return {} if self.shape is None else _norms_behind(self.module, self.shape)

    def predict(self, images: Images) -> NDArray[np.float32]:
        """Return logits [images, outputs] in fp32, as the hardware computes them where there is some."""
        return predict(self._computing, images, self._inputs())

    @cached_property
    def _computing(self) -> nn.Module:
        """The module that predicts: this one, or its copy on hardware."""
        return self.module if self.hardware is None else self.hardware(deepcopy(self.module)).eval()

    def logits(self, images: Images) -> NDArray[np.float32]:
        """Return logits [images, outputs] in fp32, the same as `predict`."""
        return self.predict(images)

    def calibration_images(self, images: Images) -> tuple[Images, Images]:
        """Return up to 128 images for observation, and up to 40 of them for sensitivities."""
        observed = images.some(_OBSERVED)
        return observed, observed.some(_PROBED)

    def observe(self, images: Images, names: Iterable[str] | None = None) -> dict[str, _InputWindows]:
        """Return the input windows of the named layers."""
        layer_names = names if names is not None else [layer.name for layer in self._layers]
        return _observe_windows(self.module, images, self._inputs(), layer_names)

    def with_weights(self, weights: Values, biases: Values | None = None) -> TorchNetwork:
        """Return a copy with new weights; a bias for a layer without one is folded into the batch norm behind it."""
        module = deepcopy(self.module)
        _put_weights(module, weights, biases or {}, self._norms if biases else {})
        encoded = {name: tensor for name, tensor in self.encoded.items() if name not in weights}
        return replace(self, module=module, encoded=encoded)

    def with_encoded(self, encoded: Mapping[str, Encoded]) -> TorchNetwork:
        """Return the network that remembers the encodings of its layers' weights: the quantiser keeps their numbers."""
        return replace(self, encoded=dict(encoded))

    def to_bytes(self, notes: Mapping[str, object] | None = None) -> bytes:
        """Return the contents of the network's file, in the file format that the module was read from."""
        if self.file is None:
            raise SlipstickError(_FOREIGN, path="out", value=self.name)
        return self.file.to_bytes(self.module, notes or {})

    def write(self, path: str | Path, notes: Mapping[str, object] | None = None) -> None:
        """Write the network in the file format that the module was read from."""
        write_bytes(path, self.to_bytes(notes))

    def _inputs(self) -> Normal:
        if self.normal is None:
            allowed = "a Normal, or a data set: open_network(module, data)"
            raise SlipstickError("says not how bytes become its inputs", path=self.name, allowed=allowed)
        return self.normal


def _module_network(module: nn.Module) -> TorchNetwork:
    """Return a caller's torch module (copied) as a trained network without a file."""
    return TorchNetwork(type(module).__name__, deepcopy(module).eval())
