"""From the edges of an event to its straws: one leading and one trailing time each."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from trigger.clock import LSB_NS
from trigger.jit import inline, kernel
from trigger.l1.straw.geometry import N_STRAWS, place_in_kernel
from trigger.l1.straw.hits import MAX_EDGES, MISSING_NS, STRAWS_T
from trigger.l1.window import TRAILING, since_lsb

TOO_MANY: Final = -1

LEADING_NS: Final = (-10.0, 300.0)
TRAILING_NS: Final = (-100.0, 300.0)
"""Times of edges that may take the place of another, both ends excluded."""


@inline
def _take_leading(straws: Any, k: Any, t: Any) -> None:
    """Let a leading edge take the place of a later one, or of none."""
    stored = straws.leading[k]
    if LEADING_NS[0] < t < LEADING_NS[1] and (t < stored or stored <= LEADING_NS[0]):
        straws.leading[k], straws.late[k] = t, 1


@inline
def _take_trailing(straws: Any, k: Any, t: Any) -> None:
    """Let a trailing edge take the place of an earlier one, or of none."""
    stored = straws.trailing[k]
    if TRAILING_NS[0] < t < TRAILING_NS[1] and (t > stored or stored < TRAILING_NS[0]):
        straws.trailing[k] = t


@kernel(types.int64(types.uint32[::1], types.int64, types.int64, types.int64, STRAWS_T))
def pair_edges(words: Any, begin: int, end: int, time_lsb: int, straws: Any) -> int:
    """Pair the edges `words[begin:end]` around a trigger time; return the number of straws, or TOO_MANY.

    words: `(id << 16) | time16`, in order of time, within 2^15 LSB of the trigger. The first edge of a straw is kept
    whenever it came. An ID that no straw has is left out.
    """
    if end - begin >= MAX_EDGES:
        return TOO_MANY
    n = 0
    for i in range(begin, end):
        word: Any = np.int64(words[i])
        straw = word >> 16 & ~TRAILING
        if straw >= N_STRAWS:
            continue
        t = np.float32(since_lsb(word, time_lsb) * LSB_NS)
        place = place_in_kernel(straw)
        k = np.int64(straws.number[place]) - 1
        trailing = word >> 31
        if k < 0:
            straws.place[n] = place
            straws.leading[n] = MISSING_NS if trailing else t
            straws.trailing[n] = t if trailing else MISSING_NS
            straws.late[n] = 0
            n += 1
            straws.number[place] = n
        elif trailing:
            _take_trailing(straws, k, t)
        else:
            _take_leading(straws, k, t)
    return n
