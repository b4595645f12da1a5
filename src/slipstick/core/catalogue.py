"""Catalogues: specs by name, by dict, by file or by object, everywhere the same; the one reader of the package's data.

A catalogue is a folder of YAML files below ``slipstick/data``: a file an entry, the file's stem its name; or, with a
`group`, many entries a file, below that key; or one YAML file of entries. An entry may

* inherit: ``base: other-name`` (or a path ending in .yaml, relative to the file) is read first and merged below it,
  group by group; ``group: null`` drops the base's group, another ``kind`` replaces it; aliases are not inherited;
* say where one number comes from: any leaf may be ``{value: 3.35, unit: TB/s, source: data sheet}`` instead of a plain
  value. Sources are collected by dotted path in the spec's field `sources`, if its kind has one.

In a file of many entries ``source`` beside the group holds for all of them, and so does what ``series`` holds.
Installed packages add entries where a catalogue names an entry point group for them (`systems`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import Field

from slipstick.core.entry_files import PluginEntry, _entry_data, _entry_text, _plugin_entries, _yaml_files
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.files import load_fields, parse_yaml
from slipstick.core.origins import _origin_counts
from slipstick.core.plugins import Plugin, check_plugins, working
from slipstick.core.spec import Spec, validate
from slipstick.core.system import System

S = TypeVar("S", bound=Spec)
_Data = dict[str, Any]

_LEAF = {"value", "unit", "source", "note"}
_NOT_INHERITED = ("base", "name", "aliases")
_SUFFIXES = (".yaml", ".yml", ".json")
_COUNTED = re.compile(r"^(.+):(\d{1,9})$")
_ALIASES = re.compile(r"^aliases:.*(?:\n(?:[ \t-].*)?)*", re.MULTILINE)


class Entry(Spec):
    """Base of the specs that stand in a catalogue: a name, and where the numbers come from.

    Fields of a kind are declared with their unit and ``Field(description=...)``, which `show` prints beside the value.
    """

    name: str = Field(default="", description="Name in the catalogue; the file's stem or the entry's key unless given")
    aliases: tuple[str, ...] = Field(default=(), description="Other names that find the same entry")
    source: str = Field(default="", description="Where the numbers come from that have no source of their own")
    sources: dict[str, str] = Field(default_factory=dict, description="Dotted path of a field -> its own source")
    note: str = Field(default="", description="Remark that belongs to the whole entry")

    def source_of(self, path: str) -> str:
        """Return the source of the number at a dotted path: its own, that of a group around it, or the entry's."""
        keys = path.split(".")
        groups = (".".join(keys[:length]) for length in range(len(keys), 0, -1))
        return next((self.sources[group] for group in groups if group in self.sources), self.source)

    def origins(self, *groups: str) -> str:
        """Return the counts of numbers that are calibrated, set by hand, assumed, and so on, by their sources.

        Parameters
        ----------
        groups : first names of the dotted paths that count; all where none is given.

        Examples
        --------
        >>> Entry(sources={"a": "assumed: as b", "b": "calibrated on c.csv", "d.e": "assumed"}).origins()
        '2 assumed, 1 calibrated'
        """
        sources = self.sources.items()
        return _origin_counts(text for path, text in sources if not groups or path.partition(".")[0] in groups)


class Catalogue(Generic[S]):
    """Specs of one kind in one folder or file of data, and the way from whatever a user writes to such a spec.

    Parameters
    ----------
    kind : the spec's class.
    place : a folder or a YAML file below ``slipstick/data``, or any absolute path.
    noun : what messages call one entry; the class's name in lower case unless given.
    group : the key below which each file holds many entries; without it a file of a folder is one entry, and a single
        file holds its entries at the top.
    field : the field that messages name when there is no such entry, such as ``plan.stack``.
    scale : what ``name:count`` means, such as `System.scaled`; without it the suffix is an error.
    plugins : the entry point group by which installed packages add entries to a catalogue of one entry a file: a
        package or folder of YAML files, or a mapping of names to fields.

    Examples
    --------
    >>> systems.resolve({"name": "toy", "memory": {"ram": {"capacity": "1 GiB"}}, "device": {"kind": "accelerator",
    ...     "cores": 1, "clock": "1 GHz", "matrix": {"fp32": "1 GFLOP/s"}, "vector": {}}}).main_memory.capacity
    1073741824.0
    """

    def __init__(
        self,
        kind: type[S],
        place: str | Path,
        *,
        noun: str = "",
        group: str = "",
        field: str = "",
        scale: Callable[[S, int], S] | None = None,
        plugins: str = "",
    ) -> None:
        self.kind, self.noun, self.field, self.scale = kind, noun or kind.__name__.strip("_").lower(), field, scale
        self._group, self._many = group, bool(group) or str(place).endswith(_SUFFIXES)
        self._place, self._loaded, self._plugins = place, dict[str, S](), plugins

    def names(self) -> list[str]:
        """Return the names of all entries: sorted by file, then in the file's order; those of plug-ins come last.

        Errors
        ------
        SlipstickError for a plug-in that does not load, or that brings a name which is taken.
        """
        check_plugins(self._plugins, self._plugged)
        return [*self._own_names, *self._installed]

    def aliases(self) -> dict[str, str]:
        """Return a mapping from each alias to the name of its entry, aliases of installed packages left out."""
        return dict(self._aliases)

    def files(self) -> list[Traversable]:
        """Return the paths of the files that the entries are read from."""
        return list(self._files.values())

    def items(self) -> Iterator[tuple[str, S]]:
        """Yield the name and the spec of every entry."""
        for name in self.names():
            yield name, self._load(name)

    def get(self, name: str) -> S | None:
        """Return the spec of a name or alias of the catalogue, None where there is none."""
        known = self._known(name)
        return None if known is None else self._load(known)

    def entry(self, name: str) -> S:
        """Return the spec of a name or alias of the catalogue.

        Errors
        ------
        SlipstickError naming the nearest of the names and aliases.
        """
        return self._load(self.find(name))

    def resolve(self, spec: S | Mapping[str, Any] | str | Path) -> S:
        """Return the spec that a name, alias, ``name:count``, dict, file or object stands for.

        Errors
        ------
        SlipstickError for an unknown name (with the nearest) or a wrong count; SpecErrors for a dict or a file that
        does not fit, all errors at once.
        """
        if isinstance(spec, self.kind):
            return spec
        if isinstance(spec, Mapping):
            return self._build(dict(spec), where=str(spec.get("name", self.noun)), stem="", chain=())
        if not isinstance(spec, str | Path):
            raise SlipstickError(f"not a {self.noun}", value=spec, allowed="a name, a dict, a YAML file or an object")
        if isinstance(spec, str) and self.scale is not None and ":" in spec:
            return self._counted(spec)
        if is_file_name(spec):
            path = Path(spec)
            return self._build(
                load_fields(path), where=str(path), stem=path.stem, chain=(str(path.resolve()),), folder=path.parent
            )
        return self.entry(str(spec))

    def find(self, name: str) -> str:
        """Return the catalogue's own spelling of a name or alias; blanks and the case of letters make no difference.

        Errors
        ------
        SlipstickError naming the nearest of the names and aliases.
        """
        known = self._known(name)
        if known is None:
            allowed = [*self.names(), *self._aliases]
            raise SlipstickError(f"no such {self.noun}", path=self.field, value=name, allowed=allowed)
        return known

    @cached_property
    def _files(self) -> dict[str, Traversable]:
        """Return the YAML files by their stems; no file is opened."""
        place = Path(self._place)
        root: Traversable = place if place.is_absolute() else resources.files("slipstick.data").joinpath(*place.parts)
        return _yaml_files(root)

    @cached_property
    def _rows(self) -> dict[str, tuple[str, _Data]]:
        """Return file and fields of each entry of multi-entry files, the file's common fields merged in as defaults."""
        rows: dict[str, tuple[str, _Data]] = {}
        for stem, file in self._files.items():
            data = _entry_data(file)
            entries = data[self._group] if self._group else data
            source = {"source": data["source"]} if self._group and "source" in data else {}
            common = {**source, **data.get("series", {})}
            rows |= {str(name): (stem, _merge(common, fields or {})) for name, fields in entries.items()}
        return rows

    @cached_property
    def _aliases(self) -> dict[str, str]:
        if self._many:
            return {alias: name for name, (_, fields) in self._rows.items() for alias in fields.get("aliases", ())}
        return {alias: name for name, file in self._files.items() for alias in _aliases_in(file)}

    @property
    def _own_names(self) -> list[str]:
        return list(self._rows if self._many else self._files)

    @property
    def _installed(self) -> dict[str, PluginEntry]:
        """Return the entries that other packages add, by name; packages that fail to load are left out."""
        return {name: entry for _, entries in working(self._plugins, self._plugged) for name, entry in entries.items()}

    def _plugged(self, plugin: Plugin) -> dict[str, PluginEntry]:
        """Return the entries of a plug-in by name."""
        entries = _plugin_entries(plugin)
        for name in entries:
            if _letters(name) in self._by_name:
                raise plugin.error(f"brings the {self.noun} {name!r}, which slipstick has itself", "another name")
        return entries

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return {_letters(name): name for name in self._own_names}

    @cached_property
    def _by_alias(self) -> dict[str, str]:
        return {_letters(alias): name for alias, name in self._aliases.items()}

    def _known(self, name: str) -> str | None:
        letters = _letters(name)
        known = self._by_name.get(letters) or self._by_alias.get(letters)
        return known or next((name for name in self._installed if _letters(name) == letters), None)

    def _counted(self, spec: str) -> S:
        match = _COUNTED.match(spec)
        if match is None or int(match[2]) == 0 or self.scale is None:
            raise SlipstickError(
                f"not a count of this {self.noun}",
                value=spec,
                allowed="name:count with a count from 1, such as name:64",
            )
        return self.scale(self.resolve(match[1]), int(match[2]))

    def _load(self, name: str) -> S:
        if name not in self._own_names:
            entry = self._installed[name]
            return self._build(
                entry.fields(), where=f"{entry.plugin.package}: {name}", stem=name, chain=(name,), folder=entry.folder
            )
        if name not in self._loaded:
            where = f"{self._rows[name][0]}: {name}" if self._many else name
            self._loaded[name] = self._build(self._own(name), where=where, stem=name, chain=(name,))
        return self._loaded[name]

    def _own(self, name: str) -> _Data:
        """Return the fields of an entry as its file states them, before its bases are merged."""
        if name not in self._own_names:
            return self._installed[name].fields()
        return self._rows[name][1] if self._many else _entry_data(self._files[name])

    def _build(self, data: _Data, *, where: str, stem: str, chain: tuple[str, ...], folder: Path | None = None) -> S:
        fields = self.kind.model_fields
        merged, sources = self._inherit(data, chain, folder, where)
        if stem and "name" in fields:
            merged.setdefault("name", stem)
        if sources and "sources" in fields:
            merged["sources"] = sources
        return validate(self.kind, merged, where=where)

    def _inherit(
        self, data: _Data, chain: tuple[str, ...], folder: Path | None, where: str
    ) -> tuple[_Data, dict[str, str]]:
        """Return the data merged over its bases, and the source of every leaf that has its own."""
        sources: dict[str, str] = {}
        plain = _strip(data, "", sources)
        sources.update(_as_sources(plain.pop("sources", None)))
        base = plain.pop("base", None)
        if base is None:
            return plain, sources
        below, below_sources = self._base(base, chain, folder, where)
        if plain.get("source", below.get("source")) != below.get("source"):
            # the base's general source goes on holding for the base's leaves, not for ours
            general = str(below["source"]) if below.get("source") else "unknown"
            below_sources = {**{p: general for p in _leaf_paths(below) if p != "source"}, **below_sources}
        own = set(_leaf_paths(plain))
        inherited = {p: s for p, s in below_sources.items() if not any(o == p or p.startswith(f"{o}.") for o in own)}
        return _merge(below, plain), {**inherited, **sources}

    def _base(
        self, base: object, chain: tuple[str, ...], folder: Path | None, where: str
    ) -> tuple[_Data, dict[str, str]]:
        if not isinstance(base, str):
            raise _wrong_base("not a name", where, base, "the name of another file")
        file = (folder or Path()) / base if is_file_name(base) else None
        key = self._known(base) if file is None else str(file.resolve())
        if key is None:
            raise _wrong_base(f"no such {self.noun}", where, base, [*self.names(), *self._aliases])
        if key in chain:
            raise _wrong_base("a circle of bases: " + " -> ".join([*chain, key]), where)
        data = self._own(key) if file is None else load_fields(file)
        below, sources = self._inherit(data, (*chain, key), file and file.parent, key if file is None else str(file))
        return {name: child for name, child in below.items() if name not in _NOT_INHERITED}, sources


def _wrong_base(
    message: str, where: str, value: object = None, allowed: str | list[str] | None = None
) -> SlipstickError:
    """Return the error of a file's field `base`, with the name of that file."""
    return SpecErrors([SlipstickError(message, path="base", value=value, allowed=allowed)], where=where)


def is_file_name(spec: str | Path) -> bool:
    """Return whether a text is the name of a file rather than of a catalogue entry.

    Examples
    --------
    >>> is_file_name("h100-sxm"), is_file_name("my/cluster.yaml")
    (False, True)
    """
    return isinstance(spec, Path) or spec.lower().endswith(_SUFFIXES) or "/" in spec or "\\" in spec


def _letters(name: str) -> str:
    """Return a name in lower case without blanks, by which spellings are compared."""
    return "".join(name.split()).casefold()


def _aliases_in(file: Traversable) -> list[str]:
    """Return the aliases of a single-entry file; only the line of the aliases is parsed."""
    match = _ALIASES.search(_entry_text(file))
    aliases = parse_yaml(match[0], where=str(file))["aliases"] if match else None
    return [str(alias) for alias in aliases] if isinstance(aliases, list) else []


def _strip(node: Any, path: str, sources: dict[str, str]) -> Any:
    """Replace ``{value, unit, source, note}`` by its value below `node`; note the sources by dotted path.

    A unit of 1 says that the number is a ratio or a count, and is not written behind it.
    """
    if not isinstance(node, Mapping):
        return node
    if "value" not in node or not set(node) <= _LEAF or not path:
        return {key: _strip(child, f"{path}.{key}" if path else str(key), sources) for key, child in node.items()}
    texts = [str(node[key]) for key in ("source", "note") if node.get(key)]
    if texts:
        sources[path] = "; ".join(texts)
    return node["value"] if str(node.get("unit") or "1") == "1" else f"{node['value']} {node['unit']}"


def _merge(below: _Data, above: _Data) -> _Data:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and value is None:
            del merged[key]
        elif isinstance(old, Mapping) and isinstance(value, Mapping) and _same_kind(old, value):
            merged[key] = _merge(dict(old), dict(value))
        else:
            merged[key] = value
    return merged


def _same_kind(below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    """Return whether a group is merged with the base's; a group of another `kind` (another device) replaces it."""
    return "kind" not in above or above["kind"] == below.get("kind", above["kind"])


def _leaf_paths(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, Mapping) and node:
        for key, child in node.items():
            yield from _leaf_paths(child, f"{path}.{key}" if path else str(key))
    else:
        yield path


def _as_sources(texts: Any) -> dict[str, str]:
    if texts is None:
        return {}
    if not isinstance(texts, Mapping) or not all(isinstance(text, str) for text in texts.values()):
        raise SlipstickError("not dotted paths with their sources", path="sources", value=texts)
    return {str(path): text for path, text in texts.items()}


systems: Catalogue[System] = Catalogue(System, "systems", scale=System.scaled, plugins="slipstick.systems")


def resolve_system(spec: System | Mapping[str, Any] | str | Path) -> System:
    """Return the System that a name, ``name:count``, dict, YAML file or object stands for."""
    return systems.resolve(spec)
