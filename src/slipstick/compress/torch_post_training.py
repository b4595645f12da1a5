"""A torch network's weights in formats without training: what layers see, sensitivities, shifts, means held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slipstick.compress.integer_sensitivity import IMAGES
from slipstick.compress.torch_observe import Seen, hold_means, layers_see, noise, signal, weights_of
from slipstick.compress.torch_schedule import float_schedule, float_sensitivities
from slipstick.core.arrays import FloatArray
from slipstick.core.encoding import Encoded
from slipstick.core.format import Format

if TYPE_CHECKING:
    from torch import nn

    from slipstick.core.progress import Progress
    from slipstick.datasets.images import Images, Normal


@dataclass(eq=False)
class Looked:
    """What was found before a network's weights went into formats, by layer; empty where nothing was looked at.

    `noise` is filled by `hold_all`: a format's noise in its layer's output over the output's power.
    """

    seen: Mapping[str, Seen] = field(default_factory=dict)
    weights: Mapping[str, FloatArray] = field(default_factory=dict)
    sensitivity: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    noise: dict[str, float] = field(default_factory=dict)

    def groups(self, name: str, form: Format) -> int:
        """Return the groups of each filter of a layer, which is what one more shift of it is stored for."""
        each = int(self.weights[name][0].size)
        return -(-each // form.encoding.group)


def look(
    net: nn.Module,
    forms: Mapping[str, Format],
    images: Images,
    normal: Normal,
    *,
    shifts: float | None = None,
    costs: Mapping[str, FloatArray] | None = None,
    columns: int = 1,
    progress: Progress | None = None,
) -> Looked:
    """Look at what layers see of `images`; with an average of `shifts`, also at sensitivities, and schedule it.

    Parameters
    ----------
    costs : as `float_schedule` takes them.

    Errors
    ------
    SlipstickError as `float_schedule` raises it.
    """
    seen, weights = layers_see(net, images, normal, forms), weights_of(net, forms)
    if shifts is None:
        return Looked(seen, weights)
    sensitivity = float_sensitivities(net, forms, seen, images.some(IMAGES), normal, progress=progress)
    found = float_schedule(net, forms, seen, shifts, costs=costs, sensitivity=sensitivity, columns=columns)
    return Looked(seen, weights, sensitivity, found)


def hold_all(net: nn.Module, looked: Looked, encoded: Mapping[str, Encoded]) -> None:
    """Take what the formats do to the mean of every layer's output into biases and batch norms; note the noise left."""
    for name, kept in encoded.items():
        change = kept.values.astype(np.float64) - looked.weights[name]
        hold_means(net, name, change, looked.seen[name])
        looked.noise[name] = float(noise(change, looked.seen[name]).sum()) / signal(
            looked.weights[name], looked.seen[name]
        )
