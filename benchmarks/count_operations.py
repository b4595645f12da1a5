"""Operations and bytes that array code needs, counted while it runs: every array it makes is one that counts.

`counted` replaces NumPy's constructors while a function runs, so that its arrays are of a class that sees each
operation (NumPy's protocols `__array_ufunc__` and `__array_function__`). What compiled code does with an array, and
Python's own arithmetic of single numbers, is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

_Answer = TypeVar("_Answer")
_MAKERS = ("array", "arange", "zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like")
_MOVERS = ("where", "concatenate", "take", "repeat", "stack", "nonzero", "sort", "argsort", "unravel_index")


@dataclass
class Count:
    """Operations on elements of arrays, and bytes that they read and write (each array of an operation once)."""

    floating: int = 0
    others: int = 0  # of integers and truth values, and comparisons
    bytes: int = 0
    calls: int = 0

    def add(self, elements: int, floating: bool, arrays: Iterator[np.ndarray]) -> None:
        """Add an operation on `elements` elements of some arrays."""
        self.calls += 1
        self.floating += elements if floating else 0
        self.others += 0 if floating else elements
        self.bytes += sum(_bytes_of(array) for array in arrays)


_COUNT = Count()


def _bytes_of(array: np.ndarray) -> int:
    """Return the bytes that an array holds: a repeated (broadcast) element once."""
    size = array.itemsize
    for length, stride in zip(array.shape, array.strides, strict=True):
        size *= length if stride else min(length, 1)
    return size


def _plain(value: Any) -> Any:
    if isinstance(value, Counting):
        return value.view(np.ndarray)
    if isinstance(value, tuple | list):
        return type(value)(_plain(each) for each in value)
    return value


def _arrays(*values: Any) -> Iterator[np.ndarray]:
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, tuple | list):
            yield from _arrays(*value)


def _counting(value: Any) -> Any:
    if type(value) is np.ndarray:
        return value.view(Counting)
    return tuple(_counting(each) for each in value) if type(value) is tuple else value


class Counting(np.ndarray):
    """Array whose operations are added to the count."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **named: Any) -> Any:
        values = getattr(ufunc, method)(*_plain(inputs), **{name: _plain(value) for name, value in named.items()})
        results = list(_arrays(values)) or [np.asanyarray(values)]
        operands = list(_arrays(inputs))
        elements = results[0].size if method == "__call__" else max(array.size for array in operands)
        _COUNT.add(elements, results[0].dtype.kind == "f", iter([*operands, *results]))
        if isinstance(named.get("out"), tuple):
            return named["out"][0]
        return _counting(values)

    def __array_function__(self, function: Any, kinds: Any, values: Any, named: Any) -> Any:
        if function.__name__ in _MOVERS:
            made = function(*_plain(values), **{name: _plain(value) for name, value in named.items()})
            _COUNT.bytes += sum(_bytes_of(array) for array in _arrays(values, made))
            return _counting(made)
        return _counting(super().__array_function__(function, kinds, values, named))

    def __getitem__(self, key: Any) -> Any:
        made = self.view(np.ndarray)[_plain(key)]
        if any(True for _ in _arrays(key)):  # a selection copies; a slice does not
            _COUNT.bytes += sum(_bytes_of(array) for array in _arrays(key)) + 2 * np.asanyarray(made).nbytes
        return _counting(made)

    def __setitem__(self, key: Any, value: Any) -> None:
        plain = self.view(np.ndarray)
        _COUNT.bytes += (
            sum(_bytes_of(array) for array in _arrays(key, value)) + np.asanyarray(plain[_plain(key)]).nbytes
        )
        plain[_plain(key)] = _plain(value)


@contextmanager
def _counting_constructors() -> Iterator[None]:
    originals = {name: getattr(np, name) for name in (*_MAKERS, "asarray")}

    def wrapped(make: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *values, **named: _counting(make(*values, **named))

    for name, make in originals.items():
        setattr(np, name, wrapped(make))
    try:
        yield
    finally:
        for name, make in originals.items():
            setattr(np, name, make)


def counted(function: Callable[[], _Answer]) -> tuple[_Answer, Count]:
    """Return what a function returns, and the operations and bytes of its arrays."""
    global _COUNT
    _COUNT = Count()
    with _counting_constructors():
        answer = function()
    return answer, _COUNT
