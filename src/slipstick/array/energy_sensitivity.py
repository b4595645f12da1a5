"""Sensitivity of the energy ratio of two array runs to each coefficient of the energy table, halved and doubled."""

from __future__ import annotations

from slipstick.array.estimate import ArrayRun
from slipstick.report.report import Table


def energy_ratio(
    baseline: ArrayRun, ours: ArrayRun, *, dram: bool = True, coefficient: str = "", factor: float = 1.0
) -> float:
    """Return the energy ratio of run `baseline` to run `ours`, with one energy coefficient multiplied by `factor`.

    ``sram`` stands for the memories of all operands.

    Parameters
    ----------
    dram : False leaves the DRAM's part out.
    """
    totals = []
    for run in (baseline, ours):
        joules = {
            name: value * (factor if coefficient and name.partition(" ")[0] == coefficient else 1.0)
            for name, value in run.coefficients.items()
        }
        spent = run.spent(joules)
        totals.append(sum(value for name, value in spent.items() if dram or name != "dram"))
    return totals[0] / totals[1]


def sensitivity(baseline: ArrayRun, ours: ArrayRun, *, dram: bool = True) -> Table:
    """Return a table of energy ratios per coefficient: halved, as it is, and doubled; widest range first.

    Examples
    --------
    >>> from slipstick import estimate
    >>> slow, fast = (estimate("resnet-18", name).detail for name in ("stripes-8x8", "int8-8x8"))
    >>> table = sensitivity(slow, fast)
    >>> [column.name for column in table.columns]
    ['coefficient', 'halved', 'as it is', 'doubled']
    """
    names = dict.fromkeys(name.partition(" ")[0] for run in (baseline, ours) for name in run.spent())
    now = energy_ratio(baseline, ours, dram=dram)
    rows = []
    for name in names:
        halved, doubled = (
            energy_ratio(baseline, ours, dram=dram, coefficient=name, factor=factor) for factor in (0.5, 2.0)
        )
        if dram or name != "dram":
            rows.append((name, halved, now, doubled))
    rows.sort(key=lambda row: -abs(row[3] - row[1]))
    return Table.of(dict.fromkeys(("coefficient", "halved", "as it is", "doubled"), ""), rows)
