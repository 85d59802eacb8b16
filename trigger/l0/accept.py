"""From fired masks to triggers: the same-tick rule and the downscaling counters."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import inline

NONE: Final = np.uint64(0)
ONE: Final = np.uint64(1)


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
        m = walking[k]
        bit = ONE << np.uint64(m)
        if fired & bit:
            if counter[m] == downscale[m]:
                counter[m] = 0
                after[m] += 1
                flags |= bit
            else:
                counter[m] += 1
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
    n: int, fired: Any, slot: Any, bits: Any, active: Any, sums: Any, downscale: Any, counter: Any, lines: Any,
    walking: Any, passed: Any, flags: Any,
) -> Any:  # fmt: skip
    """Apply the same-tick rule and the downscaling to a frame's entries; return (triggers, entries taken out).

    fired: uint64[n], slot: int32[n], bits: fine-time bits of a slot. lines: int64[3, 17], running sums before and
    after downscaling and lost to the same tick. The numbers of the entries that trigger go to passed[],
    their surviving masks to flags[].
    """
    before, after, same_tick = lines[0], lines[1], lines[2]
    n_walking = settle_counters(active, sums, downscale, counter, before, walking)
    walk = NONE
    for k in range(n_walking):
        walk |= ONE << np.uint64(walking[k])
    triggers = 0
    lost = 0
    i = 0
    while i < n:
        surviving = NONE
        if fired[i] & walk:
            surviving = count_entry(fired[i], walking, n_walking, downscale, counter, after)
        if surviving != NONE:
            passed[triggers] = i
            flags[triggers] = surviving
            triggers += 1
            tick = slot[i] >> bits
            while i + 1 < n and slot[i + 1] >> bits == tick:
                i += 1
                if fired[i] != NONE:
                    take_out(fired[i], walk, active, counter, before, same_tick)
                    lost += 1
        i += 1
    return triggers, lost
