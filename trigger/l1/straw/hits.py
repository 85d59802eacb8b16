"""Hits: one for each straw, from its edges, with the distance of the track from the wire."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import inline, kernel, named
from trigger.l1.straw.geometry import FIRST_BOARD, MARGIN, N_STRAWS, PLACE_BITS, PLACES

MAX_EDGES: Final = 1500
"""An event with as many edges is too large; it is accepted."""

MISSING_NS: Final = np.float32(-100000.0)
"""Time of an edge that is not there."""

GOOD_LEADING_NS: Final = (0.0, 175.0)
GOOD_TRAILING_NS: Final = (55.0, 250.0)
"""Times of the edges of a good hit; all ends are excluded."""

LAST_OF_PLANE: Final = (1 << PLACE_BITS) - 1

CLASSES: Final = 4
"""Kinds of hits in the order of reading: half-view 0 or 1, and in it the first or the second board."""


class Straws(NamedTuple):
    """The straws of an event that have an edge, in the order of their first one.

    place: see `geometry`, int64[n]. leading, trailing: ns since the trigger, float32[n]. late: 1 if its leading edge
    took the place of another, or came behind a trailing one, uint8[n]. number: of each place, one more than its entry
    here, or later in Hits, 0 for none, int16; all 0 between events.
    """

    place: NDArray[np.int64]
    leading: NDArray[np.float32]
    trailing: NDArray[np.float32]
    late: NDArray[np.uint8]
    number: NDArray[np.int16]


class Hits(NamedTuple):
    """Good hits in the order of reading.

    place: see `geometry`, int64[n]. radius: mm, float64[n]. used: uint8[n]. first: int64[5], where each class begins.
    Of the straws, in their own order: good, whether it is kept, uint8[n straws]; all_radius: mm, float64[n straws].
    """

    place: NDArray[np.int64]
    radius: NDArray[np.float64]
    used: NDArray[np.uint8]
    first: NDArray[np.int64]
    good: NDArray[np.uint8]
    all_radius: NDArray[np.float64]


STRAWS_T: Final = named(Straws)
HITS_T: Final = named(Hits)


def make_straws() -> Straws:
    """Return empty arrays for any event."""
    return Straws(
        np.zeros(N_STRAWS, np.int64),
        np.zeros(N_STRAWS, np.float32),
        np.zeros(N_STRAWS, np.float32),
        np.zeros(N_STRAWS, np.uint8),
        np.zeros(PLACES + 2 * MARGIN, np.int16),
    )


def make_hits() -> Hits:
    """Return empty arrays for any event."""
    n = N_STRAWS
    return Hits(
        np.zeros(n, np.int64),
        np.zeros(n),
        np.zeros(n, np.uint8),
        np.zeros(CLASSES + 1, np.int64),
        np.zeros(n, np.uint8),
        np.zeros(n),
    )


@inline
def fits_leading(trailing_ns: float, leading_ns: float) -> bool:
    """Whether a trailing edge can belong to a leading one: the band of the experiment's code."""
    # Not `and`: without branches the loop over the straws runs in vectors.
    return (
        (trailing_ns > GOOD_TRAILING_NS[0])
        & (trailing_ns < GOOD_TRAILING_NS[1])
        & (leading_ns < 1.35 * trailing_ns - 50.0)
        & (leading_ns > 4.8 * trailing_ns - 1150.0)
    )


@inline
def radius_mm(leading_ns: float, late: int) -> float:
    """Return the distance from the wire for a leading time: the relation of the experiment's code.

    Below 1 ns the radius is that of a track on the wire, but of 1 us for an edge that took another one's place.
    """
    t = leading_ns / 1000.0
    if leading_ns < 1.0:
        t = 1.0
    s = t - 0.00807073
    q = 763.831 * s - 58.9754 * s * s
    r = -2.29722 + np.sqrt(np.abs(q)) - 22.5652 * t
    if leading_ns < 1.0 and not late:
        r = 0.0
    return max(r, 0.0)


@inline
def reading_class(place: int) -> int:
    """Return the class of a straw's hit: twice its half-view, one more on the second board."""
    return (place - MARGIN >> PLACE_BITS & 2) + int(place & LAST_OF_PLANE < FIRST_BOARD)


@kernel(types.int64(STRAWS_T, types.int64, HITS_T))
def order_hits(straws: Any, n: int, hits: Any) -> int:
    """Keep the good ones of `n` straws, in the order of reading; return their number.

    A good hit: a leading edge in GOOD_LEADING_NS, and a trailing edge that fits it, or none.
    Lists in the experiment are read board by board, in a board by time; a half-view's first board is the one with
    the straws of high numbers. Only the order within a half-view matters.
    """
    for i in range(n):
        t, end = float(straws.leading[i]), straws.trailing[i]
        fits = (end == MISSING_NS) | fits_leading(float(end), t)
        hits.good[i] = (t > GOOD_LEADING_NS[0]) & (t < GOOD_LEADING_NS[1]) & fits
        hits.all_radius[i] = radius_mm(t, straws.late[i])
    first = hits.first
    for which in range(CLASSES + 1):
        first[which] = 0
    for i in range(n):
        first[reading_class(straws.place[i])] += hits.good[i]
    total = 0
    for which in range(CLASSES + 1):
        total, first[which] = total + first[which], total
    # Filling moves each beginning to its end, which is where the next class begins.
    for i in range(n):
        place = straws.place[i]
        straws.number[place] = 0
        if hits.good[i]:
            which = reading_class(place)
            k = first[which]
            first[which] = k + 1
            hits.place[k] = place
            hits.radius[k] = hits.all_radius[i]
            hits.used[k] = 0
            straws.number[place] = k + 1
    for which in range(CLASSES, 0, -1):
        first[which] = first[which - 1]
    first[0] = 0
    return total


@kernel(types.void(STRAWS_T, HITS_T, types.int64))
def forget_hits(straws: Any, hits: Any, n: int) -> None:
    """Leave the table of places empty for the next event."""
    for k in range(n):
        straws.number[hits.place[k]] = 0
