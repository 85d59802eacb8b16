"""From fired masks to triggers: the same-tick rule and the downscaling counters."""

from __future__ import annotations

from typing import Any

import numpy as np

from trigger.jit import inline
from trigger.l0.coincidence import NONE, ONE


@inline
def settle_counters(active: Any, sums: Any, downscale: Any, counter: Any, before: Any, walking: Any) -> int:
    """Count a frame's firings; list the masks whose counter may reach its downscaling in it, return how many.

    The others cannot trigger in this frame whatever else happens, so their counters are final (but for
    entries that the same-tick rule takes out) and the walk over the entries need not look at them.
    """
    n = 0
    for k in range(len(active)):
        m = active[k]
        before[m] += sums[m]
        if counter[m] + sums[m] > downscale[m]:
            walking[n] = m
            n += 1
        else:
            counter[m] += sums[m]
    return n


@inline
def count_entry(fired: Any, walking: Any, n: int, downscale: Any, counter: Any, after: Any) -> Any:
    """Advance the counters of the fired masks among `walking`; return those that survive: each (D+1)th does."""
    flags = NONE
    for k in range(n):
        m = np.uint64(walking[k])
        hit = np.int64((fired >> m) & ONE)
        over = hit * np.int64(counter[m] == downscale[m])
        counter[m] = (counter[m] + hit) * (1 - over)
        after[m] += over
        flags |= np.uint64(over) << m
    return flags


@inline
def take_out(fired: Any, walk: Any, active: Any, counter: Any, before: Any, same_tick: Any) -> None:
    """Undo the count of an entry in the tick of a trigger: the processor does not look at it."""
    for k in range(len(active)):
        m = active[k]
        bit = ONE << np.uint64(m)
        if fired & bit:
            before[m] -= 1
            same_tick[m] += 1
            if not walk & bit:
                counter[m] -= 1


@inline
def accept_entries(
    n: int, fired: Any, slot: Any, bits: Any, active: Any, sums: Any, downscale: Any, counter: Any,
    before: Any, after: Any, same_tick: Any,
    walking: Any, passed: Any, flags: Any,
) -> Any:  # fmt: skip
    """Apply the same-tick rule and the downscaling to a frame's entries; return (triggers, entries taken out).

    fired: uint64[n], emptied where an entry is taken out. slot: int32[n]; bits: its fine-time bits. sums: firings of
    each mask in this frame. before, after, same_tick: int64[17], running sums of firings before and after downscaling
    and lost to the same tick. The numbers of the entries that trigger go to passed[], their surviving masks to
    flags[].
    """
    n_walking = settle_counters(active, sums, downscale, counter, before, walking)
    walk = NONE
    for k in range(n_walking):
        walk |= ONE << np.uint64(walking[k])
    # The candidates first, without a branch that cannot be predicted; `passed` has room for both.
    candidates = 0
    for i in range(n):
        passed[candidates] = i
        candidates += (fired[i] & walk) != NONE
    triggers = 0
    lost = 0
    for k in range(candidates):
        i = passed[k]
        surviving = count_entry(fired[i], walking, n_walking, downscale, counter, after)
        if surviving == NONE:
            continue
        passed[triggers] = i
        flags[triggers] = surviving
        triggers += 1
        tick = slot[i] >> bits
        i += 1
        while i < n and slot[i] >> bits == tick:
            if fired[i] != NONE:
                take_out(fired[i], walk, active, counter, before, same_tick)
                fired[i] = NONE
                lost += 1
            i += 1
    return triggers, lost
