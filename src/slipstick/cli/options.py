"""Options that several commands share, and verbs' options turned into commands' options."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, TypeVar, Unpack, get_args, is_typeddict

from cyclopts import Parameter

from slipstick.core.value_ranges import numbers, whole_numbers

if TYPE_CHECKING:
    from slipstick.datasets.images import Normal

__all__ = [
    "PLAIN",
    "DataSetName",
    "Inputs",
    "NetworkFile",
    "PlanText",
    "Shown",
    "SystemName",
    "WorkName",
    "_options_of",
    "numbers",
    "whole_numbers",
]  # fmt: skip

_Command = TypeVar("_Command", bound=Callable[..., None])

WorkName = Annotated[str, Parameter(help="A name (slipstick list workloads), or the path of a config.json.")]
SystemName = Annotated[
    str,
    Parameter(
        help="A name (slipstick list systems), name:count with the count of devices, name@3nm+hbm4:count (slipstick "
        "list tech), or a YAML file."
    ),
]
NetworkFile = Annotated[
    str,
    Parameter(
        help="A .tflite file with 8-bit weights and activations, which stays integers; a .safetensors file that "
        "slipstick train --out wrote; an .onnx file; a file that slipstick adapt --packed wrote; or efficientnet-lite0 "
        "with its published weights."
    ),
]
DataSetName = Annotated[str, Parameter(help="A data set's name (digits, cifar10-jpeg, imagenet-sample, ...) or path.")]
PlanText = Annotated[
    str | None,
    Parameter(
        help="tp=8,pp=4,... Default: the fastest split of the devices that fits memory. On an array: formats=swis:3."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True)
class Inputs:
    """Options for the input normalisation of a torch network whose file does not state it."""

    mean: str = ""
    "Of each channel, subtracted from value / 255: 0.485,0.456,0.406. Default: the data set's."

    deviation: str = ""
    "Of each channel, which divides what is left: 0.229,0.224,0.225. Default: the data set's."

    def normal(self) -> Normal | None:
        """Return the input normalisation; None where no option of it is given."""
        from slipstick.core.errors import SlipstickError
        from slipstick.datasets.images import Normal

        if not self.mean and not self.deviation:
            return None
        if not self.mean or not self.deviation:
            raise SlipstickError("come together", path="--mean, --deviation", value=self.mean or self.deviation)
        mean, deviation = numbers(self.mean, "mean"), numbers(self.deviation, "deviation")
        if len(mean) != len(deviation) or not all(number > 0 for number in deviation):
            allowed = "as many numbers as means, each above 0"
            raise SlipstickError(
                "not a deviation of each channel", path="deviation", value=self.deviation, allowed=allowed
            )
        return Normal(tuple(mean), tuple(deviation))


@Parameter(name="*")
@dataclass(frozen=True)
class Shown:
    """Options of the output: JSON, or an HTML file."""

    json: bool = False
    "Print JSON and nothing else."

    html: Path | None = None
    "Also write one self-contained HTML file."


PLAIN = Shown()


def _options_of(options: type[Any]) -> Callable[[_Command], _Command]:
    """Give a command its verb's options: one per field of ``**options: Unpack[...]``, with its help.

    An option has the first of its field's types: that which a text can stand for (``Path | str | Calibration``).

    Parameters
    ----------
    options : the verb's TypedDict, each of whose fields has its docstring behind it.
    """
    fields = {name: Annotated[hint, Parameter(help=text)] for name, (hint, text) in _fields_of(options).items()}

    def decorate(command: _Command) -> _Command:
        kind = TypedDict(options.__name__, fields, total=False)  # type: ignore[misc]
        command.__annotations__["options"] = Unpack[kind]
        return command

    return decorate


def _fields_of(options: type[Any]) -> dict[str, tuple[Any, str]]:
    """Return type and docstring of every field of a TypedDict, inherited fields first."""
    names = vars(sys.modules[options.__module__])
    (tree,) = ast.parse(inspect.getsource(options)).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101  a TypedDict is written as a class
    fields: dict[str, tuple[Any, str]] = {}
    for base in tree.bases:
        if isinstance(base, ast.Name) and is_typeddict(names.get(base.id)):
            fields |= _fields_of(names[base.id])
    for line, below in pairwise(tree.body):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(below, ast.Expr):
            first = line.annotation
            while isinstance(first, ast.BinOp):  # a | b | c: those behind may need imports that only mypy does
                first = first.left
            hint = eval(ast.unparse(first), dict(names))  # noqa: S307  the house's own source
            hint = get_args(hint)[0] if isinstance(hint, UnionType) else hint
            fields[line.target.id] = hint, " ".join(str(ast.literal_eval(below.value)).split())
    return fields
