"""Points of a chamber: where clusters of its views meet."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import inline, kernel, named
from trigger.l1.straw.clusters import CLUSTERS_T, ROOM
from trigger.l1.straw.geometry import (
    CHAMBERS,
    HALF_LENGTH_MM,
    HOLE_MAX_MM,
    HOLE_MIN_MM,
    OUTER_MM,
    VIEWS,
    U,
    V,
    X,
    Y,
)

MAX_POINTS: Final = 5000
"""A chamber with as many is too full; the event is accepted."""

FIT_MM: Final = 6.0
"""Largest distance of a cluster from what the others predict, excluded."""

IN_FOUR: Final = 1
IN_THREE: Final = 2
"""Marks of a cluster that is in a point of four views, or of three."""

ROOT2: Final = np.sqrt(2.0)


class Points(NamedTuple):
    """Points by chamber, those of chamber c from c x MAX_POINTS on.

    x, y: mm, float64. distance: of the cluster from what the other views predict, mm, float64, which
    the refit does not ask for. views: of which it is
    made, int64. n: their number, int64[4].
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    distance: NDArray[np.float64]
    views: NDArray[np.int64]
    n: NDArray[np.int64]


POINTS_T: Final = named(Points)


def make_points(n: int = CHAMBERS * MAX_POINTS) -> Points:
    """Return room for `n` points, by default those of any event."""
    return Points(np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, np.int64), np.zeros(CHAMBERS, np.int64))


@inline
def _add(points: Any, chamber: int, x: float, y: float, distance: float, views: int) -> bool:
    """Append a point; False if there are too many."""
    n = points.n[chamber]
    k = chamber * MAX_POINTS + n
    points.x[k], points.y[k], points.distance[k], points.views[k] = x, y, distance, views
    points.n[chamber] = n + 1
    return n + 1 < MAX_POINTS


@inline
def view_counts(clusters: Any, chamber: int) -> tuple[int, int, int, int]:
    """Return the numbers of clusters of a chamber's views v, u, x, y."""
    w = chamber * VIEWS
    return clusters.n[w], clusters.n[w + 1], clusters.n[w + 2], clusters.n[w + 3]


@inline
def view_firsts(chamber: int) -> tuple[int, int, int, int]:
    """Return where the clusters of a chamber's views v, u, x, y begin."""
    first = chamber * VIEWS * ROOM
    return first + V * ROOM, first + U * ROOM, first + X * ROOM, first + Y * ROOM


@inline
def coordinate(view: int, x: float, y: float) -> float:
    """Return the coordinate that a view measures of a point."""
    if view == V:
        return (x - y) / ROOT2
    if view == U:
        return (x + y) / ROOT2
    return x if view == X else y


@kernel(types.boolean(CLUSTERS_T, types.int64, POINTS_T))
def four_view_points(clusters: Any, chamber: int, points: Any) -> bool:
    """Append every combination of clusters of all views that meet, and mark them IN_FOUR."""
    v0, u0, x0, y0 = view_firsts(chamber)
    nv, nu, nx, ny = view_counts(clusters, chamber)
    for i in range(y0, y0 + ny):
        y = clusters.mm[i]
        for j in range(x0, x0 + nx):
            x = clusters.mm[j]
            for k in range(u0, u0 + nu):
                distance = np.abs(clusters.mm[k] - (x + y) / ROOT2)
                if not distance < FIT_MM:
                    continue
                for m in range(v0, v0 + nv):
                    other = np.abs(clusters.mm[m] - (x - y) / ROOT2)
                    if not other < FIT_MM:
                        continue
                    distance = min(distance, other)
                    if not _add(points, chamber, x, y, distance, 4):
                        return False
                    clusters.mark[i] = clusters.mark[j] = clusters.mark[k] = clusters.mark[m] = IN_FOUR
    return True


@inline
def two_are_free(clusters: Any, i: int, j: int, k: int) -> bool:
    """Whether at least two of three clusters are in no point of four views."""
    mark = clusters.mark
    return int(mark[i] != IN_FOUR) + int(mark[j] != IN_FOUR) + int(mark[k] != IN_FOUR) >= 2


@inline
def _third(
    clusters: Any, points: Any, chamber: int, i: int, j: int, first: int, n: int, predicted: float, where: Any
) -> bool:
    """Append the points of two clusters with those of a third view that fit, and mark them IN_THREE.

    where: (x, y) of the point, NaN for a coordinate that the third view measures.
    """
    for k in range(first, first + n):
        distance = np.abs(clusters.mm[k] - predicted)
        if distance < FIT_MM and two_are_free(clusters, i, j, k):
            x = clusters.mm[k] if np.isnan(where[0]) else where[0]
            y = clusters.mm[k] if np.isnan(where[1]) else where[1]
            if not _add(points, chamber, x, y, distance, 3):
                return False
            clusters.mark[i] = clusters.mark[j] = clusters.mark[k] = IN_THREE
    return True


@kernel(types.boolean(CLUSTERS_T, types.int64, POINTS_T))
def three_view_points(clusters: Any, chamber: int, points: Any) -> bool:
    """Append what meets in three views: first y, x and one of u, v; then v, u and one of x, y."""
    v0, u0, x0, y0 = view_firsts(chamber)
    nv, nu, nx, ny = view_counts(clusters, chamber)
    for i in range(y0, y0 + ny):
        y = clusters.mm[i]
        for j in range(x0, x0 + nx):
            x = clusters.mm[j]
            if not _third(clusters, points, chamber, i, j, u0, nu, (x + y) / ROOT2, (x, y)):
                return False
            if not _third(clusters, points, chamber, i, j, v0, nv, (x - y) / ROOT2, (x, y)):
                return False
    for i in range(v0, v0 + nv):
        v = clusters.mm[i]
        for j in range(u0, u0 + nu):
            u = clusters.mm[j]
            x, y = (v + u) / ROOT2, (u - v) / ROOT2
            if not _third(clusters, points, chamber, i, j, x0, nx, x, (np.nan, y)):
                return False
            if not _third(clusters, points, chamber, i, j, y0, ny, y, (x, np.nan)):
                return False
    return True


@inline
def _covers(chamber: int, view: int, across: float, along: float) -> bool:
    """Whether a view has straws at a coordinate across them, and along."""
    above = HOLE_MAX_MM[chamber, view] < across < OUTER_MM
    below = -OUTER_MM < across < HOLE_MIN_MM[chamber, view]
    return (above or below) and -HALF_LENGTH_MM < along < HALF_LENGTH_MM


@kernel(types.int64(types.int64, types.float64, types.float64))
def views_covering(chamber: int, x: float, y: float) -> int:
    """Return how many views of a chamber have straws at a point."""
    v, u = (x - y) / ROOT2, (x + y) / ROOT2
    return (
        int(_covers(chamber, V, v, u))
        + int(_covers(chamber, U, u, v))
        + int(_covers(chamber, X, x, y))
        + int(_covers(chamber, Y, y, x))
    )


@inline
def crossing(view: int, other: int, a: float, b: float) -> tuple[float, float]:
    """Return (x, y) where coordinate `a` of a view and `b` of a later one cross."""
    if view == X:
        return a, b
    if view == V:
        if other == U:
            return (a + b) / ROOT2, (b - a) / ROOT2
        return (b, b - ROOT2 * a) if other == X else (ROOT2 * a + b, b)
    return (b, ROOT2 * a - b) if other == X else (ROOT2 * a - b, b)


@kernel(types.boolean(CLUSTERS_T, types.int64, POINTS_T))
def two_view_points(clusters: Any, chamber: int, points: Any) -> bool:
    """Append the crossings of clusters that are in no point yet, where no more than their two views have straws."""
    first = chamber * VIEWS
    for view in range(V, Y):
        a0 = (first + view) * ROOM
        for i in range(a0, a0 + clusters.n[first + view]):
            for other in range(view + 1, VIEWS):
                b0 = (first + other) * ROOM
                for j in range(b0, b0 + clusters.n[first + other]):
                    if clusters.mark[i] or clusters.mark[j]:
                        continue
                    x, y = crossing(view, other, clusters.mm[i], clusters.mm[j])
                    if views_covering(chamber, x, y) == 2 and not _add(points, chamber, x, y, 0.0, 2):
                        return False
    return True


@kernel(types.boolean(CLUSTERS_T, POINTS_T))
def make_points_of(clusters: Any, points: Any) -> bool:
    """Make the points of all chambers; False if one of them has too many."""
    for chamber in range(CHAMBERS):
        points.n[chamber] = 0
        if not four_view_points(clusters, chamber, points):
            return False
        if not three_view_points(clusters, chamber, points):
            return False
        if not two_view_points(clusters, chamber, points):
            return False
    return True
