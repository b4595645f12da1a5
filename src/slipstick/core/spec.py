"""Base class of all user-written descriptions, with their construction from dicts and overrides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.explain import _explain


class Spec(BaseModel):
    """A frozen, validated description. Unknown fields are errors; quantities are SI floats once loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


S = TypeVar("S", bound=Spec)


def validate(kind: type[S], data: object, *, where: str = "", root: str = "") -> S:
    """Return an instance of `kind` built from a dict; all errors are raised together, each with its dotted path.

    Parameters
    ----------
    where : the file or the noun that the first line of the errors names.
    root : the dotted path of `data` itself, put before the fields' paths.

    Errors
    ------
    SpecErrors with one line a field: path, value given, what is allowed, nearest name.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise SpecErrors(_explain(kind, error.errors(include_url=False), root), where=where) from None


def override(spec: S, changes: Mapping[str, object], *, root: str = "") -> S:
    """Return a copy of `spec` with the leaves at dotted paths replaced.

    Parameters
    ----------
    changes : dotted path below `spec` -> new value, such as ``{"memory.hbm.bandwidth": "8 TB/s"}``.
    root : the name to put before the paths in errors, such as ``system``.

    Errors
    ------
    SlipstickError if a path names nothing; SpecErrors if a value does not fit.
    """
    for path, value in changes.items():
        spec = _replaced(spec, path.split("."), value, f"{root}.{path}" if root else path)
    return spec


def leaves(spec: Spec) -> dict[str, Any]:
    """Return every leaf value of `spec` by its dotted path, as `--set` accepts it."""
    by_path: dict[str, Any] = {}
    _walk(spec, "", by_path)
    return by_path


def _walk(node: object, path: str, by_path: dict[str, Any]) -> None:
    children = _children(node)
    for key, value in children.items():
        _walk(value, f"{path}.{key}" if path else key, by_path)
    if not children:
        by_path[path] = node


def _children(node: object) -> dict[str, Any]:
    """Return the children of `node` by their part of a dotted path: fields, keys, or indices of a list of specs."""
    if isinstance(node, Spec):
        return {name: getattr(node, name) for name in type(node).model_fields}
    if isinstance(node, tuple) and any(isinstance(item, Spec) for item in node):
        return {str(place): item for place, item in enumerate(node)}
    return {str(key): value for key, value in node.items()} if isinstance(node, dict) else {}


def _replaced(node: Any, keys: list[str], value: object, path: str) -> Any:
    """Return a copy of `node` with one leaf replaced; every model on its path is validated again, in its own type."""
    children = _children(node)
    if keys[0] not in children:
        raise SlipstickError(f"no {keys[0]!r} here", path=path, value=keys[0], allowed=list(children))
    children[keys[0]] = _replaced(children[keys[0]], keys[1:], value, path) if len(keys) > 1 else value
    if isinstance(node, tuple):
        return tuple(children.values())
    if isinstance(node, dict):
        return children
    parent = path.removesuffix(".".join(keys)).rstrip(".")
    return validate(type(node), children, root=parent)
