"""The commands `list`, `show` and `cite`."""

from __future__ import annotations

from pathlib import Path

from slipstick.cli.output import _put_table, _require_page
from slipstick.core.files import require_writable, write_text


def list_(catalogue: str | None = None, *, kind: str | None = None, json: bool = False) -> None:
    """List what a catalogue holds; without a name, the catalogues themselves.

    Parameters
    ----------
    catalogue
        The name of a catalogue: systems, workloads, formats, tech, ...; slipstick list prints all.
    kind
        Only the entries of this kind, such as graph of workloads or array of systems.
    json
        Print JSON and nothing else.
    """
    from slipstick.verbs.list_ import list_ as verb

    ((name, table),) = verb(catalogue, kind=kind).breakdowns.items()
    _put_table(name, table, json)


def show(*name: str, json: bool = False, html: Path | None = None) -> None:
    """Show every field of one entry of any catalogue, with its source.

    Parameters
    ----------
    name
        A name that slipstick list CATALOGUE prints, or the path of a system's YAML file; CATALOGUE NAME where several
        have it. A table of a multiplier's products too: a CSV or NPY file.
    json
        Print JSON and nothing else.
    html
        Write the entry with its pictures (of a multiplier) to this HTML file.
    """
    from slipstick.verbs.show import show as verb

    _require_page(html)
    require_writable(html)
    report = verb(*name)
    ((title, table),) = report.breakdowns.items()
    if html is not None:
        write_text(html, report.html())
    _put_table(title, table, json, whole_first=True)  # a path is copied into --set


def cite(*reports: Path) -> None:
    """Print BibTeX entries: of the papers that saved reports stand on, or of all that slipstick knows.

    Parameters
    ----------
    reports
        Files that estimate --json wrote.
    """
    from slipstick.verbs.cite import cite as verb

    print(verb(*reports).cite(), end="")
