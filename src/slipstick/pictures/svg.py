"""Elements of all SVG pictures: one palette for light and dark, escaped text, a whole SVG, a page around it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

COLOURS = 10  # classes k0 to k9; a category beyond them takes them up again
LETTER = 6.6  # pixels: the mean width of a letter at 12 pixels

STYLE = """
.pic{--bg:#fff;--ink:#1b1f27;--soft:#5d6675;--line:#d5dbe4;--track:#eef1f5;--k0:#4169b8;--k1:#e08a2c;--k2:#3f9a6b;
--k3:#c4504f;--k4:#7d63b5;--k5:#3ba3b8;--k6:#b59a2e;--k7:#c471a4;--k8:#8a6d55;--k9:#8d97a6;--low:#e6edf8;--high:#1f4e9c}
@media(prefers-color-scheme:dark){.pic{--bg:#1a1f28;--ink:#e6e9ef;--soft:#9aa4b5;--line:#3a4352;--track:#262d39;
--k0:#6f97e8;--k1:#eda657;--k2:#5fbd8c;--k3:#e27a78;--k4:#a58bdd;--k5:#62c3d6;--k6:#d3ba54;--k7:#e096c3;--k8:#b4957b;
--k9:#a4adbb;--low:#243048;--high:#86a9ff}}
.pic text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;fill:var(--ink)}
.pic .title{font-size:15px;font-weight:600}.pic .soft{fill:var(--soft)}.pic .small{font-size:10px}
.pic .end{text-anchor:end}.pic .middle{text-anchor:middle}.pic .bold{font-weight:700}
.pic .bg{fill:var(--bg)}.pic .track{fill:var(--track)}.pic .rule{stroke:var(--line);stroke-width:1;fill:none}
"""


def palette(classes: str, rule: str) -> str:
    """Return the CSS lines of the palette, one per colour: ``.pic .<classes><k>{<rule>:var(--k<k>)}``."""
    return "".join(f".pic .{classes}{k}{{{rule}:var(--k{k})}}" for k in range(COLOURS))


def text(x: float, y: float, words: object, classes: str = "") -> str:
    """Return an SVG text element, its words escaped.

    Examples
    --------
    >>> text(1, 2, "a<b", "soft")
    '<text x="1.0" y="2.0" class="soft">a&lt;b</text>'
    """
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}">{escape(str(words))}</text>'


def rect(x: float, y: float, width: float, height: float, classes: str, *, tip: str = "", style: str = "") -> str:
    """Return an SVG rectangle, with `tip` as its tooltip."""
    drawn = f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" class="{classes}"'
    drawn += f' style="{style}"' if style else ""
    return f"{drawn}><title>{escape(tip)}</title></rect>" if tip else f"{drawn}/>"


def line(x: float, y: float, to_x: float, to_y: float, classes: str = "rule") -> str:
    """Return an SVG straight line."""
    return f'<line x1="{x:.2f}" y1="{y:.2f}" x2="{to_x:.2f}" y2="{to_y:.2f}" class="{classes}"/>'


def _fitted(words: str, width: float) -> str:
    """Return the words shortened to `width` pixels: whole, cut off with dots, or empty.

    Examples
    --------
    >>> _fitted("reduce-scatter", 60.0), _fitted("reduce-scatter", 12.0)
    ('reduce-..', '')
    """
    room = int(width / LETTER)
    if len(words) <= room:
        return words
    return f"{words[: room - 2]}.." if room > 4 else ""


def document(width: float, height: float, parts: Iterable[str], *, title: str, style: str = "") -> str:
    """Return a whole SVG with its own background, readable on light and dark screens."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" class="pic" role="img"><title>{escape(title)}</title>'
        f"<style>{themed(STYLE + style)}</style>"
        f'<rect class="bg" width="100%" height="100%"/>{"".join(parts)}</svg>\n'
    )


_VARIABLE = re.compile(r"(--\w+):([^;}]+)")
_USED = re.compile(r"var\((--\w+)\)")
_RULE = re.compile(r"[^{}@]+\{[^{}]*\}")
_DARK = re.compile(r"@media\(prefers-color-scheme:dark\)\{((?:[^{}]*\{[^{}]*\})*)\}")


def themed(css: str) -> str:
    """Return a style sheet with its variables replaced by colours, and rules for dark screens at the end.

    Browsers know variables; what turns an SVG into a figure of a paper mostly does not, and would paint it black.

    Examples
    --------
    >>> found = themed(".p{--a:#fff}@media(prefers-color-scheme:dark){.p{--a:#000}}.p .b{fill:var(--a)}").splitlines()
    >>> found[0], found[-1]
    ('.p{--a:#fff}.p .b{fill:#fff}', '@media(prefers-color-scheme:dark){.p .b{fill:#000}}')
    """
    dark = dict(_VARIABLE.findall("".join(_DARK.findall(css))))
    plain = _DARK.sub("", css)
    light = dict(_VARIABLE.findall(plain))
    rules = "".join(rule for rule in _RULE.findall(plain) if _USED.search(rule))

    def painted(text: str, colours: dict[str, str]) -> str:
        return _USED.sub(lambda match: colours.get(match[1], match[0]), text)

    after = painted(rules, {**light, **dark}).strip()
    dark_rules = "".join(match[0] for match in _DARK.finditer(css))  # for colours that stand in elements
    return f"{painted(plain, light).strip()}\n{dark_rules}\n@media(prefers-color-scheme:dark){{{after}}}"


def page(title: str, pictures: Iterable[str]) -> str:
    """Return a self-contained HTML page that shows the pictures one below the other."""
    from slipstick.pictures.style import CSS

    sections = "".join(f'<section class="scroll">{picture}</section>' for picture in pictures)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{CSS}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{sections}</main></body></html>\n"
    )
