"""`list`: the entries of the catalogues."""

from __future__ import annotations

from slipstick.report.report import Report


def list_(catalogue: str | None = None, *, kind: str | None = None) -> Report:
    """Return the entries of a catalogue, a row each; without a name, the catalogues themselves.

    Parameters
    ----------
    catalogue
        The name of a catalogue, such as ``systems``, ``workloads`` or ``dram``.
    kind
        Only the entries of this kind, such as ``graph`` of workloads or ``array`` of systems.

    Returns
    -------
    Report
        Its one table has the catalogue's name.

    Errors
    ------
    SlipstickError for an unknown catalogue (with the nearest) or kind.

    Examples
    --------
    >>> "h100-sxm-80gb" in [row[0] for row in list_("systems").breakdowns["systems"].rows]
    True
    """
    from slipstick.engines.catalogues import list_table

    title = catalogue or "catalogues"
    inputs = {"catalogue": catalogue, "kind": kind}
    return Report.of(inputs, {}, {title: list_table(catalogue, kind)}, title=title)
