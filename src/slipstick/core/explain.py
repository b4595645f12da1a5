"""Translation of pydantic's errors into one error per field: dotted path, value given, allowed values.

pydantic reports a union once for each of its members and calls them by internal names (``constrained-int``); a user
wants one line that says "a whole number from 1, or auto".
"""

from __future__ import annotations

import enum
import re
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from slipstick.core.errors import SlipstickError

_PLAIN = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "nothing (null)"}
_BOUNDS = {"gt": "above", "ge": "from", "lt": "below", "le": "up to"}
NESTED = "of_a_named_kind"  # error type: context `errors` are those of the class `kind`, or our own
_LISTED = re.compile(r"\((slipstick list [\w-]+)\)")  # in a description: the command that prints a field's values
_OUT_OF_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def _explain(kind: type[BaseModel], items: Sequence[Any], root: str = "") -> list[SlipstickError]:
    """Return one error per field of `kind` that pydantic rejects, in pydantic's order.

    Parameters
    ----------
    items : the result of ``ValidationError.errors()``.
    root : a dotted path to put before each field's path.
    """
    grouped: dict[str, tuple[Any, list[Any]]] = {}
    for item in items:
        location = item["loc"]
        extra = item["type"] == "extra_forbidden"  # the annotation of interest is then that of the group around it
        keys, annotation = _locate(kind, location[:-1] if extra else location)
        path = ".".join([*([root] if root else []), *keys, *([str(location[-1])] if extra else [])])
        grouped.setdefault(path, (annotation, []))[1].append(item)
    return [error for path, (annotation, group) in grouped.items() for error in _errors(path, annotation, group)]


def _errors(path: str, annotation: Any, items: list[Any]) -> list[SlipstickError]:
    """Return the error of one field; for a field whose class its own data select, the errors of that class."""
    if items[0]["type"] != NESTED:
        return [_error(path, annotation, items)]
    kind, errors = items[0]["ctx"]["kind"], items[0]["ctx"]["errors"]
    if kind is not None:
        return _explain(kind, errors, path)
    return [SlipstickError(e.message, path=f"{path}.{e.path}", value=e.value, allowed=e.allowed) for e in errors]


def _accepted_values(annotation: Any) -> str:
    """Return a description in words of the values that a field of this type accepts.

    Examples
    --------
    >>> from pydantic import Field
    >>> _accepted_values(Annotated[int, Field(gt=0)] | Literal["auto"])
    'a whole number from 1, or auto'
    """
    members = _members(annotation)
    if len(members) > 1:
        return ", or ".join(dict.fromkeys(_accepted_values(member) for member in members))
    return _accepted_by_member(members[0])


def _accepted_by_member(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        unit = next((part.json_schema_extra["unit"] for part in metadata if _has_unit(part)), None)
        words = [
            _accepted_values(member) + (_bounds(member, metadata) if member in _PLAIN else "")
            for member in _members(inner)
        ]
        return ", or ".join(
            f"{word}, or text such as '2 {unit}'" if unit and word.startswith("a number") else word for word in words
        )
    if origin is Literal:
        return ", ".join(str(choice) for choice in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return ", ".join(str(member.value) for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a group of the fields " + ", ".join(annotation.model_fields)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"names, each with {_accepted_values(get_args(annotation)[1])}"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return f"a list, each {_accepted_values(get_args(annotation)[0])}"
    return "another value"


def _bounds(inner: Any, metadata: list[Any]) -> str:
    if inner is type(None):
        return ""
    stated = [(name, getattr(part, name, None)) for part in _flat(metadata) for name in _BOUNDS]
    bounds = [(name, bound) for name, bound in stated if bound is not None]
    if inner is int:  # "above 0" is "from 1" where only whole numbers count
        whole = {"gt": ("ge", 1), "lt": ("le", -1)}
        bounds = [
            (whole[name][0], bound + whole[name][1]) if name in whole else (name, bound) for name, bound in bounds
        ]
    return "".join(f" {_BOUNDS[name]} {bound}" for name, bound in bounds)


def _has_unit(part: Any) -> bool:
    return isinstance(part, FieldInfo) and isinstance(part.json_schema_extra, dict) and "unit" in part.json_schema_extra


def _flat(metadata: list[Any]) -> list[Any]:
    return [inner for part in metadata for inner in (getattr(part, "metadata", None) or [part])]


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    return [annotation]


def _bare_members(annotation: Any) -> list[Any]:
    """Return the members of a union without their metadata."""
    if get_origin(annotation) is Annotated:
        return _bare_members(get_args(annotation)[0])
    members = _members(annotation)
    return members if members == [annotation] else [bare for member in members for bare in _bare_members(member)]


def _locate(kind: Any, location: tuple[Any, ...]) -> tuple[list[str], Any]:
    """Return the field's keys within `location`, without pydantic's tags of union members, and its annotation."""
    keys: list[str] = []
    annotation = kind
    for part in location:
        inside = _inside(annotation, part)
        if inside is not None:
            keys.append(str(part))
            annotation = inside
    return keys, annotation


def _inside(annotation: Any, part: Any) -> Any:
    """Return the type annotation of the part `part` of a value of type `annotation`, or None if there is none."""
    for member in _bare_members(annotation):
        origin = get_origin(member)
        if isinstance(member, type) and issubclass(member, BaseModel):
            if part in member.model_fields:
                field = member.model_fields[part]
                return Annotated[field.annotation, field]
        elif isinstance(origin, type) and issubclass(origin, Mapping) and part != "[key]":
            return get_args(member)[1]
        elif isinstance(origin, type) and issubclass(origin, Sequence) and isinstance(part, int):
            return get_args(member)[0]
    return None


def _error(path: str, annotation: Any, items: list[Any]) -> SlipstickError:
    item = items[0]
    value, kind = item["input"], item["type"]
    if kind == "missing":
        return SlipstickError("is missing", path=path, allowed=_choices(annotation) or _catalogue_of(annotation))
    if kind == "extra_forbidden":
        names = [name for bare in _bare_members(annotation) for name in getattr(bare, "model_fields", ())]
        return SlipstickError("no such field", path=path, value=str(item["loc"][-1]), allowed=names)
    own = [item for item in items if item["type"] == "value_error"]  # our own validators word it best
    if own:
        message = own[0]["msg"].removeprefix("Value error, ")
        names_value = "; got " in message or isinstance(own[0]["input"], dict)
        return SlipstickError(message, path=path, value=None if names_value else own[0]["input"])
    if value is None:
        return SlipstickError("is empty (null)", path=path, allowed=_accepted_values(annotation))
    if any(item["type"] in _OUT_OF_RANGE for item in items):
        return SlipstickError("out of range", path=path, value=value, allowed=_accepted_values(annotation))
    choices = _choices(annotation)
    return SlipstickError(
        "not one of the choices" if choices else "does not fit",
        path=path,
        value=value,
        allowed=choices or _accepted_values(annotation),
    )


def _catalogue_of(annotation: Any) -> str | None:
    """Return the words for a field whose description names the catalogue of its values, such as link technologies.

    Examples
    --------
    >>> from pydantic import Field
    >>> _catalogue_of(Annotated[str, Field(description="Kind of link (slipstick list collectives)")])
    'a name that slipstick list collectives prints'
    """
    metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    texts = [getattr(part, "description", None) or "" for part in metadata]
    command = next((match[1] for match in map(_LISTED.search, texts) if match), None)
    return command and f"a name that {command} prints"


def _choices(annotation: Any) -> list[str]:
    """Return the allowed names of a field that accepts only names, from which the nearest can be suggested."""
    members = _bare_members(annotation)
    if len(members) == 1 and get_origin(members[0]) is Literal:
        return [str(choice) for choice in get_args(members[0])]
    if len(members) == 1 and isinstance(members[0], type) and issubclass(members[0], enum.Enum):
        return [str(member.value) for member in members[0]]
    return []
