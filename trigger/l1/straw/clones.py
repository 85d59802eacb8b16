"""Clones: tracks that share points are one; the final track is the mean of those with the same points."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from trigger.jit import inline, kernel
from trigger.l1.straw.geometry import CHAMBERS
from trigger.l1.straw.tracks import MAX_FINAL, TRACKS_T, bent, find_vertex

GAP_MIN_MM: Final = -13.0
GAP_MM: Final = -3.0
"""A good track's two lines in x meet at the magnet within (-13, 0) mm; the middle of it is taken for the best."""


@inline
def _shared(tracks: Any, e: int, f: int) -> int:
    """Return how many points two tracks share."""
    n = 0
    for chamber in range(CHAMBERS):
        point = tracks.point[e, chamber]
        n += point >= 0 and point == tracks.point[f, chamber]
    return n


@inline
def _gap_mm(tracks: Any, t: int) -> float:
    return tracks.q2[t] - tracks.q1[t]


@inline
def _best_of_four(tracks: Any, n: int, e: int) -> int:
    """Return the track of four points that stands for `e` and those that share two points with it."""
    best = e
    if GAP_MIN_MM <= _gap_mm(tracks, e) <= 0.0:
        return best
    for f in range(e, n):
        if tracks.used[f] or tracks.n_points[f] != 4 or _shared(tracks, best, f) < 2:
            continue
        closer = np.abs(_gap_mm(tracks, f) - GAP_MM) < np.abs(_gap_mm(tracks, best) - GAP_MM)
        if (
            GAP_MIN_MM < _gap_mm(tracks, f) < 0.0
            or tracks.central[f] > tracks.central[best]
            or (tracks.central[f] == tracks.central[best] and closer)
        ):
            best = f
    return best


@inline
def _best_of_three(tracks: Any, n: int, e: int) -> int:
    """Return the track that stands for `e`, of three points, and those that share two points with it."""
    best = e
    for f in range(n):
        if tracks.used[f] or _shared(tracks, best, f) < 2:
            continue
        if tracks.central[f] > tracks.central[best] or (
            tracks.central[f] == tracks.central[best] and tracks.cda[f] < tracks.cda[best]
        ):
            best = f
    return best


@inline
def _add(tracks: Any, t: int, final: Any, k: int) -> None:
    final.my[k] += tracks.my[t]
    final.qy[k] += tracks.qy[t]
    final.m1[k] += tracks.m1[t]
    final.q1[k] += tracks.q1[t]
    final.m2[k] += tracks.m2[t]
    final.q2[k] += tracks.q2[t]


@inline
def _begin(final: Any, k: int) -> None:
    final.my[k] = final.qy[k] = final.m1[k] = final.q1[k] = final.m2[k] = final.q2[k] = 0.0


@inline
def _finish(final: Any, k: int, n: int) -> None:
    """Make the sums of `n` tracks a track."""
    final.my[k] /= n
    final.qy[k] /= n
    final.m1[k] /= n
    final.q1[k] /= n
    final.m2[k] /= n
    final.q2[k] /= n
    final.p[k] = bent(final.m1[k], final.m2[k])
    find_vertex(final, k)


@kernel(types.int64(TRACKS_T, types.int64, TRACKS_T))
def join_clones(tracks: Any, n: int, final: Any) -> int:
    """Write the final tracks, those of four points first; return their number, -1 if there are too many."""
    total = 0
    for wanted in (4, 3):
        if wanted == 3:
            # Only here is the closest approach of a single track asked for.
            for e in range(n):
                if not tracks.used[e]:
                    find_vertex(tracks, e)
        for e in range(n):
            if tracks.used[e] or tracks.n_points[e] != wanted:
                continue
            best = _best_of_four(tracks, n, e) if wanted == 4 else _best_of_three(tracks, n, e)
            added = 0
            _begin(final, total)
            for f in range(n):
                if tracks.used[f]:
                    continue
                shared = _shared(tracks, best, f)
                if shared == (tracks.n_points[f] if wanted == 4 else tracks.n_points[best]):
                    _add(tracks, f, final, total)
                    added += 1
                    tracks.used[f] = 1
                elif wanted == 4:
                    tracks.used[f] = shared >= (2 if tracks.n_points[f] == 4 else 1)
                elif shared >= 2 or (shared == 1 and tracks.central[best] == 3 and tracks.central[f] == 2):
                    tracks.used[f] = 1
            _finish(final, total, added)
            total += 1
            if total >= MAX_FINAL:
                return -1
    return total
