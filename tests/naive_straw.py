"""The slow, obvious twin of the L1 STRAW algorithm: the rules of NA62's L1 code, step by step, on lists.

It shares nothing with the package. Lengths are in mm, times in ns, momenta in MeV/c. All is computed in 64
bits but the closest approach, which the original computes in 32 bits and where that decides verdicts.
Comparisons are strict and the order of every list is part of the answer.

The steps: preclusters (one a straw), good hits, clusters of two straws, points of 2 to 4 views, selection
of points, Hough transform in the y-z plane, tracklets of a seed cell, fit in x, vertex with the beam line,
removal of clones, flags. A full list anywhere aborts the event: then the verdict is 0x3F and there are no
tracks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from naive_straw_points import (
    MAGNET_Z,
    N_CHAMBERS,
    N_VIEWS,
    HalfViews,
    LimitError,
    Point,
    chamber_points,
    check,
    cluster_view,
    half_views,
    precluster,
)
from naive_straw_tracks import (
    BEAM,
    NO_VERTEX,
    Track,
    Tracklets,
    Vertex,
    closest_approach,
    find_tracks,
    with_vertex,
)
from numpy.typing import NDArray

MAX_FINAL = 1000
PNN, EXOTIC, MULTI_TRACK, DISPLACED, DISPLACED_TIGHT, ONE_TRACK = 1, 2, 4, 8, 16, 32
ABORTED = 0x3F

BEAM_SLOPE_OF_FLAG = 0.0011978  # the original's beam line has another slope where it asks how far a vertex is


@dataclass
class Answer:
    """verdict: the flags; p_mev, z_mm: of all final tracks, z where the track is closest to the beam."""

    verdict: int
    overflow: bool
    n_tracks: int
    p_mev: list[float]
    z_mm: list[float]


# Step 10: clones.


def shared(a: Track, b: Track) -> int:
    return len(a.points & b.points)


def plain_mean(numbers: Iterable[float]) -> float:
    """From the first to the last: Python 3.12's own sum is more exact than the original's."""
    total, n = 0.0, 0
    for number in numbers:
        total, n = total + number, n + 1
    return total / n


def mean_track(best: Track, tracks: list[Track]) -> Track:
    """The plain mean, with its own vertex; the cuts on tracks are not made again."""
    my, qy = plain_mean(t.my for t in tracks), plain_mean(t.qy for t in tracks)
    m1, q1 = plain_mean(t.m1 for t in tracks), plain_mean(t.q1 for t in tracks)
    m2, q2 = plain_mean(t.m2 for t in tracks), plain_mean(t.q2 for t in tracks)
    return with_vertex(Track(my, qy, m1, q1, m2, q2, best.points, best.n_central, NO_VERTEX))


def best_of_four(tracks: list[Track], e: int) -> Track:
    """The best track of 4 points around track e; around the best so far, that is, so it may drift."""
    best = tracks[e]
    if -13.0 <= best.jump <= 0.0:
        return best
    for f in tracks[e:]:
        if f.used or len(f.points) != 4 or shared(best, f) < 2:
            continue
        closer = f.n_central == best.n_central and abs(f.jump + 3.0) < abs(best.jump + 3.0)
        if -13.0 < f.jump < 0.0 or f.n_central > best.n_central or closer:
            best = f
    return best


def best_of_three(tracks: list[Track], e: int) -> Track:
    """The best around a track of 3 points; a track of 4 points that was left over counts too."""
    best = tracks[e]
    for f in tracks:
        if f.used or shared(best, f) < 2:
            continue
        closer = f.n_central == best.n_central and f.vertex.cda < best.vertex.cda
        if f.n_central > best.n_central or closer:
            best = f
    return best


def merge_four(best: Track, tracks: list[Track]) -> Track:
    added: list[Track] = []
    for f in tracks:
        if f.used:
            continue
        s = shared(best, f)
        if s == len(f.points):
            added.append(f)
        f.used = s == len(f.points) or s >= (2 if len(f.points) == 4 else 1)
    return mean_track(best, added)


def merge_three(best: Track, tracks: list[Track]) -> Track:
    added: list[Track] = []
    for f in tracks:
        if f.used:
            continue
        s = shared(best, f)
        if s == len(best.points):
            added.append(f)
        f.used = s == len(best.points) or s >= 2 or (s >= 1 and best.n_central == 3 and f.n_central == 2)
    return mean_track(best, added)


def remove_clones(tracks: list[Track]) -> list[Track]:
    final: list[Track] = []
    for n_points in (4, 3):
        for e, track in enumerate(tracks):
            if track.used or len(track.points) != n_points:
                continue
            if n_points == 4:
                final.append(merge_four(best_of_four(tracks, e), tracks))
            else:
                final.append(merge_three(best_of_three(tracks, e), tracks))
            check(len(final), MAX_FINAL)
    return final


# Step 11: flags.


def distance_from_beam(vertex: Vertex) -> float:
    dx, dy, dz = vertex.x - float(BEAM.x), vertex.y, vertex.z - MAGNET_Z
    m = BEAM_SLOPE_OF_FLAG
    return math.hypot(dy, dz * m - dx, dy * m) / math.hypot(m, 1.0)


def flags(tracks: list[Track]) -> int:
    verdict = MULTI_TRACK if len(tracks) >= 3 else 0
    crowded: set[int] = set()
    displacement = 0.0
    for i, j in combinations(range(len(tracks)), 2):
        vertex = closest_approach(tracks[i].line, tracks[j].line)
        if not vertex.cda < 30.0:
            continue
        crowded |= {i, j}
        if tracks[i].bend * tracks[j].bend < 0.0 and vertex.z < 180000.0:
            displacement = max(displacement, distance_from_beam(vertex))
    for i, track in enumerate(tracks):
        good_vertex = -100000.0 < track.vertex.z < 180000.0 and track.vertex.cda < 200.0
        if good_vertex and track.momentum < 50000.0 and i not in crowded:
            verdict |= PNN
        if good_vertex and track.momentum < 65000.0:
            verdict |= ONE_TRACK
        if track.bend < 0.0:
            verdict |= EXOTIC
    if displacement > 50.0:
        verdict |= DISPLACED
    if displacement > 100.0:
        verdict |= DISPLACED_TIGHT
    return verdict


class NaiveStraw:
    """memory: keep the array of tracklets from event to event, as the original does."""

    def __init__(self, memory: bool = False):
        self.memory = memory
        self.tracklets = Tracklets()

    def run(self, straw_id: NDArray[Any], leading_ns: NDArray[Any], trailing_ns: NDArray[Any]) -> Answer:
        """One event: a leading and a trailing time a row, either of which may be missing (NaN or MISSING)."""
        if not self.memory:
            self.tracklets = Tracklets()
        try:
            hits = precluster(straw_id.tolist(), leading_ns.tolist(), trailing_ns.tolist())
            tracks = self.final_tracks(half_views(hits))
        except LimitError:
            return Answer(ABORTED, True, 0, [], [])
        p_mev, z_mm = [t.momentum for t in tracks], [t.vertex.z for t in tracks]
        return Answer(flags(tracks), False, len(tracks), p_mev, z_mm)

    def final_tracks(self, halves: HalfViews) -> list[Track]:
        points: list[list[Point]] = []
        for c in range(N_CHAMBERS):
            views = [cluster_view((halves[c, v, 0], halves[c, v, 1])) for v in range(N_VIEWS)]
            points.append(chamber_points(c, views))
        return remove_clones(find_tracks(self.tracklets, points))
