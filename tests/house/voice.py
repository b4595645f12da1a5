"""House check: the voice and the sizes of the code, as far as a script can hold them (docs/design.md, house rules).

    python tests/house/voice.py                   every violation, by folder, with counts
    python tests/house/voice.py networks core     those of some folders (or files: core/units.py)
    python tests/house/voice.py --summary         counts alone
    python tests/house/voice.py --unused [folder] public names that no other module of src imports: underscore or delete

Run in a checkout (it reads ./src/slipstick) or give --src. tests/house/test_voice.py fails on violations in REBUILT.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# Folders and files where a violation fails the tests: everything.
REBUILT = {"."}
# classes and functions at the top level of modules in src, by what they are for
_PUBLIC_NAMES = {
    "the house as it was rebuilt": 600,
    "boards": 120,
    "questions with weights": 3,
    "one error for all missing extras": 1,
    "quantiser": 13,
    "layers of approximate products": 10,
    "approximate multipliers": 15,
    "analog arithmetic": 6,  # with the conversions that clip, and what they take back of gradients
    "arrays of dot products": 4,
    "pools that learn and are fitted to outputs": 4,
    "shots of convolutions in light": 7,  # geometry of a convolution, tiling of its rows
    "joint transform correlator": 33,  # planes, lobes and their separation; detectors; layers by shots, its arithmetic
    "errors by operands and places, noise by counting": 10,  # samples, bins, their model, its quality; terms; noise
    "correlators and photonic arrays": 31,  # layers' counts, link budget, noise, cost, devices, runs, estimates
    "stream laboratory": 9,  # figures of streams, pictures, fields
    "golden vectors": 14,  # their layers and files, operands of layers on hardware
    "references of golden vectors, written into folders": 16,
    "pulse from colour traces": 28,  # traces, filters, seven methods, blocks, windows, settings, reports, pictures
    "tracker of heart rates": 15,  # settings, filter, bands, series of a CSV, errors, report; the verb and its command
    "searches over measured accuracy": 2,  # a network's treatment, the metric of a table
    "mixed arrays and formats assigned to layers": 8,  # device and its estimate, assignment, exact choice, gates
    "trainings within a time": 5,  # times of steps and how they are measured, the schedule and its choice
    "training by error models": 10,  # models, fits, bins, quality and drift of errors; phases and record of a training
    "binary weights": 1,
    "masks in a Fourier plane": 19,
    "Fourier processors": 3,
    "network on light": 7,
}
MAX_PUBLIC_NAMES = sum(_PUBLIC_NAMES.values())

MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 8
MAX_MODULE_LINES = 400
MAX_VERB_LINES = 120  # of a file in verbs/
MAX_COMPRESS_LINES = 1200  # of compress/ in all
MIN_DOCSTRING_WORDS = 4

NON_NAMES = {"found", "one", "each", "done", "held", "hold", "kept", "said", "what", "how"}
NON_NAMES |= {"wanted", "chosen", "given", "beside", "looked", "shown"}
# (class, field) -> reason. This list only shrinks.
FIELDS_ALLOWED = {
    ("Metric", "how"): "Metric(value, unit, how, source) of the design, section 1",
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A stem or class name means one thing in the house, but for these. name -> reason.
_VERBS = _words(
    """adapt calibrate cite compare correlate emit epochs estimate hybrid mask measure ops place search show simulate
    track train validate"""
)
_FAMILIES = _words("""big_lstm gnmt inception mobilenet resnet vgg""")
STEMS_ALLOWED = {
    "__init__": "Python's name",
    "__main__": "Python's name",
    "numba_kernels": "the compiled loops of their folder: one convention, which mypy's settings name",
    "question": "the noun Question in core/, and in engines/ the way to it from what a user writes",
    # a verb has one name everywhere: verbs/ has its signature, cli/ its command, a domain the engine that answers it
    **dict.fromkeys(_VERBS, "a verb: its signature in verbs/, its command in cli/, the engines that answer it"),
    **dict.fromkeys(_FAMILIES, "a family of networks: its sizes in networks/graphs, its torch module in trained/torch"),
}
CLASSES_ALLOWED: dict[str, str] = {}

# "What it holds." has no subject; "Return what it holds." has none either.
_PRONOUNS = _words(
    """anything both everything he how it its nobody none nothing others she something such that their them there these
    they those what whatever when where which who whoever whom whose"""
)
_FUNCTION_WORDS = _PRONOUNS | _words(
    """a all also an and any are as at be been being but by can could did do does done each either else every few for
    from had has have if in into is itself just least less like many may might more most much must neither no nor not
    of off on one only or other out over own same shall should so some than the then this through to too under until
    up very was were whether while will with within without would yet"""
)
_IMPERATIVES = {"return", "returns", "give", "gives", "yield", "yields", "tell", "tells", "say", "says", "get"}
_WORD = re.compile(r"[^\W_][\w'./:+*-]*")
_ARRAY_TYPE = re.compile(r"\b(NDArray|ndarray)\b")
_FORMAT_CLASSES = {"Pool", "Int", "Swis", "ByFilter", "Truncate", "Round", "Float"}
_NETWORK_CLASSES = {"OperatorGraph", "Decoder"}

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Violation:
    """Broken rule: the rule's name, the file below slipstick, the line, and the text that says what is wrong."""

    rule: str
    file: str
    line: int
    text: str
    others: tuple[str, ...] = ()  # files that share the name, where the rule is about two files

    @property
    def folder(self) -> str:
        """First folder of the file, or the file itself at the top."""
        return self.file.split("/")[0]

    @property
    def enforced(self) -> bool:
        """Whether the file, and every other that the violation needs, is in a rebuilt folder."""
        return all(is_rebuilt(file) for file in (self.file, *self.others))

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: [{self.rule}] {self.text}"


@dataclass(frozen=True)
class Module:
    """Source file: its path below slipstick and its syntax tree."""

    file: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Syntax tree of the file."""
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        """Number of lines of the file."""
        return len(self.text.splitlines())

    @property
    def stem(self) -> str:
        """File name without folder and suffix."""
        return Path(self.file).stem

    @property
    def dotted(self) -> str:
        """Dotted module name, as an import statement writes it."""
        parts = ["slipstick", *Path(self.file).with_suffix("").parts]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def public_names(self) -> dict[str, int]:
        """Public names that the module defines at its top level (no imports), with their lines."""
        return {name: line for name, line in _defined(self.tree.body) if not name.startswith("_")}

    @cached_property
    def public_classes_and_functions(self) -> list[str]:
        """Public classes and functions that the module defines at its top level: what the limit counts."""
        nodes = [node for node in self.tree.body if isinstance(node, _Function | ast.ClassDef)]
        return [node.name for node in nodes if not node.name.startswith("_")]


def is_rebuilt(file: str) -> bool:
    """Tell whether the rules are enforced in `file`."""
    return "." in REBUILT or file in REBUILT or any(file.startswith(f"{folder}/") for folder in REBUILT)


def read_modules(src: Path) -> list[Module]:
    """Return every module below `src` (the folder slipstick)."""
    return [Module(str(path.relative_to(src)), path.read_text("utf-8")) for path in sorted(src.rglob("*.py"))]


def violations(modules: list[Module]) -> list[Violation]:
    """Return every violation of every rule, sorted by file and line."""
    broken = [violation for module in modules for check in _MODULE_CHECKS for violation in check(module)]
    broken += _one_meaning(modules)
    broken += _compress_size(modules)
    return sorted(broken, key=lambda violation: (violation.file, violation.line, violation.rule))


def count_public_names(modules: list[Module]) -> Counter[str]:
    """Return the number of public top-level classes and functions of each folder."""
    return Counter(module.file.split("/")[0] for module in modules for _ in module.public_classes_and_functions)


def unused_names(modules: list[Module]) -> list[tuple[Module, str, int]]:
    """Return the public names that no other module imports, reads as an attribute of it, or names in a string."""
    users: dict[str, set[str]] = defaultdict(set)  # "module.name", or a name in a string, -> files that use it
    for module in modules:
        for use in _uses(module):
            users[use].add(module.file)
    return [
        (module, name, line)
        for module in modules
        for name, line in module.public_names.items()
        if not (users[f"{module.dotted}.{name}"] | users[name]) - {module.file}
    ]


def _defined(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    for node in body:
        if isinstance(node, _Function | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield from ((leaf.id, node.lineno) for leaf in ast.walk(target) if isinstance(leaf, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.lineno
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _defined(node.orelse or node.body)


def _uses(module: Module) -> Iterator[str]:
    aliases: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                aliases[alias.asname or alias.name] = alias.name
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in aliases:
            yield f"{aliases[ast.unparse(node.value)]}.{node.attr}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 80:
            yield from re.split(r"[^\w]+", node.value) if re.fullmatch(r"[\w.]*[:.]?\w+", node.value) else ()


# ---- rule 1: docstrings


def _docstrings(module: Module) -> Iterator[Violation]:
    public = dict(_public_nodes(module.tree, module.stem))
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Module | ast.ClassDef | _Function) or (doc := ast.get_docstring(node)) is None:
            continue
        name = public.get(node) or getattr(node, "name", module.stem)
        problem = docstring_problem(doc) if node in public else _too_short(doc)
        if problem:
            line = node.body[0].lineno
            yield Violation("docstring", module.file, line, f"{name}: {problem}: {doc.splitlines()[0]!r}")


def _public_nodes(
    node: ast.Module | ast.ClassDef, name: str
) -> Iterator[tuple[ast.Module | ast.ClassDef | _Function, str]]:
    yield node, name
    for child in node.body:
        if isinstance(child, ast.ClassDef | _Function) and not child.name.startswith("_"):
            inner = child.name if isinstance(node, ast.Module) else f"{name}.{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from _public_nodes(child, inner)
            else:
                yield child, inner


def docstring_problem(doc: str) -> str:
    """Return what is wrong with the first sentence of a docstring, or nothing.

    Examples
    --------
    >>> docstring_problem("Those of a magnitude.")
    "no subject: starts with 'Those'"
    >>> docstring_problem("All joules.")
    'fewer than 4 words'
    >>> docstring_problem("Number of bit positions in a magnitude.")
    ''
    """
    paragraph = doc.split("\n\n")[0].strip()
    words = _WORD.findall(paragraph)
    if short := _too_short(doc):
        return short
    if words and words[0].lower() in _PRONOUNS:
        return f"no subject: starts with {words[0]!r}"
    if len(words) > 1 and words[0].lower() in _IMPERATIVES:
        words = words[1:]
        if words[0].lower() in _PRONOUNS:
            return f"no object: continues with {words[0]!r}"
    if len([word for word in words if word.lower() not in _FUNCTION_WORDS]) < 2 and "\n" not in doc.strip():
        return "no noun"
    return ""


def _too_short(doc: str) -> str:
    """Return the problem of a docstring of one line and too few words: of private names' the only rule."""
    if "\n" not in doc.strip() and len(_WORD.findall(doc)) < MIN_DOCSTRING_WORDS:
        return f"fewer than {MIN_DOCSTRING_WORDS} words"
    return ""


# ---- rule 2: names that name nothing


def _non_names(module: Module) -> Iterator[Violation]:
    allowed = set(_allowed_fields(module))
    for node in ast.walk(module.tree):
        if node in allowed:
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs) and node.name:
            name = node.name
        else:
            continue
        if name in NON_NAMES:
            yield Violation("non-name", module.file, getattr(node, "lineno", 0), f"{name!r} names nothing")


def _allowed_fields(module: Module) -> Iterator[ast.AST]:
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and (node.name, ast.unparse(line.target)) in FIELDS_ALLOWED:
                    yield line.target


# ---- rule 3: one meaning a name


def _one_meaning(modules: list[Module]) -> Iterator[Violation]:
    stems: dict[str, list[tuple[str, int]]] = defaultdict(list)
    classes: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for module in modules:
        stems[module.stem].append((module.file, 1))
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append((module.file, node.lineno))
    for kind, table, allowed in (("stem", stems, STEMS_ALLOWED), ("class", classes, CLASSES_ALLOWED)):
        for name, places in table.items():
            if len(places) < 2 or name in allowed:
                continue
            files = [file for file, _ in places]
            for file, line in places:
                others = tuple(other for other in files if other != file)
                text = f"{name!r} is also in {', '.join(others) or 'this file'}"
                yield Violation(f"same-{kind}", file, line, text, others)


# ---- rule 4: sizes


def _sizes(module: Module) -> Iterator[Violation]:
    if module.lines > MAX_MODULE_LINES:
        yield Violation("module-size", module.file, 1, f"{module.lines} lines; at most {MAX_MODULE_LINES}")
    if module.file.startswith("verbs/") and module.lines > MAX_VERB_LINES:
        yield Violation("verb-size", module.file, 1, f"{module.lines} lines; at most {MAX_VERB_LINES} in verbs/")
    for node in ast.walk(module.tree):
        if not isinstance(node, _Function):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            text = f"{node.name}: {lines} lines; at most {MAX_FUNCTION_LINES}"
            yield Violation("function-size", module.file, node.lineno, text)
        names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        if count > MAX_PARAMETERS and not _is_numba_kernel(module, node):
            text = f"{node.name}: {count} parameters; more than {MAX_PARAMETERS} are an object"
            yield Violation("parameters", module.file, node.lineno, text)


def _is_numba_kernel(module: Module, node: _Function) -> bool:
    return module.stem == "numba_kernels" or any("jit" in ast.unparse(decorator) for decorator in node.decorator_list)


def _compress_size(modules: list[Module]) -> Iterator[Violation]:
    lines = sum(module.lines for module in modules if module.file.startswith("compress/"))
    if lines > MAX_COMPRESS_LINES:
        text = f"compress/ has {lines} lines; at most {MAX_COMPRESS_LINES}"
        yield Violation("compress-size", "compress/__init__.py", 1, text)


# ---- rules 7, 8 and the done-list: questions that the code asks of a class


def _forbidden(module: Module) -> Iterator[Violation]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "hasattr":
                yield Violation("hasattr", module.file, node.lineno, "hasattr: ask for an ability of the noun")
            if node.func.id == "isinstance" and len(node.args) == 2:
                yield from _class_test(module, node)
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Is | ast.IsNot):
            left = node.left
            if isinstance(left, ast.Attribute) and left.attr == "array" and module.file != "engines/table.py":
                yield Violation("device-test", module.file, node.lineno, f"{ast.unparse(node)}: ask the engine table")
    if module.file == "core/arrays.py":
        return
    for node in module.tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Subscript | ast.BinOp | ast.Attribute) and _ARRAY_TYPE.search(ast.unparse(value)):
            text = "array types are defined once, in core/arrays.py"
            yield Violation("array-type", module.file, node.lineno, text)


def _class_test(module: Module, node: ast.Call) -> Iterator[Violation]:
    classes = {leaf.id for leaf in ast.walk(node.args[1]) if isinstance(leaf, ast.Name)}
    classes |= {leaf.attr for leaf in ast.walk(node.args[1]) if isinstance(leaf, ast.Attribute)}
    if classes & _FORMAT_CLASSES and not module.file.startswith("formats/"):
        yield Violation(
            "format-test", module.file, node.lineno, f"{ast.unparse(node)}: ask for a property of the encoding"
        )
    homes = {"engines/table.py", "networks/decoder/decoder.py", "networks/graphs/operator_graph.py"}
    if classes & _NETWORK_CLASSES and module.file not in homes:
        yield Violation(
            "network-test", module.file, node.lineno, f"{ast.unparse(node)}: ask for an ability of the network"
        )


_MODULE_CHECKS = (_docstrings, _non_names, _sizes, _forbidden)


# ---- the command


def main() -> None:
    """Print the violations, by folder, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", help="folders or files below src/slipstick (default: all)")
    parser.add_argument("--src", type=Path, default=_default_src(), help="the folder slipstick")
    parser.add_argument("--summary", action="store_true", help="counts alone")
    parser.add_argument("--unused", action="store_true", help="public names that no other module of src imports")
    asked = parser.parse_args()
    modules = read_modules(asked.src)

    def wanted(file: str) -> bool:
        return not asked.folders or any(
            file == path or file.startswith(path.rstrip("/") + "/") for path in asked.folders
        )

    if asked.unused:
        names = [(module, name, line) for module, name, line in unused_names(modules) if wanted(module.file)]
        for module, name, line in names:
            print(f"{module.file}:{line}: {name}")
        print(f"{len(names)} public names are used in their own module alone (tests and docs not looked at)")
        return
    broken = [violation for violation in violations(modules) if wanted(violation.file)]
    if not asked.summary:
        for violation in broken:
            print(violation)
    _print_counts(broken)
    _print_names(modules)


def _default_src() -> Path:
    here = Path.cwd() / "src" / "slipstick"
    return here if here.is_dir() else Path(__file__).resolve().parents[2] / "src" / "slipstick"


def _print_counts(broken: list[Violation]) -> None:
    rules = sorted({violation.rule for violation in broken})
    table = Counter((violation.folder, violation.rule) for violation in broken)
    for folder in sorted({violation.folder for violation in broken}):
        counts = ", ".join(f"{rule} {table[folder, rule]}" for rule in rules if table[folder, rule])
        print(f"{folder:<14} {sum(n for (at, _), n in table.items() if at == folder):>5}  {counts}")
    print(f"violations: {len(broken)}; in rebuilt folders: {sum(violation.enforced for violation in broken)}")


def _print_names(modules: list[Module]) -> None:
    names = count_public_names(modules)
    by_folder = ", ".join(f"{folder} {count}" for folder, count in sorted(names.items()))
    print(f"public classes and functions: {names.total()} (now at most {MAX_PUBLIC_NAMES}): {by_folder}")
    constants = sum(len(module.public_names) for module in modules) - names.total()
    print(f"public constants and aliases beside them: {constants}")


if __name__ == "__main__":
    main()
