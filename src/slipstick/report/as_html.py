"""Reports as one HTML file: inline style and SVG, no script, nothing loaded from elsewhere, everything escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from slipstick.core.units import format_quantity
from slipstick.pictures.style import CSS
from slipstick.report.as_text import UNCALIBRATED, MetricRows, _label, _numbered_sources, _question_rows, _walk
from slipstick.report.contents import QUESTION, Contents
from slipstick.report.metric import PARTS, Metric, Table, Tree, ratio
from slipstick.report.papers import line, link

_COLOURS = 10
_CARDS = 6
Part = tuple[str, float, str]  # label, value, unit


def _report_page(report: Contents, pictures: Mapping[str, str]) -> str:
    """Return a Report as an HTML document, with SVG pictures by heading."""
    sources = _numbered_sources(report)
    bars = list(_group_bars(report.metrics, ""))
    body = [
        _header(report.title, report.bottleneck, report.calibration),
        _cards(report.metrics),
        _findings(report),
        *(_section(heading, drawn) for heading, drawn in pictures.items()),
        _section("Where it goes", "".join(bars)) if bars else "",
        _section("Figures", _metric_table(report, sources)),
        *(_section(name, _breakdown(table) + _same_plan(report, name)) for name, table in report.breakdowns.items()),
        _section("Inputs", _inputs(report.inputs)) if report.inputs else "",
        _section("Sources", _source_list(sources)) if sources else "",
        _section("Papers", _paper_list(report.papers)) if report.papers else "",
        _footer(report.version, f"SHA-256 of the inputs <code>{report.input_hash}</code>"),
    ]
    return _document(report.title, "\n".join(part for part in body if part))


def framed(page: str) -> str:
    """Return a page as an inline frame for notebooks, which confines its style and its content policy."""
    return f'<iframe srcdoc="{html.escape(page)}" width="100%" height="720" style="border:0"></iframe>'


def _same_plan(report: Contents, breakdown: str) -> str:
    """Return the plan to paste, which stands below the table of what was asked; empty elsewhere."""
    text = report.plan_text if breakdown == QUESTION else ""
    return f'<p class="soft">the same plan: <code>--plan {_e(text)}</code></p>' if text else ""


def _comparison_page(reports: Sequence[Contents], metrics: MetricRows) -> str:
    """Return reports side by side as an HTML document."""
    head = "<th>metric</th>" + "".join(f'<th class="number">{_e(report.title)}</th>' for report in reports)
    rows = [_row(["bottleneck", *(f'<span class="soft words">{_e(report.bottleneck)}</span>' for report in reports)])]
    if any(report.calibration for report in reports):
        rows.append(_row(["calibration", *(_e(report.calibration) for report in reports)]))
    for path, row in metrics.items():
        cells = []
        for place, metric in enumerate(row):
            share = ratio(row[0], metric) if place else None
            times = "" if share is None else f' <span class="soft">{share:.2f}&times;</span>'
            cells.append((_e(metric.text) if metric else "&ndash;") + times)
        name = _e(_label(path).strip())
        rows.append(_row([f'<span class="d2">{name}</span>' if f".{PARTS}." in path else name, *cells]))
    asked = [
        _row([_e(name), *(_e(text) or "&ndash;" for text in texts)]) for name, texts in _question_rows(reports).items()
    ]
    bars = "".join(_comparison_bars(reports, group) for group in _groups_with_parts(reports))
    title = f"{len(reports)} reports side by side"
    hashes = ", ".join(f"<code>{report.input_hash[:16]}</code>" for report in reports)
    body = [
        _header(title, "", ""),
        _section("Where it goes", bars) if bars else "",
        _section("Figures, with ratios to the first", _table(head, rows)),
        _section("Questions: each field, and who chose it", _table(head, asked)) if asked else "",
        _footer(reports[0].version, f"inputs {hashes}"),
    ]
    return _document(title, "\n".join(part for part in body if part))


def stacked_bar(parts: Sequence[Part], scale: float, *, mark: float | None = None, low: bool = False) -> str:
    """Return one stacked bar as inline SVG, `scale` wide in the parts' unit, with a mark (a capacity) if given."""
    width, height, at = 1000.0, 30, 0.0  # the bar's own units: it stretches to the page
    drawn = [f'<rect class="track" width="{width:.0f}" height="{height}"/>']
    for place, (name, value, unit) in enumerate(parts):
        wide = max(0.0, value) / scale * width if scale > 0 else 0.0
        tip = f"<title>{_e(name)}: {_e(format_quantity(value, unit))}</title>"
        fill = f"fill:var(--c{place % _COLOURS})"
        drawn.append(f'<rect x="{at:.2f}" width="{wide:.2f}" height="{height}" style="{fill}">{tip}</rect>')
        at += wide
    if mark is not None and scale > 0:
        drawn.append(f'<rect class="mark" x="{max(0.0, mark / scale * width - 3):.2f}" width="3" height="{height}"/>')
    about = _e(", ".join(f"{name} {format_quantity(value, unit)}" for name, value, unit in parts))
    return (
        f'<svg class="{"low" if low else "tall"}" viewBox="0 0 1000 {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{about}">{"".join(drawn)}</svg>'
    )


def _group_bars(tree: Tree, path: str) -> Iterator[str]:
    for name, child in tree.items():
        if isinstance(child, Metric):
            continue
        if name != PARTS:
            yield from _group_bars(child, f"{path} {name}".strip())
            continue
        total = next(((n, m) for n, m in tree.items() if isinstance(m, Metric)), None)
        parts = [(below, metric.value, metric.unit) for _, below, metric, _ in _walk(child) if metric is not None]
        if total is None or not any(value > 0 for _, value, _ in parts):
            continue
        limit = tree.get("capacity")
        capacity = limit.value if isinstance(limit, Metric) else None
        scale = max(total[1].value, sum(max(0.0, value) for _, value, _ in parts), capacity or 0.0)
        of = f" of {format_quantity(capacity, total[1].unit)}" if capacity is not None else ""
        yield (
            f'<div class="bar"><div class="barhead"><h3>{_e(_words(f"{path} {total[0]}"))}</h3>'
            f"<span>{_e(total[1].text + of)}</span></div>{stacked_bar(parts, scale, mark=capacity)}"
            f"{_legend(parts, total[1].value)}</div>"
        )


def _groups_with_parts(reports: Iterable[Contents]) -> list[str]:
    groups = (path.partition(f".{PARTS}.")[0] for report in reports for path in report if f".{PARTS}." in path)
    return list(dict.fromkeys(groups))


def _comparison_bars(reports: Sequence[Contents], group: str) -> str:
    per_report = [report.group(f"{group}.{PARTS}") for report in reports]
    names = list(dict.fromkeys(name for parts in per_report for name in parts))
    units = {metric.unit for parts in per_report for metric in parts.values()}
    if len(units) != 1:  # bars of different units have no common scale
        return ""
    (unit,) = units
    rows = [[(name, p[name].value if name in p else 0.0, unit) for name in names] for p in per_report]
    scale = max(sum(max(0.0, value) for _, value, _ in row) for row in rows)
    labels = [report.title for report in reports]
    return _bar_rows(_words(group), labels, rows, scale)


def _bar_rows(title: str, labels: Sequence[str], rows: Sequence[Sequence[Part]], scale: float) -> str:
    parts = [f"<h3>{_e(title)}</h3>"] if title else []
    for name, row in zip(labels, rows, strict=True):
        total = format_quantity(sum(value for _, value, _ in row), row[0][2]) if row else ""
        head = f'<div class="barhead"><span>{_e(name)}</span><span>{_e(total)}</span></div>'
        parts.append(head + stacked_bar(row, scale, low=True))
    return f'<div class="bar">{"".join(parts)}{_legend(rows[0], None) if rows else ""}</div>'


def _legend(parts: Sequence[Part], total: float | None) -> str:
    items = []
    for place, (name, value, unit) in enumerate(parts):
        share = f" &middot; {100 * value / total:.1f} %" if total else ""
        amount = "" if total is None else f"<em>{_e(format_quantity(value, unit))}{share}</em>"
        swatch = f'<i style="background:var(--c{place % _COLOURS})"></i>'
        items.append(f'<li>{swatch}<span title="{_e(name)}">{_e(_words(name))}</span>{amount}</li>')
    return f'<ul class="legend">{"".join(items)}</ul>'


def _cards(metrics: Tree) -> str:
    """Return the HTML cards of the headline metrics: the first figure of each group."""
    cards = []
    for group, child in metrics.items():
        name, metric = (group, child) if isinstance(child, Metric) else _first(child)
        if metric is not None:
            text = name if name == group else f"{group} {name}"
            figure = f'<div class="figure" title="{_e(metric.how)}">{_e(metric.value_text)}</div>'
            band = f'<div class="band">{_e(metric.band_text)}</div>' if metric.band_text else ""
            cards.append(f'<div class="card"><div class="label">{_e(_words(text))}</div>{figure}{band}</div>')
    return f'<div class="cards">{"".join(cards[:_CARDS])}</div>'


def _first(tree: Tree) -> tuple[str, Metric | None]:
    return next(((name, metric) for name, metric in tree.items() if isinstance(metric, Metric)), ("", None))


def _findings(report: Contents) -> str:
    return "".join(
        f'<div class="finding {_e(finding.severity)}"><code>{_e(finding.check)}</code><b>{_e(finding.severity)}</b> '
        f"{_e(finding.message)}</div>"
        for finding in report.warnings
    )


def _metric_table(report: Contents, sources: Mapping[str, int]) -> str:
    head = '<th>metric</th><th class="number">value</th><th class="number">share</th><th>how</th><th>note</th>'
    rows = []
    for depth, name, metric, share in _walk(report.metrics):
        text = f'<span class="d{min(depth, 3)}">{_e(_words(name))}</span>'
        if metric is None:
            rows.append(f'<tr class="group"><td colspan="5">{text}</td></tr>')
            continue
        mark = sources.get(metric.source)
        source = f' <sup><a href="#s{mark}" title="{_e(metric.source)}">{mark}</a></sup>' if mark else ""
        tip = _e(metric.source or "no source given")
        origin = f'<span class="how {_e(metric.how)}" title="{tip}">{_e(metric.how)}</span>{source}'
        percent = "" if share is None else f"{100 * share:.1f} %"
        note = f'<span class="soft">{_e(metric.note)}</span>'
        rows.append(_row([text, _e(metric.text), percent, origin, note], numbers=(1, 2)))
    return _table(head, rows)


def table_html(table: Table) -> str:
    """Return a table as HTML, for pages that show more than a report; rows of stacked parts get their bars."""
    return _breakdown(table)


def _breakdown(table: Table) -> str:
    numeric = [any(_is_number(row[c]) for row in table.rows) for c in range(len(table.columns))]
    numbers = [c for c, yes in enumerate(numeric) if yes]
    bars = ""
    if table.stacked and table.rows and numbers and len({table.columns[c].unit for c in numbers}) == 1:
        rows = [[(table.columns[c].name, _value(row[c]), table.columns[c].unit) for c in numbers] for row in table.rows]
        scale = max(sum(max(0.0, value) for _, value, _ in row) for row in rows)
        bars = _bar_rows("", [table.text(r, 0) for r in range(len(rows))], rows, scale)
    head = "".join(
        f'<th class="number">{_e(_words(c.name))}</th>' if yes else f"<th>{_e(_words(c.name))}</th>"
        for c, yes in zip(table.columns, numeric, strict=True)
    )
    cells = [[_e(table.text(r, c)) for c in range(len(table.columns))] for r in range(len(table.rows))]
    return bars + _table(head, [_row(row, numbers=numbers) for row in cells])


def _inputs(inputs: Mapping[str, Any]) -> str:
    return "".join(
        f"<details><summary>{_e(name)}</summary>{_table('', [_row(pair) for pair in _leaves(child, name)])}</details>"
        for name, child in inputs.items()
    )


def _leaves(node: Any, path: str) -> Iterator[list[str]]:
    if isinstance(node, Mapping) and node:
        for key, child in node.items():
            yield from _leaves(child, f"{path}.{key}")
    elif isinstance(node, list) and any(isinstance(child, Mapping | list) for child in node):
        for place, child in enumerate(node):
            yield from _leaves(child, f"{path}.{place}")
    else:
        text = ", ".join(str(child) for child in node) if isinstance(node, list) else f"{node}"
        yield [f"<code>{_e(path)}</code>", _e(text)]


def _source_list(sources: Mapping[str, int]) -> str:
    return "<ol>" + "".join(f'<li id="s{number}">{_e(source)}</li>' for source, number in sources.items()) + "</ol>"


def _paper_list(keys: Sequence[str]) -> str:
    items = []
    for key in keys:
        address = link(key)
        text = _e(line(key))
        items.append(f'<li><a href="{_e(address)}">{text}</a></li>' if address else f"<li>{text}</li>")
    return f'<ul class="plain">{"".join(items)}</ul>'


def _header(title: str, bottleneck: str, calibration: str) -> str:
    pill = f'<div class="bottleneck">bottleneck: <b>{_e(bottleneck)}</b></div>' if bottleneck else ""
    mark = f'<div class="finding">{_e(UNCALIBRATED)}</div>' if calibration else ""
    return f'<header><div class="brand">slipstick</div><h1>{_e(title)}</h1>{pill}{mark}</header>'


def _footer(version: str, more: str) -> str:
    return f"<footer>slipstick {_e(version)} &middot; {more}</footer>"


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{_e(_words(title))}</h2>{inside}</section>"


def _table(head: str, rows: Iterable[str]) -> str:
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f'<div class="scroll"><table>{top}<tbody>{"".join(rows)}</tbody></table></div>'


def _row(cells: Sequence[str], numbers: Iterable[int] | None = None) -> str:
    """Return an HTML table row; the columns in `numbers` are formatted as numbers, by default all but the first."""
    right = set(range(1, len(cells))) if numbers is None else set(numbers)
    marked = ((place in right, cell) for place, cell in enumerate(cells))
    return "<tr>" + "".join(f'<td class="number">{c}</td>' if yes else f"<td>{c}</td>" for yes, c in marked) + "</tr>"


def _document(title: str, body: str) -> str:
    policy = "default-src 'none'; style-src 'unsafe-inline'"  # the browser, too, refuses scripts and the network
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_e(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _value(cell: Any) -> float:
    return float(cell) if _is_number(cell) else 0.0


def _e(text: str) -> str:
    """Return text escaped for HTML elements and quoted attributes, without characters that HTML forbids."""
    return html.escape("".join(letter for letter in text if letter.isprintable() or letter in "\n\t"), quote=True)
