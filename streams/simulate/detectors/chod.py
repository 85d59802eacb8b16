"""The NA48-CHOD: two planes of scintillator slabs, vertical then horizontal, in quadrants."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from numba import types

from streams.simulate import chance
from streams.simulate.detectors.hit import CHOD, add_hit
from streams.simulate.detectors.track import is_at, x_at, y_at
from trigger.clock import LSB_NS
from trigger.jit import inline, kernel, named

SLABS: Final = 16
"""Slabs of a quadrant in a plane."""

HORIZONTAL: Final = 64
"""ID of the first horizontal slab."""


class Chod(NamedTuple):
    """Planes, acceptance radii, resolution of a slab, efficiency of a plane."""

    vertical_mm: float
    horizontal_mm: float
    inner_mm: float
    outer_mm: float
    resolution_ns: float
    efficiency: float


CHOD_PARTS: Final = named(Chod)


@kernel(types.int64(types.float64, types.float64))
def quadrant(x: float, y: float) -> int:
    """Quadrant of a point: 0 up left (x, y > 0), then round, so that 0 and 2, 1 and 3 are opposite."""
    if y >= 0.0:
        return 0 if x >= 0.0 else 1
    return 2 if x < 0.0 else 3


@inline
def chod_hits(
    rng: Any, chod: Any, magnet_mm: float, stack: Any, row: int, time: float, hits: Any, counts: Any
) -> None:
    """Append the hits of a charged particle: a slab of each plane that it crosses."""
    for plane in range(2):
        z = chod.vertical_mm if plane == 0 else chod.horizontal_mm
        if not is_at(stack, row, z):
            return
        x, y = x_at(stack, row, magnet_mm, z), y_at(stack, row, magnet_mm, z)
        if not chod.inner_mm**2 < x * x + y * y < chod.outer_mm**2:
            continue
        if chance.uniform(rng) >= chod.efficiency:
            continue
        along = abs(x) if plane == 0 else abs(y)
        slab = min(int(along * SLABS / chod.outer_mm), SLABS - 1)
        at = time + chod.resolution_ns / LSB_NS * chance.normal(rng)
        add_hit(hits, counts, CHOD, at, plane * HORIZONTAL + quadrant(x, y) * SLABS + slab)
