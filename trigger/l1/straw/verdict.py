"""The verdict: what the tracks of an event say, as bits."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types

from trigger.jit import inline, kernel, named
from trigger.l1.algorithms import STRAW_BITS
from trigger.l1.straw.closest import closest_approach
from trigger.l1.straw.geometry import BEAM_X_MM, MAGNET_MM
from trigger.l1.straw.tracks import TRACKS_T

PNN: Final = STRAW_BITS["pnn"]
EXOTIC: Final = STRAW_BITS["exotic"]
MULTI_TRACK: Final = STRAW_BITS["multi-track"]
DV_LOOSE: Final = STRAW_BITS["dv-loose"]
DV_TIGHT: Final = STRAW_BITS["dv-tight"]
ONE_TRACK: Final = STRAW_BITS["one-track"]
ALL: Final = 0x3F
"""Verdict of an event with too much in it."""

Z_MIN_MM: Final = np.float32(-100000.0)
CDA_BEAM_MM: Final = np.float32(200.0)
CDA_PAIR_MM: Final = np.float32(30.0)
LOOSE_MM: Final = 50.0
TIGHT_MM: Final = 100.0
MANY: Final = 3


class Cuts(NamedTuple):
    """What a menu can change: momenta of a pnn and of a one-track track, largest z of a vertex."""

    pnn_p_mev: float = 50000.0
    one_track_p_mev: float = 65000.0
    z_max_mm: float = 180000.0


CUTS_T: Final = named(Cuts)

DV_BEAM_DX_DZ: Final = 0.0011978
"""Slope of the beam in the distance of a displaced vertex, as that code has it."""


@inline
def _distance_from_beam_mm(x: float, y: float, z: float) -> float:
    """Return the perpendicular distance of a point from the beam line."""
    dx, dz = x - BEAM_X_MM, z - MAGNET_MM
    along = (dx * DV_BEAM_DX_DZ + dz) / (1.0 + DV_BEAM_DX_DZ**2)
    return np.sqrt((dx - along * DV_BEAM_DX_DZ) ** 2 + y * y + (dz - along) ** 2)


@kernel(types.int64(TRACKS_T, types.int64, CUTS_T))
def verdict_of(tracks: Any, n: int, cuts: Any) -> int:
    """Return the bits for the first `n` tracks.

    A good vertex has -100 m < z < 180 m and CDA < 200 mm with the beam. pnn: one with p < 50 GeV/c, and no other
    track within 30 mm of its own. exotic: a negative one. multi-track: three or more. dv-loose, dv-tight: two of
    opposite charge within 30 mm, at z < 180 m and more than 50 or 100 mm from the beam line. one-track: one with a
    good vertex and p < 65 GeV/c.
    """
    z_max = np.float32(cuts.z_max_mm)
    bits = MULTI_TRACK if n >= MANY else 0
    farthest = 0.0
    for i in range(n):
        negative = tracks.m1[i] - tracks.m2[i] < 0.0
        if negative:
            bits |= EXOTIC
        alone = True
        for j in range(n):
            if j == i:
                continue
            first, second = min(i, j), max(i, j)
            cda, x, y, z = closest_approach(
                np.float32(tracks.q1[first]),
                np.float32(tracks.qy[first]),
                np.float32(tracks.m1[first]),
                np.float32(tracks.my[first]),
                np.float32(tracks.q1[second]),
                np.float32(tracks.qy[second]),
                np.float32(tracks.m1[second]),
                np.float32(tracks.my[second]),
            )
            if not cda < CDA_PAIR_MM:
                continue
            alone = False
            if j > i and negative != (tracks.m1[j] - tracks.m2[j] < 0.0) and z < z_max:
                farthest = max(farthest, _distance_from_beam_mm(float(x), float(y), float(z)))
        z, cda = tracks.z[i], tracks.cda[i]
        if Z_MIN_MM < z < z_max and cda < CDA_BEAM_MM:
            if tracks.p[i] < cuts.one_track_p_mev:
                bits |= ONE_TRACK
            if tracks.p[i] < cuts.pnn_p_mev and alone:
                bits |= PNN
    if farthest > LOOSE_MM:
        bits |= DV_LOOSE
    if farthest > TIGHT_MM:
        bits |= DV_TIGHT
    return bits
