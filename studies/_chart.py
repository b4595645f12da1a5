"""What the studies' pictures share: command line, theme, colours, and how a chart becomes a file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt

# Okabe and Ito's colours, which colour-blind readers tell apart
BLUE, ORANGE, GREEN, RED, SKY, PURPLE, GREY, YELLOW = COLOURS = [
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#999999", "#F0E442",
]  # fmt: skip
TEXT, FAINT = "#222222", "#555555"


def arguments(about: str | None) -> argparse.Namespace:
    """Return the command line that every study has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/studies"), help="folder for the pictures (SVG)")
    parser.add_argument("--quick", action="store_true", help="fewer points: what the tests run")
    return parser.parse_args()


def finish(chart: Any, title: str | Sequence[str], subtitle: str | Sequence[str]) -> Any:
    """Return the chart with a title that says the finding, what was asked below it, and the theme."""
    return (
        chart.properties(title=alt.Title(title, subtitle=subtitle))
        .configure(background="white", font="sans-serif", padding=12)
        .configure_title(
            anchor="start", fontSize=17, subtitleFontSize=13, offset=16, color=TEXT, subtitleColor=FAINT,
            subtitlePadding=6,
        )
        .configure_axis(
            labelFontSize=12, titleFontSize=13, titleFontWeight="normal", titlePadding=8, labelColor=TEXT,
            titleColor=TEXT, gridColor="#e6e6e6",
        )
        .configure_header(labelFontSize=13, labelFontWeight="bold", labelColor=TEXT)
        .configure_legend(labelFontSize=12, titleFontSize=12, labelLimit=280, symbolType="square")
        .configure_view(stroke=None)
    )  # fmt: skip


def save(chart: Any, folder: Path, name: str) -> Path:
    """Write ``folder/name.svg`` and say so."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.svg"
    chart.save(str(path))
    print(f"wrote {path}")
    return path


def colours(names: Sequence[str], palette: Sequence[str] = COLOURS) -> Any:
    """Return a colour scale over `names`, in their order."""
    return alt.Scale(domain=list(names), range=list(palette[: len(names)]))


def mark(value: float, text: str, axis: str, *, colour: str = RED, below: bool = False) -> Any:
    """Return a dashed reference line at `value` of the y axis titled `axis`, with its meaning written on it."""
    line = alt.Chart(alt.Data(values=[{"at": value}])).mark_rule(strokeDash=[6, 4], color=colour, strokeWidth=1.5)
    line = line.encode(y=alt.Y("at:Q", title=axis))
    label = line.mark_text(align="left", dx=4, dy=13 if below else -7, color=colour, fontSize=12)
    return line + label.encode(x=alt.value(0), text=alt.value(text))
