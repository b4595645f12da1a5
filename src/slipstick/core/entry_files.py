"""Files of catalogue entries: YAML of the package itself, of a folder, or of another package that adds entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import ModuleType
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.files import parse_yaml, read_text
from slipstick.core.plugins import Plugin

_Data = dict[str, Any]
_SUFFIX = ".yaml"
_ALLOWED = "a package or folder with YAML files, or a mapping of names to fields"


def _yaml_files(folder: Traversable) -> dict[str, Traversable]:
    """Return the YAML files of a folder by stem, sorted, or the single file that `folder` is; no file is opened."""
    files = [folder] if folder.is_file() else list(folder.iterdir())
    return dict(sorted((file.name.removesuffix(_SUFFIX), file) for file in files if file.name.endswith(_SUFFIX)))


def _entry_text(file: Traversable) -> str:
    """Return the text of a file of a package (which may lie in a wheel or a zip archive) or of a folder."""
    return read_text(file) if isinstance(file, Path) else file.read_text(encoding="utf-8")


def _entry_data(file: Traversable) -> _Data:
    """Return the mapping of fields that a YAML file holds.

    Errors
    ------
    SlipstickError for a file that is no YAML, or no mapping.
    """
    data = parse_yaml(_entry_text(file), where=str(file))
    if not isinstance(data, dict):
        raise SlipstickError("not a mapping of fields", path=str(file), value=data, allowed="field: value, a line each")
    return data


@dataclass(frozen=True, eq=False)
class PluginEntry:
    """Catalogue entry that another package adds: its fields, or the YAML file that holds them."""

    plugin: Plugin
    source: Traversable | Mapping[str, Any]

    def fields(self) -> _Data:
        """Return the fields of the entry, as its file or mapping states them."""
        return dict(self.source) if isinstance(self.source, Mapping) else _entry_data(self.source)

    @property
    def folder(self) -> Path | None:
        """Folder to which a relative ``base`` refers; None for an entry that is not a plain file."""
        return self.source.parent if isinstance(self.source, Path) else None


@cache
def _plugin_entries(plugin: Plugin) -> dict[str, PluginEntry]:
    """Return the entries of a plug-in by name, which is a key of its mapping or the stem of its YAML file.

    Errors
    ------
    SlipstickError naming the package, if it does not load, is neither a mapping nor a folder, or has no entry.
    """
    loaded = resources.files(plugin.value) if isinstance(plugin.value, ModuleType) else plugin.value
    loaded = Path(loaded) if isinstance(loaded, str) else loaded
    if isinstance(loaded, Mapping) and all(isinstance(fields, Mapping) for fields in loaded.values()):
        sources: Mapping[str, Any] = loaded
    elif isinstance(loaded, Traversable) and loaded.is_dir():
        sources = _yaml_files(loaded)
    else:
        raise plugin.error("loads to no catalogue entries", _ALLOWED)
    if not sources:
        raise plugin.error("brings no entry", _ALLOWED)
    return {str(name): PluginEntry(plugin, source) for name, source in sources.items()}
