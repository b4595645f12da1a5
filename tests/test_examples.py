"""Every example runs as a reader would run it, and prints something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from commands import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MARKED = [
    pytest.param(path, marks=pytest.mark.trains) if "train(" in path.read_text("utf-8") else path for path in EXAMPLES
]


def test_examples_are_numbered_from_one() -> None:
    assert [int(path.name[:2]) for path in EXAMPLES] == list(range(1, len(EXAMPLES) + 1))


@pytest.mark.parametrize("path", MARKED, ids=lambda path: path.stem)
def test_example_runs(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,  # of one that hangs: two threads of a training on a busy machine take minutes
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 3
    assert done.stderr == ""
