"""The commands `list`, `show` and `cite`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from slipstick.cli.output import put_table


def list_(
    kind: Literal["systems", "workloads", "formats", "tech", "topologies", "suites", "datasets", "engines"]
    | None = None,
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
    from slipstick.verbs.list_ import list_ as verb

    ((name, table),) = verb(kind).breakdowns.items()
    put_table(name, table, json)


def show(name: str, *, json: bool = False) -> None:
    """Show every field of a system, workload, number format, technology node or suite, with its source.

    Parameters
    ----------
    name
        Any name that slipstick list prints, or the path of a system's YAML file.
    json
        Print JSON and nothing else.
    """
    from slipstick.verbs.show import show as verb

    put_table(name, verb(name).breakdowns[name], json)


def cite(*reports: Path) -> None:
    """Print BibTeX entries: of the papers that saved reports stand on, or of all that slipstick knows.

    Parameters
    ----------
    reports
        Files that estimate --json wrote.
    """
    from slipstick.verbs.cite import cite as verb

    print(verb(*reports).cite(), end="")
