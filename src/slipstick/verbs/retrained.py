"""`adapt` for torch networks: weights in formats, retrained for them, their accuracy before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.answer import Answer
from slipstick.core.report import Metric, Report, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstick.adapt.paired import Paired
    from slipstick.core.format import Format
    from slipstick.models.datasets.images import DataSet

CALIBRATE = 1024  # training images that find the ranges of activations
RATE = 0.05  # the largest learning rate of retraining: a quarter of that of a short training from the start


@dataclass(frozen=True, eq=False)
class Retrained(Answer):
    """The network (`torch.nn.Module`) with what its formats keep of its weights, and the Report.

    `before`, `rounded` and `after` tell which test images are right: with the weights as they came, in formats without
    training, and after it.
    """

    net: Any
    before: NDArray[np.bool_]
    rounded: NDArray[np.bool_]
    after: NDArray[np.bool_]
    report: Report


def retrained(
    net: str | Path,
    formats: str,
    data: str | Path | DataSet,
    *,
    epochs: int = 0,
    rate: float = RATE,
    seed: int = 0,
    activations: Sequence[int] = (),
    root: str | Path | None = None,
    out: str | Path | None = None,
    packed: str | Path | None = None,
    folder: str | Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Retrained:
    """Put the weights of a trained torch network into formats, retrain it for them, and score it on all test images.

    Parameters
    ----------
    net
        A file that ``slipstick train --out`` wrote.
    formats
        ``swis:2``, ``pool:size=64``, or by patterns: ``swis:2;first=fp32``.
    epochs
        Of retraining; 0 only rounds.
    activations
        Bits of the ReLUs' results at which the final network is scored besides, chosen at run time.
    out
        Write the network there, its weights as the formats keep them.
    packed
        Write the packed weights there (`slipstick.formats.packed`): a pool once, indices and scales for each layer.
    folder
        Keeps the state of retraining after every epoch; the same call goes on from there.

    Errors
    ------
    SlipstickError for files and formats that are none, and data that does not fit the network.
    """
    from slipstick.adapt.activations import by_bits
    from slipstick.adapt.evaluation import evaluate
    from slipstick.adapt.paired import paired
    from slipstick.adapt.recipe import Recipe
    from slipstick.adapt.retrain import attach, bias_bytes, plain_bytes
    from slipstick.adapt.training import train
    from slipstick.formats.packed import stored_bytes, write_packed
    from slipstick.formats.torch_module import detach, encoded_weights
    from slipstick.models.datasets import data_set
    from slipstick.models.torch_nets.saved import load_net, save_net

    module, normal, about = load_net(net)
    images = data_set(data, root=root)
    before = evaluate(module, images.test, normal)
    forms = attach(module, formats)
    rounded = evaluate(module, images.test, normal)
    after = rounded
    if epochs:
        recipe = Recipe(epochs=epochs, rate=rate, seed=seed)
        train(module, images, recipe, normal=normal, folder=Path(folder) if folder else None, progress=progress)
        after = evaluate(module, images.test, normal)
    encoded = encoded_weights(module)
    sizes = stored_bytes(encoded), plain_bytes(module, forms), bias_bytes(module)
    if packed is not None:
        write_packed(packed, encoded)
    detach(module)
    curve = {}
    if activations:
        count = len(images.train)
        spread = images.train.take(np.random.default_rng(seed).permutation(count)[:CALIBRATE])
        curve = by_bits(module, images.test, spread, normal, activations)
    asked = {
        "net": str(about["net"]),
        "data": images.name,
        "formats": formats,
        "epochs": epochs,
        "rate": rate,
        "seed": seed,
    }
    compared = paired(before, after)
    report = _report(asked, forms, compared, (before.mean(), rounded.mean(), after.mean()), sizes, curve)
    if out is not None:
        save_net(module, out, str(about["net"]), images, {"about": images.about, "formats": formats, "adapted": asked})
    return Retrained(module, before, rounded, after, report)


def _report(
    asked: dict[str, Any],
    forms: dict[str, Format],
    compared: Paired,
    shares: tuple[float, float, float],
    sizes: tuple[int, int, int],
    curve: Mapping[int, NDArray[np.bool_]],
) -> Report:
    source, (low, high) = f"{compared.images} test images of {asked['data']}", compared.interval
    before, rounded, after = (Metric(float(share), "fraction", "measured", source) for share in shares)
    return Report(
        title=f"{asked['net']} on {asked['data']} in {asked['formats']}, {asked['epochs']} epochs of retraining",
        metrics={
            "accuracy": {
                "before": before, "rounded": rounded, "after": after,
                "change": Metric(compared.change, "fraction", "measured", "paired"),
                "change_low": Metric(low, "fraction", "measured", "95 % interval, paired"),
                "change_high": Metric(high, "fraction", "measured", "95 % interval, paired"),
                "p_value": Metric(compared.p_value, "", "measured", "McNemar's exact test"),
            },
            **_weights(sizes),
        },
        breakdowns={"formats": _layers(forms)} | ({"bits of activations": _curve(curve)} if curve else {}),
        inputs=asked,
    )  # fmt: skip


def _weights(sizes: tuple[int, int, int]) -> dict[str, Any]:
    """Return the bytes of the layers in formats; nothing where no layer is in one."""
    packed, plain, biases = sizes
    if not packed:
        return {}
    found = {
        "packed": Metric(packed, "B", "measured", "of all layers in formats, scales and pools included"),
        "int8": Metric(plain, "B", "measured", "of the same layers, scales included"),
        "compression": Metric(plain / packed, "", "measured", "int8 over packed"),
        "biases": Metric(biases, "B", "measured", "fp32, one of each filter, batch norms folded in"),
        "compression_with_biases": Metric((plain + biases) / (packed + biases), "", "measured", "int8 over packed"),
    }
    return {"weights": found}


def _curve(curve: Mapping[int, NDArray[np.bool_]]) -> Table:
    rows = [(bits, float(right.mean())) for bits, right in sorted(curve.items(), reverse=True)]
    return Table.of({"bits": "", "accuracy": "fraction"}, rows)


def _layers(forms: dict[str, Format]) -> Table:
    return Table.of({"layer": "", "format": ""}, [(name, form.name) for name, form in forms.items()])
