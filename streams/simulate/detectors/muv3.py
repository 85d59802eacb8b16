"""The MUV3: scintillator pads behind the iron, each read by two photomultipliers."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from numba import types

from streams.simulate import chance
from streams.simulate.detectors.hit import MUV3
from streams.simulate.detectors.newchod import two_tubes
from streams.simulate.detectors.track import is_at, x_at, y_at
from streams.simulate.stack import LKR_GEV, pdg_of
from trigger.jit import inline, kernel, named
from trigger.particles import MUON, PION

SIDE: Final = 12
"""Pads in a row and rows: the four in the middle make room for the inner ones."""

OUTER: Final = SIDE * SIDE
"""ID of the first of the eight inner pads."""

SECOND: Final = 200
"""The second photomultiplier of a pad has a so much higher ID."""


class Muv3(NamedTuple):
    """Plane, size of a pad, radius of the hole, resolution; efficiency and tight fraction of a pad; probability that
    a pion which hits the LKr sends something through the iron."""

    z_mm: float
    pad_mm: float
    hole_mm: float
    resolution_ns: float
    efficiency: float
    tight: float
    punch_through: float


MUV3_PARTS: Final = named(Muv3)


@kernel(types.int64(types.float64, types.float64, types.float64))
def pad_at(pad_mm: float, x: float, y: float) -> int:
    """Pad at a point: 12 x row + column for the outer ones, 144 to 151 for the inner ones, -1 outside of all."""
    half = 0.5 * SIDE * pad_mm
    if abs(x) >= half or abs(y) >= half:
        return -1
    if abs(x) < pad_mm and abs(y) < pad_mm:
        octant = (4 if y < 0.0 else 0) + (2 if x < 0.0 else 0) + (1 if abs(x) > abs(y) else 0)
        return OUTER + octant
    return SIDE * int((y + half) / pad_mm) + int((x + half) / pad_mm)


@inline
def muv3_hits(
    rng: Any, muv3: Any, magnet_mm: float, stack: Any, row: int, time: float, hits: Any, counts: Any
) -> None:
    """Append the hits of a muon that crosses a pad, or of a pion that punches through."""
    species = abs(pdg_of(stack, row))
    if species == MUON:
        if not is_at(stack, row, muv3.z_mm) or chance.uniform(rng) >= muv3.efficiency:
            return
    elif species != PION or stack[row, LKR_GEV] <= 0.0 or chance.uniform(rng) >= muv3.punch_through:
        return
    x, y = x_at(stack, row, magnet_mm, muv3.z_mm), y_at(stack, row, magnet_mm, muv3.z_mm)
    if x * x + y * y < muv3.hole_mm**2:
        return
    pad = pad_at(muv3.pad_mm, x, y)
    if pad >= 0:
        two_tubes(rng, hits, counts, MUV3, time, muv3.resolution_ns, muv3.tight, pad, pad + SECOND)
