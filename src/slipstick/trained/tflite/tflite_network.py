"""8-bit .tflite files as trained networks: run bit for bit in integers, and written with new weights in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.files import write_bytes
from slipstick.trained.integer.execute import run_integers
from slipstick.trained.integer.integer_graph import _integer_graph
from slipstick.trained.integer.integer_network import IntegerNetwork
from slipstick.trained.integer.layer_statistics import _layer_inputs, _LayerInputs
from slipstick.trained.integer.layer_weights import _LayerWeights, layer_weights
from slipstick.trained.network import LayerKind, TrainedNetwork, Values, WeightLayer
from slipstick.trained.tflite.patch import patched
from slipstick.trained.tflite.tflite_file import parse_tflite

if TYPE_CHECKING:
    from slipstick.datasets.images import Images
    from slipstick.networks.graphs.imported import ImportedGraph

_POSITIONS = 12  # windows of each image for the second moments
_PROBED = 40  # images on which sensitivities are measured: each is a mean over all outputs of all of them
_INT8_OFFSET = 128  # of an int8 code from the byte of the image


@dataclass(frozen=True, eq=False)
class TfliteNetwork(TrainedNetwork):
    """Trained network in a .tflite file; its integer outputs equal TensorFlow Lite's reference kernels'.

    Parameters
    ----------
    name, background : as `TrainedNetwork` tells them.
    network : the integer network, its constants those of `changed` where there are any.
    file : the bytes of the file that it came in.
    changed : constants that replace the file's, by tensor: weights and biases.
    """

    integers: ClassVar[bool] = True
    name: str
    network: IntegerNetwork
    file: bytes
    background: int = 0
    changed: tuple[Mapping[int, Any], Mapping[int, Any]] = ({}, {})
    module: None = field(default=None, init=False)

    @property
    def suffix(self) -> str:
        """File suffix of TensorFlow Lite, ``.tflite``."""
        return ".tflite"

    def graph(self) -> ImportedGraph:
        """Return the operator graph for one image; layers have the names of their weight tensors."""
        return _integer_graph(self.network)

    def layers(self) -> tuple[WeightLayer, ...]:
        """Return convolutions and dense layers, by the names of their weight tensors."""
        return tuple(self._layers.values())

    @cached_property
    def _stored(self) -> dict[str, _LayerWeights]:
        """Layers in the file's layout, by unique names."""
        stored: dict[str, _LayerWeights] = {}
        for layer in layer_weights(self.network):
            same = stored.get(layer.name, layer).tensor == layer.tensor
            stored[layer.name if same else f"{layer.name}#{layer.tensor}"] = layer
        return stored

    @cached_property
    def _layers(self) -> dict[str, WeightLayer]:
        return {name: _weight_layer(self.network, name, layer) for name, layer in self._stored.items()}

    def predict(self, images: Images) -> NDArray[Any]:
        """Return the integer output codes, [images, outputs]."""
        return run_integers(self.network, self._codes(images)).reshape(len(images), -1)

    def logits(self, images: Images) -> FloatArray:
        """Return the integer inputs of the final softmax [images, outputs], or the outputs where there is none."""
        softmax = (op.inputs[0] for op in self.network.operators if op.kind == "softmax")
        output_tensor = next(softmax, self.network.output)
        parts: list[FloatArray] = []

        def observe(tensor: int, codes: NDArray[Any]) -> None:
            if tensor == output_tensor:
                parts.append(codes.reshape(len(codes), -1).astype(np.float64))

        run_integers(self.network, self._codes(images), observe=observe)
        return np.concatenate(parts)

    def calibration_images(self, images: Images) -> tuple[Images, Images]:
        """Return all images for observation, and about 40 evenly spread ones for sensitivities."""
        return images, images.take(slice(None, None, max(1, -(-len(images) // _PROBED))))

    def observe(self, images: Images, names: Iterable[str] | None = None) -> dict[str, _LayerInputs]:
        """Return means and second moments of the named layers' inputs."""
        inputs = _layer_inputs(self.network, self._codes(images), positions=_POSITIONS)
        by_operator = {statistics.op: statistics for statistics in inputs}
        layer_names = self._stored if names is None else names
        return {name: by_operator[self._stored[name].op] for name in layer_names}

    def with_weights(self, weights: Values, biases: Values | None = None) -> TfliteNetwork:
        """Return a copy with new integer weights and biases; scales and zero points stay as they are."""
        codes = {layer.tensor: layer.stored(weights[name]) for name, layer in self._named(weights, "weights")}
        tensors = list(self.network.tensors)
        sums = {
            layer.bias_tensor: _bias(layer, values).reshape(tensors[layer.bias_tensor].shape)
            for layer, values in self._biases(biases or {})
        }
        for index, values in {**codes, **sums}.items():
            tensors[index] = replace(tensors[index], data=values)
        changed = ({**self.changed[0], **codes}, {**self.changed[1], **sums})
        return replace(self, network=replace(self.network, tensors=tuple(tensors)), changed=changed)

    def to_bytes(self, notes: Mapping[str, object] | None = None) -> bytes:
        """Return the .tflite file with weights and biases replaced in place; it has no room for notes."""
        return patched(self.file, self.network, *self.changed)

    def write(self, path: str | Path, notes: Mapping[str, object] | None = None) -> None:
        """Write the .tflite file with weights and biases replaced in place; it runs wherever the original did."""
        write_bytes(path, self.to_bytes(notes))

    def _codes(self, images: Images) -> NDArray[Any]:
        """Return images as integer input codes: the bytes themselves, or the bytes less 128 for int8."""
        source = self.network.tensors[self.network.input]
        if images.images.shape[1:] != source.shape[1:]:
            actual, allowed = list(images.images.shape[1:]), str(source.shape[1:])
            raise SlipstickError("images of another shape", path="data", value=actual, allowed=allowed)
        if source.dtype == np.uint8:
            return images.images
        return (images.images.astype(np.int16) - _INT8_OFFSET).astype(np.int8)

    def _named(self, names: Iterable[str], path: str) -> list[tuple[str, _LayerWeights]]:
        for name in names:
            if name not in self._stored:
                raise SlipstickError("no such layer with weights", path=path, value=name, allowed=self._stored)
        return [(name, self._stored[name]) for name in names]

    def _biases(self, biases: Values) -> list[tuple[_LayerWeights, NDArray[Any]]]:
        layers = self._named(biases, "biases")
        for name, layer in layers:
            if layer.bias_tensor < 0:
                raise SlipstickError("the layer has no bias", path=f"biases.{name}")
        return [(layer, biases[name]) for name, layer in layers]


def _tflite_network(raw: bytes, path: str, *, name: str, background: int = 0) -> TfliteNetwork:
    """Return the trained network in the bytes of a .tflite file; errors as those of `parse_tflite`, naming `path`."""
    return TfliteNetwork(name, parse_tflite(raw, name=name, where=path), raw, background)


def _weight_layer(network: IntegerNetwork, name: str, layer: _LayerWeights) -> WeightLayer:
    shape = network.tensors[network.operators[layer.op].output].shape
    return WeightLayer(
        name,
        _kind(layer),
        layer.codes,
        layer.scales,
        layer.bias if layer.bias_tensor >= 0 else None,
        shape[1] * shape[2] if len(shape) == 4 else 1,
        layer.readable,
    )


def _kind(layer: _LayerWeights) -> LayerKind:
    if layer.kind == "dense":
        return "linear"
    return "pointwise" if layer.kind == "conv" and layer.codes.shape[1:3] == (1, 1) else layer.kind


def _bias(layer: _LayerWeights, values: NDArray[Any]) -> NDArray[np.int32]:
    if np.shape(values) != layer.bias.shape or np.asarray(values).dtype != np.int32:
        actual, allowed = f"{np.asarray(values).dtype} {list(np.shape(values))}", f"int32 {list(layer.bias.shape)}"
        raise SlipstickError("not this layer's biases", path=layer.name, value=actual, allowed=allowed)
    return np.asarray(values, np.int32)
