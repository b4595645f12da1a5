"""Listings and fields of catalogues: systems, workloads, formats, plans, technologies, topologies, suites, data."""

from __future__ import annotations

from typing import Any

from slipstick.core.catalogue import is_file_name, systems
from slipstick.core.errors import SlipstickError
from slipstick.engines.entry_fields import Field, _entry_fields
from slipstick.engines.question import find_system
from slipstick.report.report import Table


def systems_table() -> Table:
    """Return the table of systems with their vendor, rates, memory, power and price."""
    columns = {
        "name": "", "vendor": "", "year": "", "16-bit rate": "FLOP/s", "memory": "B", "bandwidth": "B/s", "power": "W",
        "price": "USD",
    }  # fmt: skip
    rows: list[tuple[object, ...]] = []
    for name, system in systems.items():
        device, main = system.device, system.main_memory
        rate = device.rate_of("bf16") or device.rate_of("fp16")
        facts = (system.vendor, str(system.year or ""), rate, main.capacity, main.bandwidth)
        rows.append((name, *facts, system.power, system.price))
    return Table.of(columns, rows)


def system_fields(name: str) -> list[Field] | None:
    """Return every field of a system (also ``name:64``, ``name@3nm``) and of its wiring; None if unknown."""
    if systems.get(name.partition(":")[0]) is None and "@" not in name and not is_file_name(name):
        return None
    system = find_system(name)
    known = [field for field in _entry_fields(system, unknown=True) if not _says_nothing(field[0], field[1])]
    return [("name", system.name, system.source_of("name"), ""), *known, *_wiring(system.topology)]


def system_kind(name: str) -> str:
    """Return the kind of a system's device: accelerator, array, ..."""
    return systems.entry(name).device.kind


def _says_nothing(path: str, text: str) -> bool:
    """Return whether a field is uninformative: a zero, an unset flag, or a calibration that was not made."""
    return text.partition(" ")[0] in ("0", "false") or (path.startswith("calibration.") and text == "1")


def _wiring(topology: str) -> list[Field]:
    from slipstick.fabric.topology_file import topologies

    spec = topologies.get(topology) if topology else None
    return [] if spec is None else _entry_fields(spec, prefix="topology.")


def workloads_table() -> Table:
    """Return the table of networks with their parameters, layers and width."""
    from slipstick.networks.find_network import network, presets

    columns = {"name": "", "parameters": "parameter", "active": "parameter", "layers": "", "hidden": "", "source": ""}
    networks: list[Any] = [network(name) for name in presets.names()]
    return Table.of(
        columns,
        [(n.name, n.parameters, n.active_parameters, n.layers, getattr(n, "hidden", None), n.source) for n in networks],
    )


def workload_kind(name: str) -> str:
    """Return the kind of a network of the catalogue: decoder or graph."""
    from slipstick.networks.find_network import presets

    return presets.entry(name).kind


def workload_fields(name: str) -> list[Field] | None:
    """Return the counts and all sizes of a network of the catalogue, with its source."""
    from slipstick.networks.find_network import network, presets

    if presets.get(name) is None:
        return None
    net: Any = network(name)
    counts = (("parameters", net.parameters), ("active parameters", net.active_parameters), ("layers", net.layers))
    rows: list[Field] = [(label, f"{value:,}", "computed", "") for label, value in counts]
    sizes = [(path, text, net.source, description) for path, text, _, description in _entry_fields(net)]
    return [*rows, ("name", net.name, net.source, ""), *sizes]


def formats_table() -> Table:
    """Return the table of number format families, one typical member per family."""
    from slipstick.formats import encoding_of, examples

    columns = {"name": "", "bits an element": "", "what": ""}
    texts = dict.fromkeys(text.partition(":")[0] for text in examples())
    return Table.of(columns, [(text, encoding_of(text).bits_per_element, repr(encoding_of(text))) for text in texts])


def plan_table() -> Table:
    """Return the table of plan fields: group, short key, default, choices and meaning."""
    from slipstick.core.plan import plan_fields

    columns = dict.fromkeys(("field", "group", "default", "choices", "what"), "")
    rows = [(field.key, field.group, field.default, field.choices, field.description) for field in plan_fields()]
    return Table.of(columns, rows)


def plan_fields_of(name: str) -> list[Field] | None:
    """Return the dotted path, default, choices and meaning of a plan field, by its short key or path."""
    from slipstick.core.plan import plan_fields

    known = next((field for field in plan_fields() if name in (field.key, field.path)), None)
    if known is None:
        return None
    return [
        ("key", known.key, "", "Short key, as --plan reads it"),
        ("path", f"plan.{known.path}", "", "Dotted path, as --set reads it"),
        ("default", known.default, "", ""),
        ("choices", known.choices, "", ""),
        ("what", known.description, "", ""),
    ]


def engine_fields(verb: str) -> list[Field] | None:
    """Return the fields of the engines of a verb: a numbered group of fields per row of the table of engines."""
    from slipstick.engines.table import _rows_table, engines

    if all(engine.verb != verb for engine in engines()):
        return None
    table = _rows_table()
    rows = [row for row in table.rows if row[0] == verb]
    columns = [column.name for column in table.columns[1:]]
    return [
        (f"{number}.{column}", str(cell), "", "")
        for number, row in enumerate(rows, 1)
        for column, cell in zip(columns, row[1:], strict=True)
    ]


def format_fields(name: str) -> list[Field] | None:
    """Return the bits and the description of a number format."""
    from slipstick.formats import format_of

    try:
        encoding = format_of(name).encoding
    except SlipstickError:
        return None
    about = " ".join((type(encoding).__doc__ or "").split("\n\n")[0].split())
    return [
        ("name", name, "", ""),
        ("bits an element", f"{encoding.bits_per_element:g}", "computed", ""),
        ("what", repr(encoding), about, ""),
    ]


def _technologies() -> list[tuple[str, Any]]:
    from slipstick.tech.technology_tables import dram_generations, network_generations, nodes

    return [("dram", dram_generations), ("logic", nodes), ("network", network_generations)]


def tech_table() -> Table:
    """Return the table of technology nodes, DRAM and link generations."""
    rows = [
        (name, table, ", ".join(f"{path} {text}" for path, text, *_ in _entry_fields(entry)))
        for table, catalogue in _technologies()
        for name, entry in catalogue.items()
    ]
    return Table.of({"name": "", "table": "", "facts": ""}, rows)


def tech_fields(name: str) -> list[Field] | None:
    """Return the fields of a technology node, DRAM or link generation."""
    entries = (catalogue.get(name) for _, catalogue in _technologies())
    entry = next((entry for entry in entries if entry is not None), None)
    return None if entry is None else _entry_fields(entry)


def topologies_table() -> Table:
    """Return the table of topologies with their family, size and bandwidth."""
    from slipstick.fabric.topology_file import topologies

    columns = {"name": "", "family": "", "nodes": "", "links": "", "bandwidth of a link": "B/s"}
    rows: list[tuple[object, ...]] = []
    for name, spec in topologies.items():
        built = spec.build()
        rows.append((name, spec.family, len(built.nodes), built.links, spec.bandwidth))
    return Table.of(columns, rows)


def suites_table() -> Table:
    """Return the table of validation suites with the columns by which a CSV file of each is recognised."""
    from slipstick.engines.validation_suites import _load_suites

    rows = [(suite.name, suite.about, ", ".join(sorted(suite.columns))) for suite in _load_suites().values()]
    return Table.of({"suite": "", "what": "", "recognised by these columns": ""}, rows)


def suite_fields(name: str) -> list[Field] | None:
    """Return the contents of a validation suite, and the columns of its CSV files."""
    from slipstick.engines.validation_suites import _load_suites

    suite = _load_suites().get(name)
    if suite is None:
        return None
    return [("what", suite.about, "", ""), *(("column", column, "", "") for column in sorted(suite.columns))]


def datasets_table() -> Table:
    """Return the table of data sets with their licences."""
    from slipstick.datasets.find_dataset import KNOWN

    return Table.of({"name": "", "what": "", "licence": ""}, [(n, it.about, it.licence) for n, it in KNOWN.items()])


def dataset_fields(name: str) -> list[Field] | None:
    """Return a data set's contents, licence, search folders and how to obtain it."""
    from slipstick.datasets.find_dataset import KNOWN

    known = KNOWN.get(name.strip().casefold())
    if known is None:
        return None
    rows: list[Field] = [("what", known.about, "", ""), ("licence", known.licence, "", "")]
    if known.places:
        rows += [
            ("looked for", " or ".join(known.places), "below SLIPSTICK_DATA", ""),
            ("to get it", known.cure, "", ""),
        ]
    return rows
