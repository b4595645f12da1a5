"""Suite of the `llm_validation` format: published training steps, memory, prefill and decode, one row per case."""

from __future__ import annotations

from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.validation.inference_rows import _inference_figure
from slipstick.cluster.validation.row_network import _network_note
from slipstick.cluster.validation.training_rows import _memory_figure, _training_figure
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.report.published import Row, RowDict, Suite, Validation, is_recollected, number, register_suite

_FIGURES = {
    "train": _training_figure,
    "memory": _memory_figure,
    "prefill": _inference_figure,
    "decode": _inference_figure,
}


class _LlmSuite(Suite):
    """Training, memory, prefill and decode of language models, by the columns of llm_validation.csv."""

    name = "llm"
    columns = frozenset(
        ("case_id", "kind", "model", "layers", "hidden", "seq", "global_batch", "micro_batch", "tp", "pp", "dp", "sp",
         "recompute", "precision", "gpu", "n_gpus", "measured_value", "unit", "source")
    )  # fmt: skip
    about = "published training steps, memory footprints, prefill and decode of language models"

    def replay(self, rows: list[RowDict]) -> Validation:
        """Return the comparison of every row with our figure; rows that cannot be modelled are listed with reasons."""
        replayed, skipped = [], []
        for row in rows:
            try:
                replayed.append(_replayed(row))
            except SlipstickError as error:
                skipped.append((row["case_id"], str(error)))
        return Validation(self.name, tuple(replayed), tuple(skipped))


def _replayed(row: RowDict) -> Row:
    kind = row["kind"]
    if kind not in _FIGURES:
        raise SlipstickError("not a kind of row", path="kind", value=kind, allowed=list(_FIGURES))
    figure, note = _FIGURES[kind](row)
    published, case = number(row, "measured_value"), row["case_id"]
    return Row(case, kind, published, figure, row["unit"], row["source"], _note(row, note), is_recollected(row))


def _note(row: RowDict, own: str) -> str:
    notes = ["the published figure is a recollection"] if is_recollected(row) else []
    notes += [text for text in (own, _network_note(row)) if text]
    if not Chip.of(resolve_system(row["gpu"])).steps.calibrated:
        notes.append("ours by the data sheet: no calibration for this device")
    return "; ".join(notes)


SUITE = register_suite(_LlmSuite())
