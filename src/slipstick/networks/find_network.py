"""Look-up of networks by name, by file, by dict or by object: the one way to a Network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field

from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_yaml
from slipstick.core.spec import Spec, validate
from slipstick.core.workload import Network
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.decoder.huggingface import from_config, from_file
from slipstick.networks.graphs.graph_families import graph_network


class Preset(Spec):
    """A network of the catalogue: the fields of a config.json, or an operator graph's sizes, and the source."""

    aliases: tuple[str, ...] = Field(default=(), description="Other names that find the network")
    source: str = Field(description="Publication or file that the sizes come from")
    published: float | None = Field(default=None, gt=0, description="Parameters as published, for comparison")
    note: str = Field(default="", description="Remark on what the sizes leave out or assume")
    config: dict[str, Any] = Field(description="Fields of a config.json, or of an operator graph (`graph`: its family)")

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


@cache
def presets() -> dict[str, Preset]:
    """Return every preset by name; the `series` of a file holds for all its networks."""
    catalogue: dict[str, Preset] = {}
    folder = resources.files("slipstick.data") / "workloads"
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".yaml"):
            continue
        with resources.as_file(entry) as path:
            data = load_yaml(path)
        series = data.get("series", {})
        for name, fields in data["networks"].items():
            config = {**series.get("config", {}), **fields["config"]}
            merged = {**series, **fields, "config": config}
            catalogue[name] = validate(Preset, merged, where=f"{entry.name}: {name}")
    return catalogue


def names() -> tuple[str, ...]:
    """Return the names of all presets."""
    return tuple(presets())


def preset(name: str) -> tuple[str, Preset] | None:
    """Return the preset of that name or alias, in any case of letters, with its own name; None if there is none."""
    key = _spellings().get(name.strip().casefold())
    return None if key is None else (key, presets()[key])


def network(spec: str | Path | Network | Mapping[str, Any]) -> Network:
    """Return the network that `spec` names or describes.

    Parameters
    ----------
    spec : a preset's name or alias; the path of a config.json, of a folder with one, of a YAML or ONNX file; a dict,
        either an object of a config.json, the fields of a Decoder, or those of an operator graph (with the family's
        name under `graph`); or a Network, which is returned as it is.

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
    if isinstance(spec, str) and preset(spec) is not None:
        return _built(_spellings()[spec.strip().casefold()])
    path = Path(spec)
    if path.suffix == ".onnx":
        from slipstick.networks.importers.onnx_graph import from_onnx

        return from_onnx(path)
    if path.suffix == ".tflite":
        from slipstick.trained.integer.integer_graph import integer_graph
        from slipstick.trained.tflite import read_tflite

        return integer_graph(read_tflite(path))
    if path.suffix in _SAVED_PROGRAMS:
        raise SlipstickError(
            "a saved torch program is not loaded, since loading may run code of its own",
            path=str(path),
            allowed="an ONNX file, or slipstick.networks.from_torch(module, inputs) in Python",
        )
    if path.suffix in (".yaml", ".yml"):
        return _from_dict(load_yaml(path), name=path.stem, where=str(path))
    if path.suffix == ".json" or _exists(path):
        return from_file(path)
    raise SlipstickError("no such network, file or folder", path="workload", value=str(spec), allowed=names())


def _from_dict(data: object, *, name: str = "", where: str = "network") -> Network:
    """Return the network that a dict describes: in Hugging Face's terms where it has a model_type, else in ours."""
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
    return presets()[name].build(name)


@cache
def _spellings() -> dict[str, str]:
    """Return every name and alias in small letters -> name."""
    return {spelling.casefold(): name for name, entry in presets().items() for spelling in (name, *entry.aliases)}
