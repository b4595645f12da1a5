"""Imported operator graph, read from a torch module or a file, and the recorder that importers use."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal, TypedDict, Unpack

from pydantic import Field

from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Op, Phase
from slipstick.networks.graphs.operator_graph import OperatorGraph, _check_one_position, scaled

MAX_OPERATIONS = 100_000  # per imported graph, so that an untrusted file cannot exhaust memory


class ImportedGraph(OperatorGraph):
    """Operator graph traced with one example batch, whose first dimension is the batch."""

    graph: Literal["imported"] = "imported"
    batch: Annotated[int, Field(gt=0)] = Field(description="Samples of the traced example")
    count: Annotated[int, Field(ge=0)] = Field(description="Parameters, those that operations share counted once")
    operations: Annotated[tuple[Op, ...], Field(min_length=1, max_length=MAX_OPERATIONS)] = Field(
        description="Operations of the traced example, each behind all that it reads"
    )

    @property
    def parameters(self) -> int:
        """Number of all parameters (`count`)."""
        return self.count

    def sample_ops(self, phase: Phase, sequence: int) -> list[Op]:
        """Return the traced operations, scaled to one sample; training and inference are alike."""
        _check_one_position(self, sequence)
        return [scaled(op, 1, self.batch) for op in self.operations]


class _SizedFields(TypedDict, total=False):
    """Fields of an operation that its matrix product decides."""

    dims: Mapping[str, int]
    flops: float
    parts: Sequence[Op]
    geometry: ConvolutionGeometry | None


class Recorder:
    """Recorder of an imported graph: collects operations by the values that they read and compute.

    An importer calls `add` for each operation in order, `alias` for each view, and `finished` once at the end. A value
    that no operation made is an input or a constant: it is read, and no edge leads to it.

    Examples
    --------
    >>> recorder = Recorder()
    >>> recorder.add("up", "matmul", "y", reads=[("x", 8.0)], outputs=16.0, weights={"up.weight": 128})
    >>> recorder.alias("flat", "y")
    >>> recorder.add("act", "elementwise", "z", reads=[("flat", 16.0)], outputs=16.0)
    >>> [(op.name, op.after) for op in recorder.finished()]
    [('up', ()), ('act', ('up',))]
    """

    def __init__(self) -> None:
        self._ops: dict[str, Op] = {}
        self._makers: dict[str, str] = {}
        self._weights: dict[str, tuple[str, ...]] = {}
        self.parameters: dict[str, int] = {}
        self.uncounted: Counter[str] = Counter()

    def alias(self, value: str, source: str) -> None:
        """Record `value` as a view of `source` under another name or shape, without an operation."""
        if source in self._makers:
            self._makers[value] = self._makers[source]

    def made(self, value: str) -> bool:
        """Return whether a recorded operation computes `value`."""
        return value in self._makers

    def add(
        self,
        name: str,
        kind: str,
        *values: str,
        reads: Iterable[tuple[str, float]],
        outputs: float,
        weights: Mapping[str, int] | None = None,
        **sized: Unpack[_SizedFields],
    ) -> None:
        """Record an operation that computes `values`; a name in use gets a number.

        Parameters
        ----------
        reads : the activations that it reads, and the elements of each.
        outputs : elements of all results.
        weights : the elements of each parameter that it reads, by the parameter's name.
        sized : dims, flops, parts and geometry of a matrix product (`product_sizes`).

        Errors
        ------
        SlipstickError beyond `MAX_OPERATIONS` operations.
        """
        if len(self._ops) >= MAX_OPERATIONS:
            raise SlipstickError("the graph has too many operations", path="graph", allowed=f"at most {MAX_OPERATIONS}")
        name = self._fresh(name)
        reads, weights = list(reads), weights or {}
        taken = self._taken(reads)
        whole = all(elements == self._ops[maker].outputs for maker, elements in taken.items())
        self._ops[name] = Op(
            name,
            kind,
            dict(sized.get("dims", {"m": 1, "n": max(1, math.ceil(outputs))})),
            sized.get("flops", 0.0),
            float(sum(weights.values())),
            sum(elements for _, elements in reads),
            outputs,
            after=tuple(taken),
            reads=() if whole else tuple(taken.values()),
            parts=tuple(sized.get("parts", ())),
            geometry=sized.get("geometry"),
        )
        self._makers.update(dict.fromkeys(values, name))
        self._weights[name] = tuple(weights)
        self.parameters.update(weights)

    def finished(self) -> tuple[Op, ...]:
        """Return all operations in order; those that share a parameter are colocated on one device."""
        users = Counter(weight for weights in self._weights.values() for weight in set(weights))
        shared = {name: [w for w in weights if users[w] > 1] for name, weights in self._weights.items()}
        return tuple(replace(op, colocate=shared[name][0]) if shared[name] else op for name, op in self._ops.items())

    def _taken(self, reads: Sequence[tuple[str, float]]) -> dict[str, float]:
        """Return the elements read of each operation's result, at most its size however often it is read."""
        taken: dict[str, float] = {}
        for value, elements in reads:
            maker = self._makers.get(value)
            if maker is not None:
                taken[maker] = min(taken.get(maker, 0.0) + elements, self._ops[maker].outputs)
        return taken

    def _fresh(self, name: str) -> str:
        if name not in self._ops:
            return name
        number = 2
        while f"{name}_{number}" in self._ops:
            number += 1
        return f"{name}_{number}"
