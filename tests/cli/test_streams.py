"""Standard output that is closed, full, or of few characters: one message and an exit code, never a bug."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ESTIMATE = ["estimate", "gpt3-175b", "h100-sxm-80gb:64", "--plan", "tp=8,pp=8"]


def shell(tokens: list[str], redirection: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of slipstick in a shell that redirects its streams."""
    command = f'"$0" -m slipstick "$@" {redirection}'
    return subprocess.run(
        ["bash", "-c", command, sys.executable, *tokens],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize("redirection", [">&-", "> /dev/full"])
@pytest.mark.parametrize("tokens", [["list", "formats"], ["list", "formats", "--json"], ["--help"]], ids=" ".join)
def test_nowhere_to_write(tokens: list[str], redirection: str) -> None:
    done = shell(tokens, redirection)
    assert done.returncode == 2
    assert done.stderr.startswith("slipstick: standard output")
    assert done.stderr.count("\n") == 1


def test_a_closed_standard_error_sends_no_remark_to_standard_output() -> None:
    done = shell(["list", "sistems"], "2>&-")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_terminal_without_our_characters() -> None:
    done = shell(["list", "formats"], "", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "????" in done.stdout, "the rule under the head"
    assert "swis" in done.stdout


def test_pages_go_into_devices_and_pipes(tmp_path: Path) -> None:
    os.symlink("/dev/full", tmp_path / "full")
    done = shell([*ESTIMATE, "--html", str(tmp_path / "full")], "> /dev/null")
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert (tmp_path / "full").is_symlink()
    done = shell([*ESTIMATE, "--html", "/dev/stdout", "--json"], "")
    assert done.stdout.startswith("<!doctype html>")
