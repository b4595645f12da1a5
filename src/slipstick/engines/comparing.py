"""Comparison of Reports: given, saved, or estimated for one workload on several systems and plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_json, read_text
from slipstick.engines.closed_form import estimate_report
from slipstick.report.comparison import Comparison
from slipstick.report.contents import SCHEMA
from slipstick.report.report import Report


def comparison_of(
    answers: Sequence[Report | str | Path], plans: Sequence[str] = (), options: Mapping[str, Any] | None = None
) -> Comparison:
    """Return the Comparison of `slipstick.compare`.

    Errors
    ------
    SlipstickError for fewer than two answers, and all that an estimate refuses.
    """
    if answers and all(isinstance(answer, Report) or _is_saved(answer) for answer in answers):
        return Comparison(
            tuple(a if isinstance(a, Report) else Report.from_json(read_text(a), where=str(a)) for a in answers)
        )
    names = [answer for answer in answers if not isinstance(answer, Report)]
    if len(names) < 2 or len(names) < len(answers):
        raise SlipstickError("nothing to compare", path="compare", allowed="WORKLOAD SYSTEM ..., or report files")
    workload, *systems = names
    reports = []
    for system, plan in [(system, plan) for system in systems for plan in plans or (None,)]:
        report = estimate_report(workload, system, plan, **(options or {}))
        reports.append(replace(report, title=f"{report.title}, {plan}") if len(plans) > 1 else report)
    return Comparison(tuple(reports))


def _is_saved(name: str | Path) -> bool:
    """Return whether a file is a saved report, not a config.json: both end in .json."""
    if not str(name).lower().endswith(".json") or not Path(name).is_file():
        return False
    data = load_json(name)
    return isinstance(data, dict) and str(data.get("schema", "")).startswith(SCHEMA.partition("/")[0])
