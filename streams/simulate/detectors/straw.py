"""The STRAW spectrometer: straws that charged particles cross, with the drift times of their hits."""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.detectors.hit import COUNTS, HITS, STRAW, add_hit
from streams.simulate.detectors.track import is_at, x_at, y_at
from streams.simulate.stack import PX, PY, PZ, STACK
from trigger.clock import LSB_NS
from trigger.jit import kernel, named
from trigger.l1.window import TRAILING

CHAMBERS, VIEWS, PLANES, STRAWS = 4, 4, 4, 122
"""ID = ((chamber x VIEWS + view) x PLANES + plane) x STRAWS + straw; views v, u, x, y."""

UNIT_LSB: Final = 8
"""The straws' own time unit, 0.78 ns, in LSB."""

SQRT2: Final = np.sqrt(2.0)
DRIFT_STEP_MM: Final = 0.2


Chambers = Annotated[tuple[float, ...], CHAMBERS]
ChamberViews = Annotated[tuple[float, ...], CHAMBERS * VIEWS]
Radii = Annotated[tuple[float, ...], 26]


class Straw(NamedTuple):
    """Geometry, and the response of a straw.

    plane_mm: coordinate of the first straw of the planes of views v, u, x, y; chamber_mm: shift of the views of the
    chambers. hole_min_mm, hole_max_mm: the gap for the beam, by chamber and view. drift_ns: drift time at radii in
    steps of DRIFT_STEP_MM. trailing_ns, trailing_spread_ns: mean and standard deviation of the trailing edge, from
    the track on. scatter_gev: angle by which a chamber scatters, times the momentum. noise_khz: of a straw.
    """

    z_mm: Chambers
    pitch_mm: float
    plane_mm: ChamberViews
    chamber_mm: ChamberViews
    hole_min_mm: ChamberViews
    hole_max_mm: ChamberViews
    outer_mm: float
    length_mm: float
    radius_mm: float
    drift_ns: Radii
    resolution_ns: float
    trailing_ns: float
    trailing_spread_ns: float
    efficiency: float
    scatter_gev: float
    noise_khz: float


STRAW_PARTS: Final = named(Straw)


@kernel(types.void(types.uint64[::1], STRAW_PARTS, types.int64, types.float64, types.float64, HITS, COUNTS))
def edges(rng: Any, straw: Any, identity: int, radius: float, time: float, hits: Any, counts: Any) -> None:
    """Append both edges of a straw that a track passes at a distance of `radius` mm from its wire."""
    step = min(int(radius / DRIFT_STEP_MM), 24)
    part = radius / DRIFT_STEP_MM - step
    drift = straw.drift_ns[step] * (1.0 - part) + straw.drift_ns[step + 1] * part
    leading = time + (drift + straw.resolution_ns * chance.normal(rng)) / LSB_NS
    trailing = time + (straw.trailing_ns + straw.trailing_spread_ns * chance.normal(rng)) / LSB_NS
    # Both edges are counted in units of the straws' readout.
    leading = np.floor(leading / UNIT_LSB + 0.5) * UNIT_LSB
    trailing = np.floor(trailing / UNIT_LSB + 0.5) * UNIT_LSB
    add_hit(hits, counts, STRAW, leading, identity)
    add_hit(hits, counts, STRAW, max(trailing, leading + UNIT_LSB), identity | TRAILING)


@kernel(
    types.void(
        types.uint64[::1],
        STRAW_PARTS,
        types.int64,
        types.int64,
        types.float64,
        types.float64,
        types.float64,
        HITS,
        COUNTS,
    )
)
def view_hits(
    rng: Any,
    straw: Any,
    chamber: int,
    view: int,
    across: float,
    along: float,
    time: float,
    hits: Any,
    counts: Any,
) -> None:
    """Append the hits of a view at a coordinate `across` its straws, `along` them."""
    slot = chamber * VIEWS + view
    if straw.hole_min_mm[slot] < across < straw.hole_max_mm[slot]:
        return
    if abs(across) > straw.outer_mm or abs(along) > straw.length_mm:
        return
    for plane in range(PLANES):
        first = straw.plane_mm[view * PLANES + plane] + straw.chamber_mm[slot]
        number = int(np.floor((across - first) / straw.pitch_mm + 0.5))
        if not 0 <= number < STRAWS:
            continue
        radius = abs(across - first - number * straw.pitch_mm)
        if radius < straw.radius_mm and chance.uniform(rng) < straw.efficiency:
            edges(rng, straw, (slot * PLANES + plane) * STRAWS + number, radius, time, hits, counts)


@kernel(
    types.void(types.uint64[::1], STRAW_PARTS, types.float64, STACK, types.int64, types.float64, HITS, COUNTS)
)
def straw_hits(
    rng: Any, straw: Any, magnet_mm: float, stack: Any, row: int, time: float, hits: Any, counts: Any
) -> None:
    """Append the hits of a charged particle in all chambers; each of them scatters it a little."""
    p = np.sqrt(stack[row, PX] ** 2 + stack[row, PY] ** 2 + stack[row, PZ] ** 2)
    off_x, off_y, slope_x, slope_y, last = 0.0, 0.0, 0.0, 0.0, 0.0
    for chamber in range(CHAMBERS):
        z = straw.z_mm[chamber]
        if not is_at(stack, row, z):
            continue
        if last > 0.0:
            off_x += slope_x * (z - last)
            off_y += slope_y * (z - last)
        x, y = x_at(stack, row, magnet_mm, z) + off_x, y_at(stack, row, magnet_mm, z) + off_y
        u, v = (x + y) / SQRT2, (x - y) / SQRT2
        view_hits(rng, straw, chamber, 0, v, u, time, hits, counts)
        view_hits(rng, straw, chamber, 1, u, v, time, hits, counts)
        view_hits(rng, straw, chamber, 2, x, y, time, hits, counts)
        view_hits(rng, straw, chamber, 3, y, x, time, hits, counts)
        slope_x += straw.scatter_gev / p * chance.normal(rng)
        slope_y += straw.scatter_gev / p * chance.normal(rng)
        last = z


@kernel(types.void(types.uint64[::1], STRAW_PARTS, types.float64, HITS, COUNTS))
def straw_noise(rng: Any, straw: Any, duration_lsb: float, hits: Any, counts: Any) -> None:
    """Append the noise of all straws from time 0 to `duration_lsb`."""
    n_straws = CHAMBERS * VIEWS * PLANES * STRAWS
    rate = straw.noise_khz * 1e-6 * LSB_NS * n_straws
    if rate <= 0.0:
        return
    time = chance.exponential(rng) / rate
    while time < duration_lsb:
        radius = straw.radius_mm * chance.uniform(rng)
        edges(rng, straw, int(n_straws * chance.uniform(rng)), radius, time, hits, counts)
        time += chance.exponential(rng) / rate
