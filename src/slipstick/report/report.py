"""Report: the answer of every verb. Metrics with unit and origin, breakdowns, the bottleneck, warnings, inputs, papers.

Reports are results, not descriptions that a user writes: frozen dataclasses, quick to build in a sweep.

The metric tree is nested names: ``{"time": {"step": Metric, "parts": {...}}, "memory": {"peak": Metric, ...}}``.
A group called ``parts`` holds what its parent's first metric is made of, in the same unit and summing up to it;
renderers draw it as one stacked bar.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, get_args

from slipstick import __version__
from slipstick.core import units
from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question

if TYPE_CHECKING:
    from slipstick.report.comparison import Comparison, ReportDiff

How = Literal["estimated", "simulated", "measured", "published"]
Severity = Literal["warning", "error"]
Cell = str | float | int | bool | None
Tree = Mapping[str, "Metric | Tree"]
Drawings = Callable[[], Mapping[str, str]]  # called when pictures are asked for: heading -> SVG

SCHEMA = "slipstick.report/1"
PARTS = "parts"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure: an SI value, its unit, how it was found and where it comes from.

    `value` is finite: a figure that does not exist is left out of the tree, never NaN.

    Examples
    --------
    >>> Metric(13.75, "s", "estimated").text
    '13.75 s'
    """

    value: float
    unit: str
    how: How
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))
        if not math.isfinite(self.value):
            raise SlipstickError("a metric must be a finite number", value=self.value)
        if self.how not in get_args(How):
            raise SlipstickError("not a way to find a figure", path="how", value=self.how, allowed=get_args(How))

    @property
    def text(self) -> str:
        """The value with the prefix that reads best, and its unit."""
        return units.format_quantity(self.value, self.unit)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a named check found: `message` says what is wrong and by how much, `path` names the field or metric."""

    check: str
    message: str
    path: str = ""
    severity: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a breakdown: its name and the SI unit of its numbers (empty for text and plain numbers)."""

    name: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A breakdown: rows of cells under named columns. A missing cell is None.

    `stacked` asks for one stacked bar a row: the first column labels it, the numeric columns share a unit.

    Examples
    --------
    >>> table = Table.of({"op": "", "time": "s"}, [("qkv", 1.2e-3), ("attention", 0.8e-3)])
    >>> table.text(0, 1)
    '1.2 ms'
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    stacked: bool = False

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise SlipstickError(f"row {number} has {len(row)} cells for {len(self.columns)} columns")

    @classmethod
    def of(cls, columns: Mapping[str, str], rows: Iterable[Sequence[Any]], *, stacked: bool = False) -> Table:
        """Build a table from ``{column name: unit}`` and rows; numpy scalars become plain numbers."""
        heads = tuple(Column(name, unit) for name, unit in columns.items())
        return cls(heads, tuple(tuple(_cell(value) for value in row) for row in rows), stacked)

    def text(self, row: int, column: int) -> str:
        """Return one cell as it is printed."""
        value = self.rows[row][column]
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int | float):
            return units.format_quantity(value, self.columns[column].unit)
        return value or ""


@dataclass(frozen=True)
class Report:
    """The answer: a tree of metrics, breakdowns, the bottleneck, warnings, the inputs and the papers it stands on.

    Parameters
    ----------
    metrics
        Nested names -> Metric; printed grouped, in the order of insertion.
    breakdowns
        Name ("ops", "links", "phases", ...) -> Table.
    inputs
        What was asked (workload, system, plan): Specs, dicts, lists and plain values; made canonical here.
    papers
        Keys of ``data/papers.yaml``.
    detail
        The domain's own result (a schedule, a simulated step, a trained network). Neither serialised nor compared.
    drawings
        Called when pictures are asked for; returns SVGs by their heading. Neither serialised nor compared.

    Examples
    --------
    >>> report = Report("demo", {"time": {"step": Metric(2.0, "s", "estimated")}}, bottleneck="compute")
    >>> report.value("time.step"), report["time.step"].how
    (2.0, 'estimated')
    >>> Report.from_json(report.json()) == report
    True
    """

    title: str
    metrics: Tree
    breakdowns: Mapping[str, Table] = field(default_factory=dict)
    bottleneck: str = ""
    warnings: tuple[Finding, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    papers: tuple[str, ...] = ()
    version: str = __version__
    detail: Any = field(default=None, compare=False, repr=False)
    drawings: Drawings | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", _checked_tree(self.metrics, ""))
        object.__setattr__(self, "inputs", canonical(self.inputs))
        object.__setattr__(self, "breakdowns", dict(self.breakdowns))
        object.__setattr__(self, "warnings", tuple(self.warnings))
        object.__setattr__(self, "papers", tuple(self.papers))

    @classmethod
    def of(
        cls,
        question: Question | Mapping[str, Any],
        metrics: Tree,
        tables: Mapping[str, Table] | None = None,
        *,
        title: str,
        bottleneck: str = "",
        papers: Sequence[str] = (),
        facts: Mapping[str, float] | None = None,
        findings: Sequence[Finding] = (),
    ) -> Report:
        """Build the Report that answers a question: fill in its inputs, and run the named checks over its figures.

        Parameters
        ----------
        question : what was asked; a verb without workload, system and plan gives its inputs by name.
        facts : further figures for the checks, such as ``roofline.compute``: see `slipstick.report.checks`.
        findings : what the engine itself found, listed behind those of the checks.

        Examples
        --------
        >>> metrics = {"memory": {"peak": Metric(2.0, "B", "estimated"), "capacity": Metric(1.0, "B", "estimated")}}
        >>> [finding.check for finding in Report.of({"net": "mlp"}, metrics, title="demo").warnings]
        ['memory_fits']
        """
        from slipstick.report.checks import run_checks

        inputs = question.inputs() if isinstance(question, Question) else question
        figures = {path: metric.value for path, metric in flatten(metrics)}
        checked = run_checks({**figures, **(facts or {})})
        return cls(title, metrics, tables or {}, bottleneck, (*checked, *findings), inputs, tuple(papers))

    def with_detail(self, detail: Any, drawings: Drawings | None = None) -> Report:
        """Return the same report carrying the domain's own result, and the function that draws its pictures."""
        return replace(self, detail=detail, drawings=drawings)

    def pictures(self) -> dict[str, str]:
        """Return the report's drawings, SVGs by their heading; empty for a report that was read from JSON."""
        return dict(self.drawings()) if self.drawings else {}

    def with_breakdowns(self, breakdowns: Mapping[str, Table]) -> Report:
        """Return the same report with other breakdowns; what is canonical already is not made so again."""
        other = copy(self)
        object.__setattr__(other, "breakdowns", dict(breakdowns))
        return other

    def flat(self) -> dict[str, Metric]:
        """Return every metric by its dotted path, in the order of insertion."""
        return dict(flatten(self.metrics, ""))

    def __getitem__(self, path: str) -> Metric:
        node: Metric | Tree = self.metrics
        for name in path.split("."):
            if isinstance(node, Metric) or name not in node:
                raise SlipstickError("no such metric", path=self.title, value=path, allowed=self.flat())
            node = node[name]
        if not isinstance(node, Metric):
            inside = [p for p in self.flat() if p.startswith(f"{path}.")]
            raise SlipstickError("a group of metrics, not one", path=self.title, value=path, allowed=inside)
        return node

    def __contains__(self, path: str) -> bool:
        return path in self.flat()

    def __iter__(self) -> Iterator[str]:
        return iter(self.flat())

    def value(self, path: str) -> float:
        """Return the SI value of the metric at a dotted path."""
        return self[path].value

    def group(self, path: str) -> dict[str, Metric]:
        """Return the metrics directly in the group at a dotted path, by name (empty if there is no such group)."""
        node: Metric | Tree | None = self.metrics
        for name in path.split("."):
            node = node.get(name) if isinstance(node, Mapping) else None
        inside = node if isinstance(node, Mapping) else {}
        return {name: child for name, child in inside.items() if isinstance(child, Metric)}

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings of severity "error": the model contradicts itself. (``strict`` refuses every finding.)"""
        return tuple(finding for finding in self.warnings if finding.severity == "error")

    @property
    def input_hash(self) -> str:
        """SHA-256 of the canonical JSON of the inputs and the version of slipstick that answered."""
        return hash_inputs(self.inputs, self.version)

    def diff(self, other: Report) -> ReportDiff:
        """Return other minus self, metric by metric: difference and ratio."""
        from slipstick.report.comparison import diff

        return diff(self, other)

    def json(self, indent: int | None = 2) -> str:
        """Return the report as JSON (schema ``slipstick.report/1``): same report, same text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dicts and lists, as `json` writes it."""
        return {
            "schema": SCHEMA,
            "slipstick": self.version,
            "title": self.title,
            "bottleneck": self.bottleneck,
            "metrics": _tree_to_dict(self.metrics),
            "breakdowns": {name: _table_to_dict(table) for name, table in self.breakdowns.items()},
            "warnings": [
                {"check": f.check, "message": f.message, "path": f.path, "severity": f.severity} for f in self.warnings
            ],
            "inputs": dict(self.inputs),
            "input_hash": self.input_hash,
            "papers": list(self.papers),
        }

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read a report that `json` wrote.

        Errors
        ------
        SlipstickError if the text is not such a report, or its inputs do not fit their hash.
        """
        from slipstick.report.as_json import parse_report

        return parse_report(text)

    def table(self, width: int | None = None) -> str:
        """Return the report as plain text of `width` characters (100 unless given)."""
        from slipstick.report.as_text import render_report, to_text

        return to_text(render_report(self), width)

    def __rich__(self) -> Any:
        """Return what a rich console prints."""
        from slipstick.report.as_text import render_report

        return render_report(self)

    def __str__(self) -> str:
        """Return the report as plain text: what ``print`` shows."""
        return self.table()

    def html(self) -> str:
        """Return the report with its pictures as one self-contained HTML file: no script, nothing loaded."""
        from slipstick.report.as_html import report_page

        return report_page(self, self.pictures())

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the page in a frame, so that its style stays inside."""
        from slipstick.report.as_html import framed

        return framed(self.html())

    def cite(self) -> str:
        """Return BibTeX entries of the papers that the report stands on, and of slipstick."""
        from slipstick.report.papers import bibtex

        return bibtex(self.papers, self.version)


def compare(reports: Sequence[Report]) -> Comparison:
    """Put two or more reports side by side: metrics as rows, reports as columns, ratios to the first.

    Errors
    ------
    SlipstickError for fewer than two reports.
    """
    from slipstick.report.comparison import Comparison

    return Comparison(tuple(reports))


_PLAIN = frozenset((bool, int, str))


def canonical(value: Any) -> Any:
    """Return `value` as plain dicts, lists, text, numbers, booleans and None: what JSON can hold.

    Errors
    ------
    SlipstickError for a number that is not finite, or an object that has no description.
    """
    if value is None or type(value) in _PLAIN:  # nearly all: a report holds thousands
        return value
    if isinstance(value, Enum):
        return canonical(value.value)
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SlipstickError("not a finite number", path="inputs", value=value)
        return float(value)
    if isinstance(value, Mapping):
        return {str(canonical(key)): canonical(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(child) for child in value]
    if isinstance(value, PurePath):
        return str(value)
    for method in ("model_dump", "tolist"):  # a Spec; a numpy array or scalar. Neither is imported here
        if (describe := getattr(value, method, None)) is not None:
            return canonical(describe())
    raise SlipstickError(f"a {type(value).__name__} cannot stand in a report", path="inputs")


def hash_inputs(inputs: Mapping[str, Any], version: str = __version__) -> str:
    """Return the SHA-256 (hex) of canonical inputs together with the version of slipstick."""
    text = json.dumps(
        {"inputs": _whole(inputs), "slipstick": version}, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _whole(value: Any) -> Any:
    """Write 1.0 as 1: some JSON writers do, and the hash must survive them."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _whole(child) for key, child in value.items()}
    return [_whole(child) for child in value] if isinstance(value, list) else value


def _checked_tree(tree: Tree, path: str) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for name, child in tree.items():
        if not name or "." in name:
            raise SlipstickError("not a name of a metric", path=path, value=name, allowed="text without dots")
        if isinstance(child, Metric):
            checked[name] = child
        elif isinstance(child, Mapping):
            checked[name] = _checked_tree(child, f"{path}.{name}" if path else name)
        else:
            raise SlipstickError("neither a Metric nor a group", path=f"{path}.{name}", value=child)
    return checked


def flatten(tree: Tree, path: str = "") -> Iterator[tuple[str, Metric]]:
    """Yield every metric of a tree with its dotted path."""
    for name, child in tree.items():
        below = f"{path}.{name}" if path else name
        if isinstance(child, Metric):
            yield below, child
        else:
            yield from flatten(child, below)


def _cell(value: Any) -> Cell:
    plain = canonical(value)
    if isinstance(plain, dict | list):
        raise SlipstickError("a cell holds one value", value=plain)
    return plain  # type: ignore[no-any-return]


def _tree_to_dict(tree: Tree) -> dict[str, Any]:
    return {
        name: {"value": c.value, "unit": c.unit, "how": c.how, "source": c.source, "note": c.note}
        if isinstance(c, Metric)
        else _tree_to_dict(c)
        for name, c in tree.items()
    }


def _table_to_dict(table: Table) -> dict[str, Any]:
    return {
        "columns": [{"name": column.name, "unit": column.unit} for column in table.columns],
        "rows": [list(row) for row in table.rows],
        "stacked": table.stacked,
    }
