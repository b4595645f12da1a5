"""How strong the tests of the physics are: seeded mutants, and how many of them the tests of their folder kill.

A mutant is the product with one operator, comparison, number or loop changed (by cosmic-ray's operators). Positions are
drawn evenly over all that can be mutated in the physics' folders, without annotations, error messages, assertions,
pictures and the suites that replay published rows; then one mutation of each position. A mutant is killed when a test
of its folder fails, or runs longer than it may. Needs the extra `mutation` (`pip install -e ".[dev,mutation]"`).

    python benchmarks/mutants.py --count 300 --seed 0 --out out/mutants.json

An interrupted run goes on where it stopped: results are in the file of `--out`, and mutants that are there are kept.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import hashlib
import importlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDERS = ("cluster", "fabric", "array", "placement", "formats", "tech")
NOT_PHYSICS = ("validation", "picture", "report", "traces", "__init__")  # parts of paths
OPERATORS = (
    "ReplaceBinaryOperator", "ReplaceComparisonOperator", "ReplaceUnaryOperator", "NumberReplacer",
    "ZeroIterationForLoop", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd",
    "AddNot", "ReplaceBreakWithContinue", "ReplaceContinueWithBreak",
)  # fmt: skip
IDENTITY = ("Is", "IsNot")  # of the comparisons: `is` for `==` changes no answer, and warns, which every test would see
SLOWEST = 600  # seconds that the tests of one mutant may take
WANTED = 0.92  # of the mutants, killed


@dataclass(frozen=True)
class Mutant:
    """One change of one module: the operator, which of its occurrences, and the line."""

    module: str
    operator: str
    occurrence: int
    line: int

    @property
    def folder(self) -> str:
        """The folder of the product whose tests must notice."""
        return self.module.split("/")[0]

    @property
    def key(self) -> str:
        """What identifies it in the file of results, whatever the numbers of other lines."""
        return f"{self.module}:{self.line}:{self.operator}:{self.occurrence}"


def modules(folders: tuple[str, ...]) -> list[Path]:
    """Return the modules of the physics below the given folders."""
    source = ROOT / "src" / "slipstick"
    paths = (path for folder in folders for path in sorted((source / folder).rglob("*.py")))
    return [path for path in paths if not any(part in str(path.relative_to(source)) for part in NOT_PHYSICS)]


def silent_spans(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the spans of a module that cannot change an answer: annotations, error messages, decorators."""
    spans: list[ast.expr | ast.stmt] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            spans += [argument.annotation for argument in arguments if argument.annotation]
            spans += [node.returns] if node.returns else []
            spans += node.decorator_list
        elif isinstance(node, ast.ClassDef):
            spans += node.decorator_list
        elif isinstance(node, ast.keyword) and node.arg == "strict":  # zip's own assertion
            spans.append(node.value)
        elif isinstance(node, ast.AnnAssign):
            spans.append(node.annotation)
        elif isinstance(node, ast.Raise | ast.Assert) or (
            isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("SlipstickError", "Metric", "Finding")
        ):
            spans.append(node)
    return [((s.lineno, s.col_offset), (s.end_lineno or 0, s.end_col_offset or 0)) for s in spans]


def operators() -> list[str]:
    """Return the names of cosmic-ray's operators that are used: identity and the other comparisons are not mixed."""
    from cosmic_ray.plugins import operator_names

    names = []
    for name in sorted(operator_names()):
        kind, _, change = name.removeprefix("core/").partition("_")
        before, _, after = change.partition("_")
        mixed = kind == "ReplaceComparisonOperator" and (before in IDENTITY) != (after in IDENTITY)
        if kind in OPERATORS and not mixed:
            names.append(name)
    return names


def mutants_of(path: Path) -> Iterator[list[Mutant]]:
    """Yield, for every position of a module that can be mutated, the mutants of that position."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator

    text = path.read_text("utf-8")
    silent = silent_spans(text)
    name = str(path.relative_to(ROOT / "src" / "slipstick"))
    nodes = list(ast_nodes(get_ast(text)))
    by_position: dict[tuple[int, int], list[Mutant]] = {}
    for operator in operators():
        kind, number = get_operator(operator)(), 0
        for node in nodes:
            for start, _ in kind.mutation_positions(node):
                if not any(low <= start < high for low, high in silent):
                    by_position.setdefault(start, []).append(Mutant(name, operator, number, start[0]))
                number += 1
    yield from (by_position[position] for position in sorted(by_position))


def drawn(folders: tuple[str, ...], count: int, seed: int) -> list[Mutant]:
    """Return `count` mutants: positions drawn evenly over all folders, one mutation of each."""
    places = [mutants for path in modules(folders) for mutants in mutants_of(path)]
    generator = random.Random(seed)  # noqa: S311  a sample, not a secret
    chosen = generator.sample(places, len(places))
    mutants = (generator.choice(of_one_place) for of_one_place in chosen)
    return list(itertools.islice((mutant for mutant in mutants if is_python(mutated(mutant)[1])), count))


def is_python(text: str) -> bool:
    """Tell whether a mutant can run at all: a keyword's `**` changed as if it were a power cannot."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def mutated(mutant: Mutant) -> tuple[str, str]:
    """Return the text of the mutant's module before and after the change."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    text = (ROOT / "src" / "slipstick" / mutant.module).read_text("utf-8")
    changed = mutate_code(text, get_operator(mutant.operator)(), mutant.occurrence)
    return text, text if changed is None else changed


def tried(mutant: Mutant, copy: Path) -> dict[str, Any]:
    """Run the tests of the mutant's folder in a copy of the tree that has the change; return what came of it."""
    before, after = mutated(mutant)
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0)
    change = [line for line in lines if line[:1] in "+-"][2:]
    path = copy / "src" / "slipstick" / mutant.module
    path.write_text(after, "utf-8")
    started = time.perf_counter()
    try:
        killed = not passed(mutant, copy)
    finally:
        path.write_text(before, "utf-8")
    outcome = "killed" if killed else "survived"
    return {**asdict(mutant), "outcome": outcome, "seconds": time.perf_counter() - started, "change": change}


def passed(mutant: Mutant, copy: Path) -> bool:
    """Tell whether all tests of the folder pass in a fork of this process, which has the large libraries loaded.

    Tests whose file shares words with the mutant's module run first: most mutants are killed there.
    """
    words = set(re.split(r"[/_.]", mutant.module)) - {"py"}
    files = sorted((copy / "tests" / mutant.folder).rglob("test_*.py"))
    near = [str(path) for path in files if words & set(re.split(r"[/_.]", path.name)) - {"test"}]
    rounds = [part for part in (near, [str(path) for path in files if str(path) not in near]) if part]
    child = os.fork()
    if not child:
        os.setsid()
        os._exit(run_tests(rounds, copy))
    deadline = time.monotonic() + SLOWEST
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def run_tests(rounds: list[list[str]], copy: Path) -> int:
    """Run pytest on some files after others, in this process, and return 0 if all pass."""
    try:
        import pytest

        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.chdir(copy)
        os.environ.update(environment(copy))
        sys.dont_write_bytecode = True
        sys.path[:0] = [str(copy / "src"), str(copy), str(copy / "tests")]
        return int(any(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *files]) for files in rounds))
    except BaseException:  # whatever a mutant does, it was noticed
        return 1


def preload() -> None:
    """Import the libraries that tests need, so that every fork has them; nothing of the product is among them."""
    for name in ("numba", "scipy.optimize", "scipy.sparse", "pydantic", "yaml", "pytest", "rich"):
        importlib.import_module(name)
    if any(name.partition(".")[0] == "slipstick" for name in sys.modules):
        sys.exit("the product is loaded already: forks would not see the mutants")


def check_unchanged(folders: tuple[str, ...], copy: Path) -> None:
    """Exit unless the tests of every folder pass in the copy as it is: a test that fails anyway would kill all."""
    for folder in folders:
        if not passed(Mutant(f"{folder}/", "", 0, 0), copy):
            sys.exit(f"tests/{folder} fail without any change, run as the mutants' are")


def environment(copy: Path) -> dict[str, str]:
    """Return the environment in which the tests see the copy, with the reference data of this checkout."""
    data = os.environ.get("SLIPSTICK_DATA") or str(ROOT.parent / "shared")
    return {
        **os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1", "SLIPSTICK_DATA": data,
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip


def copied(folder: Path) -> Path:
    """Return a copy of what the tests need, so that the checkout itself never changes."""
    for name in ("src", "tests", "examples", "docs", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def summary(results: list[dict[str, Any]]) -> None:
    """Print the share that was killed, by folder and in all, and every survivor with its change."""
    for folder in sorted({result["module"].split("/")[0] for result in results}):
        inside = [r["outcome"] == "killed" for r in results if r["module"].split("/")[0] == folder]
        print(f"{folder:12} {sum(inside):4} of {len(inside):4} killed")
    for result in results:
        if result["outcome"] == "survived":
            print(f"survived: {result['module']}:{result['line']}  " + "  ".join(result["change"]))
    share = sum(result["outcome"] == "killed" for result in results) / len(results)
    verdict = "met" if share >= WANTED else "missed"
    print(f"goal: mutants of the physics killed | reached {share:.3f} | wanted {WANTED} | {verdict}")


def main() -> None:
    """Draw mutants, try those that have no result yet, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folders", nargs="+", default=list(FOLDERS), choices=FOLDERS)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "mutants.json")
    parser.add_argument("--part", default="1/1", help="1/2 and 2/2: halves of the sample, for two processes")
    parser.add_argument("--survivors", action="store_true", help="try again those that survived")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    known = {r["key"]: r for r in json.loads(options.out.read_text())} if options.out.exists() else {}
    part, parts = (int(number) for number in options.part.split("/"))
    mutants = drawn(tuple(options.folders), options.count, options.seed)[part - 1 :: parts]
    preload()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = copied(Path(folder))
        check_unchanged(tuple(options.folders), copy)
        for number, mutant in enumerate(mutants, 1):
            text = (ROOT / "src" / "slipstick" / mutant.module).read_bytes()
            key = f"{mutant.key}:{hashlib.sha256(text).hexdigest()[:12]}"
            if key not in known or (options.survivors and known[key]["outcome"] == "survived"):
                known[key] = {"key": key, **tried(mutant, copy)}
                options.out.write_text(json.dumps(list(known.values()), indent=1))
            result = known[key]
            print(f"{number:4}/{len(mutants)} {result['outcome']:9} {result['seconds']:6.1f} s {key}", file=sys.stderr)
            mutants[number - 1] = result  # type: ignore[call-overload]
    summary(mutants)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
