"""Points for the refit: where clusters of a chamber's views meet, at the place that suits all of them best."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from trigger.jit import inline, kernel
from trigger.l1.straw.clusters import CLUSTERS_T, ROOM
from trigger.l1.straw.geometry import CHAMBERS, VIEWS, V, Y
from trigger.l1.straw.in_time import EDGES_T, has_straw_at
from trigger.l1.straw.points import (
    IN_FOUR,
    IN_THREE,
    MAX_POINTS,
    POINTS_T,
    ROOT2,
    coordinate,
    crossing,
    two_are_free,
    view_counts,
    view_firsts,
    views_covering,
)

FIT_MM: Final = 4.0
"""Largest distance of a cluster from what the others predict; that of a good track is below 1.5 mm."""

MOST: Final = 200
"""Points of a chamber; with as many, the event is accepted."""

LATE_MM: Final = 0.9
"""Largest mean excess of a point's clusters: 10 ns too early or too late, and the resolution."""


@inline
def _add(points: Any, excesses: Any, chamber: int, x: float, y: float, excess: float, views: int) -> bool:
    """Append a point, unless it is out of time; False if there is no room."""
    if np.abs(excess) > LATE_MM * views:
        return True
    n = points.n[chamber]
    if n >= MOST:
        return False
    k = chamber * MAX_POINTS + n
    points.x[k], points.y[k], points.views[k], excesses[k] = x, y, views, excess
    points.n[chamber] = n + 1
    return True


@inline
def _excess(clusters: Any, i: int, j: int) -> float:
    return clusters.excess[i] + clusters.excess[j]


@inline
def _four(clusters: Any, chamber: int, points: Any, excesses: Any) -> bool:
    """Append points of four views: the least squares of x, y, (x + y)/sqrt2 and (x - y)/sqrt2 to the clusters."""
    v0, u0, x0, y0 = view_firsts(chamber)
    nv, nu, nx, ny = view_counts(clusters, chamber)
    for i in range(y0, y0 + ny):
        y = clusters.mm[i]
        for j in range(x0, x0 + nx):
            x = clusters.mm[j]
            for k in range(u0, u0 + nu):
                du = clusters.mm[k] - (x + y) / ROOT2
                if not np.abs(du) < FIT_MM:
                    continue
                for m in range(v0, v0 + nv):
                    dv = clusters.mm[m] - (x - y) / ROOT2
                    if not np.abs(dv) < FIT_MM:
                        continue
                    at_x, at_y = x + (du + dv) / (2.0 * ROOT2), y + (du - dv) / (2.0 * ROOT2)
                    excess = _excess(clusters, i, j) + _excess(clusters, k, m)
                    if not _add(points, excesses, chamber, at_x, at_y, excess, 4):
                        return False
                    clusters.mark[i] = clusters.mark[j] = clusters.mark[k] = clusters.mark[m] = IN_FOUR
    return True


@inline
def _mark(clusters: Any, i: int) -> None:
    """Note that a cluster is in a point of three views, if it is in none of four."""
    if clusters.mark[i] == 0:
        clusters.mark[i] = IN_THREE


@inline
def _add_three(
    clusters: Any,
    points: Any,
    excesses: Any,
    chamber: int,
    i: int,
    j: int,
    k: int,
    x: float,
    y: float,
    d: float,
) -> bool:
    """Append the point of three clusters, `d` from meeting, if it is one."""
    if not (np.abs(d) < FIT_MM and two_are_free(clusters, i, j, k)):
        return True
    _mark(clusters, i)
    _mark(clusters, j)
    _mark(clusters, k)
    return _add(points, excesses, chamber, x, y, _excess(clusters, i, j) + clusters.excess[k], 3)


@inline
def _three(clusters: Any, chamber: int, points: Any, excesses: Any) -> bool:
    """Append points of three views: x, y and a slanted one, or both slanted ones and x or y.

    The cluster of the third view pulls the crossing of the other two half of the way, by least squares.
    """
    v0, u0, x0, y0 = view_firsts(chamber)
    nv, nu, nx, ny = view_counts(clusters, chamber)
    for i in range(y0, y0 + ny):
        y = clusters.mm[i]
        for j in range(x0, x0 + nx):
            x = clusters.mm[j]
            for k in range(u0, u0 + nu):
                d = clusters.mm[k] - (x + y) / ROOT2
                pull = d / (2.0 * ROOT2)
                if not _add_three(clusters, points, excesses, chamber, i, j, k, x + pull, y + pull, d):
                    return False
            for k in range(v0, v0 + nv):
                d = clusters.mm[k] - (x - y) / ROOT2
                pull = d / (2.0 * ROOT2)
                if not _add_three(clusters, points, excesses, chamber, i, j, k, x + pull, y - pull, d):
                    return False
    for i in range(v0, v0 + nv):
        v = clusters.mm[i]
        for j in range(u0, u0 + nu):
            u = clusters.mm[j]
            x, y = (v + u) / ROOT2, (u - v) / ROOT2
            for k in range(x0, x0 + nx):
                d = clusters.mm[k] - x
                if not _add_three(clusters, points, excesses, chamber, i, j, k, x + d / 2.0, y, d):
                    return False
            for k in range(y0, y0 + ny):
                d = clusters.mm[k] - y
                if not _add_three(clusters, points, excesses, chamber, i, j, k, x, y + d / 2.0, d):
                    return False
    return True


@inline
def _other_views(edges: Any, chamber: int, view: int, other: int, x: float, y: float) -> int:
    """Return how many of the views other than two have a straw with a hit that fits to a point."""
    n = 0
    for third in range(VIEWS):
        if third not in (view, other):
            n += int(has_straw_at(edges, chamber, third, coordinate(third, x, y)))
    return n


@inline
def _two(edges: Any, clusters: Any, chamber: int, points: Any, excesses: Any) -> bool:
    """Append crossings of two views, of clusters that are in no point yet: where no others have straws, or where
    another one has a straw that fits (its partner, without which it is no cluster, has no hit)."""
    first = chamber * VIEWS
    for view in range(V, Y):
        a0 = (first + view) * ROOM
        for i in range(a0, a0 + clusters.n[first + view]):
            if clusters.mark[i]:
                continue
            for other in range(view + 1, VIEWS):
                b0 = (first + other) * ROOM
                for j in range(b0, b0 + clusters.n[first + other]):
                    if clusters.mark[j]:
                        continue
                    x, y = crossing(view, other, clusters.mm[i], clusters.mm[j])
                    covering = views_covering(chamber, x, y)
                    more = _other_views(edges, chamber, view, other, x, y) if covering > 2 else 0
                    if covering != 2 and more == 0:
                        continue
                    # A single hit says nothing of the time: it is taken to be as late as the clusters.
                    views = 2 + more
                    excess = _excess(clusters, i, j) * views / 2.0
                    if not _add(points, excesses, chamber, x, y, excess, views):
                        return False
    return True


@kernel(types.boolean(EDGES_T, CLUSTERS_T, POINTS_T, types.float64[::1]))
def make_crossings(edges: Any, clusters: Any, points: Any, excesses: Any) -> bool:
    """Make the points of all chambers; False if one of them has too many. excesses: sum of those of each point's
    views, mm."""
    for chamber in range(CHAMBERS):
        points.n[chamber] = 0
        if not _four(clusters, chamber, points, excesses):
            return False
        free = 0
        for view in range(chamber * VIEWS, (chamber + 1) * VIEWS):
            for i in range(view * ROOM, view * ROOM + clusters.n[view]):
                free += int(clusters.mark[i] == 0)
        # Two clusters at least must be left over for any other point.
        if free >= 2 and not (
            _three(clusters, chamber, points, excesses) and _two(edges, clusters, chamber, points, excesses)
        ):
            return False
    return True
