"""`list` and `show`: what the catalogues hold, and where each of their numbers comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_args

from slipstick.core.catalogue import DATA, is_file_name, systems
from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_yaml
from slipstick.core.spec import Spec, leaves
from slipstick.core.units import format_quantity
from slipstick.engines.question import find_system
from slipstick.report.report import Table

Rows = tuple[dict[str, str], list[tuple[object, ...]]]


def list_names(kind: str | None = None) -> Table:
    """Return what a catalogue holds, a row an entry; without a kind, the catalogues themselves.

    Parameters
    ----------
    kind
        Systems, workloads, formats, tech, topologies, suites or datasets.

    Examples
    --------
    >>> "h100-sxm-80gb" in [row[0] for row in list_names("systems").rows]
    True
    """
    if kind is None:
        found = [(name, len(rows()[1]), " ".join(str(row[0]) for row in rows()[1][:5])) for name, rows in KINDS.items()]
        return Table.of({"catalogue": "", "entries": "", "such as": ""}, found)
    if kind not in KINDS:
        raise SlipstickError("no such catalogue", path="list", value=kind, allowed=KINDS)
    columns, entries = KINDS[kind]()
    return Table.of(columns, entries)


def show(name: str) -> Table:
    """Return every field of an entry of any catalogue, such as a system, a workload or a topology, with its source.

    Errors
    ------
    SlipstickError naming the nearest of all names.

    Examples
    --------
    >>> rows = {row[0]: row for row in show("h100-sxm-80gb").rows}
    >>> rows["memory.hbm.bandwidth"][1]
    '3.35 TB/s'
    """
    for find in (_show_system, _show_workload, _show_format, _show_tech, _show_topology, _show_suite, _show_data_set):
        entries = find(name)
        if entries is not None:
            return Table.of({"field": "", "value": "", "source": ""}, entries)
    known = {str(row[0]) for rows in KINDS.values() for row in rows()[1]} | set(systems.aliases())
    raise SlipstickError("nothing of this name in any catalogue", path="show", value=name, allowed=known)


def _systems() -> Rows:
    columns = {"name": "", "vendor": "", "year": "", "16-bit rate": "FLOP/s", "memory": "B", "bandwidth": "B/s"}
    rows: list[tuple[object, ...]] = []
    for name, system in systems.items():
        device, main = system.device, system.main_memory
        rate = device.rate_of("bf16") or device.rate_of("fp16")
        facts = (system.vendor, str(system.year or ""), rate, main.capacity, main.bandwidth)
        rows.append((name, *facts, system.power, system.price))
    return {**columns, "power": "W", "price": "USD"}, rows


def _workloads() -> Rows:
    from slipstick.networks.find_network import names, network

    columns = {"name": "", "parameters": "parameter", "active": "parameter", "layers": "", "hidden": "", "source": ""}
    nets: list[Any] = [network(name) for name in names()]
    return columns, [
        (n.name, n.parameters, n.active_parameters, n.layers, getattr(n, "hidden", None), n.source) for n in nets
    ]


def _formats() -> Rows:
    from slipstick.formats import examples, format_of

    columns = {"name": "", "bits an element": "", "what": ""}
    texts = dict.fromkeys(text.partition(":")[0] for text in examples())
    return columns, [(text, format_of(text).bits_per_element, repr(format_of(text))) for text in texts]


def _tech() -> Rows:
    rows: list[tuple[object, ...]] = []
    for name, (table, entry, _) in _technologies().items():
        facts = ", ".join(f"{key} {_quantity(leaf)}" for key, leaf in entry.items())
        rows.append((name, table, facts))
    return {"name": "", "table": "", "facts": ""}, rows


def _technologies() -> dict[str, tuple[str, dict[str, Any], str]]:
    """Return every technology node and generation of data/tech: its table, its leaves and the table's source."""
    found = {}
    for path in sorted((DATA / "tech").glob("*.yaml")):
        data = load_yaml(path)
        for group in ("nodes", "generations"):
            for name, entry in data.get(group, {}).items():
                found[str(name)] = (path.stem, entry, str(data.get("source", "")))
    return found


def _quantity(leaf: Any) -> str:
    """Write a leaf of a data file, ``{value, unit, source}`` or a plain value; a unit of 1 is a ratio."""
    if not isinstance(leaf, dict):
        return _plain(leaf)
    unit = str(leaf.get("unit", ""))
    return f"{leaf['value']} {'' if unit == '1' else unit}".strip()


def _topologies() -> Rows:
    from slipstick.fabric.topology_file import topologies

    columns = {"name": "", "family": "", "nodes": "", "links": "", "bandwidth of a link": "B/s"}
    rows: list[tuple[object, ...]] = []
    for name, spec in topologies.items():
        built = spec.build()
        rows.append((name, spec.family, len(built.nodes), built.links, spec.bandwidth))
    return columns, rows


def _suites() -> Rows:
    from slipstick.engines.validation_suites import load_suites

    rows = [(suite.name, suite.about, ", ".join(sorted(suite.columns))) for suite in load_suites().values()]
    return {"suite": "", "what": "", "recognised by these columns": ""}, list(rows)


def _datasets() -> Rows:
    from slipstick.datasets.find_dataset import KNOWN

    return {"name": "", "what": "", "licence": ""}, [(name, it.about, it.licence) for name, it in KNOWN.items()]


KINDS: dict[str, Callable[[], Rows]] = {
    "systems": _systems,
    "workloads": _workloads,
    "formats": _formats,
    "tech": _tech,
    "topologies": _topologies,
    "suites": _suites,
    "datasets": _datasets,
}


def _show_system(name: str) -> list[tuple[object, ...]] | None:
    known = {key.casefold() for key in (*systems.names(), *systems.aliases())}
    plain = name.partition(":")[0].strip().casefold()
    if plain not in known and "@" not in plain and not is_file_name(name):
        return None
    system = find_system(name)
    wiring = _show_topology(system.topology) if system.topology else None
    return [
        (path, _text(system, path, value), system.sources.get(path, "") if value is None else system.source_of(path))
        for path, value in leaves(system).items()
        if not path.startswith("source") and not _uncalibrated(path, value) and _tells(system, path, value)
    ] + [(f"topology.{path}", value, source) for path, value, source in wiring or ()]


def _tells(spec: Spec, path: str, value: object) -> bool:
    """Tell whether a leaf is worth a row: an unknown quantity is, an empty text, a zero or an absent group is not."""
    return bool(_unit(spec, path.split("."))) if value is None else value not in ("", 0.0, ())


def _uncalibrated(path: str, value: object) -> bool:
    return path.startswith("calibration.") and value == 1.0


def _show_workload(name: str) -> list[tuple[object, ...]] | None:
    from slipstick.networks.find_network import network, preset

    if preset(name) is None:
        return None
    net: Any = network(name)
    counts = (("parameters", net.parameters), ("active parameters", net.active_parameters), ("layers", net.layers))
    rows: list[tuple[object, ...]] = [(label, f"{value:,}", "computed") for label, value in counts]
    fields = ((path, value) for path, value in leaves(net).items() if path != "source" and value not in ("", None, ()))
    return rows + [(path, _plain(value), net.source) for path, value in fields]


def _show_format(name: str) -> list[tuple[object, ...]] | None:
    from slipstick.formats import format_of

    try:
        found = format_of(name)
    except SlipstickError:
        return None
    rows: list[tuple[object, ...]] = [
        ("name", name, ""),
        ("bits an element", f"{found.bits_per_element:g}", "computed"),
    ]
    return [*rows, ("what", repr(found), " ".join((type(found).__doc__ or "").split("\n\n")[0].split()))]


def _show_tech(name: str) -> list[tuple[object, ...]] | None:
    if name not in _technologies():
        return None
    _, entry, source = _technologies()[name]
    own = {key: leaf.get("source", source) if isinstance(leaf, dict) else source for key, leaf in entry.items()}
    return [(key, _quantity(leaf), own[key]) for key, leaf in entry.items()]


def _show_topology(name: str) -> list[tuple[object, ...]] | None:
    from slipstick.fabric.topology_file import topologies

    if name.strip().casefold() not in {key.casefold() for key in (*topologies.names(), *topologies.aliases())}:
        return None
    spec = topologies.resolve(name)
    return [
        (path, _text(spec, path, value), spec.sources.get(path, spec.source))
        for path, value in leaves(spec).items()
        if path != "name" and not path.startswith("source") and value not in ("", None, ())
    ]


def _show_suite(name: str) -> list[tuple[object, ...]] | None:
    from slipstick.engines.validation_suites import load_suites

    suite = load_suites().get(name)
    if suite is None:
        return None
    return [("what", suite.about, ""), *(("column", column, "") for column in sorted(suite.columns))]


def _show_data_set(name: str) -> list[tuple[object, ...]] | None:
    from slipstick.datasets.find_dataset import KNOWN

    known = KNOWN.get(name.strip().casefold())
    if known is None:
        return None
    rows: list[tuple[object, ...]] = [("what", known.about, ""), ("licence", known.licence, "")]
    if known.places:
        rows += [("looked for", " or ".join(known.places), "below SLIPSTICK_DATA"), ("to get it", known.cure, "")]
    return rows


def _text(spec: Spec, path: str, value: Any) -> str:
    """Return a leaf with its unit, which its annotation names."""
    if value is None:
        return "unknown"
    if isinstance(value, bool) or not isinstance(value, float):
        return _plain(value)
    return format_quantity(value, _unit(spec, path.split(".")))


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(str(item) for item in value) if isinstance(value, tuple | list) else str(value)


def _unit(node: Any, keys: list[str]) -> str:
    """Return the unit of the leaf at `keys` below `node`, from the field that declares it."""
    declared: Any = None
    for key in keys:
        if isinstance(node, Spec):
            field = type(node).model_fields[key]
            declared = (field, field.annotation)
            node = getattr(node, key)
        else:
            node = node[key]
    return next(_units_in(declared), "")


def _units_in(annotation: Any) -> Iterator[str]:
    extra = getattr(annotation, "json_schema_extra", None)
    if isinstance(extra, dict) and "unit" in extra:
        yield extra["unit"]
    inside = (
        annotation if isinstance(annotation, tuple) else (*get_args(annotation), *getattr(annotation, "metadata", ()))
    )
    for part in inside:
        yield from _units_in(part)
