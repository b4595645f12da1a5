"""The multiplier analyser: facts, errors and structure of a multiplier, its best exact algorithm, and its picture."""

from __future__ import annotations

from slipstick.core.files import load_fields
from slipstick.engines.entry_fields import Field, _entry_fields
from slipstick.formats.multipliers.best_algorithm import ALGORITHMS, best_algorithm
from slipstick.formats.multipliers.error_statistics import error_statistics
from slipstick.formats.multipliers.find_multiplier import find_multiplier
from slipstick.formats.multipliers.multiplier import Multiplier
from slipstick.formats.multipliers.multiplier_facts import MultiplierFacts, multiplier_facts
from slipstick.formats.multipliers.table_structure import TableStructure, table_structure
from slipstick.report.report import Table

_COMPUTED = "computed from the table"
_ERRORS = {
    "mae": "Mean absolute error, all pairs of operands alike",
    "wce": "Worst absolute error",
    "mse": "Mean squared error",
    "bias": "Mean error",
    "mre": "Mean relative error, of products other than zero",
    "wcre": "Worst relative error, of products other than zero",
    "wrong": "Share of wrong products (EP)",
}
_SHARES = ("mre", "wcre", "wrong")


def multipliers_table() -> Table:
    """Return the table of circuits: bits, published power, area and errors, and whether products are known too."""
    columns = {"name": "", "bits": "", "operands": "", "power": "W", "area": "m2", "mae": "", "table": ""}
    rows = [
        (name, known.bits, known.operands, known.power, known.area, known.mae, "yes" if _has_table(name) else "no")
        for name, known in multiplier_facts.items()
    ]
    return Table.of(columns, rows)


def multiplier_fields(name: str) -> list[Field] | None:
    """Return facts, errors, structure and algorithms of a multiplier of the catalogue or of a file; None if unknown."""
    multiplier = _multiplier(name)
    if multiplier is None:
        known = multiplier_facts.get(name)
        if known is None:
            return None
        missing = "not known: EvoApproxLib has C models of this circuit"
        return [("name", known.name, "", ""), *_published(known), ("table", missing, "", "")]
    return [
        ("name", multiplier.name, "", ""),
        ("operands", f"{multiplier.operands}, {multiplier.bits} bits", "", ""),
        *_published(multiplier.facts),
        *_error_fields(multiplier),
        *_structure_fields(table_structure(multiplier)),
        *_algorithm_fields(multiplier),
    ]


def multiplier_drawings(name: str) -> dict[str, str]:
    """Return the pictures of a multiplier by heading: errors by operands, and how often each error occurs."""
    from slipstick.formats.multipliers.multiplier_pictures import errors_svg, histogram_svg

    multiplier = _multiplier(name)
    if multiplier is None:
        return {}
    return {"Error by operands": errors_svg(multiplier), "Histogram of errors": histogram_svg(multiplier)}


def _multiplier(name: str) -> Multiplier | None:
    """Return a multiplier with its table; None for an unknown name, or a circuit of which only facts are known.

    Errors
    ------
    SlipstickError for a file that is no table of products.
    """
    if name.lower().endswith((".csv", ".npy")) or _has_table(name) or _is_facts_file(name):
        return find_multiplier(name)
    return None


def _is_facts_file(name: str) -> bool:
    """Return whether a name is that of a YAML file with facts of a multiplier: systems have no bits of operands."""
    return name.lower().endswith((".yaml", ".yml")) and "bits" in load_fields(name)


def _has_table(name: str) -> bool:
    known = multiplier_facts.get(name)
    return known is not None and bool(known.table or known.cleared is not None)


def _published(known: MultiplierFacts | None) -> list[Field]:
    if known is None:
        return [(figure, "unknown", "", "") for figure in ("power", "area", "delay")]
    skipped = ("bits", "operands", "table", "aliases")
    rows = [row for row in _entry_fields(known) if row[0] not in skipped]
    return [(path if path in ("note", "cleared") else f"published.{path}", *rest) for path, *rest in rows]  # type: ignore[misc]


def _error_fields(multiplier: Multiplier) -> list[Field]:
    errors = error_statistics(multiplier)
    rows: list[Field] = []
    for name, about in _ERRORS.items():
        value = getattr(errors, name)
        share = f" = {value / errors.scale:.4%} of 2**{2 * multiplier.bits}" if name in ("mae", "wce") else ""
        rows.append((f"error.{name}", f"{value:.4%}" if name in _SHARES else f"{value:,.6f}{share}", _COMPUTED, about))
    return rows


def _structure_fields(structure: TableStructure) -> list[Field]:
    kind = "multiplies exactly what is left" if structure.truncation else "not exact otherwise"
    ignored = f"{structure.ignored[0]} of the first, {structure.ignored[1]} of the second; {kind}"
    zeros = "all zero" if structure.zero_inputs and structure.zero_weights else "not all zero: padding adds the table's"
    return [
        ("structure.rank", str(structure.rank), _COMPUTED, "Matrix products that give all sums"),
        ("structure.error_rank", str(structure.error_rank), _COMPUTED, "Rank of the table of errors"),
        ("structure.ignored_bits", ignored, _COMPUTED, "Low bits of the operands that change no product"),
        ("structure.distinct_rows", str(structure.distinct[0]), _COMPUTED, "First operands with products of their own"),
        (
            "structure.distinct_columns",
            str(structure.distinct[1]),
            _COMPUTED,
            "Second operands with products of their own",
        ),
        ("structure.monomials", str(structure.monomials), _COMPUTED, "Products of bits of the first operand"),
        ("structure.zero_products", zeros, _COMPUTED, "Products of a zero"),
    ]


def _algorithm_fields(multiplier: Multiplier) -> list[Field]:
    """Return the best exact algorithms, and the predicted cost of each that computes this table."""
    structure = table_structure(multiplier)
    best, portable = best_algorithm(multiplier), best_algorithm(multiplier, native=False)
    source = "measured on an AMD EPYC, one thread, of one layer (benchmarks/multiplier_speed.py)"
    rows = [
        ("emulation.best", f"{best[0].name}: {best[1]:g} times an fp32 convolution", source, "With AVX-512"),
        ("emulation.portable", f"{portable[0].name}: {portable[1]:g} times", source, "Without compiled kernels"),
    ]
    costs = [(known.name, known.cost(structure)) for known in ALGORITHMS]
    others = ", ".join(f"{name} {cost:g}" for name, cost in costs if cost is not None)
    return [*rows, ("emulation.all", others, source, "Exact algorithms, all of the same integers")]
