"""Arena problem: tensors with their bytes and kernel calls in order, all that a planner of memory needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from slipstick.core.errors import SlipstickError

ALIGNMENT = 4  # bytes: kernels load words


@dataclass(frozen=True)
class ArenaTensor:
    """Tensor that flows through the network: its name and its bytes.

    Parameters
    ----------
    shape : height, width, channels where it is an image of one byte an element: what patches divide.
    """

    name: str
    size: int
    shape: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class ArenaWindow:
    """Window that an operator slides over its input: (height, width) each; 1x1 of stride 1 for element by element."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)  # above and to the left


@dataclass(frozen=True)
class Overlap:
    """Overlap of a call's output with an input that dies with it: how far before the input the output begins.

    Parameters
    ----------
    lead : least bytes from the output's first byte to the input's, so that no input is overwritten before it was read
        ("diagonal" memory optimisation: Blacker et al., arXiv 2010.01668); 0: both may begin at the same byte.
    exact : whether the output must begin by just `lead` before the input, as where channels are computed one by one.
    """

    lead: int = 0
    exact: bool = False


@dataclass(frozen=True)
class ArenaStep:
    """Call of a kernel: the tensors that it reads, the one that it writes, and the scratch that it needs meanwhile.

    Parameters
    ----------
    reads : places of tensors, without constants.
    scratch : bytes that only this call uses.
    overwrites : tensors among `reads` that the output may overlap as it is written, if nothing reads them later.
    overlap : how it may overlap them.
    window : how far an output reaches into the input; None: over all of it, so that patches end before it.
    """

    name: str
    kind: str
    reads: tuple[int, ...]
    writes: int
    scratch: int = 0
    overwrites: tuple[int, ...] = ()
    overlap: Overlap = Overlap()
    macs: float = 0.0
    weights: int = 0
    window: ArenaWindow | None = None


@dataclass(frozen=True)
class ArenaProblem:
    """Tensors and kernel calls of one inference, in an order in which they can run.

    Parameters
    ----------
    input, output : places of the network's input and output tensors.
    reservations : tensors that are needed for longer than their readers say: (tensor, first step, last step).

    Examples
    --------
    >>> chain = ArenaProblem((ArenaTensor("in", 100), ArenaTensor("out", 40)), (ArenaStep("a", "conv", (0,), 1),), 0, 1)
    >>> chain.lives
    ((0, 0), (0, 0))
    """

    tensors: tuple[ArenaTensor, ...]
    steps: tuple[ArenaStep, ...]
    input: int
    output: int
    reservations: tuple[tuple[int, int, int], ...] = ()

    def __post_init__(self) -> None:
        """Check that each step reads what an earlier one wrote."""
        written = {self.input}
        for place, step in enumerate(self.steps):
            missing = set(step.reads) - written
            if missing or step.writes in written or not set(step.overwrites) <= set(step.reads):
                raise SlipstickError("reads what nothing wrote, or writes twice", path=f"steps.{place}", value=step)
            written.add(step.writes)

    @property
    def lives(self) -> tuple[tuple[int, int], ...]:
        """First and last step at which each tensor holds something; a tensor that nothing uses: at the first."""
        first = [0] * len(self.tensors)
        last = [0] * len(self.tensors)
        for place, step in enumerate(self.steps):
            first[step.writes] = last[step.writes] = place
            for tensor in step.reads:
                last[tensor] = place
        last[self.output] = max(len(self.steps) - 1, 0)
        for tensor, start, end in self.reservations:
            first[tensor], last[tensor] = min(first[tensor], start), max(last[tensor], end)
        return tuple(zip(first, last, strict=True))

    def reordered(self, order: Sequence[int]) -> ArenaProblem:
        """Return the same steps in another order, given by their places."""
        return replace(self, steps=tuple(self.steps[place] for place in order))


def _aligned(size: int) -> int:
    """Return a size rounded up to whole words [B].

    Examples
    --------
    >>> _aligned(5), _aligned(8)
    (8, 8)
    """
    return -(-size // ALIGNMENT) * ALIGNMENT
