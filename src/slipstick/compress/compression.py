"""Compression of a trained network without training: number formats, shift schedule, shared pools, bias correction.

Noise that a format makes in a layer's output counts as a share of the output's own power, times what the network's
output makes of such a share (`sensitivity`). The mean of that noise goes into the bias (`bias_correction`); what is
left is what schedules divide shifts by (`shift_budget`). The weighing is our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from slipstick.compress.bias_correction import corrected_biases
from slipstick.compress.encoded_layers import _encode_layer, _kept_weights, _noise_share
from slipstick.compress.layer_formats import _shared_sides
from slipstick.compress.sensitivity import _sensitivities
from slipstick.compress.shift_budget import _schedule_shifts
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.formats.packed_file import stored_bytes
from slipstick.trained.network import ObservedInputs, TrainedNetwork, Values
from slipstick.trained.torch.pool_outputs import fit_to_outputs

if TYPE_CHECKING:
    from slipstick.core.progress import Progress
    from slipstick.datasets.images import Images
    from slipstick.training.error_injection import HardwareTraining
    from slipstick.training.time_budget import TrainingSchedule


@dataclass(frozen=True, eq=False)
class LayerStudy:
    """Measurements per layer on calibration images, made before weights change; empty where none are needed.

    `observed` are statistics of the layers' inputs, `sensitivity` the output's answer to noise in a layer, `shifts` a
    schedule's of each filter.
    """

    observed: Mapping[str, ObservedInputs] = field(default_factory=dict)
    sensitivity: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, IntArray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Compression:
    """Network with its weights quantised to formats, with the packed weights and shared pools per layer.

    `sides` were given to the encodings (a schedule's shifts, a shared pool); `biases` are the corrected ones; `noise`
    is the format's in the layer's output over the output's power, where inputs were observed.
    """

    network: TrainedNetwork
    formats: Mapping[str, Format]
    encoded: Mapping[str, Encoded]
    sides: Mapping[str, Values]
    biases: Values
    noise: Mapping[str, float]
    trained: HardwareTraining | None = None
    schedule: TrainingSchedule | None = None

    @property
    def packed_bytes(self) -> int:
        """Bytes of the packed weights, scales included; a pool that layers share counts once."""
        if self.network.integers:
            return sum(tensor.nbytes for tensor in self.encoded.values())
        return stored_bytes(self.encoded)

    @property
    def int8_bytes(self) -> int:
        """Bytes of the same layers' weights in int8, with one fp32 scale per filter."""
        return sum(layer.int8_bytes for layer in self.network.layers() if layer.name in self.formats)


def study_layers(
    network: TrainedNetwork,
    forms: Mapping[str, Format],
    images: Images,
    *,
    shifts: float | None = None,
    costs: Mapping[str, FloatArray] | None = None,
    columns: int = 1,
    progress: Progress | None = None,
) -> LayerStudy:
    """Return the layer measurements on calibration images; with an average of `shifts`, also sensitivities.

    Parameters
    ----------
    costs, columns : as `_schedule_shifts` takes them.
    progress : called with the layers done, their number, and a text.

    Errors
    ------
    SlipstickError as `_schedule_shifts` and `_sensitivities` raise it.
    """
    taken, probed = network.calibration_images(images)
    if progress:
        progress(0, len(forms), f"inputs of layers on {len(taken)} images")
    observed = network.observe(taken, forms)
    if shifts is None:
        return LayerStudy(observed)
    sensitivity = _sensitivities(network, forms, observed, probed, progress=progress)
    layer_shifts = _schedule_shifts(
        network, forms, observed, shifts, sensitivity=sensitivity, costs=costs, columns=columns
    )
    return LayerStudy(observed, sensitivity, layer_shifts)


def compress(
    network: TrainedNetwork,
    forms: Mapping[str, Format],
    study: LayerStudy | None = None,
    *,
    correct: bool = True,
    outputs: Images | None = None,
) -> Compression:
    """Return the compression that quantises every layer's weights to its format; the network is unchanged.

    Parameters
    ----------
    forms : of each layer (`layer_formats`); those that are left out keep their weights.
    study : measurements (`study_layers`): a schedule of shifts, and inputs for biases.
    correct : correct the biases of layers that changed; needs a study.
    outputs : images on which pools are fitted to the outputs of their layers; None: to the weights alone.

    Errors
    ------
    SlipstickError for corrections without a study, and an integer network in a format that keeps no whole numbers.

    Examples
    --------
    >>> from slipstick.compress.layer_formats import layer_formats
    >>> from slipstick.trained import open_network
    >>> network = open_network("examples/data/small.tflite")
    >>> small = compress(network, layer_formats(network, "swis:2"), correct=False)
    >>> small.packed_bytes < small.int8_bytes
    True
    """
    study = study or LayerStudy()
    if correct and forms and not study.observed:
        allowed = "images to calibrate on, or no correction of biases"
        raise SlipstickError("needs images", path="study", allowed=allowed)
    sides: dict[str, Values] = {**_shared_sides(network, forms)}
    sides |= {name: {"shifts": shifts} for name, shifts in study.shifts.items()}
    layers = [layer for layer in network.layers() if layer.name in forms]
    fitted, pools = ({}, {}) if outputs is None else fit_to_outputs(network, forms, sides, outputs)
    sides |= pools
    sources = [replace(layer, weights=fitted.get(layer.name, layer.weights)) for layer in layers]
    weights = {layer.name: _kept_weights(layer, forms[layer.name], sides.get(layer.name)) for layer in sources}
    encoded = {layer.name: _encode_layer(layer, forms[layer.name], sides.get(layer.name)) for layer in sources}
    biases = corrected_biases(layers, weights, study.observed) if correct else {}
    shares = {
        layer.name: _noise_share(layer, weights[layer.name], study.observed[layer.name])
        for layer in layers
        if layer.name in study.observed
    }
    changed = {layer.name: weights[layer.name] for layer in layers if _differ(weights[layer.name], layer.weights)}
    return Compression(network.with_weights(changed, biases), forms, encoded, sides, biases, shares)


def _differ(weights: np.ndarray, others: np.ndarray) -> bool:
    return bool((weights != others).any())
