"""A track of L1 as a particle: its momentum in front of the magnet, and where it arrives behind it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import SingleMatrix, inline, kernel, named
from trigger.l1.straw.geometry import KICK_MEV, MAGNET_MM
from trigger.reconstruct.detectors import (
    LKR_APOTHEM_MM,
    LKR_HOLE_MM,
    LKR_MM,
    MUV3_HOLE_MM,
    MUV3_MM,
    PAD_MM,
    PADS,
)

KICK_GEV: Final = KICK_MEV * 1e-3

_MUV3_HALF_MM: Final = 0.5 * PADS * PAD_MM


class Tracks(NamedTuple):
    """Tracks of a block of n events, as L1 keeps them (`l1.decision`).

    first_track: int64[n + 1], those of event e are from first_track[e] to first_track[e + 1]. tracks: float32[:, 9],
    see TRACK_FIELDS. n_tracks: int16[n], how many were found, of a few more than are kept; -1 if there was too much.
    """

    first_track: NDArray[np.int64]
    tracks: SingleMatrix
    n_tracks: NDArray[np.int16]


L1_TRACKS_T: Final = named(Tracks)


@kernel(types.float64(types.float64, types.float64, types.float64))
def momentum_gev(dx_dz: float, dx_dz_after: float, dy_dz: float) -> float:
    """Momentum of the slopes in front of the magnet and behind it.

    The magnet gives the momentum KICK in x, and keeps the size of the momentum across y: p_xz |sin a - sin b| = KICK,
    with slopes tan a and tan b. (L1 takes p |tan a - tan b| = KICK, which is 0.1% more at 6 GeV/c.)
    """
    across = 1.0 + dx_dz * dx_dz
    bend = dx_dz / np.sqrt(across) - dx_dz_after / np.sqrt(1.0 + dx_dz_after * dx_dz_after)
    return KICK_GEV / np.abs(bend) * np.sqrt(1.0 + dy_dz * dy_dz / across)


@kernel(types.boolean(types.float64, types.float64))
def in_lkr(x: float, y: float) -> bool:
    """Whether a point lies in the octagon of the LKr, outside of its hole."""
    ax, ay = abs(x), abs(y)
    if max(ax, ay) > LKR_APOTHEM_MM or ax + ay > LKR_APOTHEM_MM * np.sqrt(2.0):
        return False
    return x * x + y * y > LKR_HOLE_MM * LKR_HOLE_MM


@kernel(types.boolean(types.float64, types.float64))
def in_muv3(x: float, y: float) -> bool:
    """Whether a point lies in the square of the MUV3, outside of its hole."""
    return max(abs(x), abs(y)) < _MUV3_HALF_MM and x * x + y * y > MUV3_HOLE_MM * MUV3_HOLE_MM


@inline
def x_after_mm(track: Any, z: float) -> float:
    """Return x of a measured track at z behind the magnet: a straight line."""
    return track["x_mm_after"] + track["dx_dz_after"] * (z - MAGNET_MM)


@inline
def y_at_mm(track: Any, z: float) -> float:
    """Return y of a measured track at z."""
    return track["y_mm"] + track["dy_dz"] * (z - MAGNET_MM)


@inline
def measure_track(found: Any, row: int, track: Any) -> None:
    """Set what follows from the slopes and positions of row `row` of L1's tracks alone."""
    dy_dz, y = np.float64(found[row, 1]), np.float64(found[row, 2])
    dx_dz, x = np.float64(found[row, 3]), np.float64(found[row, 4])
    after, x_after = np.float64(found[row, 5]), np.float64(found[row, 6])
    p = momentum_gev(dx_dz, after, dy_dz)
    pz = p / np.sqrt(1.0 + dx_dz * dx_dz + dy_dz * dy_dz)
    track["charge"] = 1 if found[row, 0] > 0.0 else -1
    track["p_gev"], track["px_gev"], track["py_gev"], track["pz_gev"] = p, pz * dx_dz, pz * dy_dz, pz
    track["dx_dz"], track["dy_dz"], track["x_mm"], track["y_mm"] = dx_dz, dy_dz, x, y
    track["dx_dz_after"], track["x_mm_after"] = after, x_after
    track["x_lkr_mm"], track["y_lkr_mm"] = x_after_mm(track, LKR_MM), y_at_mm(track, LKR_MM)
    track["in_lkr"] = int(in_lkr(track["x_lkr_mm"], track["y_lkr_mm"]))
    track["in_muv3"] = int(in_muv3(x_after_mm(track, MUV3_MM), y_at_mm(track, MUV3_MM)))
