"""What the studies' pictures share: theme, colours, and how a chart becomes a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import altair as alt

# Okabe and Ito's colours, which colour-blind readers tell apart
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#999999", "#F0E442"]
TEXT = "#222222"


def arguments(about: str | None) -> argparse.Namespace:
    """Return the command line that every study has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/studies"), help="folder for the picture (SVG)")
    return parser.parse_args()


def finish(chart: Any, title: str, subtitle: str, *, width: int = 620, height: int = 340) -> Any:
    """Return the chart with size, title and theme."""
    return (
        chart.properties(width=width, height=height, title=alt.Title(title, subtitle=subtitle))
        .configure(background="white", font="sans-serif")
        .configure_title(
            anchor="start", fontSize=16, subtitleFontSize=12, offset=14, color=TEXT, subtitleColor="#555555"
        )
        .configure_axis(labelFontSize=12, titleFontSize=12, labelColor=TEXT, titleColor=TEXT, gridColor="#e6e6e6")
        .configure_legend(labelFontSize=12, titleFontSize=12, labelLimit=260)
        .configure_view(stroke=None)
    )


def save(chart: Any, folder: Path, name: str) -> Path:
    """Write ``folder/name.svg`` and say so."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.svg"
    chart.save(str(path))
    print(f"wrote {path}")
    return path


def colours(names: list[str]) -> Any:
    """Return a colour scale over `names`, in their order."""
    return alt.Scale(domain=names, range=COLOURS[: len(names)])
