"""The report of branch coverage: what it adds up, what it calls a miss, and that a run as CI has it is measured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from commands import ROOT
from house.branch_coverage import REFERENCE_DATA, Coverage, coverage_by_folder, folder_of, goal_line, missing_lines


def entry(branches: int, taken: int, statements: int, run: int) -> dict[str, dict[str, int]]:
    names = "num_branches", "covered_branches", "num_statements", "covered_lines"
    return {"summary": dict(zip(names, (branches, taken, statements, run), strict=True))}


def test_files_add_up_to_their_folder() -> None:
    files = {
        "src/slipstick/optics/lens.py": entry(10, 10, 30, 30),
        "src/slipstick/optics/deep/mirror.py": entry(10, 7, 10, 9),
        "src/slipstick/edge/board.py": entry(0, 0, 5, 5),
        "src/slipstick/data/__init__.py": entry(0, 0, 0, 0),
        "src/slipstick/__main__.py": entry(2, 2, 4, 4),
    }
    folders = coverage_by_folder(files)
    assert list(folders) == ["edge", "optics", "slipstick"], "a folder without statements has nothing to test"
    assert folders["optics"] == Coverage(20, 17, 40, 39)
    assert (folders["optics"].percent_of_branches, folders["optics"].percent_of_statements) == (85.0, 97.5)
    assert folders["edge"].percent_of_branches == 100.0
    assert folder_of("/home/slipstick/src/slipstick/optics/lens.py") == "optics"


@pytest.mark.parametrize(
    ("coverage", "met"),
    [(Coverage(10, 9, 10, 9), True), (Coverage(1000, 899, 10, 10), False), (Coverage(10, 10, 1000, 899), False)],
)
def test_both_shares_must_reach_ninety_percent(coverage: Coverage, met: bool) -> None:
    assert coverage.met == met
    assert goal_line("optics", coverage).endswith("| met" if met else "| missed")
    assert goal_line("optics", Coverage(8, 6, 8, 8)).startswith(
        "goal: branch coverage of optics | reached 75.0 % (statements 100.0 %) | wanted 90 % | "
    )


def test_what_was_not_reached_is_listed_once() -> None:
    lines = {"missing_lines": [4, 5], "missing_branches": [[3, 4], [7, 9], [8, -1]]}
    assert missing_lines("a.py", lines) == ["a.py: 4 5 7->9 8->-1"], "a branch into a missing line is that line"
    assert missing_lines("a.py", {"missing_lines": [], "missing_branches": []}) == []


TRIED = """
import subprocess, sys
from slipstick.core import units

def test_one_branch():
    assert units.parse("2 kB", "B") == 2000
    command = [sys.executable, "-m", "slipstick", "--version"]
    assert "slipstick 0." in subprocess.run(command, capture_output=True, text=True).stdout
"""


def test_a_run_under_coverage_is_reported_with_its_subprocesses(tmp_path: Path) -> None:
    (tmp_path / "test_tried.py").write_text(TRIED)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment["COVERAGE_FILE"] = str(tmp_path / ".coverage")
    options = ["--rcfile", str(ROOT / "pyproject.toml")]
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path / "test_tried.py")]
    command = [sys.executable, "-m", "coverage", "run", *options, *tests]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    script = str(ROOT / "tests" / "house" / "branch_coverage.py")
    report = subprocess.run(
        [sys.executable, script, "core"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert report.returncode == int(REFERENCE_DATA.is_dir()), report.stderr  # without it nothing is judged
    goals = {line.split()[4]: line for line in report.stdout.splitlines() if line.startswith("goal: branch coverage")}
    assert goals["fabric"].endswith("reached 0.0 % (statements 0.0 %) | wanted 90 % | missed"), "files that nobody read"
    assert "slipstick" in goals, "the command ran in a process of its own"
    assert "(statements 0.0 %)" not in goals["cli"]
    assert "src/slipstick/core/units.py: " in report.stdout
    nothing = subprocess.run(
        [sys.executable, script], cwd=ROOT, env={**environment, "COVERAGE_FILE": str(tmp_path / "none")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert nothing.returncode == 1
    assert "no data: run the tests first" in nothing.stderr
