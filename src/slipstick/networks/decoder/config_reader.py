"""Reader of an untrusted configuration: fields checked by type and bounds; all errors are raised together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from slipstick.core.errors import SlipstickError, SpecErrors

_PLACEHOLDER = 1  # in place of a number that could not be read, so that errors of the other fields are found too


class ConfigReader:
    """Reader of a Hugging Face ``config.json``: fields by any of several names; `path` is the prefix in errors.

    Every method returns a usable value: an error is recorded (`fail`) and `finish` raises all of them together.

    Examples
    --------
    >>> reader = ConfigReader({"n_layer": 12, "n_head": 0})
    >>> reader.integer("num_hidden_layers", "n_layer"), reader.integer("num_attention_heads", "n_head")
    (12, 1)
    >>> [str(error) for error in reader.errors]
    ['n_head: out of range; got 0; allowed: a whole number from 1 to 10000000']
    """

    def __init__(self, config: Mapping[str, Any], path: str = "", defaults: Mapping[str, Any] | None = None) -> None:
        self.config = config
        self.errors: list[SlipstickError] = []
        self._path, self._defaults = path, dict(defaults or {})

    def raw(self, *names: str) -> tuple[str, Any]:
        """Return the first of `names` with a value, and the value: from the file, else from the defaults."""
        for source in (self.config, self._defaults):
            for name in names:
                if source.get(name) is not None:
                    return name, source[name]
        return names[0], None

    def optional(self, *names: str, low: int = 1, high: int = 10**7) -> int | None:
        """Return an integer field between `low` and `high`, or None where it is absent or null."""
        name, value = self.raw(*names)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(name, "not a whole number", value)
            return _PLACEHOLDER
        if not low <= value <= high:
            self.fail(name, "out of range", value, f"a whole number from {low} to {high}")
            return _PLACEHOLDER
        return value

    def integer(self, *names: str, default: int | None = None, low: int = 1, high: int = 10**7) -> int:
        """Return an integer field; without a `default` its absence is an error."""
        value = self.optional(*names, low=low, high=high)
        if value is not None:
            return value
        if default is None:
            self.fail(names[0], "is missing", allowed=f"one of {', '.join(names)}" if len(names) > 1 else None)
            return _PLACEHOLDER
        return default

    def flag(self, *names: str, default: bool = False) -> bool:
        """Return a boolean field."""
        return bool(self._checked(names, default, lambda value: isinstance(value, bool), "neither true nor false"))

    def number(self, *names: str, default: float = 0.0) -> float:
        """Return a field of a Hugging Face ``config.json`` as a float from 0, `default` where it is absent."""
        return float(self._checked(names, default, _is_number_from_0, "not a number from 0"))

    def text(self, *names: str, default: str = "") -> str:
        """Return a string field."""
        return str(self._checked(names, default, lambda value: isinstance(value, str), "not text"))

    def _checked(self, names: tuple[str, ...], default: Any, fits: Callable[[Any], bool], fault: str) -> Any:
        """Return the first value of a field under any of `names`; `default` if absent, or after recording a `fault`."""
        name, value = self.raw(*names)
        if value is None:
            return default
        if not fits(value):
            self.fail(name, fault, value)
            return default
        return value

    def items(self, name: str, kind: type, allowed: Iterable[str] | None = None) -> list[Any] | None:
        """Return a list field with members of `kind` (from `allowed`), or None where it is absent."""
        _, value = self.raw(name)
        if value is None:
            return None
        names = None if allowed is None else list(allowed)
        if not isinstance(value, list):
            self.fail(name, "not a list", value)
            return None
        wrong = [v for v in value if not isinstance(v, kind) or isinstance(v, bool) or (names and v not in names)]
        if wrong:
            self.fail(name, "has a member that is not one of the choices", wrong[0], names)
            return None
        return value

    def fail(self, name: str, message: str, value: object = None, allowed: str | Iterable[str] | None = None) -> None:
        """Record an error about field `name`."""
        path = f"{self._path}.{name}" if self._path else name
        self.errors.append(SlipstickError(message, path=path, value=value, allowed=allowed))

    def finish(self, where: str) -> None:
        """Raise all recorded errors together, if any.

        Errors
        ------
        SpecErrors with a line for each field that could not be read.
        """
        if self.errors:
            raise SpecErrors(self.errors, where=where)


def _is_number_from_0(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
