"""The optional extras: the README's table is that of pyproject.toml, and what misses a library names its extra."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

from commands import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
TABLE = re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
REQUIRE = re.compile(r"(?<!>>> )require\(\"([\w.]+)\", \"(\w+)\"\)")
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "google": "protobuf"}  # of modules with other names
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Missing())
from slipstick.cli import run
sys.exit(run(sys.argv[2:]))
"""  # a command, as it runs where a library is not installed: the library, then the command's words
GRAPH, ARRAY = "resnet-18", "swis-8x8"


def names(requirements: list[str]) -> set[str]:
    """Return the names of the distributions that pip's requirements name."""
    return {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}


def test_the_table_of_the_readme_has_every_extra_with_what_it_brings() -> None:
    assert sorted(extra for extra, _ in TABLE) == sorted(EXTRAS)
    for extra, brings in TABLE:
        assert extra == "dev" or set(brings.split(", ")) == names(EXTRAS[extra])
    first = {extra for extra, _ in TABLE[:10]}
    assert set(re.findall(r"\w+", EXTRAS["dev"][0])) == first | {"slipstick"}


def test_every_library_that_the_code_requires_is_in_the_extra_that_it_names() -> None:
    calls = {call for path in (ROOT / "src").rglob("*.py") for call in REQUIRE.findall(path.read_text("utf-8"))}
    assert len(calls) > len(EXTRAS)
    for module, extra in calls:
        top = module.partition(".")[0]
        brought = names(EXTRAS[extra]) | names(PROJECT["dependencies"]) | {"slipstick"}
        assert DISTRIBUTIONS.get(top, top) in brought, f"{module} of {extra}"


@pytest.mark.parametrize(
    ("library", "extra", "tokens"),
    [
        ("numba", "sim", ("simulate", GRAPH, ARRAY)),
        ("numba", "sim", ("simulate", "resnet-50", "wafer-mesh", "--plan", "tp=1,pp=1,dp=20")),
        ("optuna", "search", ("search", "llama-3.1-8b", "h100:8", "--plan", "tp=1..8", "--batch=8", "--budget=1")),
        ("ortools", "search", ("place", GRAPH, "dgx1-v100:2", "--phase", "infer")),
        ("torch", "torch", ("train", "resnet-8")),
        ("tflite", "import", ("estimate", "examples/data/small.tflite", ARRAY)),
        ("sklearn", "data", ("measure", "examples/data/small.tflite", "--data", "digits")),
    ],
)  # fmt: skip
def test_a_missing_library_is_an_error_that_names_the_extra(library: str, extra: str, tokens: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", WITHOUT, library, *tokens]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    cure = f'slipstick: {library}: not installed; run: pip install "slipstick[{extra}]"'
    assert result.stderr.splitlines()[-1] == cure
