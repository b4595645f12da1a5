"""`compare`: several Reports side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from slipstick.engines.comparing import comparison_of
from slipstick.engines.verb_options import EstimateOptions
from slipstick.report.comparison import Comparison
from slipstick.report.report import Report


def compare(*answers: Report | str | Path, plan: Sequence[str] = (), **options: Unpack[EstimateOptions]) -> Comparison:
    """Return two or more reports side by side, with ratios to the first.

    Parameters
    ----------
    answers
        Reports, or files that `Report.json` wrote; or a workload and one or more systems, which are estimated.
    plan
        Every system is asked with every plan.
    options
        As for `estimate`, where systems are compared.

    Errors
    ------
    SlipstickError for fewer than two answers, and all that `estimate` refuses.

    Examples
    --------
    >>> comparison = compare("llama-3.1-8b", "h100-sxm-80gb:8", plan=["tp=8", "tp=4", "tp=2"])
    >>> len(comparison.rows["time.step"])
    3
    """
    return comparison_of(answers, plan, options)
