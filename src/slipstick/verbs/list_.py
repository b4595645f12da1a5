"""`list`: what the catalogues hold."""

from __future__ import annotations

from slipstick.engines.table import rows_table
from slipstick.report.report import Report
from slipstick.verbs.listing import list_names


def list_(kind: str | None = None) -> Report:
    """Return what a catalogue holds, a row an entry, as the breakdown of its name; without a kind, the catalogues.

    Parameters
    ----------
    kind
        Systems, workloads, formats, tech, topologies, suites, datasets or engines.

    Examples
    --------
    >>> "h100-sxm-80gb" in [row[0] for row in list_("systems").breakdowns["systems"].rows]
    True
    """
    name = kind or "catalogues"
    table = rows_table() if kind == "engines" else list_names(kind)
    return Report.of({"kind": kind}, {}, {name: table}, title=name)
