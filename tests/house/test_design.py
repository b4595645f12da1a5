"""The design page is true: its folders are those of the source, its layers those that import-linter holds."""

from __future__ import annotations

import re
import tomllib

import pytest

from commands import ROOT

SRC = ROOT / "src" / "slipstick"
PAGE = (ROOT / "docs" / "design.md").read_text("utf-8")
FOLDER = re.compile(r"`(\w+)/`")


def section(title: str) -> str:
    """Return a section of the page, without its heading."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def folders_of(place: str = "") -> set[str]:
    return {path.parent.name for suffix in ("py", "yaml") for path in (SRC / place).glob(f"*/*.{suffix}")}


def rows() -> dict[str, str]:
    """Return what the table says of each folder."""
    cells = re.findall(r"^\| `(\w+)/` \| (.*) \|$", section("The folders"), re.MULTILINE)
    return dict(cells)


def test_the_folders_of_the_page_are_those_of_the_source() -> None:
    assert set(rows()) == folders_of()


@pytest.mark.parametrize("folder", sorted(rows()))
def test_the_rooms_of_a_folder_are_named(folder: str) -> None:
    assert set(FOLDER.findall(rows()[folder])) == folders_of(folder)


def test_the_layers_of_the_page_are_those_that_are_held() -> None:
    written = re.search(r"```text\n(.*?)```", section("The layers"), re.DOTALL)
    assert written is not None
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    house = next(contract for contract in contracts if "containers" not in contract)
    layers = [layer.replace("slipstick.", "") for layer in house["layers"]]
    assert written[1].splitlines() == layers
    assert {name for layer in layers for name in layer.split(" | ")} == (folders_of() | {"__main__"}) - {"data"}


def test_files_and_names_of_the_page_are_there() -> None:
    shown = re.findall(r"`((?:\w+/)+[\w-]+\.(?:py|yaml))`", PAGE)
    assert len(shown) > 10
    for path in shown:
        assert any((place / path).exists() for place in (ROOT, SRC.parent, SRC)), path
    source = "\n".join(path.read_text("utf-8") for path in SRC.rglob("*.py"))
    for name in re.findall(r"`([A-Z]\w+[a-z]\w*)`", PAGE):
        assert f"class {name}" in source, name


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md"])
def test_other_pages_point_to_it(page: str) -> None:
    assert "docs/design.md" in (ROOT / page).read_text("utf-8")
