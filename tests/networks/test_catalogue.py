"""Presets: sizes that give the published counts, names that resolve, rows of tables."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from slipstick import networks as models
from slipstick.core.errors import SlipstickError
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.find_network import network, presets
from slipstick.networks.from_row import RowSizes, decoder_from_row

ROUNDED = 0.03  # most publishers give two digits, MaxText's names are powers of two


@pytest.mark.parametrize("name", [name for name, entry in presets.items() if entry.published])
def test_published_counts(name: str) -> None:
    published = presets.entry(name).published
    assert published is not None
    exact = published % 1e6 != 0
    assert network(name).parameters == pytest.approx(published, rel=1e-9 if exact else ROUNDED)


def test_names_and_aliases_are_not_shared() -> None:
    spellings = [s for name, entry in presets.items() for s in {a.casefold() for a in (name, *entry.aliases)}]
    assert len(spellings) == len(set(spellings))


def test_every_preset_has_a_source() -> None:
    assert all(network(name).source for name in presets.names())


def test_names_in_any_case_and_objects() -> None:
    found = network("QWEN/qwen3-32b")
    assert found is network("qwen3-32b")
    assert network(found) is found


def test_a_misspelt_name_has_a_neighbour() -> None:
    with pytest.raises(SlipstickError, match="did you mean 'gpt3-175b'"):
        network("gpt3-175")


def test_files_and_dicts(tmp_path: Path) -> None:
    small = "hidden_size: 64\nnum_hidden_layers: 2\nnum_attention_heads: 4\nintermediate_size: 128\nvocab_size: 100\n"
    (tmp_path / "mine.yaml").write_text("model_type: llama\n" + small)
    by_file = network(tmp_path / "mine.yaml")
    assert by_file.name == "mine"
    ours = by_file.model_dump(exclude_defaults=True, mode="json")  # kinds are defaults, so say them again
    for block in ours["blocks"]:
        block["attention"]["kind"], block["mlp"]["kind"] = "gqa", "dense"
    assert network(ours) == by_file
    with pytest.raises(SlipstickError, match="blocks"):
        network({"name": "x", "hidden": 1, "vocabulary": 1})
    with pytest.raises(SlipstickError, match="no such file"):
        network(tmp_path / "config.json")


def test_every_name_of_the_reference_tables_resolves(shared: Path) -> None:
    reference = shared / "reference"
    for table, column in (
        ("llm_validation", "model"),
        ("llm_nanotron_h100", "model"),
        ("llm_serving_h100", "model_path"),
    ):
        with (reference / f"{table}.csv").open() as file:
            found = {row[column] for row in csv.DictReader(file)}
        assert [name for name in found if presets.get(name) is None] == []


def test_rows_of_the_reference_tables_are_their_presets(shared: Path) -> None:
    with (shared / "reference" / "llm_validation.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if "cut to" not in row["note"]]
    for row in rows:
        columns = {
            "layers": "layers",
            "hidden": "hidden",
            "heads": "heads",
            "kv_heads": "kv_heads",
            "ffn": "ffn",
            "vocabulary": "vocab",
        }
        sizes = {ours: int(row[theirs]) for ours, theirs in columns.items() if row[theirs]}
        assert decoder_from_row(row["model"], RowSizes(**sizes)) == network(row["model"])


def test_cut_models_keep_their_layers() -> None:
    whole, cut = network("llama-3-70b"), decoder_from_row("Llama-3 70B", RowSizes(layers=12))
    assert isinstance(whole, Decoder)
    assert cut.layers == 12
    assert cut.kinds[0].model_copy(update={"count": 80}) == whole.kinds[0]
    moe = decoder_from_row("DeepSeek-V3", RowSizes(layers=4, dense_layers=1))
    assert [block.count for block in moe.blocks] == [1, 3]


def test_unknown_rows_are_gpts_or_llamas_by_their_width() -> None:
    gpt = decoder_from_row("mine", RowSizes(layers=2, hidden=64, heads=4, ffn=256, vocabulary=1000, positions=128))
    assert (gpt.norm, gpt.positions, gpt.tied_embeddings, gpt.dropout) == ("layer", 128, True, True)
    llama = decoder_from_row("mine", RowSizes(layers=2, hidden=64, heads=4, kv_heads=2, ffn=172, vocabulary=1000))
    assert (llama.norm, llama.positions, llama.tied_embeddings, llama.dropout) == ("rms", 0, False, False)
    gated = decoder_from_row("mine", RowSizes(layers=2, hidden=64, heads=4, ffn=256, gated=True))
    assert gated.norm == "rms"
    with pytest.raises(SlipstickError, match="layers, hidden, heads not given"):
        decoder_from_row("mine", RowSizes())
    with pytest.raises(SlipstickError, match="does not divide"):
        decoder_from_row("mine", RowSizes(layers=2, hidden=64, heads=5))


def test_public_names_are_there() -> None:
    assert all(getattr(models, name) is not None for name in models.__all__)
    with pytest.raises(AttributeError):
        models.nothing  # noqa: B018


@pytest.mark.parametrize("name", ["", "x" * 10_000, "a\0b", "/dev/null/x"])
def test_odd_names_are_clear_errors(name: str) -> None:
    with pytest.raises(SlipstickError):
        network(name)
