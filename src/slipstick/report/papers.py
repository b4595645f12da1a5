"""Papers on which results are based: ``data/papers.yaml`` as BibTeX and as one line of text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from slipstick.core.catalogue import Catalogue
from slipstick.core.spec import Spec

_NOT_BIBTEX = ("type", "seen")


class _Paper(Spec):
    """One paper: the fields of a BibTeX entry, in order."""

    type: str = Field(description="Type of the BibTeX entry: article, inproceedings, misc")
    title: str = Field(description="Title")
    author: str = Field(description="Authors, joined by and")
    journal: str = Field(default="", description="Journal, with volume")
    booktitle: str = Field(default="", description="Conference or proceedings")
    year: int = Field(description="Year of publication")
    doi: str = Field(default="", description="Digital object identifier")
    eprint: str = Field(default="", description="Number on arXiv")
    url: str = Field(default="", description="Address, where there is no other")
    seen: bool = Field(description="The details were looked up, not recalled")


papers = Catalogue(_Paper, "papers.yaml", field="papers")


def line(key: str) -> str:
    """Return a paper as one line of text: authors, title, year.

    Errors
    ------
    SlipstickError naming the nearest key.

    Examples
    --------
    >>> line("williams2009")
    'Williams, Waterman, Patterson: Roofline: an insightful visual performance model for multicore architectures (2009)'
    """
    paper = papers.entry(key)
    names = [name.partition(",")[0].strip() for name in paper.author.split(" and ")]
    if names[-1] == "others":
        names[-1] = "et al."
    return f"{', '.join(names)}: {paper.title} ({paper.year})"


def link(key: str) -> str:
    """Return the address of a paper (arXiv, else its DOI, else its URL), or nothing."""
    paper = papers.entry(key)
    if paper.eprint:
        return f"https://arxiv.org/abs/{paper.eprint}"
    return f"https://doi.org/{paper.doi}" if paper.doi else paper.url


def bibtex(keys: Iterable[str], version: str) -> str:
    """Return BibTeX entries of the papers, each once, and of slipstick itself in its `version`."""
    entries = [_bibtex(key, papers.entry(key).model_dump()) for key in dict.fromkeys(keys)]
    own = {"type": "software", "title": "slipstick", "author": "{The slipstick contributors}", "version": version}
    return "\n\n".join([*entries, _bibtex("slipstick", own)]) + "\n"


def _bibtex(key: str, fields: dict[str, Any]) -> str:
    printed_fields = {name: value for name, value in fields.items() if name not in _NOT_BIBTEX and value != ""}
    if "eprint" in printed_fields:
        printed_fields["archiveprefix"] = "arXiv"
    lines = [f"  {name} = {{{_protected(name, str(value))}}}," for name, value in printed_fields.items()]
    return "\n".join([f"@{fields['type']}{{{key},", *lines, "}"])


def _protected(name: str, value: str) -> str:
    """Return a title in which capitals and TeX's special characters are protected."""
    escaped = "".join(f"\\{letter}" if letter in "&%#_" else letter for letter in value)
    return f"{{{escaped}}}" if name == "title" else escaped
