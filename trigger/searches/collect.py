"""From the observables of all searches to a list of what they take."""

from __future__ import annotations

from typing import Any

from numba import types

from trigger.jit import inline, kernel


@inline
def _event_at(events: Any, at: int) -> int:
    """Return the event of a candidate; behind the last one more than any."""
    return int(events[at]) if at < len(events) else 1 << 40


@kernel(
    types.int64(
        types.int32[::1],
        types.int32[::1],
        types.int32[::1],
        types.float64[:, ::1],
        types.int64[::1],
        types.int64[::1],
        types.int64[::1],
        types.int32[::1],
        types.uint8[::1],
        types.float32[::1],
    )
)
def collect(
    one: Any,
    three: Any,
    five: Any,
    observables: Any,
    first: Any,
    numbers: Any,
    rows: Any,
    event: Any,
    search: Any,
    value: Any,
) -> int:
    """Write what is taken, in the order of events and, in an event, of searches; return how many there are.

    one, three, five: int32, events of the candidates of each kind, in order. observables: float64[rows, candidates
    of the kind], NaN where nothing is taken. first: int64[4], the searches of kind k are those from first[k] to
    first[k + 1] of numbers (int64, places in the catalogue, rising) and rows (int64, of their observables).
    """
    a = b = c = n = 0
    while a < len(one) or b < len(three) or c < len(five):
        e1, e3, e5 = _event_at(one, a), _event_at(three, b), _event_at(five, c)
        if e1 <= e3 and e1 <= e5:
            e, at, kind = e1, a, 0
            a += 1
        elif e3 <= e5:
            e, at, kind = e3, b, 1
            b += 1
        else:
            e, at, kind = e5, c, 2
            c += 1
        for i in range(first[kind], first[kind + 1]):
            observable = observables[rows[i], at]
            if observable == observable:
                event[n], search[n], value[n] = e, numbers[i], observable
                n += 1
    return n
