"""No module imports another that imports it again: lazy imports and those of types alone included."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"


def modules(root: Path) -> dict[str, Path]:
    """Return every module of slipstick by its dotted name."""
    paths = {".".join(path.relative_to(root).with_suffix("").parts): path for path in root.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in paths.items()}


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    """Return the modules that a file imports anywhere: at the top, in functions, and for types alone."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in known:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= below & known.keys() if below & known.keys() else {node.module or ""}
    return names


def test_modules_have_an_order() -> None:
    known = modules(SRC)
    graph = {name: imported(path, known) - {name} for name, path in known.items()}
    assert tuple(TopologicalSorter(graph).static_order())


def test_a_circle_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    from b import g\n")
    (tmp_path / "b.py").write_text("from a import f\n")
    known = modules(tmp_path)
    graph = {name: imported(path, known) for name, path in known.items()}
    with pytest.raises(CycleError) as caught:
        tuple(TopologicalSorter(graph).static_order())
    assert set(caught.value.args[1]) == {"a", "b"}
