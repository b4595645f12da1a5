"""The commands `list`, `show` and `cite`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from slipstick.cli.output import show as show_on_screen

if TYPE_CHECKING:
    from slipstick.report.report import Table


def list_(
    kind: Literal["systems", "workloads", "formats", "tech", "topologies", "suites", "datasets"] | None = None,
    *,
    json: bool = False,
) -> None:
    """List what a catalogue holds; without a kind, the catalogues themselves.

    Parameters
    ----------
    kind
        The catalogue.
    json
        Print JSON and nothing else.
    """
    from slipstick.verbs.listing import list_names

    put_table(kind or "catalogues", list_names(kind), json)


def show(name: str, *, json: bool = False) -> None:
    """Show every field of a system, workload, number format, technology node or suite, with its source.

    Parameters
    ----------
    name
        Any name that slipstick list prints, or the path of a system's YAML file.
    json
        Print JSON and nothing else.
    """
    from slipstick.verbs import listing

    put_table(name, listing.show(name), json)


def cite(*reports: Path) -> None:
    """Print BibTeX entries: of the papers that saved reports stand on, or of all that slipstick knows.

    Parameters
    ----------
    reports
        Files that estimate --json wrote.
    """
    from slipstick import __version__
    from slipstick.core.files import read_text
    from slipstick.report.papers import bibtex, papers
    from slipstick.report.report import Report

    keys = [key for path in reports for key in Report.from_json(read_text(path)).papers]
    print(bibtex(keys if reports else papers(), __version__), end="")


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
