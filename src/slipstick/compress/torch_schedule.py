"""Shifts of every filter of a torch network, and how sensitive it is to noise in each of its layers.

As `integer_post_training` and `integer_sensitivity` do for integers: errors are noise in a layer's output as a share of
the output's own power, times what the network's output makes of such a share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.compress.integer_sensitivity import PROBE
from slipstick.compress.torch_observe import Seen, hold_means, noise, signal, weights_of
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.format import Format
from slipstick.formats.shift_schedule import errors_by_shifts, schedule
from slipstick.training.evaluation import predict

if TYPE_CHECKING:
    from torch import nn

    from slipstick.core.progress import Progress
    from slipstick.datasets.images import Images, Normal


def float_sensitivities(
    net: nn.Module,
    forms: Mapping[str, Format],
    seen: Mapping[str, Seen],
    images: Images,
    normal: Normal,
    *,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Return for each layer the share of the output's power that moves for a share of noise in the layer.

    One layer at a time is put into its format (into two shifts, where it has shifts) with its mean held; the network is
    left as it was, bit for bit.
    """
    torch = require("torch", "torch")
    plain = predict(net, images, normal)
    power, weights, found = float(plain.var(axis=0).sum()) or 1.0, weights_of(net, forms), {}
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for place, (name, form) in enumerate(forms.items()):
        if progress:
            progress(place, len(forms), f"sensitivity of {name}")
        change = probed(form, weights[name]) - weights[name]
        made = float(noise(change, seen[name]).sum()) / signal(weights[name], seen[name])
        layer: Any = net.get_submodule(name)
        with torch.no_grad():
            moved = np.moveaxis(change, -1, 1) if change.ndim > 2 else change
            layer.weight.add_(torch.from_numpy(moved.astype(np.float32)))
        hold_means(net, name, change, seen[name])
        apart = predict(net, images, normal) - plain
        net.load_state_dict(state)
        found[name] = float((apart**2).mean(axis=0).sum()) / power / made if made else 0.0
    return found


def probed(form: Format, weights: FloatArray) -> FloatArray:
    """Return weights as the format keeps them, in `PROBE` shifts where filters have shifts of their own."""
    side = {"shifts": np.full(len(weights), PROBE)} if form.encoding.max_shifts else None
    return form.encoding.decode(form.encoding.encode(weights, side)).astype(np.float64)


def float_schedule(
    net: nn.Module,
    forms: Mapping[str, Format],
    seen: Mapping[str, Seen],
    budget: float,
    *,
    costs: Mapping[str, FloatArray] | None = None,
    sensitivity: Mapping[str, float] | None = None,
    columns: int = 1,
) -> dict[str, IntArray]:
    """Return the shifts of each filter [filters] of every layer whose format has shifts: `budget` on average.

    Parameters
    ----------
    costs : by layer, what one shift of each filter counts [filters]. Default: its groups, which is bytes.

    Errors
    ------
    SlipstickError if no layer's format has shifts, or for a budget that no schedule keeps.
    """
    able = {name: form for name, form in forms.items() if form.encoding.max_shifts}
    if not able:
        raise SlipstickError(
            "no layer's format has shifts", path="formats", value=[form.name for form in forms.values()][:1]
        )
    weights, errors, counted = weights_of(net, able), [], []
    for name, form in able.items():
        errors.append((sensitivity or {}).get(name, 1.0) * _errors(weights[name], form, seen[name]))
        groups = -(-weights[name][0].size // form.encoding.group)
        counted.append(costs[name] if costs else np.full(len(weights[name]), float(groups)))
    return dict(zip(able, schedule(errors, counted, budget, columns=columns), strict=True))


def _errors(weights: FloatArray, form: Format, seen: Seen) -> FloatArray:
    """Return the noise of every filter at every number of shifts, as a share of the layer's signal."""
    whole = signal(weights, seen)

    def kept(count: int) -> FloatArray:
        return form.encoding.decode(form.encoding.encode(weights, {"shifts": np.full(len(weights), count)})).astype(
            np.float64
        )

    return errors_by_shifts(kept, lambda values: noise(values - weights, seen) / whole, form.encoding.max_shifts or 0)
