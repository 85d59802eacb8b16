"""LAV: three hits or more at the low threshold, in stations 2 to 11; used as a veto."""

from __future__ import annotations

from typing import Any, Final

from numba import types

from trigger.jit import inline, kernel
from trigger.l1.window import SPAN, TRAILING, in_window

CHANNELS: Final = 512
"""Of a station: ID = CHANNELS x station + 2 x block + threshold, low thresholds even; stations from 0."""

FIRST_STATION, LAST_STATION = 1, 10
"""Stations 2 to 11; 1 and 12 are not looked at."""


@inline
def low_hits(words: Any, begin: int, end: int, time_lsb: int, half_lsb: float, ids: Any, enough: int) -> int:
    """Return the number of hits of even channels in a range of IDs, or `enough` once there are as many.

    A hit is a trailing edge behind a leading edge of its channel that is in the window.
    """
    n = 0
    for j in range(begin, end):
        trailing = int(words[j]) >> 16
        if not trailing & TRAILING or trailing & 1:
            continue
        identity = trailing & ~TRAILING
        if not ids[0] <= identity < ids[1]:
            continue
        for i in range(begin, j):
            word = int(words[i])
            if word >> 16 == identity and in_window(word, time_lsb, half_lsb):
                n += 1
                break
        if n >= enough:
            break
    return n


_IDS: Final = (FIRST_STATION * CHANNELS, (LAST_STATION + 1) * CHANNELS)


@kernel(types.boolean(*SPAN, types.int64))
def lav(words: Any, begin: int, end: int, time_lsb: int, half_lsb: float, least: int) -> bool:
    """Whether there are at least `least` hits."""
    return low_hits(words, begin, end, time_lsb, half_lsb, _IDS, least) >= least
