"""The documentation is true: its commands print what it says they print, and its Python runs."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from commands import ROOT

FILE = re.MULTILINE | re.DOTALL
PYTHON = re.compile(r"^```python\n(.*?)^```$", FILE)


def _console() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_console", ROOT / "docs" / "console.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


console = _console()
PAGES = [page for page in console.PAGES if console.FENCE.search(page.read_text("utf-8"))]
SNIPPETS = [page for page in console.PAGES if PYTHON.search(page.read_text("utf-8"))]
INHERITING = [page for page in SNIPPETS if "Suite):" in "".join(PYTHON.findall(page.read_text("utf-8")))]
MARKED = [
    pytest.param(page, marks=pytest.mark.trains)
    if "train(" in "".join(PYTHON.findall(page.read_text("utf-8")))
    else page
    for page in SNIPPETS
]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_print_what_the_page_says(page: Path) -> None:
    (ROOT / "out").mkdir(exist_ok=True)
    text = page.read_text("utf-8")
    found = console.differences(text, console.refreshed(text))
    assert not found, "out of date; `make refresh-docs` writes it anew:\n" + "\n".join(found[:10])


@pytest.mark.parametrize("page", MARKED, ids=name)
def test_python_in_the_page_runs(page: Path) -> None:
    code = "\n".join(PYTHON.findall(page.read_text("utf-8")))
    command = [sys.executable, "-W", "error", "-"]
    done = subprocess.run(command, input=code, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("page", INHERITING, ids=name)
def test_what_the_page_adds_passes_the_suite_that_it_inherits(page: Path, tmp_path: Path) -> None:
    (tmp_path / "test_page.py").write_text("\n".join(PYTHON.findall(page.read_text("utf-8"))), "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_page.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("step   13.75 s", "step  13.76 s", True),
        ("step   13.75 s", "step  14.75 s", False),
        ("step   13.75 s", "stop  13.75 s", False),
        ("inputs 0123456789abcdef", "inputs fedcba9876543210", True),
        ("1,024 devices", "1,025 devices", True),
        ("8 devices", "9 devices", False),
        ("a 1", "a 1 2", False),
    ],
)
def test_what_counts_as_the_same_line(one: str, other: str, agree: bool) -> None:
    assert console.same(one, other) is agree


FILES = [
    pytest.param(page, match, id=f"{name(page)}-{match['file']}")
    for page in console.PAGES
    for match in re.finditer(r'^```\w+ title="(?P<file>[^"]+)"\n(?P<text>.*?)^```$', page.read_text("utf-8"), FILE)
]


@pytest.mark.parametrize(("page", "match"), FILES)
def test_files_in_the_page_are_those_of_the_repository(page: Path, match: re.Match[str]) -> None:
    assert match["text"] == (ROOT / match["file"]).read_text("utf-8"), f"{name(page)} shows another {match['file']}"


def test_pages_are_in_the_site() -> None:
    listed = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        assert str(page.relative_to(ROOT / "docs")) in listed, page
