"""The commands in the documentation, and what they print.

A fenced block that starts with ```console holds commands after "$ " and what they print. This script runs them and
writes what they printed back into the page: `python docs/console.py` refreshes every page, `--check` only compares.
Numbers may differ by half a percent (another machine, another numpy), hashes and blanks by anything; words must agree.
A block with `reference` in its first line needs the reference data (SLIPSTICK_DATA) and is left alone without them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```console(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
TOLERANCE = 0.005  # relative, of one printed number
WIDTH = "120"
_NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
_HASH = re.compile(r"\b[0-9a-f]{16,64}\b")


@dataclass(frozen=True)
class Step:
    """One command of a page and the lines that the page says it prints."""

    command: str
    printed: str


def blocks(text: str) -> list[tuple[re.Match[str], list[Step]]]:
    """Return every console block of a page with its steps."""
    return [(match, steps(match["body"])) for match in FENCE.finditer(text)]


def steps(body: str) -> list[Step]:
    """Split a block into commands (a trailing backslash continues one) and their output."""
    found: list[Step] = []
    lines = iter(body.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command += "\n" + next(lines)
            found.append(Step(command, ""))
        elif found:
            found[-1] = Step(found[-1].command, found[-1].printed + line + "\n")
    return found


def run(command: str) -> str:
    """Run a command in bash from the root of the checkout; return what it printed, on both channels."""
    environment = {**os.environ, "COLUMNS": WIDTH, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment["SLIPSTICK_DATA"] = str(_data())
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout


def has_reference() -> bool:
    """Tell whether the reference data are here."""
    return (_data() / "reference").is_dir()


def _data() -> Path:
    """Return the folder that holds `reference`, whether that or its parent is named."""
    named = Path(os.environ.get("SLIPSTICK_DATA") or ROOT.parent / "shared")
    return named.parent if named.name == "reference" else named


def refreshed(text: str) -> str:
    """Return a page with the output of every command as it is now."""

    def block(match: re.Match[str]) -> str:
        if "reference" in match["info"] and not has_reference():
            return match[0]
        body = "".join(f"$ {step.command}\n{_tidy(run(step.command))}" for step in steps(match["body"]))
        return f"```console{match['info']}\n{body}```"

    return FENCE.sub(block, text)


def _tidy(printed: str) -> str:
    text = "\n".join(line.rstrip() for line in printed.strip("\n").split("\n"))
    return f"{text}\n" if text else ""


def differences(old: str, new: str) -> list[str]:
    """Return the lines of two pages that do not say the same."""
    one, other = old.splitlines(), new.splitlines()
    if len(one) != len(other):
        return [f"{len(one)} lines in the page, {len(other)} now"]
    return [f"page: {a}\nnow:  {b}" for a, b in zip(one, other, strict=True) if not same(a, b)]


def same(one: str, other: str) -> bool:
    """Tell whether two lines agree: the same words, and numbers within `TOLERANCE`."""
    if one == other:
        return True
    one, other = (_HASH.sub("#", line) for line in (one, other))
    words = [re.sub(r"[\s─]+", " ", _NUMBER.sub("0", line)).strip() for line in (one, other)]
    numbers = [[float(text.replace(",", "")) for text in _NUMBER.findall(line)] for line in (one, other)]
    if words[0] != words[1] or len(numbers[0]) != len(numbers[1]):
        return False
    return all(abs(a - b) <= TOLERANCE * max(abs(a), abs(b)) for a, b in zip(*numbers, strict=True))


def main(arguments: list[str]) -> int:
    """Refresh the pages, or with --check return 1 if one of them is out of date."""
    stale = 0
    for page in PAGES:
        old = page.read_text("utf-8")
        new = refreshed(old)
        found = differences(old, new)
        if not found:
            continue
        stale += 1
        print(f"{page.relative_to(ROOT)}:", *found[:20], sep="\n")
        if "--check" not in arguments:
            page.write_text(new, "utf-8")
    return stale if "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
