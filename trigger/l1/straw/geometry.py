"""Where the straws are, as the experiment's L1 code has it. Lengths in mm, z along the beam from the target.

Sources: ../reference to the L1 STRAW code of 2018 in docs/l1.md. Coordinates: v = (x - y)/sqrt2, u = (x + y)/sqrt2.

A straw's ID is ((chamber x 4 + view) x 4 + plane) x 122 + number, views v, u, x, y; planes 0 and 1 are half-view 0.
Kernels use a *place* instead: the same with 128 in place of 122, so that a plane's number is a shift away and a
neighbour beyond either end of a plane is a place where no straw is.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from trigger.jit import inline

CHAMBERS: Final = 4
VIEWS: Final = 4
PLANES: Final = 4
STRAWS: Final = 122
N_STRAWS: Final = CHAMBERS * VIEWS * PLANES * STRAWS

V, U, X, Y = range(VIEWS)

PLACE_BITS: Final = 7
PLACES: Final = CHAMBERS * VIEWS * PLANES << PLACE_BITS
MARGIN: Final = 2 << PLACE_BITS
"""Places in front of the first and behind the last one, which neighbours of the outermost planes may have."""

PITCH_MM: Final = 17.6
FIRST_BOARD: Final = 65
"""Straws from this number on are read by a half-view's first board, the others by the second."""

PLANE_MM: Final = np.array(
    [
        [-1058.2, -1067.0, -1071.4, -1062.6],
        [-1062.6, -1071.4, -1067.0, -1058.2],
        [-1058.2, -1067.0, -1071.4, -1062.6],
        [-1080.2, -1089.0, -1084.6, -1075.8],
    ]
)
"""Coordinate of straw 0 by view and plane."""

CHAMBER_MM: Final = np.array(
    [
        [-0.0538315, 0.0857196, -0.1735152, 0.0267571],
        [0.2585159, 0.0453096, 0.1563879, -0.01980598],
        [-0.00973369, 0.0212925, -0.3323366, 0.046397608],
        [0.03975005, 0.1124206, -0.02243413, -0.02177299],
    ]
)
"""What a chamber's alignment adds to it, by chamber and view."""

HOLE_MIN_MM: Final = np.array(
    [
        [6.6, 6.6, 37.4, -63.8],
        [15.4, 15.4, 50.6, -63.8],
        [2.2, 2.2, 28.6, -63.8],
        [-24.2, -24.2, -11.0, -63.8],
    ]
)
HOLE_MAX_MM: Final = np.array(
    [
        [134.2, 134.2, 165.0, 63.8],
        [143.0, 143.0, 178.2, 63.8],
        [129.8, 129.8, 156.2, 63.8],
        [103.4, 103.4, 116.6, 63.8],
    ]
)
"""Edges of the gap for the beam, by chamber and view."""

OUTER_MM: Final = 1052.1112
HALF_LENGTH_MM: Final = 1050.0
"""Where a view ends, across its straws and along them."""

MAGNET_MM: Final = 197645.0
CHAMBER_Z_MM: Final = (183508.0, 194066.0, 204459.0, 218885.0)
ZETA_MM: Final = tuple(z - MAGNET_MM for z in CHAMBER_Z_MM)
"""z of the chambers, from the magnet's centre on."""

BEAM_X_MM: Final = 114.0
BEAM_DX_DZ: Final = 0.0012
"""The beam line: x at the magnet's centre, and its slope; y is 0."""

KICK_MEV: Final = 270.0
"""Transverse momentum that the magnet gives: p = KICK / |change of slope|."""


def place_of_id(straw_id: int) -> int:
    """Return the place of a straw ID, MARGIN included."""
    return MARGIN + straw_id + straw_id // STRAWS * ((1 << PLACE_BITS) - STRAWS)


place_in_kernel: Final = inline(place_of_id)
"""The same, for kernels."""


def _positions() -> np.ndarray:
    """Return the coordinate of each place's wire, in the order of the sum as the experiment's code has it."""
    positions = np.zeros(PLACES + 2 * MARGIN)
    for straw_id in range(N_STRAWS):
        plane = straw_id // STRAWS
        chamber, view = plane // (VIEWS * PLANES), plane // PLANES % VIEWS
        along = PITCH_MM * (straw_id % STRAWS) + PLANE_MM[view, plane % PLANES]
        positions[place_of_id(straw_id)] = along + CHAMBER_MM[chamber, view]
    return positions


POSITION_MM: Final = _positions()
"""float64[n places]: coordinate of the wire."""


def _steps(distance_mm: float) -> np.ndarray:
    """Return, for each view and plane, how many places on the straw is whose wire lies `distance_mm` further."""
    steps = np.zeros((VIEWS, PLANES), np.int64)
    for view in range(VIEWS):
        for plane in range(PLANES):
            for other in range(PLANES):
                pitches = (distance_mm + PLANE_MM[view, plane] - PLANE_MM[view, other]) / PITCH_MM
                if abs(pitches - round(pitches)) < 1e-6:
                    steps[view, plane] = (other - plane << PLACE_BITS) + round(pitches)
    return steps.ravel()


UP_SAME: Final = _steps(8.8)
DOWN_SAME: Final = _steps(-8.8)
UP_OTHER: Final = _steps(4.4)
DOWN_OTHER: Final = _steps(-4.4)
"""int64[16], by view and plane: the step to the place of the next straw in the same and in the other half-view. The
four planes are staggered by 4.4 mm, and no others are within 9 mm."""
