"""Functions behind the commands, and the names of all their parameters."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from importlib import import_module
from typing import Any, get_args, is_typeddict

from slipstick.cli import _COMMANDS
from slipstick.cli.options import Shown
from slipstick.training.recipe import Recipe

OPTIONS_OF = tuple(f"slipstick.{part}." for part in ("cli", "verbs", "engines", "exploration", "compress", "training"))


def command(name: str) -> Callable[..., None]:
    """Return the function that a command of the command line calls."""
    module, _, function = _COMMANDS[name][0].partition(":")
    called: Callable[..., None] = getattr(import_module(f"slipstick.cli.{module}"), function)
    return called


def hints(owner: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function or a class as objects, names that only a type checker imports included."""
    module = import_module(owner.__module__)
    names = dict(vars(module))
    for block in ast.parse(inspect.getsource(module)).body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            imports = [node for node in block.body if isinstance(node, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(imports, []), "imports", "exec"), names)  # noqa: S102  the house's own source
    annotations = owner.__annotations__.items()
    return {name: eval(hint, names) if isinstance(hint, str) else hint for name, hint in annotations}  # noqa: S307


def option_objects(hint: Any) -> list[type]:
    """Return the classes of options in an annotation: dataclasses, the recipe, and the TypedDict of ``**options``."""
    inner = [part for argument in get_args(hint) for part in option_objects(argument)]
    options = is_dataclass(hint) or is_typeddict(hint) or hint is Recipe
    return [hint] if options and hint.__module__.startswith(OPTIONS_OF) else inner


def fields(options: type) -> list[str]:
    """Return the fields of a class of options, and of the groups of options inside it in place of the group."""
    names = []
    for name, hint in hints(options).items():
        names += [inner for group in option_objects(hint) for inner in fields(group)] or [name]
    return names


def parameters(function: Callable[..., Any]) -> set[str]:
    """Return the names of all parameters, and of the fields of option objects in place of the object."""
    names: set[str] = set()
    known = hints(function)
    for name in inspect.signature(function).parameters:
        objects = option_objects(known[name])
        if Shown in objects:
            continue
        inside = [field for kind in objects for field in fields(kind)]
        names |= {name, *inside} if function.__module__.startswith("slipstick.verbs") else set(inside or [name])
    return names
