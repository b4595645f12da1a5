"""Look-up of networks by name, file, dict or object: the only way to a Network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_fields
from slipstick.core.spec import validate
from slipstick.core.workload import Network
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.decoder.huggingface import from_config, from_file
from slipstick.networks.graphs.graph_families import graph_network


class Preset(Entry):
    """Network of the catalogue: the fields of a config.json, or the sizes of an operator graph, with the source."""

    published: float | None = Field(
        default=None,
        gt=0,
        json_schema_extra={"unit": "parameter"},
        description="Parameters as published, for comparison",
    )
    config: dict[str, Any] = Field(description="Fields of a config.json, or of an operator graph (`graph`: its family)")

    @property
    def kind(self) -> str:
        """Kind of the network, as `slipstick list workloads --kind` takes it: decoder or graph."""
        return "graph" if "graph" in self.config else "decoder"

    def build(self, name: str) -> Network:
        """Return the network under its `name`."""
        if "graph" in self.config:
            about = {"name": name, "aliases": self.aliases, "source": self.source, "note": self.note}
            return graph_network({**self.config, **about}, where=f"workloads.{name}")
        return self.decoder(name)

    def decoder(self, name: str) -> Decoder:
        """Return the decoder of a preset whose `config` is that of a config.json."""
        built = from_config(self.config, name=name, where=f"workloads.{name}")
        note = "; ".join(part for part in (self.note, built.note) if part)
        return built.model_copy(update={"aliases": self.aliases, "source": self.source, "note": note})


presets = Catalogue(Preset, "workloads", group="networks", noun="network")


def network(
    spec: str | Path | Network | Mapping[str, Any], *, readers: Mapping[str, Callable[[Path], Network]] | None = None
) -> Network:
    """Return the Network that a name, file, dict or object stands for.

    Parameters
    ----------
    spec : a preset's name or alias; the path of a config.json, of a folder with one, of a YAML or ONNX file; a dict,
        either an object of a config.json, the fields of a Decoder, or those of an operator graph (with the family's
        name under `graph`); or a Network, which is returned as it is.
    readers : by suffix, what reads the sizes of files of trained networks (`slipstick.trained.open.SIZE_READERS`).

    Errors
    ------
    SlipstickError for a name that is neither a preset (with the nearest) nor a file; SpecErrors for a file's fields.

    Examples
    --------
    >>> network("GPT-3 175B").name, network("meta-llama/Llama-3.1-8B").parameters
    ('gpt3-175b', 8030261248)
    """
    if isinstance(spec, Network):
        return spec
    if isinstance(spec, Mapping):
        return _from_dict(spec)
    if isinstance(spec, str) and presets.get(spec) is not None:
        return _built(presets.entry(spec).name)
    path = Path(spec)
    if path.suffix == ".onnx":
        from slipstick.networks.importers.onnx_graph import from_onnx

        return from_onnx(path)
    if readers and path.suffix in readers:
        return readers[path.suffix](path)
    if path.suffix in _SAVED_PROGRAMS:
        raise SlipstickError(
            "a saved torch program is not loaded, since loading may run code of its own",
            path=str(path),
            allowed="an ONNX file, or slipstick.from_torch(module, inputs) in Python",
        )
    if path.suffix in (".yaml", ".yml"):
        return _from_dict(load_fields(path), name=path.stem, where=str(path))
    if path.suffix == ".json" or _exists(path):
        return from_file(path)
    raise SlipstickError("no such network, file or folder", path="workload", value=str(spec), allowed=presets.names())


def _from_dict(data: object, *, name: str = "", where: str = "network") -> Network:
    """Return the network that a dict describes: as a config.json where it has a model_type, else in our fields."""
    if not isinstance(data, Mapping):
        raise SlipstickError("not a mapping of a network's fields", path=where, value=data)
    if isinstance(data.get("config"), Mapping):
        return validate(Preset, {"source": where, **data}, where=where).build(name or where)
    if "model_type" in data or "text_config" in data:
        return from_config(data, name=name, where=where)
    if "graph" in data:
        return graph_network({"name": name or where, **data}, where=where)
    return validate(Decoder, {"name": name, **data} if name else dict(data), where=where)


_SAVED_PROGRAMS = (".pt", ".pt2", ".pth")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for a file
        return False


@cache
def _built(name: str) -> Network:
    return presets.entry(name).build(name)
