"""What noise in one layer does to an integer network's output, measured layer by layer on a few images.

One layer at a time is put into few shifts, its bias corrected; how far the outputs move, against the noise that this
made in the layer, is the layer's sensitivity. It is our own measure: the second derivatives that others take need
gradients, which integers have not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slipstick.compress.integer_post_training import layer_formats, noise, signal
from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.progress import Progress
from slipstick.trained.integer.integer_network import IntegerNetwork, Values
from slipstick.trained.integer.layer_statistics import LayerInputs, corrected_bias

PROBE = 2  # shifts of the layer that is looked at: its noise stands out of what rounding elsewhere makes of any change
IMAGES = 40  # to look at: a layer's sensitivity is a mean over all outputs of all of them


def sensitivities(
    network: IntegerNetwork,
    formats: str,
    inputs: Sequence[LayerInputs],
    images: Values,
    *,
    progress: Progress | None = None,
) -> FloatArray:
    """Return for each layer the share of the output's power that moves for a share of noise in the layer, [layers].

    Layers whose format has no shifts are not looked at and get 0.

    Parameters
    ----------
    formats : as `compress` takes them.
    inputs : what each layer sees (`layer_inputs`).
    images : codes, as `IntegerNetwork.run` takes them; one run of them for each layer.
    progress : called with the layers done, their number, and a text.

    Errors
    ------
    SlipstickError without images, and as `compress` raises it.
    """
    if not len(images):
        raise SlipstickError("needs images", path="images", allowed="one or more to look at")
    layers = network.weights()
    plain, found = outputs(network, images), np.zeros(len(layers))
    power = float(plain.var(axis=0).sum()) or 1.0
    for n, (layer, form, seen) in enumerate(zip(layers, layer_formats(layers, formats), inputs, strict=True)):
        if progress:
            progress(n, len(layers), f"sensitivity of {layer.readable}")
        if form.encoding.max_shifts is None:
            continue
        codes = form.encoding.recode(layer.codes, {"shifts": np.full(len(layer.codes), PROBE)})
        made = float(noise(layer, codes, seen).sum()) / signal(layer, seen)
        biases = {layer.bias_tensor: corrected_bias(layer, codes, seen)} if layer.bias_tensor >= 0 else {}
        moved = outputs(network, images, {layer.tensor: layer.stored(codes)}, biases) - plain
        found[n] = float((moved**2).mean(axis=0).sum()) / power / made if made else 0.0
    return found


def spread(images: Values) -> Values:
    """Return `IMAGES` images at most, from all of them alike: sets are often ordered by class."""
    return images[:: max(1, -(-len(images) // IMAGES))]


def outputs(
    network: IntegerNetwork,
    images: Values,
    weights: dict[int, Values] | None = None,
    biases: dict[int, Values] | None = None,
) -> FloatArray:
    """Return the codes [images, classes] that a network gives before its softmax, or at its end if it has none."""
    wanted = next((op.inputs[0] for op in network.operators if op.kind == "softmax"), network.output)
    found: list[FloatArray] = []

    def observe(tensor: int, codes: Values) -> None:
        if tensor == wanted:
            found.append(codes.reshape(len(codes), -1).astype(np.float64))

    network.run(images, weights, biases, observe=observe)
    return np.concatenate(found)
