"""Catalogues: specs by name, by dict, by file or by object, everywhere the same.

A catalogue is a folder of YAML files, one spec a file, the file's stem its name. A file may

* inherit: ``base: other-name`` (or a path ending in .yaml, relative to the file) is read first and merged below it,
  group by group; ``group: null`` drops the base's group, another ``kind`` replaces it; aliases are not inherited;
* say where one number comes from: any leaf may be ``{value: 3.35, unit: TB/s, source: data sheet}`` instead of a plain
  value. Sources are collected by dotted path in the spec's field `sources`, if its kind has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_json, load_yaml, parse_yaml, read_text
from slipstick.core.spec import Spec, validate
from slipstick.core.system import System

S = TypeVar("S", bound=Spec)
Data = dict[str, Any]

DATA = Path(__file__).parent.parent / "data"

_LEAF = {"value", "unit", "source", "note"}
_NOT_INHERITED = ("base", "name", "aliases")
_SUFFIXES = (".yaml", ".yml", ".json")
_COUNTED = re.compile(r"^(.+):(\d{1,9})$")
_ALIASES = re.compile(r"^aliases:.*(?:\n(?:[ \t-].*)?)*", re.MULTILINE)


class Catalogue(Generic[S]):
    """The specs of one kind in one folder of data, and the way from whatever a user writes to a spec of that kind.

    Parameters
    ----------
    kind : the spec's class.
    folder : a folder below ``slipstick/data``, or any absolute path.
    noun : what messages call one of them; the class's name in lower case unless given.
    scale : what ``name:count`` means, such as `System.scaled`; without it the suffix is an error.

    Examples
    --------
    >>> systems.resolve({"name": "toy", "memory": {"ram": {"capacity": "1 GiB"}}, "device": {"kind": "accelerator",
    ...     "cores": 1, "clock": "1 GHz", "matrix": {"fp32": "1 GFLOP/s"}, "vector": {}}}).main_memory.capacity
    1073741824.0
    """

    def __init__(
        self, kind: type[S], folder: str | Path, *, noun: str = "", scale: Callable[[S, int], S] | None = None
    ) -> None:
        self.kind, self.folder, self.noun, self.scale = kind, DATA / folder, noun or kind.__name__.lower(), scale
        self._files: dict[str, Path] | None = None
        self._aliases: dict[str, str] | None = None
        self._loaded: dict[str, S] = {}

    def names(self) -> list[str]:
        """Return every name, sorted; reads the folder but no file."""
        return sorted(self.files())

    def files(self) -> dict[str, Path]:
        """Return the file of every name."""
        if self._files is None:
            self._files = {path.stem: path for path in sorted(self.folder.glob("*.yaml"))}
        return self._files

    def aliases(self) -> dict[str, str]:
        """Return every alias with the name it stands for; reads the `aliases` line of each file once."""
        if self._aliases is None:
            self._aliases = {}
            for name, path in self.files().items():
                for alias in _aliases_in(path):
                    self._aliases[alias] = name
        return self._aliases

    def items(self) -> Iterator[tuple[str, S]]:
        """Yield every name with its spec."""
        for name in self.names():
            yield name, self._load(name)

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
                _read(path), where=str(path), stem=path.stem, chain=(str(path.resolve()),), folder=path.parent
            )
        return self._load(self.find(str(spec)))

    def find(self, name: str) -> str:
        """Return the catalogue's own spelling of a name or alias, upper and lower case being the same.

        Errors
        ------
        SlipstickError naming the nearest of the names and aliases.
        """
        wanted = name.strip().casefold()
        for known in (dict.fromkeys(self.files()), self.aliases()):
            for key, target in known.items():
                if key.casefold() == wanted:
                    return target or key
        raise SlipstickError(f"no such {self.noun}", value=name, allowed=[*self.files(), *self.aliases()])

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
        if name not in self._loaded:
            self._loaded[name] = self._build(_read(self.files()[name]), where=name, stem=name, chain=(name,))
        return self._loaded[name]

    def _build(self, data: Data, *, where: str, stem: str, chain: tuple[str, ...], folder: Path | None = None) -> S:
        fields = self.kind.model_fields
        merged, sources = self._inherit(data, chain, folder)
        if stem and "name" in fields:
            merged.setdefault("name", stem)
        if sources and "sources" in fields:
            merged["sources"] = sources
        return validate(self.kind, merged, where=where)

    def _inherit(self, data: Data, chain: tuple[str, ...], folder: Path | None) -> tuple[Data, dict[str, str]]:
        """Return the data with its bases merged below, and the source of every leaf that has its own."""
        sources: dict[str, str] = {}
        plain = _strip(data, "", sources)
        sources.update(_as_sources(plain.pop("sources", None)))
        base = plain.pop("base", None)
        if base is None:
            return plain, sources
        below, below_sources = self._base(base, chain, folder)
        if plain.get("source", below.get("source")) != below.get("source"):
            # the base's general source goes on holding for the base's leaves, not for ours
            general = str(below["source"]) if below.get("source") else "unknown"
            below_sources = {**{p: general for p in _leaf_paths(below) if p != "source"}, **below_sources}
        own = set(_leaf_paths(plain))
        kept = {p: s for p, s in below_sources.items() if not any(o == p or p.startswith(f"{o}.") for o in own)}
        return _merge(below, plain), {**kept, **sources}

    def _base(self, base: object, chain: tuple[str, ...], folder: Path | None) -> tuple[Data, dict[str, str]]:
        if not isinstance(base, str):
            raise SlipstickError("not a name", path="base", value=base, allowed="the name of another file")
        if is_file_name(base):
            found = (folder or Path()) / base
            key = str(found.resolve())
        else:
            key = self.find(base)
            found = self.files()[key]
        if key in chain:
            raise SlipstickError("a circle of bases: " + " -> ".join([*chain, key]), path="base")
        below, sources = self._inherit(_read(found), (*chain, key), found.parent)
        return {name: child for name, child in below.items() if name not in _NOT_INHERITED}, sources


def is_file_name(spec: str | Path) -> bool:
    """Tell whether text names a file rather than an entry of a catalogue.

    Examples
    --------
    >>> is_file_name("h100-sxm"), is_file_name("my/cluster.yaml")
    (False, True)
    """
    return isinstance(spec, Path) or spec.lower().endswith(_SUFFIXES) or "/" in spec or "\\" in spec


def _read(path: Path) -> Data:
    data = load_json(path) if path.suffix.lower() == ".json" else load_yaml(path)
    if not isinstance(data, dict):
        raise SlipstickError("not a mapping of fields", path=str(path), value=data, allowed="field: value, a line each")
    return data


def _aliases_in(path: Path) -> list[str]:
    match = _ALIASES.search(read_text(path))
    found = parse_yaml(match[0], where=str(path))["aliases"] if match else None
    return [str(alias) for alias in found] if isinstance(found, list) else []


def _strip(node: Any, path: str, sources: dict[str, str]) -> Any:
    """Replace ``{value, unit, source, note}`` by its value below `node`; note the sources by dotted path."""
    if not isinstance(node, Mapping):
        return node
    if "value" not in node or not set(node) <= _LEAF or not path:
        return {key: _strip(child, f"{path}.{key}" if path else str(key), sources) for key, child in node.items()}
    said = [str(node[key]) for key in ("source", "note") if node.get(key)]
    if said:
        sources[path] = "; ".join(said)
    return f"{node['value']} {node['unit']}" if node.get("unit") else node["value"]


def _merge(below: Data, above: Data) -> Data:
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
    """Tell whether a group adds to the base's: of another `kind`, such as another device, it replaces it."""
    return "kind" not in above or above["kind"] == below.get("kind", above["kind"])


def _leaf_paths(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, Mapping) and node:
        for key, child in node.items():
            yield from _leaf_paths(child, f"{path}.{key}" if path else str(key))
    else:
        yield path


def _as_sources(found: Any) -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, Mapping) or not all(isinstance(text, str) for text in found.values()):
        raise SlipstickError("not dotted paths with their sources", path="sources", value=found)
    return {str(path): text for path, text in found.items()}


systems: Catalogue[System] = Catalogue(System, "systems", scale=System.scaled)


def resolve_system(spec: System | Mapping[str, Any] | str | Path) -> System:
    """Return the System that a name, ``name:count``, dict, YAML file or object stands for."""
    return systems.resolve(spec)
