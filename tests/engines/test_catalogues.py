"""Every catalogue: each entry loads and is shown with its sources, and nothing else reads data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import slipstick
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import leaves
from slipstick.engines.catalogues import KINDS, list_table, show_table
from slipstick.engines.entry_fields import _entry_fields

SRC = Path(slipstick.__file__).parent
CATALOGUES = [name for name, kind in KINDS.items() if kind.catalogue]
OWN_TABLES = [name for name in CATALOGUES if issubclass(KINDS[name].open().kind, Entry)]
WITHOUT_NUMBERS = ("papers",)  # a bibliography is its own source
DESCRIBED = [name for name in CATALOGUES if name not in ("systems", "workloads")]  # the nouns have their own tests


@pytest.mark.parametrize("catalogue", KINDS)
def test_every_entry_is_listed_and_shown(catalogue: str) -> None:
    table = list_table(catalogue)
    assert table.rows
    assert KINDS[catalogue].names()
    for row in table.rows:
        title, shown = show_table(catalogue, str(row[0]))
        assert title == f"{catalogue} {row[0]}"
        assert [column.name for column in shown.columns[:3]] == ["field", "value", "source"]
        assert shown.rows


@pytest.mark.parametrize("catalogue", OWN_TABLES)
def test_every_number_has_a_source(catalogue: str) -> None:
    for name, entry in KINDS[catalogue].open().items():
        for path, value, source, _ in _entry_fields(entry):
            assert source or not re.match(r"-?[\d.]", value), f"{catalogue} {name}: {path} = {value}"


@pytest.mark.parametrize("catalogue", OWN_TABLES)
def test_every_source_belongs_to_a_field(catalogue: str) -> None:
    for name, entry in KINDS[catalogue].open().items():
        paths = list(leaves(entry))
        groups = {".".join(path.split(".")[:n]) for path in paths for n in range(1, path.count(".") + 2)}
        assert set(entry.sources) <= groups, f"{catalogue} {name}"


@pytest.mark.parametrize("catalogue", DESCRIBED)
def test_every_field_is_described(catalogue: str) -> None:
    for _, entry in KINDS[catalogue].open().items():
        assert [path for path, _, _, description in _entry_fields(entry) if not description] == []


def test_names_find_their_entries_whatever_their_case() -> None:
    for name in CATALOGUES:
        catalogue: Catalogue[Entry] = KINDS[name].open()
        for key in catalogue.names():
            assert catalogue.get(f" {key.upper()} ") is catalogue.entry(key), f"{name}: {key}"


def test_every_catalogue_of_the_code_is_registered() -> None:
    made = re.compile(r"^(\w+)(?:: [^=]*)? = Catalogue\(", re.MULTILINE)
    places = {
        f"{'.'.join(path.relative_to(SRC).with_suffix('').parts)}:{match[1]}"
        for path in SRC.rglob("*.py")
        for match in made.finditer(path.read_text("utf-8"))
    }
    assert places == {kind.catalogue for kind in KINDS.values() if kind.catalogue}


def test_every_file_of_data_belongs_to_a_catalogue() -> None:
    files = {file.name for name in CATALOGUES for file in KINDS[name].open().files()}
    assert {path.name for path in (SRC / "data").rglob("*.yaml")} <= files
    rows = SRC / "data" / "validation"  # published rows, and the page that says why they may ship
    tables = SRC / "data" / "multipliers"  # products of circuits beside their facts, and the licence that they need
    files_of_rows = [path for path in (SRC / "data").rglob("*") if path.is_file() and path.parent not in (rows, tables)]
    assert {path.suffix for path in files_of_rows} - {".pyc"} == {".yaml", ".py"}
    assert {path.suffix for path in tables.iterdir()} == {".npz", ".md", ".yaml"}
    assert {path.suffix for path in rows.iterdir()} == {".csv", ".md", ".yaml"}


def test_nothing_else_reads_yaml_or_finds_the_data() -> None:
    readers = re.compile(r"load_yaml|import yaml|importlib.resources|import resources|__file__")
    found = {path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py") if readers.search(path.read_text("utf-8"))}
    c_code = {
        "edge/emulator/toolchain.py",
        "edge/firmware/project_files.py",
        "edge/kernels/kernel.py",
        "formats/arithmetic/kernels/native_library.py",
    }  # and templates
    references = {"array/golden/vector_files.py"}  # modules that are written into folders as they are
    tables = {"formats/multipliers/find_multiplier.py"}  # of products, an NPZ
    assert found == {"core/catalogue.py", "core/entry_files.py", "core/files.py"} | c_code | references | tables


def test_show_by_name_finds_nouns_first_and_refuses_to_guess_among_tables() -> None:
    assert show_table("ResNet-152") == ("ResNet-152", show_table("workloads", "resnet-152")[1])
    assert show_table("vllm")[1] == show_table("stacks", "vllm")[1]
    assert show_table("prices") == show_table("prices", "datacentre")
    with pytest.raises(SlipstickError, match="show kernels hopper, show steps hopper"):
        show_table("hopper")
    with pytest.raises(SlipstickError, match="did you mean 'vllm'"):
        show_table("vlllm")
    with pytest.raises(SlipstickError, match="no such entry of stacks; got 'vlm'; did you mean 'vllm'"):
        show_table("stacks", "vlm")
    with pytest.raises(SlipstickError, match="no such catalogue; got 'stack'; did you mean 'stacks'"):
        show_table("stack", "vllm")
    with pytest.raises(SlipstickError, match="NAME, or CATALOGUE NAME"):
        show_table()


def test_the_name_of_a_catalogue_alone_says_how_to_go_on() -> None:
    for name, kind in KINDS.items():
        if len(kind.names()) > 1:
            first = re.escape(kind.names()[0])
            with pytest.raises(SlipstickError, match=f"slipstick list {name}, or slipstick show {name} {first}$"):
                show_table(name)


def test_fields_of_a_plan_are_shown_by_short_key_and_by_path() -> None:
    title, table = show_table("plan", "tp")
    values = {str(row[0]): row[1] for row in table.rows}
    assert title == "plan tp"
    assert (values["path"], values["default"], values["choices"]) == ("plan.parallel.tp", "auto", "whole number | auto")
    assert "Tensor parallelism" in str(values["what"])
    assert show_table("plan", "parallel.tp")[1] == table
    with pytest.raises(SlipstickError, match="no such entry of plan; got 'tpp'; did you mean 'tp'"):
        show_table("plan", "tpp")


def test_engines_are_shown_by_verb_one_group_each() -> None:
    listed = list_table("engines")
    for verb in {str(row[0]) for row in listed.rows}:
        fields = {str(row[0]): row[1] for row in show_table("engines", verb)[1].rows}
        rows = [row for row in listed.rows if row[0] == verb]
        assert [fields[f"{number}.engine"] for number, _ in enumerate(rows, 1)] == [row[-1] for row in rows]
        assert len(fields) == len(rows) * (len(listed.columns) - 1)
    with pytest.raises(SlipstickError, match="no such entry of engines; got 'estimat'; did you mean 'estimate'"):
        show_table("engines", "estimat")


def test_workloads_are_listed_by_kind() -> None:
    every = {row[0] for row in list_table("workloads").rows}
    graphs, decoders = ({row[0] for row in list_table("workloads", kind).rows} for kind in ("graph", "decoder"))
    assert graphs | decoders == every
    assert not graphs & decoders
    assert "mobilenet-v2" in graphs
    assert "llama-3.1-8b" in decoders
    with pytest.raises(SlipstickError, match="no such kind of workloads; got 'grahp'; did you mean 'graph'"):
        list_table("workloads", "grahp")
    with pytest.raises(SlipstickError, match="prices have no kinds; got 'graph'; allowed: systems, workloads"):
        list_table("prices", "graph")
    assert {row[0] for row in list_table("systems", "array").rows} >= {"swis-8x8", "int8-8x8"}


def test_the_list_of_catalogues_has_each_with_its_entries() -> None:
    rows = {row[0]: row[1] for row in list_table().rows}
    assert list(rows) == list(KINDS)
    assert all(rows[name] == len(KINDS[name].open().names()) for name in CATALOGUES)
