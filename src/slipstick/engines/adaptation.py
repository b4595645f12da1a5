"""Options and results of `adapt`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipstick.compress.adapt_options import CalibrationImages, Retraining, ShiftSchedule
    from slipstick.compress.compression import Compression, LayerStudy
    from slipstick.core.encoding import Encoded
    from slipstick.core.question import Question
    from slipstick.datasets.images import DataSet, Images
    from slipstick.engines.question import SystemSpec
    from slipstick.trained.network import TrainedNetwork

    _Right = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class AdaptOptions:
    """Options of one call of `adapt`: calibration, shift schedule, retraining, and the array to estimate."""

    calibration: CalibrationImages
    schedule: ShiftSchedule
    retraining: Retraining
    system: SystemSpec | None = None

    @property
    def studies_layers(self) -> bool:
        """Whether any option needs the input statistics of layers."""
        return self.calibration.correct or self.schedule.shifts is not None

    def inputs(self, tuning: Images) -> dict[str, Any]:
        """Return the schedule and calibration options, as the Report's inputs show them."""
        schedule = self.schedule
        columns = {} if schedule.columns is None else {"columns": schedule.columns}
        return {
            "shifts": schedule.shifts, "weighed": schedule.weighed, **columns, "correct": self.calibration.correct,
            "calibrated on": len(tuning) if self.studies_layers else 0,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class _AdaptedNetwork:
    """Network with quantised weights, and which test images were right at each stage: detail of the Report.

    `before`, `rounded` and `after` tell for each scored image whether it was right: with the weights as they came, in
    formats without training, and after it.
    """

    network: TrainedNetwork
    encoded: Mapping[str, Encoded]
    before: _Right
    rounded: _Right
    after: _Right
    notes: Mapping[str, object]

    @property
    def module(self) -> Any:
        """Torch module of the adapted network, None for a network that is no torch module."""
        return self.network.module

    def write(self, path: str | Path) -> None:
        """Write the network with its quantised weights decoded, in the file format that it came in."""
        self.network.write(path, self.notes)

    def write_packed(self, path: str | Path) -> int:
        """Write the network with packed weights, which `open_network` reads; return the file's size [B]."""
        from slipstick.trained.open import write_packed_network

        return write_packed_network(path, self.network, self.encoded)

    def folded(self) -> tuple[TrainedNetwork, Mapping[str, Encoded], Mapping[str, Encoded]]:
        """Return the network with batch norms folded into scales and biases in fp16, its weights, and its biases.

        Errors
        ------
        SlipstickError for a network that is no torch module, and as `folded_norms` raises it.
        """
        from slipstick.trained.torch.folded_norms import folded_norms
        from slipstick.trained.torch.torch_network import TorchNetwork

        if not isinstance(self.network, TorchNetwork):
            allowed = "a torch network; the weights of others: --packed"
            raise SlipstickError("has no batch norms to fold", path="weights", value=self.network.name, allowed=allowed)
        return folded_norms(self.network, self.encoded)

    def write_weights(self, path: str | Path) -> int:
        """Write the weights alone, as `folded` gives them, with their biases; return the compact file's size [B]."""
        from slipstick.formats.packed_file import write_packed

        _, tensors, biases = self.folded()
        biases = {f"{name}.bias": tensor for name, tensor in biases.items()}
        return write_packed(path, {**tensors, **biases}, short=True)


@dataclass(frozen=True, eq=False)
class _Adaptation:
    """Result of `adapt` in one format, from which its Report is made."""

    network: TrainedNetwork
    data: DataSet
    formats: str
    compression: Compression
    study: LayerStudy
    detail: _AdaptedNetwork
    question: Question | None
    bits: Mapping[int, float]
