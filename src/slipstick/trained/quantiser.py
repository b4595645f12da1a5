"""Post-training quantiser: a network in real numbers and calibration images become an 8-bit .tflite network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.trained.tflite.tflite_network import TfliteNetwork, _tflite_network

if TYPE_CHECKING:
    from slipstick.core.encoding import Encoded
    from slipstick.datasets.images import Images
    from slipstick.trained.integer.activation_ranges import RangeMethod
    from slipstick.trained.network import TrainedNetwork

_BYTE = 8  # bits of a weight that the quantiser gives layers anyway
_PROBED = 64  # calibration images on which both networks' outputs are compared


@dataclass(frozen=True, eq=False)
class QuantisedNetwork:
    """Network quantised after training.

    Parameters
    ----------
    network : of 8-bit integers, with a .tflite file of its own.
    encoded : of the layers whose whole numbers are those of their formats.
    images : that found the activations' ranges.
    sqnr : power of the outputs over that of their error, in dB, on calibration images.
    """

    network: TfliteNetwork
    encoded: Mapping[str, Encoded]
    images: int
    sqnr: float


def quantise_network(
    network: TrainedNetwork,
    images: Images,
    encoded: Mapping[str, Encoded] | None = None,
    *,
    ranges: RangeMethod = "mse",
) -> QuantisedNetwork:
    """Return a network in real numbers as one of 8-bit integers, whose outputs are TensorFlow Lite's to the last bit.

    Parameters
    ----------
    network : a torch module, or an ONNX file's.
    images : for calibration; some hundreds of training images do.
    encoded : of layers whose weights are whole numbers under a scale of each filter (pools, SWIS, int4): those stay as
        they are. Default: what the network's file says. Other layers get int8 weights, those in int8 anew, so that
        what stands before them (how bytes become inputs) can go into them.
    ranges : of activations; ``mse``: of least squared error, ``minmax``: all that was observed.

    Errors
    ------
    SlipstickError for operators without an integer form (all are named), a module that torch.export cannot trace, and
    images that do not fit.
    """
    from slipstick.trained.integer.activation_ranges import activation_ranges
    from slipstick.trained.integer.input_codes import with_image_codes
    from slipstick.trained.integer.quantise import quantise
    from slipstick.trained.integer.real_folding import folded
    from slipstick.trained.tflite.tflite_writer import tflite_bytes
    from slipstick.trained.torch.torch_network import TorchNetwork
    from slipstick.trained.torch.traced_module import traced

    if not isinstance(network, TorchNetwork):
        raise SlipstickError("not a network in real numbers", path="network", value=network.name)
    trace, whole = traced(network, images), network.encoded if encoded is None else encoded
    whole = {name: tensor for name, tensor in whole.items() if tensor.encoding.bits_per_element < _BYTE}
    real = folded(trace.real_network(whole))
    histograms = trace.histograms(images, {real.source, *(op.output for op in real.operators)})
    normal = network._inputs()
    with_codes, codes = with_image_codes(real, normal.mean, normal.deviation)
    integer = quantise(with_codes, codes, activation_ranges(histograms, ranges))
    made = _tflite_network(tflite_bytes(integer), network.name, name=network.name)
    probed = images.some(_PROBED)
    output = integer.tensors[integer.output]
    rounded = output.scale * (made.predict(probed).astype(np.float64) - output.zero_point)
    return QuantisedNetwork(made, whole, len(images), _sqnr(network.predict(probed), rounded))


def _sqnr(exact: np.ndarray, rounded: np.ndarray) -> float:
    """Return the signal-to-quantisation-noise ratio of outputs in dB."""
    noise = float(((exact - rounded) ** 2).sum())
    power = float((exact.astype(np.float64) ** 2).sum())
    return float(10 * np.log10(power / noise)) if noise and power else float("inf")
