"""What starts must start at once: heavy libraries are imported by the commands that need them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"numpy", "pydantic", "yaml", "torch", "scipy", "altair", "polars"}
PROBE = """
import json, sys
sys.argv = ["slipstick", *json.loads(sys.argv[1])]
try:
    {code}
except SystemExit:
    pass
print("\\n" + json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""


def imported(code: str, *arguments: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has imported after `code`."""
    command = [sys.executable, "-c", PROBE.format(code=code), json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout.strip().splitlines()[-1]))


def test_import_brings_nothing_heavy() -> None:
    assert not imported("import slipstick") & (HEAVY | {"cyclopts", "rich"})


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("estimate", "--help"), ("validate", "--help"), ()])
def test_help_and_version_bring_nothing_heavy(arguments: tuple[str, ...]) -> None:
    found = imported("from slipstick.cli import main; main()", *arguments)
    assert not found & HEAVY
    assert "slipstick" in found


def test_public_names_resolve() -> None:
    import slipstick

    for name in (*slipstick.__all__, "list"):
        assert callable(getattr(slipstick, name)) or name in ("ARITHMETICS", "ENCODINGS")
    assert set(slipstick.__all__) < set(dir(slipstick))


def test_unknown_public_name() -> None:
    import slipstick

    with pytest.raises(AttributeError, match="no attribute 'estimat'"):
        slipstick.estimat  # noqa: B018


def test_estimating_does_not_import_torch() -> None:
    code = "import slipstick; slipstick.estimate('gpt-1.7b', 'h100-sxm-80gb:8', 'tp=8')"
    assert not imported(code) & {"torch", "scipy", "altair"}
