"""Tracklets: the combinations of points in a cell of the Hough table, one point a chamber.

The array of tracklets is a faithful copy of the experiment's, whose answer can depend on what an earlier cell or
event left in it: docs/l1.md says how. `forget` clears it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import WholeMatrix, inline, kernel, named, some
from trigger.l1.straw.geometry import CHAMBERS
from trigger.l1.straw.hough import (
    BINS,
    CELL_ENTRIES,
    ROWS_T,
    SLOPES,
    chamber_of,
    intercept_mm,
    make_row,
    point_of,
    slope_of,
    want_rows,
)
from trigger.l1.straw.points import MAX_POINTS, POINTS_T
from trigger.l1.straw.tracks import MAX_TRACKS, TRACKS_T, fit_x

MAX_TRACKLETS: Final = 3000
MAX_NEIGHBOURS: Final = 50
"""Points of one chamber in the cells around a seed; with as many, the event is accepted."""

MOST_BESIDE: Final = 2
"""Chambers that a seed's cell can lack."""

LEAST_POINTS: Final = 3
"""Points of a tracklet that becomes a track."""


class Tracklets(NamedTuple):
    """The array of tracklets.

    entry: of the seed's own cell, at each place, int64[n, 4]; these outlast the seed. beside: of the cells around it,
    int64[n, 2]. highest: int64[1], no tracklet behind it was ever written. near: entries of one chamber around a
    seed, int64[50].
    """

    entry: WholeMatrix
    beside: WholeMatrix
    highest: NDArray[np.int64]
    near: NDArray[np.int64]


TRACKLETS_T: Final = named(Tracklets)


def make_tracklets() -> Tracklets:
    """Return an array that nothing was written to."""
    return Tracklets(
        np.zeros((MAX_TRACKLETS + 1, CHAMBERS), np.int64),
        np.zeros((MAX_TRACKLETS + 1, MOST_BESIDE), np.int64),
        np.zeros(1, np.int64),
        np.zeros(MAX_NEIGHBOURS, np.int64),
    )


@kernel(types.void(TRACKLETS_T))
def forget(tracklets: Any) -> None:
    """Clear what was written."""
    for t in range(tracklets.highest[0] + 1):
        for place in range(CHAMBERS):
            tracklets.entry[t, place] = 0
    tracklets.highest[0] = 0


@inline
def _views_of(points: Any, entry: int) -> int:
    return points.views[chamber_of(entry) * MAX_POINTS + point_of(entry)]


@inline
def _replace(points: Any, entry: int, n: int, last: int, tracklets: Any) -> int:
    """Deal with a further point of a chamber: compare it with that of the last tracklet; return the new last one.

    Equal number of views: a new tracklet with it. More: it takes the place. Fewer: it is left out. What stands in
    front of the compared place is copied in any case; if there is nothing to compare with, all of it is.
    """
    e = tracklets.entry
    for place in range(n):
        if chamber_of(e[last, place]) != chamber_of(entry):
            e[last + 1, place] = e[last, place]
            continue
        mine, its = _views_of(points, entry), _views_of(points, e[last, place])
        if mine == its:
            e[last + 1, place] = entry
            return last + 1
        if mine > its:
            e[last, place] = entry
        return last
    return last + 1


@inline
def _near(rows: Any, a: int, b: int, chamber: int, tracklets: Any) -> int:
    """List the points of a chamber in the 3 x 3 cells around a seed; return their number, -1 if too many."""
    n = 0
    for row in range(max(a - 1, 0), min(a + 2, SLOPES)):
        place = row % 3
        for bin_ in range(max(b - 1, 0), min(b + 2, BINS)):
            first = bin_ * CELL_ENTRIES
            for k in range(first, first + int(rows.n[place, bin_])):
                entry = rows.entry[place, k]
                if chamber_of(entry) != chamber:
                    continue
                known = False
                for i in range(n):
                    known = known or tracklets.near[i] == entry
                if known:
                    continue
                tracklets.near[n] = entry
                n += 1
                if n >= MAX_NEIGHBOURS:
                    return -1
    return n


@inline
def _add_beside(tracklets: Any, last: int, own: int, k: int, near: int) -> int:
    """Add the `near` points of a chamber around the seed, one to each tracklet; return the new last one.

    Each tracklet, of `own` points of the seed's cell and `k` beside it, has the first point, and a copy for each
    further one. -1 if there are too many.
    """
    e, beside = tracklets.entry, tracklets.beside
    before = last
    if (before + 1) * near > MAX_TRACKLETS:
        return -1
    for t in range(before + 1):
        beside[t, k] = tracklets.near[0]
    for i in range(1, near):
        for t in range(before + 1):
            last += 1
            for place in range(own):
                e[last, place] = e[t, place]
            for place in range(k):
                beside[last, place] = beside[t, place]
            beside[last, k] = tracklets.near[i]
    return last


@kernel(some(types.int64, 3)(POINTS_T, ROWS_T, types.int64, types.int64, TRACKLETS_T))
def combine(points: Any, rows: Any, a: int, b: int, tracklets: Any) -> tuple[int, int, int]:
    """Make the tracklets of a seed; return the last one, and how many points its cell and those around gave each.

    The last one is -1 if there are too many. The rows around that of the seed are filled.
    """
    e = tracklets.entry
    place, first = a % 3, b * CELL_ENTRIES
    own = last = seen = present = 0
    for k in range(first, first + int(rows.n[place, b])):
        entry = rows.entry[place, k]
        present |= 1 << chamber_of(entry)
        if seen >> chamber_of(entry) & 1:
            last = _replace(points, entry, own, last, tracklets)
        else:
            for t in range(last + 1):
                # The experiment's code marks the chamber that the last tracklet has there, before it writes it.
                seen |= 1 << chamber_of(entry if t == last else e[last, own])
                e[t, own] = entry
            own += 1
    added = 0
    if own in (2, 3):
        for chamber in range(CHAMBERS):
            if present >> chamber & 1:
                continue
            near = _near(rows, a, b, chamber, tracklets)
            if near > 0:
                last = _add_beside(tracklets, last, own, added, near)
                added += 1
            if near < 0 or last < 0:
                return -1, 0, 0
    tracklets.highest[0] = max(tracklets.highest[0], last + 1)
    return last, own, added


@kernel(types.int64(POINTS_T, ROWS_T, TRACKLETS_T, TRACKS_T))
def find_tracks(points: Any, rows: Any, tracklets: Any, tracks: Any) -> int:
    """Make a track of each tracklet of three or four points that bends as one should; return their number.

    -1 if there are too many.
    """
    total = 0
    want_rows(points, rows)
    for place in range(3):
        rows.slope[place] = -1
    for a in range(SLOPES):
        if not rows.wanted[a]:
            continue
        place = make_row(points.y, points.n, a, rows)
        if rows.n_seeds[place] == 0:
            continue
        for beside in (max(a - 1, 0), min(a + 1, SLOPES - 1)):
            make_row(points.y, points.n, beside, rows)
        for s in range(rows.n_seeds[place]):
            b = rows.seeds[place, s]
            last, own, added = combine(points, rows, a, b, tracklets)
            if last < 0:
                return -1
            if own + added < LEAST_POINTS:
                continue
            for t in range(last + 1):
                for chamber in range(CHAMBERS):
                    tracks.point[total, chamber] = -1
                for k in range(own + added):
                    entry = tracklets.entry[t, k] if k < own else tracklets.beside[t, k - own]
                    tracks.point[total, chamber_of(entry)] = point_of(entry)
                if not fit_x(points, tracks, total, slope_of(a)):
                    continue
                tracks.my[total], tracks.qy[total] = slope_of(a), intercept_mm(b)
                tracks.n_points[total], tracks.central[total], tracks.used[total] = own + added, own, 0
                total += 1
                if total >= MAX_TRACKS:
                    return -1
    return total
