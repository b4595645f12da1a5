"""`show`: every field of one catalogue entry, with its source."""

from __future__ import annotations

from slipstick.report.report import Report


def show(*name: str) -> Report:
    """Return every field of an entry of any catalogue: value with unit, source and description.

    Parameters
    ----------
    name
        A name that `list` prints, the path of a system's YAML file or of a multiplier's table of products (CSV, NPY);
        behind the catalogue's name where several catalogues have it, such as ``"kernels", "hopper"``. The name of a
        catalogue with one entry, such as ``prices``, stands for that entry.

    Returns
    -------
    Report
        Its one table has the entry's name. A multiplier has pictures too.

    Errors
    ------
    SlipstickError for a name that no catalogue has (with the nearest of all), or that several have.

    Examples
    --------
    >>> report = show("h100-sxm-80gb")
    >>> {row[0]: row[1] for row in report.breakdowns["h100-sxm-80gb"].rows}["memory.hbm.bandwidth"]
    '3.35 TB/s'
    """
    from slipstick.engines.catalogues import entry_drawings, show_table

    title, table = show_table(*name)
    report = Report.of({"name": list(name)}, {}, {title: table}, title=title)
    return report.with_detail(None, lambda: entry_drawings(*name))
