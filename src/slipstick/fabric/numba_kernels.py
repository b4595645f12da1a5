"""numba kernels of the network simulators: an event heap, max-min fair shares, first-come-first-served links."""

from __future__ import annotations

import numpy as np
from numba import njit

from slipstick.core.arrays import BoolArray, FloatArray, IntArray

_BEGIN, _END = 0, 1  # kinds of events of a task, whose number in the heap is 2 * task + kind
_SAME = 1e-12  # flows that end within this share of the time end together


@njit(cache=True)
def _push(times: FloatArray, ids: IntArray, size: int, time: float, name: int) -> int:
    """Put an event into the heap; of equal times the lower number comes first."""
    place = size
    while place:
        parent = (place - 1) // 2
        if times[parent] < time or (times[parent] == time and ids[parent] <= name):
            break
        times[place], ids[place] = times[parent], ids[parent]
        place = parent
    times[place], ids[place] = time, name
    return size + 1


@njit(cache=True)
def _pop(times: FloatArray, ids: IntArray, size: int) -> int:
    """Take the first event out of the heap."""
    size -= 1
    time, name = times[size], ids[size]
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        right = child + 1
        if right < size and (times[right] < times[child] or (times[right] == times[child] and ids[right] < ids[child])):
            child = right
        if time < times[child] or (time == times[child] and name <= ids[child]):
            break
        times[place], ids[place] = times[child], ids[child]
        place = child
    times[place], ids[place] = time, name
    return size


@njit(cache=True)
def _release(
    task: int, at: float, stride: int, waits: IntArray, next_starts: IntArray, following: IntArray, delay: FloatArray,
    times: FloatArray, ids: IntArray, heap: int,
) -> int:  # fmt: skip
    """Count the end of a task (at `at`) for its successors; put those that wait for no more tasks into the heap."""
    for place in range(next_starts[task], next_starts[task + 1]):
        other = following[place]
        waits[other] -= 1
        if waits[other] == 0:
            heap = _push(times, ids, heap, at + delay[other], stride * other)
    return heap


@njit(cache=True)
def _store_and_forward(
    size: FloatArray, seconds: FloatArray, delay: FloatArray, tail: FloatArray, starts: IntArray, links: IntArray,
    waits: IntArray, next_starts: IntArray, following: IntArray, bandwidth: FloatArray, latency: FloatArray,
    begin: FloatArray, end: FloatArray, busy: FloatArray,
) -> int:  # fmt: skip
    """Send every task's bytes hop by hop, each link serving whole messages in the order of their arrival.

    `tail` [s] is added by the receiver, latencies excluded. Writes begin, end [s] and busy [s]; returns the number of
    tasks that have ended.
    """
    tasks = len(size)
    hop = np.zeros(tasks, np.int64)
    free = np.zeros(len(bandwidth))
    times, ids = np.empty(tasks + 1), np.empty(tasks + 1, np.int64)
    heap, ended = 0, 0
    for task in range(tasks):
        begin[task] = 0.0
        if waits[task] == 0:
            heap = _push(times, ids, heap, delay[task], task)
    while heap:
        now, task = times[0], ids[0]
        heap = _pop(times, ids, heap)
        first, last = starts[task], starts[task + 1]
        if first + hop[task] < last:
            if hop[task] == 0:
                begin[task] = now
            link = links[first + hop[task]]
            leaves = max(now, free[link])
            took = size[task] / bandwidth[link]
            free[link] = leaves + took
            busy[link] += took
            hop[task] += 1
            after = tail[task] if first + hop[task] == last else 0.0
            heap = _push(times, ids, heap, leaves + took + latency[link] + after, task)
            continue
        if first == last and hop[task] == 0:
            hop[task] = 1
            begin[task] = now
            heap = _push(times, ids, heap, now + seconds[task], task)
            continue
        end[task] = now
        ended += 1
        heap = _release(task, now, 1, waits, next_starts, following, delay, times, ids, heap)
    return ended


@njit(cache=True)
def _fill(
    active: IntArray, count: int, rank: IntArray, levels: int, starts: IntArray, links: IntArray, weight: FloatArray,
    bandwidth: FloatArray, rate: FloatArray, left: FloatArray, load: FloatArray, frozen: BoolArray, touched: IntArray,
) -> None:  # fmt: skip
    """Set the rate of every active flow by progressive filling, priority level by priority level."""
    used = 0
    for place in range(count):
        for entry in range(starts[active[place]], starts[active[place] + 1]):
            link = links[entry]
            if left[link] < 0:
                left[link] = bandwidth[link]
                touched[used] = link
                used += 1
    for level in range(levels):
        open_flows = 0
        for place in range(count):
            flow = active[place]
            if rank[flow] == level:
                frozen[flow] = False
                open_flows += 1
                for entry in range(starts[flow], starts[flow + 1]):
                    load[links[entry]] += weight[entry]
        while open_flows:
            share = np.inf
            for place in range(used):
                link = touched[place]
                if load[link] > _SAME:
                    share = min(share, max(left[link], 0.0) / load[link])
            limit = share * (1 + _SAME)
            # the links are judged before any flow is frozen, so that equal flows stop together
            for place in range(count):
                flow = active[place]
                if rank[flow] != level or frozen[flow]:
                    continue
                for entry in range(starts[flow], starts[flow + 1]):
                    link = links[entry]
                    if max(left[link], 0.0) <= limit * load[link]:
                        rate[flow] = share
                        frozen[flow] = True
                        break
            for place in range(count):
                flow = active[place]
                if rank[flow] == level and frozen[flow] and rate[flow] >= 0:
                    for entry in range(starts[flow], starts[flow + 1]):
                        link = links[entry]
                        left[link] -= share * weight[entry]
                        load[link] -= weight[entry]
                    rate[flow] = -1 - rate[flow]  # taken into account
                    open_flows -= 1
        for place in range(count):
            flow = active[place]
            if rank[flow] == level:
                rate[flow] = -1 - rate[flow]
    for place in range(used):
        left[touched[place]] = -1.0
        load[touched[place]] = 0.0


@njit(cache=True)
def _first_end(active: IntArray, count: int, remaining: FloatArray, rate: FloatArray) -> float:
    """Return the seconds until the first of the active flows ends at the present rates."""
    first = np.inf
    for place in range(count):
        flow = active[place]
        if rate[flow] > 0:
            first = min(first, remaining[flow] / rate[flow])
    return first


@njit(cache=True)
def _advance(
    active: IntArray, count: int, now: float, until: float, size: FloatArray, remaining: FloatArray,
    rate: FloatArray, starts: IntArray, links: IntArray, weight: FloatArray, bandwidth: FloatArray, busy: FloatArray,
) -> int:  # fmt: skip
    """Advance the active flows from `now` to `until` [s]; return the number that ended, moved behind the others."""
    elapsed = until - now
    place, going = 0, count
    while place < going:
        flow = active[place]
        sent = rate[flow] * elapsed
        remaining[flow] -= sent
        # less than the clock can tell at this time is nothing: else small flows late in a run never end
        over = remaining[flow] <= max(size[flow], rate[flow] * until) * _SAME
        if over:
            sent += remaining[flow]  # the remainder that the clock cannot tell was sent too
        for entry in range(starts[flow], starts[flow + 1]):
            busy[links[entry]] += weight[entry] * sent / bandwidth[links[entry]]
        if over:
            going -= 1
            active[place], active[going] = active[going], flow
        else:
            place += 1
    return count - going


@njit(cache=True)
def _begin_fixed(
    task: int, at: float, seconds: FloatArray, tail: FloatArray, lane: IntArray, occupied: BoolArray, begin: FloatArray,
    times: FloatArray, ids: IntArray, heap: int,
) -> int:  # fmt: skip
    """Begin a fixed time at `at` [s]: occupy its lane, if it has one, and put its end into the heap."""
    if lane[task] >= 0:
        occupied[lane[task]] = True
    begin[task] = at
    return int(_push(times, ids, heap, at + seconds[task] + tail[task], 2 * task + _END))


@njit(cache=True)
def _take_from_queue(free: int, queue: IntArray, queued: int, lane: IntArray, rank: IntArray) -> int:
    """Remove the most urgent task of a lane from the queue (the lowest number among equals); return it, or -1."""
    most_urgent = -1
    for place in range(queued):
        task = queue[place]
        if lane[task] == free and (
            most_urgent < 0
            or rank[task] < rank[queue[most_urgent]]
            or (rank[task] == rank[queue[most_urgent]] and task < queue[most_urgent])
        ):
            most_urgent = place
    if most_urgent < 0:
        return -1
    task = queue[most_urgent]
    queue[most_urgent] = queue[queued - 1]
    return int(task)


@njit(cache=True)
def _fair_flows(
    size: FloatArray, seconds: FloatArray, lane: IntArray, rank: IntArray, levels: int, delay: FloatArray,
    tail: FloatArray, starts: IntArray, links: IntArray, weight: FloatArray, waits: IntArray, next_starts: IntArray,
    following: IntArray, bandwidth: FloatArray, lanes: int, begin: FloatArray, end: FloatArray, busy: FloatArray,
) -> int:  # fmt: skip
    """Simulate flows that share links max-min fairly, by priority level; fixed-time tasks take turns in their lanes.

    A flow's bytes pass all its links at once (cut-through): it takes size / rate and is delivered `tail` [s] later.
    Writes begin, end [s] and busy [s]; returns the number of tasks that have ended.
    """
    tasks = len(size)
    times, ids = np.empty(2 * tasks + 1), np.empty(2 * tasks + 1, np.int64)
    active, count = np.empty(tasks, np.int64), 0
    remaining, rate = size.copy(), np.zeros(tasks)
    left, load = np.full(len(bandwidth), -1.0), np.zeros(len(bandwidth))
    frozen, touched = np.zeros(tasks, np.bool_), np.empty(len(bandwidth), np.int64)
    occupied, queue, queued = np.zeros(lanes, np.bool_), np.empty(tasks, np.int64), 0
    heap, tasks_ended, now, stale = 0, 0, 0.0, False
    for task in range(tasks):
        if waits[task] == 0:
            heap = _push(times, ids, heap, delay[task], 2 * task + _BEGIN)
    while heap or count:
        if stale:
            _fill(active, count, rank, levels, starts, links, weight, bandwidth, rate, left, load, frozen, touched)
            stale = False
        event = times[0] if heap else np.inf
        until = min(event, now + _first_end(active, count, remaining, rate))
        if until == np.inf:
            break
        ended = _advance(active, count, now, until, size, remaining, rate, starts, links, weight, bandwidth, busy)
        for place in range(count - ended, count):
            heap = _push(times, ids, heap, until + tail[active[place]], 2 * active[place] + _END)
        count -= ended
        stale, now = stale or ended > 0, until
        while heap and times[0] <= now * (1 + _SAME):
            at, name = times[0], ids[0]
            heap = _pop(times, ids, heap)
            task, kind = name // 2, name % 2
            if kind == _BEGIN:
                if starts[task + 1] > starts[task] and size[task] > 0:
                    begin[task] = at
                    active[count] = task
                    count += 1
                    stale = True
                elif lane[task] >= 0 and occupied[lane[task]]:
                    queue[queued] = task
                    queued += 1
                else:
                    heap = _begin_fixed(task, at, seconds, tail, lane, occupied, begin, times, ids, heap)
                continue
            end[task] = at
            tasks_ended += 1
            if lane[task] >= 0:
                other = _take_from_queue(lane[task], queue, queued, lane, rank)
                occupied[lane[task]] = False
                if other >= 0:
                    queued -= 1
                    heap = _begin_fixed(other, at, seconds, tail, lane, occupied, begin, times, ids, heap)
            heap = _release(task, at, 2, waits, next_starts, following, delay, times, ids, heap)
    return tasks_ended
