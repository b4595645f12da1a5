"""Order of operators: the one in which the fewest bytes are alive at once, for networks with branches."""

from __future__ import annotations

import heapq

from slipstick.edge.arena.arena_problem import ArenaProblem, _aligned

_STATES = 50_000  # sets of finished operators that are looked at; beyond, the file's order stays


def best_order(problem: ArenaProblem, *, states: int = _STATES) -> ArenaProblem:
    """Return the problem in the order whose greatest live bytes are least, in-place writes not counted.

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
    >>> [step.name for step in best_order(graph).steps]
    ['a', 'c', 'b', 'd', 'e']
    """
    steps = problem.steps
    sizes = [_aligned(tensor.size) for tensor in problem.tensors]
    maker = {step.writes: place for place, step in enumerate(steps)}
    needs = [sum({1 << maker[t] for t in step.reads if t in maker}) for step in steps]
    readers = [0] * len(sizes)
    for place, step in enumerate(steps):
        for tensor in step.reads:
            readers[tensor] |= 1 << place
    whole = (1 << len(steps)) - 1

    def live(finished: int) -> int:
        """Return the bytes that are still needed once a set of operators has run."""
        total = sizes[problem.input] if readers[problem.input] & ~finished else 0
        for place, step in enumerate(steps):
            if finished >> place & 1 and (readers[step.writes] & ~finished or step.writes == problem.output):
                total += sizes[step.writes]
        return total

    best: dict[int, int] = {0: 0}
    came: dict[int, tuple[int, int]] = {}
    queue: list[tuple[int, int, int]] = [(0, 0, 0)]  # peak, minus the number of finished operators, their set
    while queue:
        peak, _, finished = heapq.heappop(queue)
        if finished == whole:
            break
        if peak > best[finished]:
            continue
        if len(best) > states:
            return problem
        before = live(finished)
        for place, step in enumerate(steps):
            if finished >> place & 1 or needs[place] & ~finished:
                continue
            now = max(peak, before + sizes[step.writes] + _aligned(step.scratch))
            then = finished | 1 << place
            if now < best.get(then, now + 1):
                best[then], came[then] = now, (finished, place)
                heapq.heappush(queue, (now, -then.bit_count(), then))
    return problem.reordered(_traced(came, whole))


def _traced(came: dict[int, tuple[int, int]], finished: int) -> list[int]:
    order: list[int] = []
    while finished:
        finished, place = came[finished]
        order.append(place)
    return order[::-1]
