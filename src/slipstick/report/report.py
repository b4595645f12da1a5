"""Report: the answer of every verb. Metrics with unit and origin, breakdowns, the bottleneck, warnings, inputs, papers.

Reports are results, not descriptions that a user writes: frozen dataclasses, quick to build in a sweep.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipstick.core.question import Question
from slipstick.report.contents import Contents, Drawings
from slipstick.report.metric import Column, Finding, Metric, Table, Tree, _flatten

if TYPE_CHECKING:
    from slipstick.report.difference import ReportDiff

__all__ = ["Column", "Finding", "Metric", "Report", "Table", "Tree"]


@dataclass(frozen=True)
class Report(Contents):
    """Result of a verb: a tree of metrics, breakdowns, bottleneck, warnings, inputs, and the papers it is based on.

    Parameters
    ----------
    metrics
        Nested names -> Metric; printed grouped, in the order of insertion.
    breakdowns
        Name ("ops", "links", "phases", ...) -> Table.
    inputs
        What was asked (workload, system, plan): Specs, dicts, lists and plain values; made canonical here.
    papers
        Keys of ``data/papers.yaml``.
    detail
        The domain's own result (a schedule, a simulated step, a trained network). Neither serialised nor compared.
    drawings
        Called when pictures are asked for; returns SVGs by their heading. Neither serialised nor compared.

    Examples
    --------
    >>> report = Report("demo", {"time": {"step": Metric(2.0, "s", "estimated")}}, bottleneck="compute")
    >>> report.value("time.step"), report["time.step"].how
    (2.0, 'estimated')
    >>> Report.from_json(report.json()) == report
    True
    """

    @classmethod
    def of(
        cls,
        question: Question | Mapping[str, Any],
        metrics: Tree,
        tables: Mapping[str, Table] | None = None,
        *,
        title: str,
        bottleneck: str = "",
        papers: Sequence[str] = (),
        facts: Mapping[str, float] | None = None,
        findings: Sequence[Finding] = (),
    ) -> Report:
        """Return the Report that answers a question: its inputs filled in, the named checks run over its metrics.

        Parameters
        ----------
        question : what was asked; a verb without workload, system and plan gives its inputs by name.
        facts : further figures for the checks, such as ``roofline.compute``: see `slipstick.report.checks`.
        findings : what the engine itself found, listed behind those of the checks.

        Examples
        --------
        >>> metrics = {"memory": {"peak": Metric(2.0, "B", "estimated"), "capacity": Metric(1.0, "B", "estimated")}}
        >>> [finding.check for finding in Report.of({"net": "mlp"}, metrics, title="demo").warnings]
        ['memory_fits']
        """
        from slipstick.report.checks import _run_checks

        inputs = question.inputs() if isinstance(question, Question) else question
        figures = {path: metric.value for path, metric in _flatten(metrics)}
        checked = _run_checks({**figures, **(facts or {})})
        return cls(title, metrics, tables or {}, bottleneck, (*checked, *findings), inputs, tuple(papers))

    def with_detail(self, detail: Any, drawings: Drawings | None = None) -> Report:
        """Return the same report with the domain's own result attached, and the function that draws its pictures."""
        return self._changed(detail=detail, drawings=drawings)

    def pictures(self) -> dict[str, str]:
        """Return the report's SVG pictures by heading; empty for a report that was read from JSON."""
        return dict(self.drawings()) if self.drawings else {}

    def with_breakdowns(self, breakdowns: Mapping[str, Table]) -> Report:
        """Return the same report with other breakdowns, which are made canonical only where needed."""
        return self._changed(breakdowns=dict(breakdowns))

    def _changed(self, **fields: Any) -> Report:
        """Return a copy with other fields, all of them valid and canonical already."""
        other = copy(self)
        for name, value in fields.items():
            object.__setattr__(other, name, value)
        return other

    def diff(self, other: Report) -> ReportDiff:
        """Return the difference other - self, metric by metric, with ratios."""
        from slipstick.report.difference import diff

        return diff(self, other)

    def json(self, indent: int | None = 2) -> str:
        """Return the report as JSON (schema ``slipstick.report/1``); equal reports give equal text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, *, where: str = "") -> Report:
        """Return the report in JSON that `json` wrote; `where` is the text's name in errors.

        Errors
        ------
        SlipstickError if the text is not such a report, or its inputs do not fit their hash.
        """
        from slipstick.core.errors import SlipstickError, SpecErrors
        from slipstick.report.as_json import _parse_report

        try:
            return cls(**_parse_report(text))
        except SlipstickError as error:
            raise SpecErrors([error], where=where) from None

    def table(self, width: int | None = None) -> str:
        """Return the report as plain text of `width` characters (100 unless given)."""
        from slipstick.report.as_text import _render_report, to_text

        return to_text(_render_report(self), width)

    def __rich__(self) -> Any:
        """Return the renderable that a rich console prints."""
        from slipstick.report.as_text import _render_report

        return _render_report(self)

    def __str__(self) -> str:
        """Return the report as plain text, as ``print`` shows it."""
        return self.table()

    def html(self) -> str:
        """Return the report with its pictures as one self-contained HTML file: no script, nothing loaded."""
        from slipstick.report.as_html import _report_page

        return _report_page(self, self.pictures())

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows: the page in a frame, which confines its style."""
        from slipstick.report.as_html import framed

        return framed(self.html())

    def cite(self) -> str:
        """Return BibTeX entries of the papers on which the report is based, and of slipstick."""
        from slipstick.report.papers import bibtex

        return bibtex(self.papers, self.version)
