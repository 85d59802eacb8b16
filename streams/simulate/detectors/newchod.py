"""The NewCHOD: scintillator tiles in quadrants, each read by two photomultipliers."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.detectors.chod import quadrant
from streams.simulate.detectors.hit import COUNTS, HITS, NEWCHOD, add_hit
from streams.simulate.detectors.track import is_at, x_at, y_at
from trigger.clock import LSB_NS
from trigger.jit import inline, kernel, named

TILES: Final = 38
"""Tiles of a quadrant, numbered 1 to 38."""

QUADRANT: Final = 100
SECOND: Final = 50
"""IDs: QUADRANT x (1 to 4) + tile, and SECOND more for the second photomultiplier."""

TILE_X_MM, TILE_Y_MM = 255.0, 105.0
"""Size of a tile: chosen so that 38 of one size cover a quadrant up to 1070 mm, four in a row at most."""

ROW_STARTS: Final = np.array([0, 4, 8, 12, 16, 20, 24, 28, 32, 35, 37, 38])


class NewChod(NamedTuple):
    """Plane, acceptance radii, resolution of a photomultiplier; probability that a tile fires, and that both of its
    photomultipliers do if it fires."""

    z_mm: float
    inner_mm: float
    outer_mm: float
    resolution_ns: float
    efficiency: float
    tight: float


NEWCHOD_PARTS: Final = named(NewChod)


@kernel(types.int64(types.float64, types.float64))
def tile_at(x: float, y: float) -> int:
    """Tile (0 to 37) of its quadrant in which a point lies."""
    y_row = min(int(abs(y) / TILE_Y_MM), len(ROW_STARTS) - 2)
    longest = ROW_STARTS[y_row + 1] - ROW_STARTS[y_row]
    return ROW_STARTS[y_row] + min(int(abs(x) / TILE_X_MM), longest - 1)


@kernel(
    types.void(
        types.uint64[::1],
        HITS,
        COUNTS,
        types.int64,
        types.float64,
        types.float64,
        types.float64,
        types.int64,
        types.int64,
    )
)
def two_tubes(
    rng: Any,
    hits: Any,
    counts: Any,
    row: int,
    time: float,
    sigma_ns: float,
    tight: float,
    one: int,
    other: int,
) -> None:
    """Append the hits of a pad with two photomultipliers, of which with probability `tight` both fire, else one."""
    draw = chance.uniform(rng)
    if draw < 0.5 * (1.0 + tight):
        add_hit(hits, counts, row, time + sigma_ns / LSB_NS * chance.normal(rng), one)
    if draw < tight or draw >= 0.5 * (1.0 + tight):
        add_hit(hits, counts, row, time + sigma_ns / LSB_NS * chance.normal(rng), other)


@inline
def newchod_hits(
    rng: Any, newchod: Any, magnet_mm: float, stack: Any, row: int, time: float, hits: Any, counts: Any
) -> None:
    """Append the hits of a charged particle: the photomultipliers of the tile that it crosses."""
    if not is_at(stack, row, newchod.z_mm):
        return
    x, y = x_at(stack, row, magnet_mm, newchod.z_mm), y_at(stack, row, magnet_mm, newchod.z_mm)
    if not newchod.inner_mm**2 < x * x + y * y < newchod.outer_mm**2:
        return
    if chance.uniform(rng) >= newchod.efficiency:
        return
    identity = QUADRANT * (quadrant(x, y) + 1) + tile_at(x, y) + 1
    two_tubes(
        rng, hits, counts, NEWCHOD, time, newchod.resolution_ns, newchod.tight, identity, identity + SECOND
    )
