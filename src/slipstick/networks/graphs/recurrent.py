"""LSTM layers as operations: one node per layer and block of time steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from slipstick.core.workload import Op

Size = Annotated[int, Field(gt=0, le=10**7)]
_GATES = 4  # input, forget, cell, output (Hochreiter & Schmidhuber 1997; Gers et al. 2000)


def _blocks(sequence: int, size: int) -> list[int]:
    """Return the number of time steps in each block of a sequence: `size`, and the rest in the last block.

    Examples
    --------
    >>> _blocks(25, 10)
    [10, 10, 5]
    """
    return [min(size, sequence - start) for start in range(0, sequence, size)]


@dataclass(frozen=True)
class Lstm:
    """LSTM layer with `inputs`, `hidden` cells, and a projection to `projected` unless 0 (Sak et al. 1402.1128).

    Biases are torch's: one for the inputs, one for the state.

    Examples
    --------
    >>> Lstm("layer", inputs=1024, hidden=1024).parameters
    8396800
    """

    name: str
    inputs: int
    hidden: int
    projected: int = 0
    residual: bool = False  # adds its input to its output

    @property
    def width(self) -> int:
        """Number of output elements per time step."""
        return self.projected or self.hidden

    @property
    def parameters(self) -> int:
        """Number of weights and biases of the layer."""
        gates = _GATES * self.hidden
        return gates * (self.inputs + self.width) + 2 * gates + self.projected * self.hidden

    def block(self, number: int, steps: int, after: tuple[tuple[str, float], ...]) -> Op:
        """Return the operation of one layer over one block of time steps, for one sample.

        The product with the inputs needs no state and runs for all steps at once; the rest runs step by step. From the
        block before it reads the state alone.

        Parameters
        ----------
        after : the operations whose results it reads, and the elements of each.
        """
        name, gates = f"{self.name}.{number}", _GATES * self.hidden
        parts = [
            _product(f"{name}.input", steps, gates, self.inputs),
            _product(f"{name}.state", 1, gates, self.width, steps),
            _pointwise(f"{name}.cell", gates + self.hidden, 2 * self.hidden, steps),
        ]
        if self.projected:
            parts.append(_product(f"{name}.projection", 1, self.projected, self.hidden, steps))
        if self.residual:
            parts.append(_pointwise(f"{name}.residual", 2 * self.width * steps, self.width * steps))
        before = ((f"{self.name}.{number - 1}", float(self.width + self.hidden)),) if number else ()
        read = (*after, *before)
        return Op(
            name,
            "lstm",
            {"m": 1, "steps": steps},
            sum(part.flops * part.count for part in parts),
            float(self.parameters),
            sum(elements for _, elements in read),
            float(self.width * steps),
            after=tuple(source for source, _ in read),
            reads=tuple(elements for _, elements in read),
            parts=tuple(parts),
            colocate=self.name,
        )


def _product(name: str, m: int, n: int, k: int, count: int = 1) -> Op:
    """Return the operation of `count` products (m, k) x (k, n) with the same weights, for one sample."""
    dims = {"m": m, "n": n, "k": k, "batch": 1}
    return Op(name, "matmul", dims, 2.0 * m * n * k, float(n * k), float(m * k), float(m * n), count=count)


def _pointwise(name: str, inputs: int, outputs: int, count: int = 1) -> Op:
    """Return the operation of `count` passes over elements, for one sample."""
    return Op(name, "elementwise", {"m": 1, "n": outputs}, 0.0, 0.0, float(inputs), float(outputs), count=count)


def softmax(name: str, steps: int, words: int, before: str) -> Op:
    """Return the softmax over `words` logits at each of `steps` time steps, on the result of `before`."""
    size = float(steps * words)
    return Op(name, "softmax", {"m": steps, "n": words}, 0.0, 0.0, size, size, after=(before,))


def lookup(name: str, table: str, vocabulary: int, width: int, steps: int) -> Op:
    """Return the embedding operation, which reads `steps` rows of a table."""
    dims, weights = {"m": steps, "n": width, "rows": vocabulary}, float(vocabulary * width)
    return Op(name, "embedding", dims, 0.0, weights, float(steps), float(steps * width), colocate=table)
