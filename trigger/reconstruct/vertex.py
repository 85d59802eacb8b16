"""The vertex: where a track and the beam track, or several tracks, are closest to each other.

64-bit floats, unlike `l1.straw.closest`, which has the roundings of the experiment's code. Lines are given by
position at the magnet's centre and slopes, those in front of the magnet.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from trigger.jit import kernel, some
from trigger.l1.straw.geometry import MAGNET_MM
from trigger.reconstruct.measured import TRACKS_T

Vertex = tuple[float, float, float, float]
"""x, y, z from the target, and the distance: mm."""

_VERTEX_T: Final = some(types.float64, 4)
_F: Final = types.float64


@kernel(_VERTEX_T(_F, _F, _F, _F, _F, _F, _F, _F))
def of_two_lines(
    x1: float, y1: float, dx1: float, dy1: float, x2: float, y2: float, dx2: float, dy2: float
) -> Vertex:
    """Return the middle between the points of closest approach of two lines in space, and the distance of these.

    With directions u = (dx, dy, 1) and r the way between the positions: the points are at s u1 and t u2 with
    s = (b e - c d) / (a c - b^2), t = (a e - b d) / (a c - b^2), a = u1^2, b = u1 u2, c = u2^2, d = u1 r, e = u2 r.
    NaN or infinite for parallel lines.
    """
    rx, ry = x1 - x2, y1 - y2
    a = dx1 * dx1 + dy1 * dy1 + 1.0
    b = dx1 * dx2 + dy1 * dy2 + 1.0
    c = dx2 * dx2 + dy2 * dy2 + 1.0
    d, e = dx1 * rx + dy1 * ry, dx2 * rx + dy2 * ry
    # The square of the cross product: a c - b^2 without the difference of nearly equal numbers.
    determinant = (dx1 - dx2) ** 2 + (dy1 - dy2) ** 2 + (dx1 * dy2 - dy1 * dx2) ** 2
    s, t = (b * e - c * d) / determinant, (a * e - b * d) / determinant
    px, py, qx, qy = x1 + s * dx1, y1 + s * dy1, x2 + t * dx2, y2 + t * dy2
    cda = np.sqrt((px - qx) ** 2 + (py - qy) ** 2 + (s - t) ** 2)
    return 0.5 * (px + qx), 0.5 * (py + qy), MAGNET_MM + 0.5 * (s + t), cda


@kernel(_VERTEX_T(TRACKS_T, types.int64))
def of_tracks(tracks: Any, n: int) -> Vertex:
    """Return the point that has the least sum of squared distances from the first `n` tracks, and their root mean
    square.

    Distances are taken in the plane of the point's z. Then z = -sum(cov(x, dx) + cov(y, dy)) / sum(var(dx) + var(dy))
    from the magnet's centre on, x and y are the means there. For slopes below 0.02 this is the closest approach in
    space to 0.04%.
    """
    mean_x = mean_y = mean_dx = mean_dy = 0.0
    for k in range(n):
        track = tracks[k]
        mean_x, mean_y = mean_x + track["x_mm"] / n, mean_y + track["y_mm"] / n
        mean_dx, mean_dy = mean_dx + track["dx_dz"] / n, mean_dy + track["dy_dz"] / n
    covariance = variance = squares = 0.0
    for k in range(n):
        track = tracks[k]
        x, y = track["x_mm"] - mean_x, track["y_mm"] - mean_y
        dx, dy = track["dx_dz"] - mean_dx, track["dy_dz"] - mean_dy
        covariance += x * dx + y * dy
        variance += dx * dx + dy * dy
    z = -covariance / variance
    for k in range(n):
        track = tracks[k]
        squares += (track["x_mm"] - mean_x + z * (track["dx_dz"] - mean_dx)) ** 2
        squares += (track["y_mm"] - mean_y + z * (track["dy_dz"] - mean_dy)) ** 2
    return mean_x + z * mean_dx, mean_y + z * mean_dy, MAGNET_MM + z, np.sqrt(squares / n)
