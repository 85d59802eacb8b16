"""The closest approach of two lines, in 32-bit floats as in the experiment's code.

Every operation is rounded to 32 bits, in the order written: the determinant is a difference of nearly equal numbers,
and decisions hang on its last bits.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from trigger.jit import kernel, some
from trigger.l1.straw.geometry import BEAM_DX_DZ, BEAM_X_MM, MAGNET_MM

_ONE: Final = np.float32(1.0)
_TWO: Final = np.float32(2.0)
_MAGNET: Final = np.float32(MAGNET_MM)
_BEAM_X: Final = np.float32(BEAM_X_MM)
_BEAM_DX_DZ: Final = np.float32(BEAM_DX_DZ)
_ZERO: Final = np.float32(0.0)
_F: Final = types.float32

Closest = tuple[Any, Any, Any, Any]
"""CDA, and x, y, z of the middle between the points of closest approach (z from the target on): mm, float32."""


@kernel(some(_F, 4)(_F, _F, _F, _F, _F, _F, _F, _F))
def closest_approach(x1: Any, y1: Any, mx1: Any, my1: Any, x2: Any, y2: Any, mx2: Any, my2: Any) -> Closest:
    """Return the closest approach of two lines, given by position (mm) at the magnet's centre and slopes."""
    rx, ry = x1 - x2, y1 - y2
    a = (mx1 * mx1 + my1 * my1) + _ONE
    b = (mx2 * mx2 + my2 * my2) + _ONE
    c = (mx1 * mx2 + my1 * my2) + _ONE
    d = rx * mx1 + ry * my1
    e = rx * mx2 + ry * my2
    determinant = c * c - a * b
    t1 = (b * d - c * e) / determinant
    t2 = (c * d - a * e) / determinant
    qx1, qy1, qx2, qy2 = x1 + t1 * mx1, y1 + t1 * my1, x2 + t2 * mx2, y2 + t2 * my2
    dx, dy, dz = qx1 - qx2, qy1 - qy2, t1 - t2
    cda = np.sqrt((dx * dx + dy * dy) + dz * dz)
    return cda, (qx1 + qx2) / _TWO, (qy1 + qy2) / _TWO, _MAGNET + (t1 + t2) / _TWO


@kernel(some(_F, 4)(_F, _F, _F, _F))
def closest_to_beam(x: Any, y: Any, mx: Any, my: Any) -> Closest:
    """Return the closest approach of a line and the beam."""
    return closest_approach(_BEAM_X, _ZERO, _BEAM_DX_DZ, _ZERO, x, y, mx, my)
