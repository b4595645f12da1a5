"""`show`: every field of one entry of a catalogue."""

from __future__ import annotations

from slipstick.report.report import Report
from slipstick.verbs import listing


def show(name: str) -> Report:
    """Return every field of an entry of any catalogue, such as a system, a workload or a topology, with its source.

    Errors
    ------
    SlipstickError naming the nearest of all names.

    Examples
    --------
    >>> rows = {row[0]: row for row in show("h100-sxm-80gb").breakdowns["h100-sxm-80gb"].rows}
    >>> rows["memory.hbm.bandwidth"][1]
    '3.35 TB/s'
    """
    return Report.of({"name": name}, {}, {name: listing.show(name)}, title=name)
