"""Table of all catalogues, for `list` and `show`; a catalogue is imported only when it is used.

To add a table of data, write its `Spec` and its `Catalogue` where they are used, and one row in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from slipstick.core.catalogue import Catalogue
from slipstick.core.errors import SlipstickError
from slipstick.engines.entry_fields import Field, _entry_fields, _quantity_text, _unit_of
from slipstick.report.report import Table

_NOUNS = "engines.listed_nouns"
_TECH = "tech.technology_tables"


@dataclass(frozen=True)
class Kind:
    """Catalogue that `list` prints and `show` looks into, such as systems or formats.

    Parameters
    ----------
    about : one line: what an entry is.
    catalogue : ``module:name`` of its Catalogue below slipstick.
    columns : fields of an entry that the listing prints.
    rows : ``module:name`` of a function that returns the listing as a Table, where that is more than fields.
    fields : ``module:name`` of a function that returns an entry's fields by its name, None where there is no such
        entry, where they are more than those of the catalogue's spec.
    kinds : ``module:name`` of a function that returns the kind of an entry by its name, which `list` can filter by.
    noun : the kind is one of the nouns of a question: `show NAME` looks there before it looks into tables.
    suffixes : endings of files that `show` opens as entries of this kind.
    drawings : ``module:name`` of a function that returns an entry's pictures by heading, by its name.
    """

    about: str
    catalogue: str = ""
    columns: tuple[str, ...] = ()
    rows: str = ""
    fields: str = ""
    kinds: str = ""
    noun: bool = False
    suffixes: tuple[str, ...] = ()
    drawings: str = ""

    def open(self) -> Catalogue[Any]:
        """Return the catalogue of this kind, importing its module."""
        catalogue: Catalogue[Any] = _imported(self.catalogue)
        return catalogue

    def listing(self) -> Table:
        """Return the table of entries, one row per entry."""
        if self.rows:
            table: Table = _imported(self.rows)()
            return table
        catalogue = self.open()
        units = {column: _unit_of(catalogue.kind, column) for column in self.columns}
        rows = [
            (name, *(_cell(getattr(entry, column)) for column in self.columns)) for name, entry in catalogue.items()
        ]
        return Table.of({"name": "", **units}, rows)

    def entry(self, name: str) -> list[Field] | None:
        """Return every field of the named entry; None for an unknown name."""
        if self.fields:
            fields: list[Field] | None = _imported(self.fields)(name)
            return fields
        spec = self.open().get(name) if self.catalogue else None
        return None if spec is None else _entry_fields(spec)

    def names(self) -> list[str]:
        """Return the names of all entries, with their aliases where there are any."""
        if self.catalogue:
            return [*self.open().names(), *self.open().aliases()]
        return list(dict.fromkeys(str(row[0]) for row in self.listing().rows)) if self.fields else []


KINDS: dict[str, Kind] = {
    "systems": Kind(
        "devices, servers and clusters", "core.catalogue:systems",
        rows=f"{_NOUNS}:systems_table", fields=f"{_NOUNS}:system_fields",
        kinds=f"{_NOUNS}:system_kind", noun=True,
    ),
    "workloads": Kind(
        "networks", "networks.find_network:presets", rows=f"{_NOUNS}:workloads_table",
        fields=f"{_NOUNS}:workload_fields", kinds=f"{_NOUNS}:workload_kind", noun=True,
    ),
    "formats": Kind("number formats", rows=f"{_NOUNS}:formats_table", fields=f"{_NOUNS}:format_fields", noun=True),
    "tech": Kind(
        "technology nodes, DRAM and link generations", rows=f"{_NOUNS}:tech_table", fields=f"{_NOUNS}:tech_fields",
        noun=True,
    ),
    "topologies": Kind(
        "wirings of devices, link by link", "fabric.topology_file:topologies", rows=f"{_NOUNS}:topologies_table",
        noun=True,
    ),
    "suites": Kind(
        "tables of published or measured figures", rows=f"{_NOUNS}:suites_table", fields=f"{_NOUNS}:suite_fields",
        noun=True,
    ),
    "datasets": Kind(
        "data sets", rows=f"{_NOUNS}:datasets_table", fields=f"{_NOUNS}:dataset_fields", noun=True,
    ),
    "engines": Kind(
        "what answers a verb: the table of engines", rows="engines.table:_rows_table", fields=f"{_NOUNS}:engine_fields"
    ),
    "plan": Kind(
        "fields of a plan, with defaults and choices", rows=f"{_NOUNS}:plan_table", fields=f"{_NOUNS}:plan_fields_of"
    ),
    "nodes": Kind("logic of a technology node", f"{_TECH}:nodes", ("area", "power", "frequency", "sram", "energy")),
    "dram": Kind("DRAM generations", f"{_TECH}:dram_generations", ("bandwidth", "capacity", "energy", "device")),
    "interconnects": Kind(
        "link generations", f"{_TECH}:network_generations", ("technology", "replaces", "bandwidth", "energy")
    ),
    "scaling": Kind("laws of scaling of logic", f"{_TECH}:scaling"),
    "error-bands": Kind(
        "error bands of unmeasured devices", "cluster.constants.error_bands:error_bands", ("low", "high", "rows")
    ),
    "families": Kind(
        "model types of Hugging Face", "networks.decoder.huggingface_families:families", ("attention", "norm", "moe")
    ),
    "kernels": Kind(
        "constants of matrix products, by device generation", "cluster.constants.matmul:kernel_constants",
        ("calibrated", "source"),
    ),
    "steps": Kind(
        "constants of whole steps, by device generation", "cluster.constants.step_constants:step_constants",
        ("calibrated", "matmul_slowdown", "stream_efficiency", "host_launch"),
    ),
    "collectives": Kind(
        "constants of collectives, by link technology", "cluster.constants.links:link_constants",
        ("calibrated", "hierarchical", "source"),
    ),
    "stacks": Kind(
        "serving engines", "cluster.constants.serving_stack:stacks",
        ("calibrated", "batching", "batched_tokens", "memory_share", "step", "sequence"), noun=True,
    ),
    "prices": Kind(
        "what a data centre adds to a device's price", "cluster.constants.prices:prices",
        ("electricity", "amortisation", "utilisation", "facility", "server_share", "carbon"),
    ),
    "power": Kind("power beside stated energies", "cluster.kernels.device_power:power_shares", ("chip", "idle")),
    "reliability": Kind(
        "failures and checkpoints of long runs", "cluster.training.goodput:failure_rates",
        ("device_mtbf", "restart_time", "storage"),
    ),
    "model-constants": Kind(
        "constants that hold for every generation", "cluster.constants.model_constants:model_constants",
        ("expert_skew", "last_bucket", "l2_over_dram"),
    ),
    "multipliers": Kind(
        "approximate multipliers, by their tables of products", "formats.multipliers.multiplier_facts:multiplier_facts",
        rows="engines.multiplier_fields:multipliers_table", fields="engines.multiplier_fields:multiplier_fields",
        suffixes=(".csv", ".npy", ".yaml", ".yml"), drawings="engines.multiplier_fields:multiplier_drawings",
    ),
    "streams": Kind(
        "bit streams of stochastic arithmetic, by generator", rows="engines.stream_fields:streams_table",
        fields="engines.stream_fields:stream_fields", drawings="engines.stream_fields:stream_drawings",
    ),
    "array-parts": Kind(
        "energy and area of an array's parts", "formats.arithmetic.operation_costs:array_parts", ("node",)
    ),
    "operations": Kind(
        "energy of arithmetic operations", "formats.arithmetic.operation_costs:operation_costs", ("energy",)
    ),
    "cores": Kind(
        "cores of microcontrollers", "edge.core_table:cores", ("isa", "pipeline", "issue", "coremark", "source")
    ),
    "kernel-code": Kind(
        "bytes of the kernels' machine code, by core", "edge.firmware.code_size:_code_bytes", ("source",)
    ),
    "tool-chains": Kind(
        "addresses of boards, and their names in tool chains", "edge.firmware.targets:_tool_names",
        ("platform", "platform_board", "framework"),
    ),
    "instructions": Kind(
        "instruction mixes of kernels for microcontrollers", "edge.latency.kernel_mixes:kernel_mixes",
        ("library", "calibration", "low", "high"),
    ),
    "measured-networks": Kind(
        "networks of published latencies on boards", "edge.latency.published_latency:measured_networks",
        ("calls", "source"),
    ),
    "latencies": Kind(
        "published latencies on boards", "edge.latency.published_latency:latency_rows",
        ("network", "board", "library", "time", "source"),
    ),
    "sensors": Kind("sensors that are wired to boards", "edge.board:sensor_parts", ("source",)),
    "switches": Kind(
        "switches of a wafer", "fabric.switch.wafer_switches:switches", ("npus", "npu_bandwidth", "published_area")
    ),
    "wafer-cases": Kind(
        "workloads of the FRED paper", "engines.fred_paper:cases", ("network", "plan", "efficiency")
    ),
    "hybrid-tasks": Kind(
        "training tasks of Pal et al.", "engines.hybrid_tasks:hybrid_tasks", ("batch", "samples", "gain")
    ),
    "reference-software": Kind(
        "software of the reference rows, by text of their source",
        "cluster.validation.row_software:reference_software", ("source",),
    ),
    "reference-benchmarks": Kind(
        "how the benchmarks behind the reference rows were run",
        "cluster.validation.row_benchmarks:reference_benchmarks", ("values",),
    ),
    "rate-trackers": Kind(
        "trackers of the heart rate", "vitals.tracker_settings:trackers", ("lowest", "highest", "look_ahead", "fusion")
    ),
    "pulse": Kind(
        "ways from colour traces to a heart rate", "vitals.pulse_settings:pulse_settings",
        ("window", "step", "filter_weight"),
    ),
    "papers": Kind("papers that answers stand on", "report.papers:papers", ("title", "year", "seen")),
}  # fmt: skip


def list_table(catalogue: str | None = None, kind: str | None = None) -> Table:
    """Return the table of a catalogue's entries; without a name, the table of the catalogues themselves.

    Parameters
    ----------
    kind : only entries of this kind, such as ``graph`` of workloads.

    Errors
    ------
    SlipstickError for an unknown catalogue or kind, or a kind of a catalogue without kinds.
    """
    if catalogue is None:
        rows = [_overview(name, kind) for name, kind in KINDS.items()]
        return Table.of({"catalogue": "", "entries": "", "such as": "", "what": ""}, rows)
    known = KINDS.get(catalogue)
    if known is None:
        raise SlipstickError("no such catalogue", path="list", value=catalogue, allowed=KINDS)
    table = known.listing()
    return table if kind is None else _of_kind(table, catalogue, kind)


def show_table(*name: str) -> tuple[str, Table]:
    """Return the title and every field of an entry, found by its name, or by its catalogue's name and its own.

    The name of a catalogue that holds a single entry, such as ``prices``, stands for that entry.

    Errors
    ------
    SlipstickError for a name that no catalogue has (with the nearest), that several tables have, or that is a catalogue
    of several entries.
    """
    if len(name) == 2:
        catalogue, own = name
        fields = _kind(catalogue).entry(own)
        if fields is None:
            allowed = _kind(catalogue).names()
            raise SlipstickError(f"no such entry of {catalogue}", path="show", value=own, allowed=allowed)
        return " ".join(name), _fields_table(fields)
    if len(name) != 1:
        raise SlipstickError("not one entry", path="show", value=" ".join(name), allowed="NAME, or CATALOGUE NAME")
    names = KINDS[name[0]].names() if name[0] in KINDS else []
    if len(names) > 1:
        ways = f"slipstick list {name[0]}, or slipstick show {name[0]} {names[0]}"
        raise SlipstickError(f"{name[0]} is a catalogue: {ways}", path="show")
    return show_table(name[0], names[0]) if names else (name[0], _fields_table(_any_entry(name[0])))


def entry_drawings(*name: str) -> dict[str, str]:
    """Return the pictures of an entry that `show_table` shows, by heading; empty where its kind has none."""
    kinds = [KINDS[name[0]]] if len(name) == 2 and name[0] in KINDS else list(KINDS.values())
    drawings = [_imported(kind.drawings)(name[-1]) for kind in kinds if kind.drawings]
    return next((pictures for pictures in drawings if pictures), {})


def _kind(catalogue: str) -> Kind:
    if catalogue not in KINDS:
        raise SlipstickError("no such catalogue", path="show", value=catalogue, allowed=KINDS)
    return KINDS[catalogue]


def _any_entry(name: str) -> list[Field]:
    """Return the fields of the entry of this name: in the first noun that has it, else in the only table that has."""
    for kind in KINDS.values():
        if name.lower().endswith(kind.suffixes or ("\0",)) and (fields := kind.entry(name)) is not None:
            return fields
    for kind in KINDS.values():
        if kind.noun and (fields := kind.entry(name)) is not None:
            return fields
    entries = {
        catalogue: fields
        for catalogue, kind in KINDS.items()
        if not kind.noun and (fields := kind.entry(name)) is not None
    }
    if len(entries) == 1:
        return next(iter(entries.values()))
    if entries:
        allowed = ", ".join(f"show {catalogue} {name}" for catalogue in entries)
        raise SlipstickError("an entry of several catalogues", path="show", value=name, allowed=allowed)
    known = {other for kind in KINDS.values() for other in kind.names()}
    raise SlipstickError("nothing of this name in any catalogue", path="show", value=name, allowed=known)


def _fields_table(fields: list[Field]) -> Table:
    """Return an entry's fields as a table; the column of descriptions appears only where a field has one."""
    described = any(field[3] for field in fields)
    columns = {"field": "", "value": "", "source": ""} | ({"description": ""} if described else {})
    return Table.of(columns, [field[: len(columns)] for field in fields])


def _overview(name: str, kind: Kind) -> tuple[object, ...]:
    """Return a catalogue's row in the table of catalogues; if its listing fails, the error in place of a count."""
    try:
        rows = kind.listing().rows
    except SlipstickError as error:  # of a package that adds to this catalogue
        return name, None, str(error), kind.about
    return name, len(rows), " ".join(list(dict.fromkeys(str(row[0]) for row in rows))[:5]), kind.about


def _of_kind(table: Table, catalogue: str, kind: str) -> Table:
    if not KINDS[catalogue].kinds:
        with_kinds = [name for name, known in KINDS.items() if known.kinds]
        raise SlipstickError(f"{catalogue} have no kinds", path="kind", value=kind, allowed=with_kinds)
    kind_of: Callable[[str], str] = _imported(KINDS[catalogue].kinds)
    kinds = [kind_of(str(row[0])) for row in table.rows]
    if kind not in kinds:
        raise SlipstickError(f"no such kind of {catalogue}", path="kind", value=kind, allowed=sorted(set(kinds)))
    return Table(table.columns, tuple(row for row, own in zip(table.rows, kinds, strict=True) if own == kind))


def _cell(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | None) else _quantity_text(value)


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"slipstick.{module}"), name)
