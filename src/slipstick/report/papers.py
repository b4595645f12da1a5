"""The papers that answers stand on: ``data/papers.yaml`` as BibTeX and as one line of text."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_yaml

_FILE = Path(__file__).parent.parent / "data" / "papers.yaml"
_NOT_BIBTEX = ("type", "seen")


@functools.cache
def papers() -> dict[str, dict[str, Any]]:
    """Return every paper by its key: type, title, author, year and where it appeared."""
    entries: dict[str, dict[str, Any]] = load_yaml(_FILE)
    return entries


def paper(key: str) -> dict[str, Any]:
    """Return one paper.

    Errors
    ------
    SlipstickError naming the nearest key.
    """
    if key not in papers():
        raise SlipstickError("no such paper", path="papers", value=key, allowed=papers())
    return papers()[key]


def line(key: str) -> str:
    """Return a paper as one line of text.

    Examples
    --------
    >>> line("williams2009")
    'Williams, Waterman, Patterson: Roofline: an insightful visual performance model for multicore architectures (2009)'
    """
    entry = paper(key)
    names = [name.partition(",")[0].strip() for name in str(entry["author"]).split(" and ")]
    if names[-1] == "others":
        names[-1] = "et al."
    return f"{', '.join(names)}: {entry['title']} ({entry['year']})"


def link(key: str) -> str:
    """Return the address of a paper, or an empty text."""
    entry = paper(key)
    if "eprint" in entry:
        return f"https://arxiv.org/abs/{entry['eprint']}"
    return f"https://doi.org/{entry['doi']}" if "doi" in entry else str(entry.get("url", ""))


def bibtex(keys: Iterable[str], version: str) -> str:
    """Return BibTeX entries of the papers, each once, and of slipstick itself."""
    entries = [_entry(key, paper(key)) for key in dict.fromkeys(keys)]
    own = {"type": "software", "title": "slipstick", "author": "{The slipstick contributors}", "version": version}
    return "\n\n".join([*entries, _entry("slipstick", own)]) + "\n"


def _entry(key: str, fields: dict[str, Any]) -> str:
    shown = {name: value for name, value in fields.items() if name not in _NOT_BIBTEX}
    if "eprint" in shown:
        shown["archiveprefix"] = "arXiv"
    lines = [f"  {name} = {{{_protected(name, str(value))}}}," for name, value in shown.items()]
    return "\n".join([f"@{fields['type']}{{{key},", *lines, "}"])


def _protected(name: str, value: str) -> str:
    """Keep a title's capitals, and what TeX would read as a command."""
    escaped = "".join(f"\\{letter}" if letter in "&%#_" else letter for letter in value)
    return f"{{{escaped}}}" if name == "title" else escaped
