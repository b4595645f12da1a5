"""Network of a reference row: by its name or its sizes, and held against the row's other columns."""

from __future__ import annotations

from slipstick.cluster.validation.row_cells import Row, _number
from slipstick.core.errors import SlipstickError
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.from_row import RowSizes, decoder_from_row, preset_of

# Parameters of a row and of the network found for it may differ by its names' rounding; the reference rows by 2.8 %.
_PARAMETERS = 0.06


def _network_of(row: Row, sequence: int) -> Decoder:
    """Return the network of a row: by name where the catalogue knows it, by its sizes where they differ.

    Errors
    ------
    SlipstickError where the row's parameters or expert parallelism are not that network's.
    """
    tied = row.get("tied_embeddings", "")
    note = row.get("note", "")
    sizes = RowSizes(
        layers=_number(row, "layers"),
        hidden=_number(row, "hidden"),
        heads=_number(row, "heads"),
        kv_heads=_number(row, "kv_heads"),
        ffn=_number(row, "ffn"),
        vocabulary=_number(row, "vocab"),
        tied=None if not tied else tied.lower() in ("true", "yes", "1"),
        gated=True if "llama" in row["model"].lower() else None,
        positions=sequence,
        dense_layers=1 if "one dense layer" in note else None,
    )
    decoder = decoder_from_row(row["model"], sizes)
    _require_same(row, decoder)
    return decoder


def _require_same(row: Row, decoder: Decoder) -> None:
    """Raise a SlipstickError where the row's parameters or expert parallelism belong to another network."""
    stated = row.get("params", "").strip()
    try:
        parameters = float(stated or "nan")
    except ValueError:
        raise SlipstickError("not a number", path="params", value=stated) from None
    if parameters <= 0:
        raise SlipstickError("not a number of parameters", path="params", value=stated)
    if abs(decoder.parameters / parameters - 1) > _PARAMETERS:  # never for nan
        message = (
            f"{decoder.name} has {decoder.parameters / 1e9:.4g} G parameters, the row says {parameters / 1e9:.4g} G"
        )
        raise SlipstickError(message, path="params", value=stated)
    ranks = _number(row, "ep") or 1
    if ranks > 1 and not decoder.expert_counts:
        raise SlipstickError(f"{decoder.name} has no experts to share", path="ep", value=ranks)


def _network_note(row: Row) -> str:
    """Return a note where a row's network is not one of the catalogue, but what its sizes say."""
    if preset_of(row["model"]) is not None:
        return ""
    return f"{row['model']} is not in the catalogue: a network of the row's sizes"
