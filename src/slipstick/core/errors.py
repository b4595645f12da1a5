"""Errors for the user: the field's path, the value given, the allowed values, the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MAX_VALUE_LENGTH = 80  # characters of a value that a message repeats: a line of a terminal
_MAX_NAMES = 12  # that a message lists


class SlipstickError(Exception):
    """An error that the user can mend. The command line prints it without a traceback and exits with code 2.

    Parameters
    ----------
    message : the fault, in one sentence.
    path : the field's dotted path, for example ``system.memory.hbm.bandwidth``.
    value : the value that was given.
    allowed : the values that would have been accepted: a sentence, or the names.

    Examples
    --------
    >>> print(SlipstickError("not a bandwidth", path="memory.hbm.bandwidth", value="2 TB", allowed="bytes per second"))
    memory.hbm.bandwidth: not a bandwidth; got '2 TB'; allowed: bytes per second
    """

    def __init__(
        self, message: str, *, path: str = "", value: object = None, allowed: str | Iterable[str] | None = None
    ) -> None:
        self.message, self.path, self.value, self.allowed = message, path, value, allowed
        super().__init__(self._text())

    def _text(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        if self.value is not None:
            text += f"; got {_short(self.value)}"
        if self.allowed is None:
            return text
        if isinstance(self.allowed, str):
            return f"{text}; allowed: {self.allowed}"
        names = sorted(self.allowed)
        if not names:
            return text
        nearest = _nearest_name(str(self.value), names)
        if nearest:
            text += f"; did you mean {nearest!r}?"
        return f"{text}; allowed: {_listing(names)}"


class SpecErrors(SlipstickError):
    """All errors of one file or one plan, raised together, one per line."""

    def __init__(self, errors: list[SlipstickError], *, where: str = "") -> None:
        self.errors = errors
        self._where = where
        super().__init__("\n".join(str(e) for e in errors))

    def _text(self) -> str:
        head = f"{self._where}: " if self._where else ""
        if len(self.errors) == 1:
            return f"{head}{self.errors[0]}"
        return f"{head}{len(self.errors)} errors\n" + "\n".join(f"  {e}" for e in self.errors)


def _nearest_name(spelling: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that is spelt most like `spelling`, or None if none is similar.

    Examples
    --------
    >>> _nearest_name("h100-smx", ["h100-sxm", "a100-sxm-80gb"])
    'h100-sxm'
    """
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(spelling.casefold(), folded, n=1, cutoff=0.5)
    return folded[close[0]] if close else None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_VALUE_LENGTH else text[: _MAX_VALUE_LENGTH - 3] + "..."


def _listing(names: list[str]) -> str:
    first_names = names[:_MAX_NAMES]
    more = f", ... ({len(names) - _MAX_NAMES} more)" if len(names) > _MAX_NAMES else ""
    return ", ".join(first_names) + more
