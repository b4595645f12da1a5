from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pydantic import Field

from slipstick.core import catalogue as registry
from slipstick.core import entry_files, units
from slipstick.core.catalogue import Catalogue, Entry, resolve_system, systems
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.system import System

GPU = """\
aliases: [big, "Big One"]
source: data sheet
power: 300 W
device: {kind: accelerator, cores: 80, clock: 1.5 GHz, matrix: {fp16: 125 TFLOP/s}, vector: {fp32: 15 TFLOP/s}}
memory:
  hbm:
    capacity: 32 GiB
    bandwidth: {value: 900, unit: GB/s, source: white paper, note: measured 790}
network:
  node: {technology: nvlink2, domain: 8, bandwidth: 150 GB/s}
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue[System]:
    files = {
        "gpu": GPU,
        "gpu-next": "base: gpu\nsource: rumour\nmemory: {hbm: {bandwidth: 2 TB/s}}\nnetwork: ~\n",
        "gpu-last": "base: gpu-next\naliases:\n  - latest\npower: {value: 500 W, source: talk}\n",
        "circle-a": "base: circle-b\n",
        "circle-b": "base: circle-a\n",
        "broken": "power: 3 V\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return Catalogue(System, tmp_path, scale=System.scaled)


def test_names_read_no_file(catalogue: Catalogue[System], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was read")

    monkeypatch.setattr(entry_files, "parse_yaml", refuse)
    monkeypatch.setattr(entry_files, "read_text", refuse)
    assert catalogue.names() == ["broken", "circle-a", "circle-b", "gpu", "gpu-last", "gpu-next"]


@pytest.mark.parametrize("name", ["gpu", "GPU", " gpu ", "big", "BIG ONE", "gpu:1"])
def test_by_name(catalogue: Catalogue[System], name: str) -> None:
    assert catalogue.resolve(name).name == "gpu"


def test_by_object_dict_and_file(catalogue: Catalogue[System], tmp_path: Path) -> None:
    gpu = catalogue.resolve("gpu")
    assert catalogue.resolve(gpu) is gpu
    assert catalogue.resolve("gpu") is gpu
    assert catalogue.resolve({"base": "gpu", "name": "mine", "power": "200 W"}).power == 200
    mine = tmp_path / "deep" / "mine.yaml"
    mine.parent.mkdir()
    mine.write_text("base: ../gpu.yaml\nmemory: {hbm: {capacity: 64 GiB}}\n")
    for spec in (mine, str(mine)):
        assert catalogue.resolve(spec).memory["hbm"].capacity == 64 * 2**30
    assert catalogue.resolve(f"{mine}:4").devices == 4


def test_counts(catalogue: Catalogue[System]) -> None:
    assert catalogue.resolve("big:64").devices == 64
    for bad in ("gpu:0", "gpu:-1", "gpu:x", "gpu:", "gpu:1.5", "gpu:" + "9" * 5000):
        with pytest.raises(SlipstickError, match="not a count"):
            catalogue.resolve(bad)


def test_inheritance_merges_and_drops(catalogue: Catalogue[System]) -> None:
    following = catalogue.resolve("gpu-next")
    assert following.memory["hbm"].bandwidth == 2e12
    assert following.memory["hbm"].capacity == 32 * 2**30
    assert following.network == {}
    assert following.aliases == ()
    assert following.name == "gpu-next"
    assert catalogue.resolve("latest").power == 500


def test_sources_follow_their_numbers(catalogue: Catalogue[System]) -> None:
    gpu = catalogue.resolve("gpu")
    assert gpu.source_of("memory.hbm.bandwidth") == "white paper; measured 790"
    assert gpu.source_of("memory.hbm.capacity") == "data sheet"
    following = catalogue.resolve("gpu-next")
    assert following.source_of("memory.hbm.bandwidth") == "rumour"
    assert following.source_of("memory.hbm.capacity") == "data sheet"
    assert catalogue.resolve("gpu-last").source_of("power") == "talk"
    assert catalogue.resolve("gpu-last").source_of("memory.hbm.capacity") == "data sheet"
    assert catalogue.resolve("gpu-last").source_of("memory.hbm.bandwidth") == "rumour"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("gpuu", "no such system; got 'gpuu'; did you mean 'gpu'"),
        ("bgi", "did you mean 'big'"),
        ("", "no such system"),
        ("no/such.yaml", "no such file"),
        ("circle-a", "a circle of bases: circle-a -> circle-b -> circle-a"),
        ({"base": 3}, "base: not a name"),
        ({"base": "nope"}, "no such system"),
        (7, "a name, a dict, a YAML file or an object"),
        ({"sources": 3}, "sources"),
    ],
)
def test_one_clear_error(catalogue: Catalogue[System], spec: object, words: str) -> None:
    with pytest.raises(SlipstickError, match=words):
        catalogue.resolve(spec)  # type: ignore[arg-type]


def test_a_broken_file_is_named_with_all_its_errors(catalogue: Catalogue[System]) -> None:
    with pytest.raises(SpecErrors) as caught:
        catalogue.resolve("broken")
    assert str(caught.value).startswith("broken: 3 errors")
    assert {error.path for error in caught.value.errors} == {"power", "device", "memory"}


def test_a_file_that_is_its_own_base(tmp_path: Path) -> None:
    (tmp_path / "self.yaml").write_text("base: ./self.yaml\n")
    with pytest.raises(SlipstickError, match="a circle of bases"):
        systems.resolve(tmp_path / "self.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(SlipstickError, match="not a mapping"):
        resolve_system(tmp_path / "list.yaml")


@pytest.mark.parametrize("name", systems.names())
def test_every_system_of_the_catalogue_loads(name: str) -> None:
    system = resolve_system(name)
    assert system.name.casefold() == name.casefold()
    assert system.main_memory.capacity > 0
    for alias in system.aliases:
        assert resolve_system(alias) == system


def test_no_alias_hides_the_name_of_another() -> None:
    names = {name.casefold(): name for name in systems.names()}
    for alias, name in systems.aliases().items():
        assert names.get(alias.casefold(), name) == name


LATTICES = """\
source: a textbook
series:
  aliases: [mine]
  spacing: {metal: 2 m}
lattices:
  cubic:
    aliases: [simple cubic, "Cubic/1"]
    angle: {value: 90, unit: 1, source: by definition}
    spacing: {wood: {value: 30, unit: mm, source: measured}}
  skew: {base: cubic, source: a guess, angle: 80}
  bare: ~
"""


class Lattice(Entry):
    angle: float = Field(default=0.0, ge=0)
    spacing: dict[str, units.Metres]


@pytest.fixture
def lattices(tmp_path: Path) -> Catalogue[Lattice]:
    (tmp_path / "b.yaml").write_text(LATTICES)
    (tmp_path / "a.yaml").write_text("lattices: {hexagonal: {angle: 120, spacing: {}}}\n")
    (tmp_path / "notes.txt").write_text("not read")
    return Catalogue(Lattice, tmp_path, group="lattices", field="crystal.lattice")


def test_a_file_of_many_entries(lattices: Catalogue[Lattice]) -> None:
    assert lattices.names() == ["hexagonal", "cubic", "skew", "bare"]
    cubic = lattices.entry("Simple  CUBIC")
    assert (cubic.name, cubic.angle, cubic.spacing) == ("cubic", 90.0, {"metal": 2.0, "wood": 0.03})
    assert cubic.source_of("angle") == "by definition"
    assert cubic.source_of("spacing.wood") == "measured"
    assert cubic.source_of("spacing.metal") == "a textbook"
    assert lattices.entry("bare").source == "a textbook"
    assert lattices.get("cubic/1") is lattices.entry("cubic")
    assert lattices.get("quasi") is None


def test_entries_of_a_file_inherit_as_files_do(lattices: Catalogue[Lattice]) -> None:
    skew = lattices.entry("skew")
    assert (skew.angle, skew.spacing["wood"], skew.aliases) == (80.0, 0.03, ("mine",))
    assert skew.source_of("spacing.wood") == "measured"
    assert skew.source_of("angle") == "a guess"


def test_an_unknown_entry_names_the_field_that_asks_for_it(lattices: Catalogue[Lattice]) -> None:
    with pytest.raises(SlipstickError, match=r"crystal\.lattice: no such lattice; got 'cubik'; did you mean 'cubic'"):
        lattices.entry("cubik")


def test_one_file_holds_its_entries_at_the_top(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text("one: {spacing: {a: 1 m}}\ntwo: {spacing: {a: 2 m}}\n")
    catalogue = Catalogue(Lattice, tmp_path / "all.yaml")
    assert [(name, entry.spacing["a"]) for name, entry in catalogue.items()] == [("one", 1.0), ("two", 2.0)]
    (tmp_path / "all.yaml").write_text("one: {spacing: {a: 1 V}}\n")
    with pytest.raises(SpecErrors, match=r"^all: one"):
        Catalogue(Lattice, tmp_path / "all.yaml").entry("one")


def test_the_data_are_read_from_a_zip_archive(tmp_path: Path) -> None:
    package = Path(registry.__file__).parents[1]
    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
        for path in package.rglob("*"):
            if path.suffix in (".py", ".yaml"):
                archive.write(path, Path("slipstick") / path.relative_to(package))
    code = (
        "import slipstick\n"
        "from slipstick.engines.catalogues import KINDS\n"
        "assert '.zip' in slipstick.__file__\n"
        "assert slipstick.estimate('llama-3.1-8b', 'h100:8', phase='decode', batch=8).value('time.per_token') > 0\n"
        "print(sum(len(kind.open().names()) for kind in KINDS.values() if kind.catalogue))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "whole.zip")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200
