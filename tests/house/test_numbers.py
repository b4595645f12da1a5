"""House rule 4: a number in code without a source fails here.

A number is either arithmetic (`is_arithmetic`, exponents of literal powers), or it has a reason: a comment on its line
or on the line above its statement, or a docstring that speaks for it: that of the class whose field it is, of the
function whose default it is, or a function's docstring with a line "Source: ..." for the numbers of that function.
"""

from __future__ import annotations

import ast
import math
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import ROOT

SRC = ROOT / "src" / "slipstick"
TRIED = {"data", "testing"}  # tables, and the values that conformance suites try
MODULES = sorted(path for path in SRC.rglob("*.py") if not TRIED & set(path.relative_to(SRC).parts))

# Counts and halves of algebra: the two operations of a multiply-accumulate, the three products of forward and
# backward, bits of a byte; units of time and energy. Everything else is a finding about the world.
ARITHMETIC = {0, 1, 2, 3, 4, 5, 6, 7, 8, 0.5, 24, 60, 365.25, 3600, 86400, 3.6e6}
FOR_TOOLS = ("# type:", "# noqa", "# fmt:", "# pragma")


def is_arithmetic(value: float) -> bool:
    """Tell whether a number is algebra: a small count, a power of two or of ten (tolerances and prefixes too)."""
    size = abs(value)
    if size in ARITHMETIC:
        return True
    if isinstance(value, complex) or not math.isfinite(size):
        return False
    return math.log2(size).is_integer() or math.isclose(math.log10(size), round(math.log10(size)), abs_tol=1e-12)


def comments(path: Path) -> set[int]:
    """Return the numbers of the lines that hold a comment other than one for a tool."""
    with path.open("rb") as file:
        tokens = [t for t in tokenize.tokenize(file.readline) if t.type == tokenize.COMMENT]
    return {t.start[0] for t in tokens if not t.string.startswith(FOR_TOOLS)}


def spoken_for(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a module that a docstring explains, and literal powers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and ast.get_docstring(node):
            yield from (field for field in node.body if isinstance(field, ast.AnnAssign))
        elif isinstance(node, ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield from node.args.defaults
            yield from (default for default in node.args.kw_defaults if default is not None)
            if "Source:" in text:
                yield node
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.left, ast.Constant):
            yield node


def bare_numbers(path: Path) -> Iterator[int | float | complex]:
    """Yield every number of a module that is neither arithmetic nor explained."""
    explained = comments(path)
    tree = ast.parse(path.read_text("utf-8"))
    excused = {id(node) for root in spoken_for(tree) for node in ast.walk(root)}
    for statement in (node for node in ast.walk(tree) if isinstance(node, ast.stmt) and not hasattr(node, "body")):
        for node in ast.walk(statement):
            if not isinstance(node, ast.Constant) or id(node) in excused:
                continue
            if isinstance(node.value, bool) or not isinstance(node.value, int | float | complex):
                continue
            if not is_arithmetic(node.value) and not {node.lineno, statement.lineno, statement.lineno - 1} & explained:
                yield node.value


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_numbers_have_reasons(path: Path) -> None:
    found = list(bare_numbers(path))
    assert not found, f"give these a source in data/, or a comment that says why: {found}"


def test_the_check_finds_what_it_should(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    lines = ["PEAK = 312e12", "def f(x):", "    return 0.83 * x", "WHY = 0.7  # measured", "HALF = 0.5 * 1024 * 1e-9"]
    path.write_text("\n".join(lines))
    assert list(bare_numbers(path)) == [312e12, 0.83]
