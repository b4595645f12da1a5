"""Order of operators: the one in which the fewest bytes are alive at once, for networks with branches."""

from __future__ import annotations

import heapq

from slipstick.edge.arena.arena_problem import ArenaProblem, _aligned

_STATES = 50_000  # sets of finished operators that are looked at; beyond, the file's order stays


def best_order(problem: ArenaProblem, *, states: int = _STATES) -> tuple[int, ...]:
    """Return the places of the steps in the order whose greatest live bytes are least, overlaps counted.

    A search over the sets of operators that can have run, the one with the least peak first (Liberis and Lane, "Neural
    networks on microcontrollers: saving memory at inference via operator reordering", 2019, solve the same by dynamic
    programming). The answer is exact unless more than `states` sets are reached: then the order stays as it is.

    Examples
    --------
    >>> from slipstick.edge.arena.arena_problem import ArenaStep, ArenaTensor
    >>> sizes = (("in", 8), ("wide", 80), ("low", 4), ("wide2", 80), ("low2", 4), ("out", 4))
    >>> steps = tuple(ArenaStep(n, "conv", r, w) for n, r, w in (
    ...     ("a", (0,), 1), ("b", (0,), 3), ("c", (1,), 2), ("d", (3,), 4), ("e", (2, 4), 5)))
    >>> graph = ArenaProblem(tuple(ArenaTensor(*size) for size in sizes), steps, 0, 5)
    >>> [graph.steps[place].name for place in best_order(graph)]
    ['a', 'c', 'b', 'd', 'e']
    """
    graph = _Graph(problem)
    file_order = tuple(range(len(problem.steps)))
    whole = (1 << len(file_order)) - 1
    best: dict[int, int] = {0: 0}
    came: dict[int, tuple[int, int]] = {}
    queue: list[tuple[int, int, int]] = [(0, 0, 0)]  # peak, minus the number of finished operators, their set
    while queue and not graph.chain:
        peak, _, finished = heapq.heappop(queue)
        if finished == whole:
            return tuple(_traced(came, whole))
        if peak > best[finished]:
            continue
        if len(best) > states:
            break
        before = graph.live(finished)
        for place in file_order:
            if finished >> place & 1 or graph.needs[place] & ~finished:
                continue
            then = finished | 1 << place
            now = max(peak, graph.step_bytes(place, before, then))
            if now < best.get(then, now + 1):
                best[then], came[then] = now, (finished, place)
                heapq.heappush(queue, (now, -then.bit_count(), then))
    return file_order


class _Graph:
    """Steps as sets of bits: what each needs, who reads each tensor, and the bytes alive behind a set of steps."""

    def __init__(self, problem: ArenaProblem) -> None:
        self.problem = problem
        self.sizes = [_aligned(tensor.size) for tensor in problem.tensors]
        maker = {step.writes: place for place, step in enumerate(problem.steps)}
        self.needs = [sum({1 << maker[t] for t in step.reads if t in maker}) for step in problem.steps]
        self.readers = [0] * len(self.sizes)
        for place, step in enumerate(problem.steps):
            for tensor in step.reads:
                self.readers[tensor] |= 1 << place

    @property
    def chain(self) -> bool:
        """Whether at no time more than one step can run, so that there is one order alone."""
        finished = 0
        for _ in self.needs:
            ready = [p for p, needs in enumerate(self.needs) if not finished >> p & 1 and not needs & ~finished]
            if len(ready) > 1:
                return False
            finished |= 1 << ready[0]
        return True

    def live(self, finished: int) -> int:
        """Return the bytes that are still needed once a set of steps has run."""
        total = self.sizes[self.problem.input] if self.readers[self.problem.input] & ~finished or not finished else 0
        for place, step in enumerate(self.problem.steps):
            needed = self.readers[step.writes] & ~finished or step.writes == self.problem.output
            if finished >> place & 1 and needed:
                total += self.sizes[step.writes]
        return total

    def step_bytes(self, place: int, before: int, then: int) -> int:
        """Return the bytes of a step, from those alive before it and the set of steps that have run behind it."""
        step = self.problem.steps[place]
        size = self.sizes[step.writes]
        lead = min(_aligned(step.overlap.lead), size)
        dying = [t for t in step.overwrites if not self.readers[t] & ~then and t != self.problem.output]
        taken = sum(self.sizes[tensor] for tensor in dying)
        return (
            before - taken + max(size, lead + taken if dying and lead < size else size + taken) + _aligned(step.scratch)
        )


def _traced(came: dict[int, tuple[int, int]], finished: int) -> list[int]:
    order: list[int] = []
    while finished:
        finished, place = came[finished]
        order.append(place)
    return order[::-1]
