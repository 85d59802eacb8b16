"""Tracks of the Hough search: a line in y, a line with a bend at the magnet in x."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import WholeMatrix, inline, kernel, named
from trigger.l1.straw.closest import closest_to_beam
from trigger.l1.straw.geometry import CHAMBERS, KICK_MEV, ZETA_MM
from trigger.l1.straw.points import MAX_POINTS, POINTS_T

MAX_TRACKS: Final = 4000
MAX_FINAL: Final = 1000
"""Tracks of an event before and after clones are joined; with as many, it is accepted."""

P_MIN_MEV: Final = 3000.0
P_MAX_MEV: Final = 100000.0
SLOPE_MAX: Final = 0.020

_Z0, _Z1, _Z2, _Z3 = ZETA_MM


class Tracks(NamedTuple):
    """Tracks, in the order of their finding.

    point: number of the point in each chamber, -1 for none, int64[n, 4]. n_points, central: points, and how many of
    them the seed's cell gave, int64[n]. my, qy: slope and position (mm) at the magnet's centre in y; m1, q1 and
    m2, q2: in x, in front of the magnet and behind it. p: MeV. z, cda: mm, closest approach to the beam, float32, of
    those for which it is asked.
    used: uint8[n].
    """

    point: WholeMatrix
    n_points: NDArray[np.int64]
    central: NDArray[np.int64]
    my: NDArray[np.float64]
    qy: NDArray[np.float64]
    m1: NDArray[np.float64]
    q1: NDArray[np.float64]
    m2: NDArray[np.float64]
    q2: NDArray[np.float64]
    p: NDArray[np.float64]
    z: NDArray[np.float32]
    cda: NDArray[np.float32]
    used: NDArray[np.uint8]


TRACKS_T: Final = named(Tracks)


def make_tracks(n: int) -> Tracks:
    """Return room for `n` tracks."""
    my, qy, m1, q1, m2, q2, p = (np.zeros(n) for _ in range(7))
    return Tracks(
        np.zeros((n, CHAMBERS), np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        my,
        qy,
        m1,
        q1,
        m2,
        q2,
        p,
        np.zeros(n, np.float32),
        np.zeros(n, np.float32),
        np.zeros(n, np.uint8),
    )


@inline
def bent(m1: float, m2: float) -> float:
    """Return the momentum in MeV for slopes in front of the magnet and behind it."""
    return KICK_MEV / np.abs(m2 - m1)


@kernel(types.void(TRACKS_T, types.int64))
def find_vertex(tracks: Any, t: int) -> None:
    """Set a track's closest approach to the beam."""
    found = closest_to_beam(
        np.float32(tracks.q1[t]), np.float32(tracks.qy[t]), np.float32(tracks.m1[t]), np.float32(tracks.my[t])
    )
    tracks.cda[t], tracks.z[t] = found[0], found[3]


@kernel(types.boolean(POINTS_T, TRACKS_T, types.int64, types.float64))
def fit_x(points: Any, tracks: Any, t: int, my: float) -> bool:
    """Set slopes and positions in x from a track's points, and its momentum; False if it is not to be kept.

    Each side has the line through its two points; a side with one has the line through it and through the other
    side's position at the magnet.
    """
    c0, c1, c2, c3 = tracks.point[t, 0], tracks.point[t, 1], tracks.point[t, 2], tracks.point[t, 3]
    m1 = q1 = m2 = q2 = 0.0
    if c0 >= 0 and c1 >= 0:
        x0, x1 = points.x[c0], points.x[MAX_POINTS + c1]
        m1 = (x1 - x0) / (_Z1 - _Z0)
        q1 = x0 - _Z0 * (x1 - x0) / (_Z1 - _Z0)
    if c2 >= 0 and c3 >= 0:
        x2, x3 = points.x[2 * MAX_POINTS + c2], points.x[3 * MAX_POINTS + c3]
        m2 = (x3 - x2) / (_Z3 - _Z2)
        q2 = x2 - _Z2 * (x3 - x2) / (_Z3 - _Z2)
    if c0 < 0 or c1 < 0:
        q1 = q2
        m1 = (points.x[c0] - q1) / _Z0 if c0 >= 0 else (points.x[MAX_POINTS + c1] - q1) / _Z1
    if c2 < 0 or c3 < 0:
        q2 = q1
        x = points.x[2 * MAX_POINTS + c2] if c2 >= 0 else points.x[3 * MAX_POINTS + c3]
        m2 = (x - q2) / (_Z2 if c2 >= 0 else _Z3)
    tracks.m1[t], tracks.q1[t], tracks.m2[t], tracks.q2[t] = m1, q1, m2, q2
    p = bent(m1, m2)
    tracks.p[t] = p
    return P_MIN_MEV < p < P_MAX_MEV and my < SLOPE_MAX and m1 < SLOPE_MAX
