"""TrainedNetwork: a network with weights, with the layers and layer-input statistics that compression acts on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from slipstick.core.arrays import AnyArray, FloatArray
from slipstick.core.errors import SlipstickError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstick.core.encoding import Encoded
    from slipstick.datasets.images import Images
    from slipstick.networks.graphs.imported import ImportedGraph

LayerKind = Literal["conv", "depthwise", "pointwise", "linear"]
Values = Mapping[str, AnyArray]  # layer -> its weights or biases; or by name what stands beside a layer's codes


@dataclass(frozen=True, eq=False)
class WeightLayer:
    """Layer with weights, a convolution or a dense layer, in the shape on which number formats act.

    Parameters
    ----------
    name : key of the layer in `TrainedNetwork.observe` and `TrainedNetwork.with_weights`; patterns of formats match it.
    kind : as patterns of formats call it.
    weights : [filters, ..., channels], input channels last. Real numbers (float64), or whole numbers under `scales`.
    scales : of each filter [filters], which its whole numbers are multiplied by; None: the weights are real.
    bias : added to each filter's sum of products [filters]; with `scales` int32 in steps of the input's scale times
        the filter's. Behind a layer without bias the negative mean of its batch norm counts; None: there is neither.
    positions : outputs of one filter for one image; None: only the operator graph says.
    label : shorter name for tables and pictures.
    """

    name: str
    kind: LayerKind
    weights: NDArray[Any]
    scales: NDArray[np.float32] | None = None
    bias: NDArray[Any] | None = None
    positions: int | None = None
    label: str = ""

    @property
    def filters(self) -> int:
        """Number of filters: outputs of a dense layer, or output channels of a convolution."""
        return len(self.weights)

    @property
    def int8_bytes(self) -> int:
        """Bytes of the weights in int8, with one fp32 scale per filter."""
        return int(self.weights.size) + 4 * self.filters

    @cached_property
    def column_scales(self) -> FloatArray:
        """Quantisation scales [filters, 1, ...] in float64, to broadcast over the weights; ones for real weights."""
        scales = np.ones(self.filters) if self.scales is None else self.scales.astype(np.float64)
        return scales.reshape(-1, *[1] * (self.weights.ndim - 1))


class ObservedInputs(ABC):
    """Statistics of a layer's inputs over some images, from which the effect of changed weights is computed.

    A change is [filters, ...], in the unit of the layer's `WeightLayer.weights`.
    """

    @abstractmethod
    def mean_change(self, change: FloatArray) -> FloatArray:
        """Return the change of the mean of each filter's output (its sum of products) under new weights, [filters]."""

    @abstractmethod
    def variance(self, change: FloatArray) -> FloatArray:
        """Return the variance, over images and positions, of the change of each filter's output, [filters]."""


class TrainedNetwork(ABC):
    """Network with weights: scored, compressed, retrained and written back to its kind of file.

    A value: nothing changes it in place. Calls come in this order: `slipstick.trained.open_network` gives one;
    `layers` says what there is to compress; `observe` and `logits` measure its layers on calibration images;
    `with_weights` gives a copy with other weights, whose `predict` is scored and which `write` keeps. `graph` may be
    asked for at any time.

    Attributes
    ----------
    name : of the network in reports.
    integers : whether it computes in integers: weights are whole numbers under scales that stay as they are.
    module : the torch module that can be trained, None where there is none. Train that of a copy (`with_weights({})`).
    background : number of outputs before that of class 0: 1 where output 0 is the background.

    A new kind of file needs an implementation and a line in `slipstick.trained.open`:

        class MyNetwork(TrainedNetwork):
            name, integers, module, background, suffix = "mine", False, None, 0, ".mine"
            def layers(self): return (WeightLayer("fc", "linear", self.matrix),)
            def predict(self, images): return images.images.reshape(len(images), -1) @ self.matrix.T
            def with_weights(self, weights, biases=None): return MyNetwork(weights.get("fc", self.matrix))
            ...  # graph, logits, observe, calibration_images, to_bytes, write; the conformance suite says what holds
    """

    integers: ClassVar[bool]
    name: str
    module: Any
    background: int

    @property
    @abstractmethod
    def suffix(self) -> str:
        """File suffix of what `write` writes, such as ``.onnx``; empty for a network without a file format."""

    @abstractmethod
    def graph(self) -> ImportedGraph:
        """Return the operator graph for one image, as `estimate` and the array models take it."""

    @abstractmethod
    def layers(self) -> tuple[WeightLayer, ...]:
        """Return the layers with weights in the order in which they run."""

    @abstractmethod
    def predict(self, images: Images) -> NDArray[Any]:
        """Return the class scores of every image, [images, outputs]; the largest score is the predicted class."""

    @abstractmethod
    def logits(self, images: Images) -> NDArray[np.floating[Any]]:
        """Return the outputs of every image before the final softmax, [images, outputs]."""

    @abstractmethod
    def calibration_images(self, images: Images) -> tuple[Images, Images]:
        """Return the images of a set for `observe`, and the few on which sensitivities are measured."""

    @abstractmethod
    def observe(self, images: Images, names: Iterable[str] | None = None) -> Mapping[str, ObservedInputs]:
        """Return the input statistics of the named layers (by default all), by layer name."""

    @abstractmethod
    def with_weights(self, weights: Values, biases: Values | None = None) -> TrainedNetwork:
        """Return a copy with new weights and biases in some layers, in the units of `WeightLayer`.

        Errors
        ------
        SlipstickError for a layer that is not there, another shape, and values that its file cannot hold.
        """

    def with_encoded(self, encoded: Mapping[str, Encoded]) -> TrainedNetwork:
        """Return the network that remembers the encodings of its layers' weights, where it is quantised later."""
        return self

    @abstractmethod
    def to_bytes(self, notes: Mapping[str, object] | None = None) -> bytes:
        """Return the contents of the network's file, in the file format that it came in.

        Parameters
        ----------
        notes : what the file's header shall say besides, where it has one.

        Errors
        ------
        SlipstickError for a network that came in no file.
        """

    @abstractmethod
    def write(self, path: str | Path, notes: Mapping[str, object] | None = None) -> None:
        """Write the network's file atomically; arguments and errors as those of `to_bytes`."""


def right_answers(network: TrainedNetwork, images: Images) -> NDArray[np.bool_]:
    """Return for each image whether its true class gets the largest score; the first of equal scores counts.

    Errors
    ------
    SlipstickError for a label that the network has no output for, and as `TrainedNetwork.predict` raises it.
    """
    if not len(images):
        return np.zeros(0, np.bool_)
    scores = network.predict(images)
    classes = scores.shape[1] - network.background
    if int(images.labels.max()) >= classes:
        allowed = f"0 to {classes - 1}, the outputs of {network.name}"
        raise SlipstickError("no such class", path="labels", value=int(images.labels.max()), allowed=allowed)
    right: NDArray[np.bool_] = scores.argmax(axis=1) == images.labels + network.background
    return right


def _layer_named(layers: Iterable[WeightLayer], name: str, what_for: str) -> WeightLayer:
    """Return the layer of this name; SlipstickError at the path `what_for`, with the nearest names, if none."""
    by_name = {layer.name: layer for layer in layers}
    if name not in by_name:
        raise SlipstickError("no such layer with weights", path=what_for, value=name, allowed=by_name)
    return by_name[name]
