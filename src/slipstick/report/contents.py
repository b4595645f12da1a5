"""Contents of a Report and their accessors: the part of a Report that renderers use."""

from __future__ import annotations

import hashlib
import json
from abc import ABC
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan, plan_fields
from slipstick.core.version import __version__
from slipstick.report.metric import Finding, Metric, Table, Tree, _flatten, canonical

Drawings = Callable[[], Mapping[str, str]]  # called when pictures are asked for: heading -> SVG

SCHEMA = "slipstick.report/1"
QUESTION = "question"  # breakdown that lists what was asked: field, value, and who chose it


def _plan_texts(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return every field of a plan as ``--plan`` reads it, from the plan's nested mapping."""
    texts = {}
    for entry in plan_fields():
        value: Any = plan
        for name in entry.path.split("."):
            value = value[name]
        text = str(value).lower() if isinstance(value, bool) else str(value)
        texts[entry.key] = "none" if value in (None, "") else text
    return texts


@dataclass(frozen=True)
class Contents(ABC):
    """Fields of a Report, and its metrics by dotted path; the base class of Report, which renderers take."""

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

    def flat(self) -> dict[str, Metric]:
        """Return every metric by its dotted path, in the order of insertion."""
        return dict(_flatten(self.metrics, ""))

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
    def calibration(self) -> str:
        """The word "uncalibrated" where any figure has an error band for want of measurements of the system.

        A figure whose note says what its band is ("band: ...") was calibrated.
        """
        bands = (metric for metric in self.flat().values() if metric.low is not None)
        return "uncalibrated" if any(not metric.note.startswith("band:") for metric in bands) else ""

    @property
    def plan_text(self) -> str:
        """Plan to paste into ``--plan``, which asks for the same fields again; empty where no field was chosen."""
        question = self.breakdowns.get(QUESTION)
        if question is None or not any(row[-1] == "auto" for row in question.rows):
            return ""
        plan, rest = _plan_texts(self.inputs["plan"]), _plan_texts(Plan().off().model_dump(mode="json"))
        stated = [f"{key}={text}" for key, text in plan.items() if text not in ("auto", rest[key]) and key != "others"]
        return ",".join(["others=off", *stated])

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings of severity "error": the model contradicts itself. (``strict`` refuses every finding.)"""
        return tuple(finding for finding in self.warnings if finding.severity == "error")

    @property
    def input_hash(self) -> str:
        """SHA-256 of the canonical JSON of the inputs and the version of slipstick that answered."""
        return _hash_inputs(self.inputs, self.version)

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


def _hash_inputs(inputs: Mapping[str, Any], version: str = __version__) -> str:
    """Return the SHA-256 (hex) of canonical inputs together with the version of slipstick."""
    text = json.dumps(
        {"inputs": _whole(inputs), "slipstick": version}, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _whole(value: Any) -> Any:
    """Return whole floats such as 1.0 as integers, so that a JSON writer's choice does not change the hash."""
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


def _tree_to_dict(tree: Tree) -> dict[str, Any]:
    return {
        name: _metric_to_dict(child) if isinstance(child, Metric) else _tree_to_dict(child)
        for name, child in tree.items()
    }


def _metric_to_dict(metric: Metric) -> dict[str, Any]:
    """Return the fields of a metric; the ends of a band only where there is one."""
    fields = {name: getattr(metric, name) for name in ("value", "unit", "how", "source", "note")}
    return fields if metric.low is None else {**fields, "low": metric.low, "high": metric.high}


def _table_to_dict(table: Table) -> dict[str, Any]:
    return {
        "columns": [{"name": column.name, "unit": column.unit} for column in table.columns],
        "rows": [list(row) for row in table.rows],
        "stacked": table.stacked,
    }
