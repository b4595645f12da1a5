"""Published latencies of networks on boards: rows of data/edge_rows.yaml, their prediction, calibration, and its test.

The calibration of a library is the median ratio of its measured to its modelled times. It is tested by leaving one
board out: its rows are predicted from the library's rows on all other boards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.edge.core_table import cores
from slipstick.edge.latency.kernel_mixes import KernelMix, _cycles_per_instruction, mix_for
from slipstick.edge.latency.layer_work import WorkKind

_TENTHS = 10  # parts of the distribution, whose outer ones lie outside the band


class _MeasuredNetwork(Entry):
    """Network of a published latency: its multiply-accumulates and outputs, by kind of layer."""

    macs: dict[WorkKind, float] = Field(description="Multiply-accumulates, by kind of layer")
    elements: dict[WorkKind, float] = Field(description="Outputs (pools: inputs), by kind of layer")
    calls: float = Field(description="Kernel calls")


class _LatencyRow(Entry):
    """Published latency of a network on a board with a library of kernels."""

    network: str = Field(description="Network, a name in data/edge_networks.yaml")
    board: str = Field(description="Board as its source calls it")
    core: str = Field(description="Core, a name in data/cores")
    clock: units.Hertz = Field(description="Clock of the core")
    library: str = Field(description="Library of kernels, a name in data/instructions")
    time: units.PositiveSeconds = Field(description="Time of an inference")
    role: str = Field(default="calibration", description="calibration, or check: never fitted")


measured_networks: Catalogue[_MeasuredNetwork] = Catalogue(
    _MeasuredNetwork, "edge_networks.yaml", noun="measured network"
)
latency_rows: Catalogue[_LatencyRow] = Catalogue(_LatencyRow, "edge_rows.yaml", noun="published latency")


@dataclass(frozen=True)
class LatencyPrediction:
    """Published row with its prediction from other boards; `boards` is their number, 0 where there is no other."""

    row: _LatencyRow
    predicted: float
    boards: int

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return self.predicted / self.row.time - 1.0


def _modelled_time(row: _LatencyRow) -> float:
    """Return the time of a published row without calibration [s]: instructions x cycles."""
    core, network = cores.entry(row.core), measured_networks.entry(row.network)
    mix = mix_for(row.library, core)
    instructions = mix.call * network.calls
    instructions += sum(mix.macs.get(kind, 0.0) * macs for kind, macs in network.macs.items())
    instructions += sum(mix.elements.get(kind, 0.0) * count for kind, count in network.elements.items())
    return instructions * _cycles_per_instruction(mix.shares, core) / row.clock


def left_out() -> list[LatencyPrediction]:
    """Return every row predicted from the rows of its kernels on all other boards, those to be checked included.

    Where no other board has the kernels, the modelled time stands as it is.
    """
    rows = [row for _, row in latency_rows.items()]
    fitted = [row for row in rows if row.role == "calibration"]
    predictions = []
    for row in rows:
        others = [other for other in fitted if other.board != row.board and _mix(other).name == _mix(row).name]
        boards = len({other.board for other in others})
        predictions.append(LatencyPrediction(row, _modelled_time(row) * _factor(others), boards))
    return predictions


def fitted_calibration(mix: KernelMix) -> tuple[float, float, float] | None:
    """Return the calibration of a mix and its band, tenth and ninetieth percentile; None where it has no rows."""
    rows = [row for _, row in latency_rows.items() if row.role == "calibration" and _mix(row).name == mix.name]
    if not rows:
        return None
    factor = _factor(rows)
    ratios = [row.time / _modelled_time(row) / factor for row in rows]
    if len(rows) == 1:
        return factor, *_alone()
    tenths = quantiles(ratios, n=_TENTHS, method="inclusive")
    return factor, min(tenths[0], 1.0), max(tenths[-1], 1.0)


def _alone() -> tuple[float, float]:
    """Return the band of a single row: its spread is unknown, so that the errors of all left-out rows count."""
    errors = sorted(1.0 / (1.0 + prediction.error) for prediction in left_out() if prediction.boards)
    tenths = quantiles(errors, n=_TENTHS, method="inclusive")
    return tenths[0], tenths[-1]


def _mix(row: _LatencyRow) -> KernelMix:
    return mix_for(row.library, cores.entry(row.core))


def _factor(rows: Sequence[_LatencyRow]) -> float:
    """Return the median of measured over modelled times, 1 without rows."""
    return math.exp(median(math.log(row.time / _modelled_time(row)) for row in rows)) if rows else 1.0
