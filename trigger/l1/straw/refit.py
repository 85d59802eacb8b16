"""The refit: a search for tracks over points, with a line fitted in y and no table.

Made for ktrig, as its hits and clusters are (`in_time`). A candidate has a point in each chamber, or in three of them
and a trace in the fourth. Its points lie on a line in y, and its two lines in x meet at the magnet. Of candidates
that share points the best one stays, so there are no clones to average.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import inline, kernel, named, some
from trigger.l1.straw.clusters import ROOM, Clusters, make_clusters
from trigger.l1.straw.crossings import make_crossings
from trigger.l1.straw.edges import TOO_MANY
from trigger.l1.straw.geometry import CHAMBERS, VIEWS, ZETA_MM
from trigger.l1.straw.in_time import Edges, collect_edges, forget_edges, make_edges, pair_in_time
from trigger.l1.straw.points import MAX_POINTS, Points, coordinate, make_points, views_covering
from trigger.l1.straw.tracks import (
    P_MAX_MEV,
    P_MIN_MEV,
    SLOPE_MAX,
    Tracks,
    bent,
    find_vertex,
    make_tracks,
)
from trigger.l1.straw.verdict import ALL, CUTS_T, verdict_of

LATE_MM: Final = 0.45
"""Largest mean excess of a track's clusters: 5 ns, ten standard deviations. It takes 0.088 mm a ns."""

ROAD_MM: Final = 6.0
"""Distance in y of an inner point from the line of the outer ones, of any track."""

MISFIT_MM: Final = 1.2
MISFIT_MM_GEV: Final = 12.0
"""Root of the sum of squared residuals in y, of a track of momentum p: at most MISFIT_MM + MISFIT_MM_GEV / p, four
standard deviations of the resolution and of scattering."""

GAP_MIN_MM: Final = -13.0
GAP_MAX_MM: Final = 5.0
"""Where the line in x behind the magnet may be, from that in front of it: the range of the experiment's code, and the
resolution."""

SLOPE_LEAST: Final = -0.040
"""No track that can be measured has a smaller slope."""

TRACE_MM: Final = 12.0
TRACE_VIEWS: Final = 2
"""A chamber without a point has a trace if all but so many of its views that have straws there have a cluster as near
to the track."""

CLONE_MM: Final = 8.0
"""Points of a chamber that are as near, in x and in y, count as shared."""

VIEW_MM: Final = 10.0
GAP_WEIGHT: Final = 0.1
"""Score of a candidate: what a view more is worth, above the largest misfit with the largest gap (6.5 mm at 3 GeV/c);
and how much of the gap in x at the magnet, far less sharp than the misfit in y, counts as misfit."""

MAX_CANDIDATES: Final = 500
MAX_TRACKS: Final = 64

_Z0, _Z1, _Z2, _Z3 = ZETA_MM
_ZETA: Final = np.array(ZETA_MM)


class Refit(NamedTuple):
    """Scratch of the refit; it holds nothing between events. excess: of each point, float64. score: of each
    candidate, float64."""

    edges: Edges
    clusters: Clusters
    points: Points
    excess: NDArray[np.float64]
    candidates: Tracks
    score: NDArray[np.float64]
    final: Tracks


REFIT_T: Final = named(Refit)


def make_refit() -> Refit:
    """Return empty scratch."""
    return Refit(
        make_edges(),
        make_clusters(),
        make_points(),
        np.zeros(CHAMBERS * MAX_POINTS),
        make_tracks(MAX_CANDIDATES),
        np.zeros(MAX_CANDIDATES),
        make_tracks(MAX_TRACKS),
    )


@inline
def _keep(tracks: Any, t: int, misfit: float, excess: float) -> bool:
    """Whether a track bends as one should, is in time, and as straight in y as its momentum lets it be."""
    return (
        np.abs(excess) < LATE_MM
        and misfit < MISFIT_MM + MISFIT_MM_GEV * 1e3 / tracks.p[t]
        and P_MIN_MEV < tracks.p[t] < P_MAX_MEV
        and SLOPE_LEAST < tracks.my[t] < SLOPE_MAX
        and SLOPE_LEAST < tracks.m1[t] < SLOPE_MAX
    )


@inline
def _note(c: Any, n: int, point: Any, views: int, misfit: float) -> None:
    """Note the points and the score of a candidate: more views first, then the smaller misfit."""
    t = c.candidates
    t.point[n, 0], t.point[n, 1], t.point[n, 2], t.point[n, 3] = point
    t.used[n] = 0
    c.score[n] = VIEW_MM * views - misfit


@inline
def _line(
    y0: float, z0: float, y1: float, z1: float, y2: float, z2: float, y3: float, z3: float, n: int
) -> tuple[float, float, float]:
    """Fit a line to the first `n` points; return slope, value at z = 0 and the sum of squared residuals."""
    w3 = 1.0 if n == 4 else 0.0
    z = (z0 + z1 + z2 + w3 * z3) / n
    y = (y0 + y1 + y2 + w3 * y3) / n
    szz = (z0 - z) ** 2 + (z1 - z) ** 2 + (z2 - z) ** 2 + w3 * (z3 - z) ** 2
    szy = (z0 - z) * (y0 - y) + (z1 - z) * (y1 - y) + (z2 - z) * (y2 - y) + w3 * (z3 - z) * (y3 - y)
    m = szy / szz
    q = y - m * z
    squares = (
        (y0 - q - m * z0) ** 2 + (y1 - q - m * z1) ** 2 + (y2 - q - m * z2) ** 2 + w3 * (y3 - q - m * z3) ** 2
    )
    return m, q, squares


@inline
def _through_all(c: Any) -> int:
    """Write the candidates with a point in each chamber; return their number, -1 if there are too many."""
    p, t, n = c.points, c.candidates, 0
    n0, n1, n2, n3 = p.n[0], p.n[1], p.n[2], p.n[3]
    for i in range(n0):
        x0, y0 = p.x[i], p.y[i]
        for m in range(3 * MAX_POINTS, 3 * MAX_POINTS + n3):
            x3, y3 = p.x[m], p.y[m]
            my = (y3 - y0) / (_Z3 - _Z0)
            if not SLOPE_LEAST < my < SLOPE_MAX:
                continue
            for j in range(MAX_POINTS, MAX_POINTS + n1):
                x1, y1 = p.x[j], p.y[j]
                m1 = (x1 - x0) / (_Z1 - _Z0)
                if np.abs(y1 - y0 - my * (_Z1 - _Z0)) > ROAD_MM or not SLOPE_LEAST < m1 < SLOPE_MAX:
                    continue
                q1 = x0 - m1 * _Z0
                for k in range(2 * MAX_POINTS, 2 * MAX_POINTS + n2):
                    x2, y2 = p.x[k], p.y[k]
                    m2 = (x3 - x2) / (_Z3 - _Z2)
                    q2 = x2 - m2 * _Z2
                    if np.abs(y2 - y0 - my * (_Z2 - _Z0)) > ROAD_MM or not GAP_MIN_MM < q2 - q1 < GAP_MAX_MM:
                        continue
                    slope, q, squares = _line(y0, _Z0, y1, _Z1, y2, _Z2, y3, _Z3, 4)
                    t.my[n], t.qy[n] = slope, q
                    t.m1[n], t.q1[n], t.m2[n], t.q2[n] = m1, q1, m2, q2
                    t.p[n] = bent(m1, m2)
                    misfit = np.sqrt(squares)
                    views = p.views[i] + p.views[j] + p.views[k] + p.views[m]
                    excess = c.excess[i] + c.excess[j] + c.excess[k] + c.excess[m]
                    if not _keep(t, n, misfit, excess / views):
                        continue
                    t.n_points[n] = 4
                    _note(c, n, (i, j, k, m), views, misfit + GAP_WEIGHT * np.abs(q2 - q1))
                    n += 1
                    if n >= MAX_CANDIDATES:
                        return -1
    return n


@inline
def _trace(clusters: Any, chamber: int, x: float, y: float) -> bool:
    """Whether enough views of a chamber have a cluster near a point."""
    n = 0
    for view in range(VIEWS):
        at = coordinate(view, x, y)
        first = (chamber * VIEWS + view) * ROOM
        for i in range(first, first + clusters.n[chamber * VIEWS + view]):
            if np.abs(clusters.mm[i] - at) < TRACE_MM:
                n += 1
                break
    return n >= views_covering(chamber, x, y) - TRACE_VIEWS


@inline
def _near(points: Any, a: int, b: int) -> bool:
    """Whether two points of a chamber count as one."""
    return np.abs(points.x[a] - points.x[b]) < CLONE_MM and np.abs(points.y[a] - points.y[b]) < CLONE_MM


@inline
def _used(c: Any, final: int, chamber: int, k: int) -> bool:
    """Whether a point is near that of a track that was accepted."""
    for f in range(final):
        other = c.final.point[f, chamber]
        if other >= 0 and _near(c.points, other, k):
            return True
    return False


@inline
def _lines_in_x(p: Any, missing: int, i: int, j: int, k: int) -> tuple[float, float, float, float]:
    """Return slope and position (m1, q1) in front of the magnet and (m2, q2) behind it, of a track without a point in
    one chamber: where two points make a line, the third one's line meets it at the magnet."""
    if missing <= 1:
        m2 = (p.x[k] - p.x[j]) / (_Z3 - _Z2)
        q2 = p.x[j] - m2 * _Z2
        return (p.x[i] - q2) / _ZETA[0 if missing else 1], q2, m2, q2
    m1 = (p.x[j] - p.x[i]) / (_Z1 - _Z0)
    q1 = p.x[i] - m1 * _Z0
    return m1, q1, (p.x[k] - q1) / _ZETA[2 if missing == 3 else 3], q1


@inline
def _note_three(c: Any, n: int, missing: int, i: int, j: int, k: int, views: int, misfit: float) -> None:
    """Note a candidate that has no point in one chamber."""
    c.candidates.n_points[n] = 3
    if missing == 0:
        _note(c, n, (-1, i, j, k), views, misfit)
    elif missing == 1:
        _note(c, n, (i, -1, j, k), views, misfit)
    elif missing == 2:
        _note(c, n, (i, j, -1, k), views, misfit)
    else:
        _note(c, n, (i, j, k, -1), views, misfit)


@inline
def _through_three(c: Any, final: int) -> int:
    """Write the candidates that lack one chamber, of points that no track has; return their number, or -1."""
    p, t = c.points, c.candidates
    n = 0
    for missing in range(CHAMBERS):
        a, b, d = (missing == 0) + 0, 1 + (missing <= 1), 2 + (missing <= 2)
        for i in range(a * MAX_POINTS, a * MAX_POINTS + p.n[a]):
            if _used(c, final, a, i):
                continue
            for k in range(d * MAX_POINTS, d * MAX_POINTS + p.n[d]):
                my = (p.y[k] - p.y[i]) / (_ZETA[d] - _ZETA[a])
                if not SLOPE_LEAST < my < SLOPE_MAX or _used(c, final, d, k):
                    continue
                for j in range(b * MAX_POINTS, b * MAX_POINTS + p.n[b]):
                    off = p.y[j] - p.y[i] - my * (_ZETA[b] - _ZETA[a])
                    if np.abs(off) > ROAD_MM or _used(c, final, b, j):
                        continue
                    slope, q, squares = _line(
                        p.y[i], _ZETA[a], p.y[j], _ZETA[b], p.y[k], _ZETA[d], 0.0, 0.0, 3
                    )
                    t.my[n], t.qy[n] = slope, q
                    m1, q1, m2, q2 = _lines_in_x(p, missing, i, j, k)
                    t.m1[n], t.q1[n], t.m2[n], t.q2[n] = m1, q1, m2, q2
                    t.p[n] = bent(m1, m2)
                    misfit = np.sqrt(squares)
                    views = p.views[i] + p.views[j] + p.views[k]
                    excess = c.excess[i] + c.excess[j] + c.excess[k]
                    if not _keep(t, n, misfit, excess / views):
                        continue
                    z = _ZETA[missing]
                    x = q1 + m1 * z if missing <= 1 else q2 + m2 * z
                    if not _trace(c.clusters, missing, x, q + slope * z):
                        continue
                    _note_three(c, n, missing, i, j, k, views, misfit)
                    n += 1
                    if n >= MAX_CANDIDATES:
                        return -1
    return n


@inline
def _shared(c: Any, e: int, f: int) -> int:
    """Return in how many chambers candidate `e` and track `f` have points near each other."""
    p, n = c.points, 0
    for chamber in range(CHAMBERS):
        a, b = c.candidates.point[e, chamber], c.final.point[f, chamber]
        if a >= 0 and b >= 0:
            n += int(_near(p, a, b))
    return n


@inline
def _accept(c: Any, n: int, final: int, most_shared: int) -> int:
    """Take the best candidates one by one, none that shares more points with one taken; return the tracks, or -1."""
    t, f = c.candidates, c.final
    while True:
        best = -1
        for e in range(n):
            if not t.used[e] and (best < 0 or c.score[e] > c.score[best]):
                best = e
        if best < 0:
            return final
        t.used[best] = 1
        clone = False
        for k in range(final):
            clone = clone or _shared(c, best, k) > most_shared
        if clone:
            continue
        if final >= MAX_TRACKS:
            return -1
        for chamber in range(CHAMBERS):
            f.point[final, chamber] = t.point[best, chamber]
        f.n_points[final] = t.n_points[best]
        f.my[final], f.qy[final] = t.my[best], t.qy[best]
        f.m1[final], f.q1[final], f.m2[final], f.q2[final] = t.m1[best], t.q1[best], t.m2[best], t.q2[best]
        f.p[final] = t.p[best]
        find_vertex(f, final)
        final += 1


@kernel(types.int64(REFIT_T))
def find_refitted(c: Any) -> int:
    """Search the tracks of an event whose clusters are made; return their number, -1 if there is too much."""
    if not make_crossings(c.edges, c.clusters, c.points, c.excess):
        return -1
    n = _through_all(c)
    if n < 0:
        return -1
    final = _accept(c, n, 0, 1)
    if final < 0:
        return -1
    left = 0
    for chamber in range(CHAMBERS):
        left += int(c.points.n[chamber] > final)
    if left < 3:
        return final
    n = _through_three(c, final)
    if n < 0:
        return -1
    return _accept(c, n, final, 0)


@kernel(some(types.int64, 2)(types.uint32[::1], types.int64, types.int64, types.int64, REFIT_T, CUTS_T))
def search_refit(words: Any, begin: int, end: int, time_lsb: int, c: Any, cuts: Any) -> tuple[int, int]:
    """Search the tracks of the edges `words[begin:end]` about a trigger time; the tracks are in `c.final`.

    Returns the verdict and their number, -1 if there is too much. words: see `edges.pair_edges`.
    """
    n = collect_edges(words, begin, end, time_lsb, c.edges)
    if n == TOO_MANY:
        return ALL, -1
    pair_in_time(c.edges, n, c.clusters)
    final = find_refitted(c)
    forget_edges(c.edges, n)
    if final < 0:
        return ALL, -1
    return verdict_of(c.final, final, cuts), final
