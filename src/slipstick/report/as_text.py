"""Reports as text for the terminal. Renderers compute nothing but ratios and shares.

rich is imported inside: a Report that nobody prints does not pay for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slipstick.report.contents import QUESTION, Contents
from slipstick.report.metric import PARTS, Metric, Table, Tree, ratio
from slipstick.report.papers import line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderableType
    from rich.measure import Measurement
    from rich.table import Table as RichTable

_QUESTION_COLUMNS = 3
MetricRows = Mapping[str, Sequence[Metric | None]]  # dotted path -> the metric of each report

WIDTH = 100
_WORD, _PIECE = re.compile(r"\S+"), re.compile(r"[^.:;/|]*[.:;/|]|[^.:;/|]+")  # a part of a word, its separator last
_HOW_STYLE = {
    "estimated": "cyan", "simulated": "blue", "measured": "green", "published": "magenta", "counted": "cyan",
    "given": "default", "assumed": "yellow",
}  # fmt: skip
UNCALIBRATED = "uncalibrated: nobody measured this device; the range behind a figure is its error band"


def to_text(renderable: RenderableType, width: int | None = None) -> str:
    """Return the plain text that a console of `width` characters shows, without colours or trailing blanks."""
    import io

    from rich.console import Console

    console = Console(file=io.StringIO(), width=width or WIDTH, color_system=None, legacy_windows=False)
    console.print(renderable, crop=False)  # a plan to paste is one line
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(row.rstrip() for row in text.rstrip().split("\n"))


def _render_report(report: Contents) -> Group:
    """Return a rich renderable of title, bottleneck, metrics with origins, warnings, breakdowns and papers."""
    from rich.console import Group
    from rich.text import Text

    sources = _numbered_sources(report)
    parts: list[RenderableType] = [_safe_text(report.title, "bold")]
    if report.bottleneck:
        parts.append(Text.assemble(("bottleneck: ", "dim"), _safe_text(report.bottleneck, "bold yellow")))
    if report.calibration:
        parts.append(_safe_text(UNCALIBRATED, "yellow"))
    parts += [Text(), _metrics(report, sources)]
    if report.warnings:
        parts.append(Text())
    for finding in report.warnings:
        style = "bold red" if finding.severity == "error" else "yellow"
        parts.append(Text.assemble((f"{finding.severity} [{finding.check}] ", style), _safe_text(finding.message)))
    for name, table in report.breakdowns.items():
        parts += [Text(), render_breakdown(name, table)]
        if name == QUESTION and report.plan_text:
            parts += [Text(), Text(f"the same plan: --plan {report.plan_text}", no_wrap=True, overflow="ignore")]
    if sources:
        parts += [Text(), _safe_text("sources", "bold")]
        parts += [_safe_text(f"  [{number}] {source}", "dim") for source, number in sources.items()]
    if report.papers:
        parts += [Text(), _safe_text("papers", "bold")]
        parts += [_safe_text(f"  {line(key)}", "dim") for key in report.papers]
    parts += [Text(), _safe_text(f"slipstick {report.version}, inputs {report.input_hash[:16]}", "dim")]
    return Group(*parts)


def _numbered_sources(report: Contents) -> dict[str, int]:
    """Return every source of a metric with its number, in the order of first use."""
    sources = dict.fromkeys(metric.source for metric in report.flat().values() if metric.source)
    return {source: number for number, source in enumerate(sources, 1)}


def _walk(tree: Tree, depth: int = 0) -> Iterator[tuple[int, str, Metric | None, float | None]]:
    """Yield (depth, name, metric or None for a group, share of the total for a part) of every metric in order."""
    for name, child in tree.items():
        if isinstance(child, Metric):
            yield depth, name, child, None
        elif name == PARTS:
            total = next((m.value for m in tree.values() if isinstance(m, Metric)), 0.0)
            for below, part, metric, share in _walk(child, depth + 1):
                yield below, part, metric, metric.value / total if metric and total else share
        else:
            yield depth, name, None, None
            yield from _walk(child, depth + 1)


def render_breakdown(name: str, table: Table) -> RichTable:
    """Return a breakdown with its columns aligned: text left, numbers right."""
    rendered = _plain_table(title=name)
    for column, head in enumerate(table.columns):
        numbers = any(isinstance(row[column], int | float) for row in table.rows)
        rendered.add_column(
            _safe_text(head.name), justify="right" if numbers else "left", overflow="fold", no_wrap=numbers
        )
    for row in range(len(table.rows)):
        rendered.add_row(*(_Cell(table.text(row, column)) for column in range(len(table.columns))))
    return rendered


class _Cell:
    """Cell of a table: a word longer than its column is broken behind a dot, colon, slash or bar."""

    def __init__(self, text: str) -> None:
        self._text = _safe_text(text)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return the least and the preferred width [characters] of the text."""
        from rich.measure import Measurement

        return Measurement.get(console, options, self._text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the text, with line breaks in words that are longer than the column."""
        yield self._text if options.no_wrap else _safe_text(_broken_words(self._text.plain, options.max_width))


def _broken_words(text: str, width: int) -> str:
    """Return a text with a line break in each word of more than `width` characters, behind its separators.

    Examples
    --------
    >>> _broken_words("formats, collectives.dp_overlap", 20)
    'formats, collectives.\\ndp_overlap'
    """
    return _WORD.sub(lambda word: "\n".join(_pieces(word[0], width)), text)


def _pieces(word: str, width: int) -> Iterator[str]:
    line = ""
    for piece in _PIECE.findall(word) if len(word) > width else [word]:
        if line and len(line) + len(piece) > width:
            yield line
            line = ""
        line += piece
    yield line


def _render_comparison(reports: Sequence[Contents], rows: MetricRows) -> RichTable:
    """Return metrics as rows, reports as columns, each value with its ratio to the first report."""
    rendered = _plain_table()
    rendered.add_column("metric")
    for report in reports:
        rendered.add_column(_safe_text(report.title), justify="right", overflow="fold")
    warnings = [str(len(report.warnings)) if report.warnings else "" for report in reports]
    rendered.add_row("bottleneck", *(_safe_text(report.bottleneck) for report in reports))
    if any(report.calibration for report in reports):
        rendered.add_row("calibration", *(report.calibration for report in reports))
    for path, row in rows.items():
        cells = []
        for place, metric in enumerate(row):
            share = ratio(row[0], metric) if place else None
            cells.append((metric.text if metric else "-") + ("" if share is None else f"  ({share:.2f} x)"))
        rendered.add_row(_safe_text(_label(path)), *cells)
    if any(warnings):
        rendered.add_row("warnings", *warnings)
    asked = _question_rows(reports)
    if asked:
        rendered.add_row(_safe_text(QUESTION, "bold"))
    for name, texts in asked.items():
        rendered.add_row(_safe_text(f"  {name}"), *(_safe_text(text or "-") for text in texts))
    return rendered


def _question_rows(reports: Sequence[Contents]) -> dict[str, tuple[str, ...]]:
    """Return every field of the reports' questions, the plan's among them: its value in each, and who chose it.

    Empty texts stand for fields that a report does not have, and the whole is empty where no report lists its fields.
    """
    columns = [
        {str(name): f"{value} ({origin})" for name, value, origin in report.breakdowns[QUESTION].rows}
        if QUESTION in report.breakdowns and len(report.breakdowns[QUESTION].columns) == _QUESTION_COLUMNS
        else {}
        for report in reports
    ]
    names = dict.fromkeys(name for column in columns for name in column)
    return {name: tuple(column.get(name, "") for column in columns) for name in names}


def _label(path: str) -> str:
    """Return a metric's path as its row label, in which the parts of a total are indented below it.

    Examples
    --------
    >>> _label("time.step"), _label("memory.parts.kv cache")
    ('time step', '  kv cache')
    """
    _, parts, part = path.partition(f".{PARTS}.")
    return ("  " + part if parts else path).replace("_", " ").replace(".", " ")


def _metrics(report: Contents, sources: Mapping[str, int]) -> RichTable:
    rendered = _plain_table(head=False)
    rendered.add_column("metric")
    for head in ("value", "share"):
        rendered.add_column(head, justify="right")
    rendered.add_column("how")
    rendered.add_column("note", overflow="fold", style="dim")
    for depth, name, metric, share in _walk(report.metrics):
        head = _safe_text("  " * depth + name.replace("_", " "), "" if metric else "bold")
        if metric is None:
            rendered.add_row(head)
            continue
        mark = f"[{sources[metric.source]}]" if metric.source else ""
        note = " ".join(part for part in (mark, metric.note) if part)
        percent = "" if share is None else f"{100 * share:.1f} %"
        rendered.add_row(head, metric.text, percent, _safe_text(metric.how, _HOW_STYLE[metric.how]), _safe_text(note))
    return rendered


def _plain_table(*, title: str = "", head: bool = True) -> RichTable:
    """Return an empty table without lines between its rows."""
    from rich import box
    from rich.table import Table as RichTable

    return RichTable(
        title=_safe_text(title, "bold") if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD if head else None,
        show_header=head,
        padding=(0, 1 if head else 2, 0, 0),  # with the box's own blank: two between columns
        pad_edge=False,
        show_edge=False,
    )


def _safe_text(text: str, style: str = "") -> Any:
    """Return text in which rich reads no markup and the terminal no control codes."""
    from rich.text import Text

    return Text("".join(letter for letter in text if letter == "\n" or letter.isprintable()), style=style)
