"""Packages with entry points, installed for one test: modules and metadata in a folder of the path."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slipstick.core.plugins import installed_plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
CROSSBAR = ROOT / "examples" / "plugin"


def write_metadata(folder: Path, name: str, entries: Mapping[str, Mapping[str, str]]) -> None:
    """Write the metadata of a package: entry points by group and name."""
    metadata = folder / f"{name.replace('-', '_')}-0.1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    lines = [
        line
        for group, values in entries.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in values.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


@contextmanager
def installed(*folders: Path) -> Iterator[None]:
    """Put folders with packages and their metadata on the path; afterwards nothing of them is left."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        for folder in folders:
            patch.syspath_prepend(folder)
        invalidate_caches()
        installed_plugins.cache_clear()
        try:
            yield
        finally:
            for name in set(sys.modules) - before:
                file = getattr(sys.modules[name], "__file__", None) or ""
                if any(file.startswith(str(folder)) for folder in folders):
                    del sys.modules[name]
    installed_plugins.cache_clear()


@contextmanager
def package(
    folder: Path, name: str, modules: Mapping[str, str], entries: Mapping[str, Mapping[str, str]]
) -> Iterator[None]:
    """Install a package of single modules, each with its text."""
    folder.mkdir(exist_ok=True)
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)
    write_metadata(folder, name, entries)
    with installed(folder):
        yield


def write_project_metadata(project: Path, folder: Path) -> None:
    """Write the metadata that pip would make of a project's pyproject.toml."""
    about = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    write_metadata(folder, about["name"], about["entry-points"])


@contextmanager
def installed_project(project: Path, folder: Path) -> Iterator[None]:
    """Install a project's package from its sources, with the entry points of its pyproject.toml."""
    write_project_metadata(project, folder)
    with installed(folder, project / "src"):
        yield
