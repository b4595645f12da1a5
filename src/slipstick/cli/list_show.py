"""The commands `list`, `show` and `cite`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipstick.cli.output import show as show_on_screen

if TYPE_CHECKING:
    from slipstick.report.report import Report, Table


def list_(catalogue: str | None = None, *, kind: str | None = None, json: bool = False) -> None:
    """List what a catalogue holds; without a name, the catalogues themselves.

    Parameters
    ----------
    catalogue
        The name of a catalogue: systems, workloads, formats, tech, ...; slipstick list prints all.
    kind
        Only the entries of this kind: decoder or graph, of workloads.
    json
        Print JSON and nothing else.
    """
    from slipstick.verbs.list_ import list_ as answer

    _put(answer(catalogue, kind=kind), json)


def show(*name: str, json: bool = False) -> None:
    """Show every field of one entry of any catalogue, with its source.

    Parameters
    ----------
    name
        A name that slipstick list CATALOGUE prints, or the path of a system's YAML file; CATALOGUE NAME where several
        have it.
    json
        Print JSON and nothing else.
    """
    from slipstick.verbs.show import show as answer

    _put(answer(*name), json)


def cite(*reports: Path) -> None:
    """Print BibTeX entries: of the papers that saved reports stand on, or of all that slipstick knows.

    Parameters
    ----------
    reports
        Files that estimate --json wrote.
    """
    from slipstick.verbs.cite import cite as answer

    print(answer(*reports).cite(), end="")


def _put(report: Report, json: bool) -> None:
    """Print the one table of a report."""
    for title, table in report.breakdowns.items():
        put_table(title, table, json)


def put_table(name: str, table: Table, json: bool) -> None:
    """Print one table, or as JSON its columns (name, unit) and rows."""
    if json:
        import dataclasses
        from json import dumps

        data = dataclasses.asdict(table)
        print(dumps({"columns": data["columns"], "rows": data["rows"]}, indent=2, ensure_ascii=False, allow_nan=False))
        return
    from slipstick.report.as_text import render_breakdown

    show_on_screen(render_breakdown(name, table))
