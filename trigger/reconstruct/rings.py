"""Rings of the RICH: the one that is a track's, and the mass that it gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from trigger.jit import inline, kernel
from trigger.reconstruct.detectors import RICH_FOCAL_MM, RICH_REFRACTION, RING_MM


@kernel(types.float64(types.float64, types.float64))
def ring_m2_gev2(p_gev: float, radius_mm: float) -> float:
    """Square of the mass of a particle of momentum p whose ring has this radius; below 0 if it is too large.

    m^2 = p^2 (1/beta^2 - 1) with cos(theta) = 1/(n beta) and tan(theta) = radius / focal length.
    """
    tangent = radius_mm / RICH_FOCAL_MM
    n = 1.0 + RICH_REFRACTION
    return p_gev * p_gev * (n * n / (1.0 + tangent * tangent) - 1.0)


@inline
def find_ring(rings: Any, begin: int, end: int, track: Any) -> None:
    """Set a track's ring: of those in time, from begin to end, the one whose centre is nearest to that of its slopes.

    The mirror takes parallel light to a point in its focal plane: focal length times the slopes behind the magnet.
    """
    x, y = RICH_FOCAL_MM * track["dx_dz_after"], RICH_FOCAL_MM * track["dy_dz"]
    nearest, radius = RING_MM * RING_MM, np.nan
    for i in range(begin, end):
        ring = rings[i]
        away = (np.float64(ring["x_mm"]) - x) ** 2 + (np.float64(ring["y_mm"]) - y) ** 2
        if away < nearest:
            nearest, radius = away, np.float64(ring["radius_mm"])
    track["ring_mm"], track["ring_m2_gev2"] = radius, ring_m2_gev2(track["p_gev"], radius)
