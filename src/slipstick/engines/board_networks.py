"""Integer networks for boards: opened as they are, or quantised on calibration images, with weights in formats."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.edge.kernels.packed_weights import VECTOR
from slipstick.engines.adapt_network import _split
from slipstick.report.report import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from slipstick.core.encoding import Encoded, Encoding
    from slipstick.core.question import Question
    from slipstick.datasets.images import DataSet
    from slipstick.edge.layers import WeightStorage
    from slipstick.trained.network import TrainedNetwork
    from slipstick.trained.tflite.tflite_network import TfliteNetwork

_INT4_BITS = 4  # of weights that are stored two a byte


@dataclass(frozen=True, eq=False)
class _BoardNetwork:
    """Network of 8-bit integers for a board.

    Parameters
    ----------
    network : what the board computes.
    storages : how weights lie in flash, by the place of their operator; others are bytes, or a pool.
    real : the network in real numbers that was quantised, its weights in their formats; None for integers from a file.
    metrics : of the quantisation, for Reports; empty where there was none.
    """

    network: TfliteNetwork
    storages: Mapping[int, WeightStorage]
    real: TrainedNetwork | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)


def _board_network(question: Question) -> _BoardNetwork:
    """Return a question's network as a board computes it: weights in the plan's formats, and in integers.

    The option `data` calibrates a network in real numbers with its training images; an integer network needs none.

    Errors
    ------
    SlipstickError as `quantise_network` and `layer_formats` raise it.
    """
    from slipstick.trained.weighted_network import WeightedNetwork

    network, formats = WeightedNetwork.of(question.workload.network).trained, question.plan.formats.layers
    if network.integers:
        return _in_formats(_of_tflite(network), formats)
    return _quantised(network, question.options["data"], formats)


def _of_tflite(network: TrainedNetwork) -> TfliteNetwork:
    """Return a network whose operators firmware is generated from.

    Errors
    ------
    SlipstickError for a third party's network in integers, of which only its outputs are known.
    """
    from slipstick.trained.tflite.tflite_network import TfliteNetwork

    if isinstance(network, TfliteNetwork):
        return network
    raise SlipstickError("firmware is generated from .tflite files alone", path="network", value=network.name)


def _in_formats(network: TfliteNetwork, formats: str) -> _BoardNetwork:
    """Return an integer network with its weights in formats, under the scales that it has."""
    from slipstick.compress.compression import compress
    from slipstick.compress.layer_formats import layer_formats

    if not formats:
        return _BoardNetwork(network, {})
    compressed = compress(network, layer_formats(network, formats), correct=False)
    made = _of_tflite(compressed.network)
    return _BoardNetwork(made, _storages(made, compressed.encoded))


def _quantised(network: TrainedNetwork, data: DataSet, formats: str) -> _BoardNetwork:
    """Return a network in real numbers with its weights in formats, biases corrected for it, then quantised."""
    from slipstick.compress.adapt_options import CalibrationImages
    from slipstick.compress.compression import compress, study_layers
    from slipstick.compress.layer_formats import layer_formats
    from slipstick.trained.quantiser import quantise_network

    tuning, _ = _split(data, CalibrationImages())
    encoded: Mapping[str, Encoded] | None = None  # what its file says
    if formats:
        forms = layer_formats(network, formats)
        compressed = compress(network, forms, study_layers(network, forms, tuning))
        network, encoded = compressed.network, compressed.encoded
    made = quantise_network(network, tuning, encoded)
    source = f"{made.images} images of {data.name}"
    metrics = {
        "quantised": {
            "images": Metric(float(made.images), "", "given", f"training images of {data.name}"),
            "sqnr": Metric(made.sqnr, "dB", "measured", source, "outputs of the integers against the real numbers'"),
        }
    }
    return _BoardNetwork(made.network, _storages(made.network, made.encoded), network, metrics)


def _storages(network: TfliteNetwork, encoded: Mapping[str, Encoded]) -> dict[int, WeightStorage]:
    """Return how weights lie in flash, by the place of their operator.

    Weights of shared shifts (SWIS) and of four bits are packed, those of a pool are indices into the array of their
    format, and eight signs (binary weights) an index of eight bits; whole numbers of another format stay bytes.
    """
    from slipstick.edge.layers import WeightStorage
    from slipstick.trained.integer.layer_weights import layer_weights

    storages: dict[int, WeightStorage] = {}
    pooled: dict[Encoding, dict[int, NDArray[np.int8]]] = {}
    for layer in layer_weights(network.network):
        tensor = encoded.get(layer.name) or encoded.get(f"{layer.name}#{layer.tensor}")
        if tensor is None:
            continue
        form = tensor.encoding
        vectors_of_pool = (form.shared_bytes and form.vector == VECTOR) or _signs_in_vectors(layer.codes, form)
        if vectors_of_pool and layer.kind != "depthwise":
            pooled.setdefault(form, {})[layer.op] = layer.codes.reshape(-1, VECTOR).astype(np.int8)
        elif form.weight_shifts is not None and form.group > 1:
            storages[layer.op] = WeightStorage("swis", shifts=form.weight_shifts, group=form.group)
        elif np.abs(layer.codes).max(initial=0) < 2 ** (_INT4_BITS - 1) and form.bits_per_element <= _INT4_BITS:
            storages[layer.op] = WeightStorage("int4")
    for vectors in pooled.values():  # those of filters whose batch norm turned their sign are there twice
        pool = np.unique(np.concatenate(list(vectors.values())), axis=0)
        storages |= dict.fromkeys(vectors, WeightStorage("pool", pool))
    return storages


def _signs_in_vectors(codes: NDArray[np.integer], form: Encoding) -> bool:
    """Return whether weights [..., channels] are signs alone, and channels fill the vectors of a pool."""
    return form.bits_per_element == 1 and codes.shape[-1] % VECTOR == 0
