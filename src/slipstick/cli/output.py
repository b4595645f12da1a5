"""Output of the commands: rich text in a terminal, plain text of fixed width into a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

    from slipstick.cli.options import Shown
    from slipstick.report.report import Table

_PIPE_WIDTH = 120  # characters: the tables of kernels fit, and so do two panes of a screen
_NARROWEST = 40  # characters: below, tables fold letter by letter
_PAGE = b"<!doctype html"  # what every page begins with
_BETWEEN = 2  # characters between two columns of a table


def _show(renderable: Any) -> None:
    """Print an object that rich can render to standard output."""
    if not sys.stdout.isatty():
        from slipstick.report.as_text import to_text

        print(to_text(renderable, _pipe_width()))
        return
    from rich.console import Console

    Console(highlight=False).print(renderable, crop=False)


def _pipe_width() -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and int(columns) >= _NARROWEST else _PIPE_WIDTH


def _say(message: str) -> None:
    """Print a remark to standard error, so that piped output stays clean."""
    print(message, file=sys.stderr)


def _require_writable(display: Shown, *paths: Path | None) -> None:
    """Raise an error if one of the files that a command will write cannot be written."""
    from slipstick.core.files import require_writable

    _require_page(display.html)
    require_writable(display.html, *paths)


def _require_page(html: Path | None) -> None:
    """Raise an error where a page would take the place of a file that is none, such as the network asked about."""
    from slipstick.core.errors import SlipstickError

    if html is not None and html.is_file():
        with html.open("rb") as file:
            start = file.read(len(_PAGE)).lower()
        if start and start != _PAGE:
            raise SlipstickError("holds something else than a page", path=str(html), allowed="the name of a new file")


def _put(answer: Any, display: Shown, brief: Any = None) -> None:
    """Print a Report as the options state: JSON, or text for the terminal (of `brief` if given); also write HTML.

    The HTML file is written first: what cannot be written is said before anything is printed.
    """
    if display.html is not None:
        from slipstick.core.files import write_text

        write_text(display.html, answer.html())
        _say(f"wrote {display.html}")
    if display.json:
        print(answer.json())
    else:
        _show(brief or answer)


def _put_table(name: str, table: Table, json: bool, *, whole_first: bool = False) -> None:
    """Print a table, or its columns (name, unit) and rows as JSON; `whole_first` never folds the first column.

    Without `whole_first`, rows may be printed as blocks of one field a line (`_Listing`).
    """
    if json:
        import dataclasses
        from json import dumps

        data = dataclasses.asdict(table)
        print(dumps({"columns": data["columns"], "rows": data["rows"]}, indent=2, ensure_ascii=False, allow_nan=False))
        return
    if not whole_first:
        _show(_Listing(name, table))
        return
    from slipstick.report.as_text import render_breakdown

    rendered = render_breakdown(name, table)
    rendered.columns[0].no_wrap = True
    _show(rendered)


class _Listing:
    """Table with its rows in columns, or in blocks of a line per field where columns break words and are longer."""

    def __init__(self, name: str, table: Table) -> None:
        self._name, self._table = name, table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the table, in columns or in blocks."""
        from slipstick.report.as_text import render_breakdown

        layouts = [render_breakdown(self._name, self._table)]
        if _least_width(self._table) > options.max_width:
            layouts.append(render_breakdown(self._name, _blocks(self._table)))
        yield min(layouts, key=lambda layout: len(console.render_lines(layout, options)))


def _least_width(table: Table) -> int:
    """Return the width [characters] that a table needs for the longest word of every column and the gaps between."""
    texts = [
        [column.name, *(table.text(row, place) for row in range(len(table.rows)))]
        for place, column in enumerate(table.columns)
    ]
    longest = [max((len(word) for text in column for word in text.split()), default=0) for column in texts]
    return sum(longest) + _BETWEEN * (len(longest) - 1)


def _blocks(table: Table) -> Table:
    """Return a table with one row per field: the first field's text, the other field's name, and its text."""
    from slipstick.report.metric import Column, Table

    others = [column.name for column in table.columns[1:]]
    rows = [
        ("" if place else table.text(row, 0), name, table.text(row, place + 1))
        for row in range(len(table.rows))
        for place, name in enumerate(others)
        if table.text(row, place + 1) or not place
    ]
    heads = (table.columns[0], Column("field"), Column("value"))
    return Table(heads, tuple(rows))


@contextmanager
def _progress_bar(display: Shown, label: str) -> Iterator[Callable[..., None] | None]:
    """Show a progress bar on a terminal's standard error; yields its callback (steps, all steps[, text])."""
    if display.json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)

        def update(steps: int, total: int, text: str = label) -> None:
            bar.update(task, completed=steps, total=total, description=text)

        yield update
