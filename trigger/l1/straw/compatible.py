"""The experiment's own search, step by step: gives its verdicts, tracks and momenta."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import kernel, named, some
from trigger.l1.straw.clones import join_clones
from trigger.l1.straw.clusters import Clusters, make_clusters, make_pairs
from trigger.l1.straw.geometry import CHAMBERS
from trigger.l1.straw.hits import STRAWS_T, Hits, forget_hits, make_hits, order_hits
from trigger.l1.straw.hough import Rows, make_rows
from trigger.l1.straw.points import MAX_POINTS, Points, make_points, make_points_of
from trigger.l1.straw.selection import make_copies, select_points
from trigger.l1.straw.tracklets import Tracklets, find_tracks, forget, make_tracklets
from trigger.l1.straw.tracks import MAX_FINAL, MAX_TRACKS, Tracks, make_tracks
from trigger.l1.straw.verdict import ALL, CUTS_T, verdict_of


class Compatible(NamedTuple):
    """Scratch of the search; what it holds between events is nothing, but for `tracklets`."""

    hits: Hits
    clusters: Clusters
    points: Points
    copies: Points
    used: NDArray[np.uint8]
    rows: Rows
    tracklets: Tracklets
    tracks: Tracks
    final: Tracks


COMPATIBLE_T: Final = named(Compatible)


def make_compatible() -> Compatible:
    """Return empty scratch."""
    return Compatible(
        make_hits(),
        make_clusters(),
        make_points(),
        make_copies(),
        np.zeros(MAX_POINTS, np.uint8),
        make_rows(),
        make_tracklets(),
        make_tracks(MAX_TRACKS),
        make_tracks(MAX_FINAL),
    )


@kernel(some(types.int64, 2)(STRAWS_T, types.int64, COMPATIBLE_T, CUTS_T, types.boolean))
def search_compatible(straws: Any, n: int, c: Any, cuts: Any, memory: bool) -> tuple[int, int]:
    """Search the tracks of an event of `n` straws; return the verdict and their number, -1 if there is too much.

    The tracks are in `c.final`. memory: whether what the event before left behind may change the answer, as it
    does in the experiment.
    """
    if not memory:
        forget(c.tracklets)
    good = order_hits(straws, n, c.hits)
    make_pairs(straws, c.hits, c.clusters)
    forget_hits(straws, c.hits, good)
    if not make_points_of(c.clusters, c.points) or not select_points(c.points, c.copies, c.used):
        return ALL, -1
    chambers = 0
    for chamber in range(CHAMBERS):
        chambers += c.points.n[chamber] > 0
    if chambers < 3:
        return 0, 0
    found = find_tracks(c.points, c.rows, c.tracklets, c.tracks)
    if found < 0:
        return ALL, -1
    final = join_clones(c.tracks, found, c.final)
    if final < 0:
        return ALL, -1
    return verdict_of(c.final, final, cuts), final
