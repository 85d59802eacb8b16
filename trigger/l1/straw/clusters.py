"""Clusters: pairs of hits of neighbouring straws that one track passed."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import inline, kernel, named
from trigger.l1.straw.geometry import (
    CHAMBERS,
    DOWN_OTHER,
    DOWN_SAME,
    MARGIN,
    PLACE_BITS,
    POSITION_MM,
    UP_OTHER,
    UP_SAME,
    VIEWS,
)
from trigger.l1.straw.hits import HITS_T, STRAWS_T

ROOM: Final = 256
"""Clusters of a view. It has 488 straws, each in one cluster at most: the 500 of the experiment are never reached."""

SAME_MM: Final = (8.6, 9.0)
OTHER_MM: Final = (2.9, 5.8)
"""Sum of the radii of a pair in one half-view, and across the two; both limits are excluded."""


class Clusters(NamedTuple):
    """Clusters by view (4 x chamber + view) in the order of their making; those of view w begin at w x ROOM.

    mm: coordinate, float64. excess: of the sum of the radii over the distance of the wires, mm, float64: that of a
    track between the wires grows with its lateness. mark: uint8, see `points`. n: their number, int64[16].
    """

    mm: NDArray[np.float64]
    excess: NDArray[np.float64]
    mark: NDArray[np.uint8]
    n: NDArray[np.int64]


CLUSTERS_T: Final = named(Clusters)


def make_clusters() -> Clusters:
    """Return empty arrays for any event."""
    views = CHAMBERS * VIEWS
    return Clusters(
        np.zeros(views * ROOM),
        np.zeros(views * ROOM),
        np.zeros(views * ROOM, np.uint8),
        np.zeros(views, np.int64),
    )


@inline
def _add(place: int, other: int, radius: float, other_radius: float, clusters: Any) -> None:
    """Append the cluster of two hits: the lower wire's radius counts upwards, the upper one's downwards."""
    at, there = POSITION_MM[place], POSITION_MM[other]
    up = 1.0 if at < there else -1.0
    mm = ((at + up * radius) + (there - up * other_radius)) / 2.0
    view = place - MARGIN >> PLACE_BITS + 2
    n = clusters.n[view]
    clusters.mm[view * ROOM + n] = mm
    clusters.excess[view * ROOM + n] = radius + other_radius - np.abs(there - at)
    clusters.mark[view * ROOM + n] = 0
    clusters.n[view] = n + 1


@inline
def _partner(number: Any, hits: Any, up: int, down: int, after: int, radius: float, limits: Any) -> int:
    """Return the first hit behind `after`, at one of two places, that is unused and fits; -1 without one."""
    best = -1
    for place in (up, down):
        k = number[place] - 1
        if k <= after or (best >= 0 and k > best) or hits.used[k]:
            continue
        if limits[0] < radius + hits.radius[k] < limits[1]:
            best = k
    return best


@kernel(types.void(STRAWS_T, HITS_T, CLUSTERS_T))
def make_pairs(straws: Any, hits: Any, clusters: Any) -> None:
    """Pair the hits; a hit belongs to one pair at most, the first that it finds.

    Half-view 0 first: each hit with a later one 8.8 mm away. Then each of half-view 1: the same, or else the first
    of half-view 0 that is 4.4 mm away. A pair in one half-view uses up the straw between its wires in the other.
    """
    for view in range(CHAMBERS * VIEWS):
        clusters.n[view] = 0
    for j in range(hits.first[4]):
        if hits.used[j]:
            continue
        place, radius = hits.place[j], hits.radius[j]
        plane = place - MARGIN >> PLACE_BITS & 15
        up, down = place + UP_SAME[plane], place + DOWN_SAME[plane]
        k = _partner(straws.number, hits, up, down, j, radius, SAME_MM)
        if k >= 0:
            hits.used[j] = hits.used[k] = 1
            _add(place, hits.place[k], radius, hits.radius[k], clusters)
            step = UP_OTHER[plane] if hits.place[k] == up else DOWN_OTHER[plane]
            between = straws.number[place + step] - 1
            if between >= 0:
                hits.used[between] = 1
        elif j >= hits.first[2]:
            up, down = place + UP_OTHER[plane], place + DOWN_OTHER[plane]
            k = _partner(straws.number, hits, up, down, -1, radius, OTHER_MM)
            if k >= 0:
                hits.used[j] = hits.used[k] = 1
                _add(place, hits.place[k], radius, hits.radius[k], clusters)
