"""The small-angle vetoes: IRC around the beam pipe in front of the LKr, SAC in the beam behind everything."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from numba import types

from streams.simulate import chance
from streams.simulate.detectors.hit import COUNTS, HITS, IRCSAC, add_hit
from streams.simulate.stack import END_Z, ENERGY, STACK
from trigger.clock import LSB_NS
from trigger.jit import kernel, named
from trigger.l1.window import TRAILING

SAC: Final = 64
"""ID of the first channel of the SAC; those of the IRC begin at 0. Even IDs are of the low threshold."""

CHANNELS: Final = 64


class SmallAngle(NamedTuple):
    """Ring of the IRC, square of the SAC, and their response."""

    irc_mm: float
    irc_inner_mm: float
    irc_outer_mm: float
    sac_mm: float
    sac_half_mm: float
    resolution_ns: float
    inefficiency: float
    least_gev: float
    high_gev: float
    width_ns: float


SMALL_ANGLE: Final = named(SmallAngle)


@kernel(types.boolean(SMALL_ANGLE, types.float64, types.float64))
def in_irc(small: Any, x: float, y: float) -> bool:
    """Say whether a point lies in the ring of the IRC."""
    return small.irc_inner_mm**2 < x * x + y * y < small.irc_outer_mm**2


@kernel(types.boolean(SMALL_ANGLE, types.float64, types.float64))
def in_sac(small: Any, x: float, y: float) -> bool:
    """Say whether a point lies in the square of the SAC."""
    return abs(x) < small.sac_half_mm and abs(y) < small.sac_half_mm


@kernel(types.void(types.uint64[::1], SMALL_ANGLE, STACK, types.int64, types.float64, HITS, COUNTS))
def small_angle_hits(rng: Any, small: Any, stack: Any, row: int, time: float, hits: Any, counts: Any) -> None:
    """Append the hits of a particle that ends in the IRC or SAC: a channel, low and high threshold, both edges."""
    end = stack[row, END_Z]
    if end not in (small.irc_mm, small.sac_mm):
        return
    energy = stack[row, ENERGY]
    if energy < small.least_gev or chance.uniform(rng) < small.inefficiency:
        return
    at = time + small.resolution_ns / LSB_NS * chance.normal(rng)
    width = small.width_ns / LSB_NS * (0.5 + chance.uniform(rng))
    low = (SAC if end == small.sac_mm else 0) + 2 * int(CHANNELS // 2 * chance.uniform(rng))
    add_hit(hits, counts, IRCSAC, at, low)
    add_hit(hits, counts, IRCSAC, at + width, low | TRAILING)
    if energy > small.high_gev:
        add_hit(hits, counts, IRCSAC, at + 0.1 * width, low + 1)
        add_hit(hits, counts, IRCSAC, at + 0.8 * width, (low + 1) | TRAILING)
