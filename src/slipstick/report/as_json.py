"""Reader of the JSON that `Report.json` writes, validated as an untrusted file.

The schema ``slipstick.report/1``, an object of

* ``schema``, ``slipstick`` (the version that answered), ``title``, ``bottleneck``: text;
* ``metrics``: groups in groups; a leaf is ``{value, unit, how, source, note}``: a finite number in SI (or the unit
  that `unit` names), and how it was found: estimated, simulated, measured, published, counted, given or assumed. A
  leaf with ``low`` and ``high`` has an error band. A group named ``parts`` sums up to the first metric beside it;
* ``breakdowns``: name -> ``{columns: [{name, unit}], rows: [[cell, ...]], stacked}``; a cell is text, a number, a
  boolean or null;
* ``warnings``: ``[{check, message, path, severity}]``, severity "warning" or "error";
* ``inputs``: what was asked; ``input_hash``: the SHA-256, in hex, of the compact JSON with sorted keys of
  ``{"inputs": ..., "slipstick": version}``, whole floats written as integers;
* ``papers``: keys of ``data/papers.yaml``.
"""

from __future__ import annotations

from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.files import parse_json
from slipstick.report.contents import SCHEMA, _hash_inputs
from slipstick.report.metric import Column, Finding, Metric, Table, canonical

_METRIC = {"value", "unit", "how", "source", "note", "low", "high"}
_NUMBERS = ("value", "low", "high")
_TOP: dict[str, type] = {
    "schema": str,
    "slipstick": str,
    "title": str,
    "bottleneck": str,
    "metrics": dict,
    "breakdowns": dict,
    "warnings": list,
    "inputs": dict,
    "input_hash": str,
    "papers": list,
}


def _parse_report(text: str) -> dict[str, Any]:
    """Return the fields of the Report that `text` describes.

    Errors
    ------
    SlipstickError naming the field that is missing or wrong, or if the inputs do not fit their hash.
    """
    data = parse_json(text)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise SlipstickError("not a report of slipstick", path="schema", allowed=SCHEMA)
    for name, kind in _TOP.items():
        if not isinstance(data.get(name), kind):
            raise SlipstickError(
                "is missing or of another type", path=name, value=data.get(name), allowed=kind.__name__
            )
    if _hash_inputs(canonical(data["inputs"]), data["slipstick"]) != data["input_hash"]:
        raise SlipstickError("does not fit the inputs: they were edited", path="input_hash", value=data["input_hash"])
    return {
        "title": data["title"],
        "metrics": _tree(data["metrics"], "metrics"),
        "breakdowns": {name: _table(table, f"breakdowns.{name}") for name, table in data["breakdowns"].items()},
        "bottleneck": data["bottleneck"],
        "warnings": tuple(_finding(f, f"warnings.{i}") for i, f in enumerate(data["warnings"])),
        "inputs": data["inputs"],
        "papers": tuple(str(key) for key in data["papers"]),
        "version": data["slipstick"],
    }


def _tree(node: Any, path: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise SlipstickError("not a group of metrics", path=path, value=node)
    return {name: _branch(child, f"{path}.{name}") for name, child in node.items()}


def _branch(child: Any, path: str) -> Any:
    if not (isinstance(child, dict) and isinstance(child.get("how"), str)):
        return _tree(child, path)
    numbers = [child[name] for name in _NUMBERS if name in child]
    known = set(child) <= _METRIC and "value" in child and all(map(_is_number, numbers))
    if not known or not isinstance(child.get("unit"), str):
        raise SlipstickError(
            "not a metric", path=path, value=child, allowed="a number with " + ", ".join(sorted(_METRIC))
        )
    try:
        return Metric(**child)
    except SlipstickError as error:
        raise SlipstickError(error.message, path=path, value=error.value, allowed=error.allowed) from None


def _table(node: Any, path: str) -> Table:
    try:
        columns = tuple(Column(str(c["name"]), str(c["unit"])) for c in node["columns"])
        rows = tuple(tuple(row) for row in node["rows"])
        stacked = bool(node["stacked"])
    except (KeyError, TypeError):
        raise SlipstickError("not a table", path=path, allowed="columns, rows, stacked") from None
    if any(isinstance(cell, dict | list) for row in rows for cell in row):
        raise SlipstickError("a cell holds one value", path=path)
    return Table(columns, rows, stacked)


def _finding(node: Any, path: str) -> Finding:
    names = ("check", "message", "path", "severity")
    if not isinstance(node, dict) or set(node) != set(names) or not all(isinstance(v, str) for v in node.values()):
        raise SlipstickError("not a finding", path=path, value=node, allowed=", ".join(names))
    if node["severity"] not in ("warning", "error"):
        raise SlipstickError("not a severity", path=path, value=node["severity"], allowed=("warning", "error"))
    return Finding(**node)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
