"""Hits and clusters for the refit: every edge that may belong to a track in time, and every pair of them that fits.

The experiment's code keeps one leading edge of a straw, the earliest, and one pair of a hit, the first: in pile-up
both are often those of another track. Here a straw can have several hits, a hit several pairs, and a pair must be in
time.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.clock import LSB_NS
from trigger.jit import inline, kernel, named
from trigger.l1.straw.clusters import CLUSTERS_T, ROOM
from trigger.l1.straw.edges import TOO_MANY
from trigger.l1.straw.geometry import (
    CHAMBER_MM,
    CHAMBERS,
    MARGIN,
    N_STRAWS,
    PITCH_MM,
    PLACE_BITS,
    PLACES,
    PLANE_MM,
    PLANES,
    POSITION_MM,
    STRAWS,
    UP_OTHER,
    UP_SAME,
    VIEWS,
    place_in_kernel,
)
from trigger.l1.straw.hits import GOOD_LEADING_NS, MAX_EDGES, fits_leading, radius_mm
from trigger.l1.window import TRAILING, since_lsb

MISSING_NS: Final = -1.0
"""Time of a trailing edge that is not there."""

OTHER_MM: Final = 0.9
SAME_MM: Final = 0.5
"""Largest excess of a pair across the half-views, 4.4 mm apart, and in one, 8.8 mm apart: 5 ns, and the resolution.
In one half-view both tracks are near the ends of their straws, and many pairs would fit by chance."""

SINGLE_MM: Final = 0.8
"""Largest difference of a single hit's radius and the distance of its wire from where a track should be."""

ONE_MM: Final = 1.2
"""Clusters of a view as near to each other are of one track; the one that is more in time stays."""


class Edges(NamedTuple):
    """Leading edges of an event that may be in time.

    place: of the straw, see `geometry`, int64[n]. leading, trailing: ns since the trigger, float64[n]. radius: mm,
    float64[n]. good: uint8[n]. before: the straw's edge before this one, -1 for none, int64[n]. last: of each place,
    one more than the number of its last edge, 0 for none; all 0 between events.
    """

    place: NDArray[np.int64]
    leading: NDArray[np.float64]
    trailing: NDArray[np.float64]
    radius: NDArray[np.float64]
    good: NDArray[np.uint8]
    before: NDArray[np.int64]
    last: NDArray[np.int16]


EDGES_T: Final = named(Edges)


def make_edges() -> Edges:
    """Return empty arrays for any event."""
    n = MAX_EDGES
    return Edges(
        np.zeros(n, np.int64),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n, np.uint8),
        np.zeros(n, np.int64),
        np.zeros(PLACES + 2 * MARGIN, np.int16),
    )


@kernel(types.int64(types.uint32[::1], types.int64, types.int64, types.int64, EDGES_T))
def collect_edges(words: Any, begin: int, end: int, time_lsb: int, edges: Any) -> int:
    """Collect the leading edges of `words[begin:end]` about a trigger time; return their number, or TOO_MANY.

    words: see `edges.pair_edges`. A trailing edge belongs to the last leading one of its straw.
    """
    if end - begin >= MAX_EDGES:
        return TOO_MANY
    n = 0
    for i in range(begin, end):
        word: Any = np.int64(words[i])
        straw = word >> 16 & ~TRAILING
        if straw >= N_STRAWS:
            continue
        t = since_lsb(word, time_lsb) * LSB_NS
        place = place_in_kernel(straw)
        k = edges.last[place] - np.int64(1)
        if word >> 31:
            if k >= 0:
                edges.trailing[k] = t
        elif GOOD_LEADING_NS[0] < t < GOOD_LEADING_NS[1]:
            edges.place[n], edges.leading[n], edges.trailing[n], edges.before[n] = place, t, MISSING_NS, k
            n += 1
            edges.last[place] = n
    for k in range(n):
        t, last = edges.leading[k], edges.trailing[k]
        edges.good[k] = (last == MISSING_NS) | fits_leading(last, t)
        edges.radius[k] = radius_mm(t, 0)
    return n


@inline
def _add(clusters: Any, view: int, mm: float, excess: float) -> None:
    """Append a cluster, or let the better one stay of two that are one."""
    first, n = view * ROOM, clusters.n[view]
    for i in range(first, first + n):
        if np.abs(clusters.mm[i] - mm) < ONE_MM:
            if np.abs(excess) < np.abs(clusters.excess[i]):
                clusters.mm[i], clusters.excess[i] = mm, excess
            return
    if n < ROOM:
        clusters.mm[first + n], clusters.excess[first + n], clusters.mark[first + n] = mm, excess, 0
        clusters.n[view] = n + 1


@kernel(types.void(EDGES_T, types.int64, CLUSTERS_T))
def pair_in_time(edges: Any, n: int, clusters: Any) -> None:
    """Make a cluster of each pair of hits, 4.4 or 8.8 mm apart, whose radii add up to that."""
    for view in range(CHAMBERS * VIEWS):
        clusters.n[view] = 0
    for i in range(n):
        if not edges.good[i]:
            continue
        place, radius = edges.place[i], edges.radius[i]
        plane = place - MARGIN >> PLACE_BITS
        for same in range(2):
            above = place + (UP_SAME[plane & 15] if same else UP_OTHER[plane & 15])
            k = edges.last[above] - 1
            while k >= 0:
                low, high = POSITION_MM[place], POSITION_MM[above]
                excess = radius + edges.radius[k] - (high - low)
                if edges.good[k] and np.abs(excess) < (SAME_MM if same else OTHER_MM):
                    mm = ((low + radius) + (high - edges.radius[k])) / 2.0
                    _add(clusters, plane >> 2, mm, excess)
                k = edges.before[k]


@kernel(types.void(EDGES_T, types.int64))
def forget_edges(edges: Any, n: int) -> None:
    """Leave the table of places empty for the next event."""
    for i in range(n):
        edges.last[edges.place[i]] = 0


@kernel(types.boolean(EDGES_T, types.int64, types.int64, types.float64))
def has_straw_at(edges: Any, chamber: int, view: int, mm: float) -> bool:
    """Whether a straw of a view has a hit whose radius is the distance of its wire from a coordinate."""
    slot = (chamber * VIEWS + view) * PLANES
    for plane in range(PLANES):
        first = PLANE_MM[view, plane] + CHAMBER_MM[chamber, view]
        number = int(np.floor((mm - first) / PITCH_MM + 0.5))
        if not 0 <= number < STRAWS:
            continue
        k = edges.last[MARGIN + (slot + plane << PLACE_BITS) + number] - 1
        distance = np.abs(mm - first - PITCH_MM * number)
        while k >= 0:
            if edges.good[k] and np.abs(distance - edges.radius[k]) < SINGLE_MM:
                return True
            k = edges.before[k]
    return False
