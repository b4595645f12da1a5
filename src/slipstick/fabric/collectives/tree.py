"""Binary trees: broadcast, reduce, and the double binary tree all-reduce."""

from __future__ import annotations

from slipstick.fabric.messages import CollectiveSchedule, ScheduleBuilder, _ScheduleWriter

_PIECES = 8  # a count of the algorithm, our own choice: pieces of each tree's half, sent one after the other


def _broadcast(ranks: int, root: int = 0, pieces: int = 1) -> CollectiveSchedule:
    """Return the messages of a pipelined broadcast down a binary tree.

    Examples
    --------
    >>> _broadcast(5).received.tolist()
    [0, 1, 1, 1, 1]
    """
    writer = _ScheduleWriter()
    _down(writer, _relabelled(ranks, root), range(pieces), {})
    return writer.finish("broadcast", "tree", ranks, pieces, root)


def _reduce(ranks: int, root: int = 0, pieces: int = 1) -> CollectiveSchedule:
    """Return the messages of a pipelined reduction up a binary tree."""
    writer = _ScheduleWriter()
    _up(writer, _relabelled(ranks, root), range(pieces))
    return writer.finish("reduce", "tree", ranks, pieces, root)


def _all_reduce(ranks: int, pieces: int = _PIECES) -> CollectiveSchedule:
    """Return the messages of a double binary tree all-reduce: half the data per tree, a rank is inner in one at most.

    The second tree is the first one mirrored (even counts) or shifted by one (odd). Source: Sanders et al., Parallel
    Computing 35(12) 2009, section 3.
    """
    first = _in_order(ranks)
    second = {ranks - 1 - child: ranks - 1 - parent for child, parent in first.items()}
    if ranks % 2:
        second = {(child + 1) % ranks: (parent + 1) % ranks for child, parent in first.items()}
    writer = _ScheduleWriter()
    for half, parents in enumerate((first, second)):
        mine = range(half * pieces, (half + 1) * pieces)
        _down(writer, parents, mine, _up(writer, parents, mine))
    return writer.finish("all_reduce", "double_tree", ranks, 2 * pieces)


def _relabelled(ranks: int, root: int) -> dict[int, int]:
    """Return the parent of each rank in the complete binary tree whose numbering starts at `root`."""
    return {(node + root) % ranks: ((node - 1) // 2 + root) % ranks for node in range(1, ranks)}


def _in_order(ranks: int) -> dict[int, int]:
    """Return the parents in a binary tree whose in-order walk is 0, 1, 2, ...: even ranks are leaves."""
    parents: dict[int, int] = {}

    def build(low: int, high: int, parent: int | None) -> None:
        if low >= high:
            return
        half = 1
        while 2 * half < high - low + 1:
            half *= 2
        node = min(low + half - 1, high - 1)
        if parent is not None:
            parents[node] = parent
        build(low, node, node)
        build(node + 1, high, node)

    build(0, ranks, None)
    return parents


def _children(parents: dict[int, int]) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    return children


def _from_root(parents: dict[int, int]) -> list[int]:
    """Return the ranks in an order in which each follows its parent."""
    children = _children(parents)
    walk = [rank for rank in children if rank not in parents]
    for rank in walk:
        walk.extend(children.get(rank, ()))
    return walk


def _up(writer: _ScheduleWriter, parents: dict[int, int], pieces: range) -> dict[tuple[int, int], list[int]]:
    """Write the messages of the reduction; return the ones that bring each (root, piece) its final sums."""
    arrived: dict[tuple[int, int], list[int]] = {}
    left: dict[int, int] = {}  # the piece before follows the same way: one after the other, not all at once
    for piece in pieces:
        for rank in reversed(_from_root(parents)):
            if rank in parents:
                sent = int(writer.add(rank, parents[rank], piece, reduces=True)[0])
                writer.order([*arrived.get((rank, piece), ()), left.get(rank, -1)], sent)
                arrived.setdefault((parents[rank], piece), []).append(sent)
                left[rank] = sent
    return arrived


def _down(
    writer: _ScheduleWriter, parents: dict[int, int], pieces: range, ready: dict[tuple[int, int], list[int]]
) -> None:
    children = _children(parents)
    order = _from_root(parents)
    left: dict[int, int] = {}
    for piece in pieces:
        got = {order[0]: ready.get((order[0], piece), [])} if order else {}
        for rank in order:
            for child in children.get(rank, ()):
                sent = int(writer.add(rank, child, piece)[0])
                writer.order([*got[rank], left.get(child, -1)], sent)
                got[child], left[child] = [sent], sent


SCHEDULES: dict[str, ScheduleBuilder] = {
    "broadcast": _broadcast,
    "reduce": _reduce,
    "all_reduce": _all_reduce,
}
