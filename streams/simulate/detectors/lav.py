"""The large-angle vetoes LAV1 to LAV12: rings of lead glass around the decay volume."""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.detectors.hit import COUNTS, HITS, add_hit
from streams.simulate.detectors.track import r2_at, x_at, y_at
from streams.simulate.stack import END_Z, ENERGY, STACK, Z, pdg_of
from trigger.clock import LSB_NS
from trigger.jit import kernel, named
from trigger.l1.window import TRAILING
from trigger.particles import MUON

N_STATIONS: Final = 12
CHANNELS: Final = 512
"""Channels of a station: 2 x block + threshold, even ones low."""

LAST: Final = N_STATIONS - 1
"""LAV12, the station that sends L0 primitives."""


Stations = Annotated[tuple[float, ...], N_STATIONS]


class Lav(NamedTuple):
    """Front, inner and outer radius of each station; blocks in a ring; the response of its lead glass.

    least_hits: blocks that any particle crosses. hits_per_gev: further ones that see a shower, per GeV, `most_hits`
    in all. inefficiency: of a particle that crosses. least_gev: energy that makes hits at all. high_gev: energy a
    block from which it passes the high threshold too. width_ns: between the edges of a hit. muon_gev: what a muon's
    light is worth.
    """

    z_mm: Stations
    inner_mm: Stations
    outer_mm: Stations
    blocks: Stations
    resolution_ns: float
    inefficiency: float
    least_gev: float
    least_hits: int
    hits_per_gev: float
    most_hits: int
    high_gev: float
    width_ns: float
    muon_gev: float


LAV_PARTS: Final = named(Lav)


@kernel(types.boolean(types.float64, types.float64, types.float64, types.float64, STACK, types.int64))
def leaves_the_middle(
    inner_mm: float, first_mm: float, last_mm: float, magnet_mm: float, stack: Any, row: int
) -> bool:
    """Say whether a particle can hit a station: it flies on straight lines, so one that is inside of the smallest
    ring where these begin and end is so everywhere."""
    begin = max(stack[row, Z], first_mm)
    least = inner_mm * inner_mm
    return (
        r2_at(stack, row, magnet_mm, begin) > least
        or r2_at(stack, row, magnet_mm, last_mm) > least
        or (begin < magnet_mm and r2_at(stack, row, magnet_mm, magnet_mm) > least)
    )


@kernel(types.int64(LAV_PARTS, types.float64, STACK, types.int64))
def lav_station(lav: Any, magnet_mm: float, stack: Any, row: int) -> int:
    """Return the first station (0 to 11) that a particle hits, -1 if none."""
    for station in range(N_STATIONS):
        z = lav.z_mm[station]
        if z <= stack[row, Z]:
            continue
        r2 = r2_at(stack, row, magnet_mm, z)
        if lav.inner_mm[station] ** 2 < r2 < lav.outer_mm[station] ** 2:
            return station
    return -1


@kernel(
    types.void(
        types.uint64[::1],
        LAV_PARTS,
        types.float64,
        STACK,
        types.int64,
        types.boolean,
        types.float64,
        HITS,
        COUNTS,
        types.int64,
    )
)
def lav_hits(
    rng: Any,
    lav: Any,
    magnet_mm: float,
    stack: Any,
    row: int,
    last: bool,
    time: float,
    hits: Any,
    counts: Any,
    detector: int,
) -> None:
    """Append the hits of a particle in LAV12 (`last`) or in the other stations: blocks side by side, both edges."""
    end = stack[row, END_Z]
    muon = abs(pdg_of(stack, row)) == MUON
    if not muon and end > lav.z_mm[LAST]:
        return
    station = lav_station(lav, magnet_mm, stack, row)
    if station < 0 or (station == LAST) != last or end < lav.z_mm[station]:
        return
    energy = lav.muon_gev if muon else stack[row, ENERGY]
    if energy < lav.least_gev or chance.uniform(rng) < lav.inefficiency:
        return
    z = lav.z_mm[station]
    angle = np.arctan2(y_at(stack, row, magnet_mm, z), x_at(stack, row, magnet_mm, z))
    blocks = int(lav.blocks[station])
    first = int((angle / (2.0 * np.pi) + 0.5) * blocks)
    more = chance.poisson(rng, min(lav.hits_per_gev * energy, float(lav.most_hits)))
    n = min(lav.least_hits + more, lav.most_hits)
    for i in range(n):
        at = time + lav.resolution_ns / LSB_NS * chance.normal(rng)
        width = lav.width_ns / LSB_NS * (0.5 + chance.uniform(rng))
        low = station * CHANNELS + 2 * ((first + i) % blocks)
        add_hit(hits, counts, detector, at, low)
        add_hit(hits, counts, detector, at + width, low | TRAILING)
        if energy > lav.high_gev * n:
            add_hit(hits, counts, detector, at + 0.1 * width, (low + 1))
            add_hit(hits, counts, detector, at + 0.8 * width, (low + 1) | TRAILING)
