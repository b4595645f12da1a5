"""What the Reports of `adapt` share: accuracy before and after, bytes, and a row for every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipstick.report.report import Metric, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from slipstick.training.paired_comparison import Paired

LAYER_HEADS = {
    "layer": "", "kind": "", "format": "", "shifts": "", "weights": "B", "noise over signal": "", "sensitivity": "",
}  # fmt: skip


def accuracies(data: str, compared: Paired, note: str = "", **right: NDArray[np.bool_]) -> dict[str, Metric]:
    """Return the share of right images of each stage (`before`, `rounded`, `after`), and the paired change."""
    source, (low, high) = f"{compared.images} images of {data}", compared.interval
    shares = {
        stage: Metric(float(images.mean()), "fraction", "measured", source, note) for stage, images in right.items()
    }
    return shares | {
        "change": Metric(compared.change, "fraction", "measured", "paired"),
        "change_low": Metric(low, "fraction", "measured", "95 % interval, paired"),
        "change_high": Metric(high, "fraction", "measured", "95 % interval, paired"),
        "p_value": Metric(compared.p_value, "", "measured", "McNemar's exact test"),
    }


def weights(packed: int, plain: int, biases: int | None = None) -> dict[str, Any]:
    """Return the bytes of the layers in formats, and of the same in int8; nothing where no layer is in one.

    `biases` adds those of an fp32 bias of each filter to both.
    """
    if not packed:
        return {}
    found = {
        "packed": Metric(packed, "B", "measured", "of all layers in formats, scales and pools included"),
        "int8": Metric(plain, "B", "measured", "of the same layers, scales included"),
        "compression": Metric(plain / packed, "", "measured", "int8 over packed"),
    }
    if biases is not None:
        with_biases = (plain + biases) / (packed + biases)
        found["biases"] = Metric(biases, "B", "measured", "fp32, one of each filter, batch norms folded in")
        found["compression_with_biases"] = Metric(with_biases, "", "measured", "int8 over packed")
    return {"weights": found}


def layer_table(rows: Iterable[tuple[Any, ...]]) -> Table:
    """Return a row for each layer under `LAYER_HEADS`."""
    return Table.of(LAYER_HEADS, rows)
