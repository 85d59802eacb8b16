"""What no decay makes: muons of the beam halo, and hits of one detector alone."""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.detectors.chod import HORIZONTAL, SLABS
from streams.simulate.detectors.hit import CHOD, COUNTS, HITS, LAV12, LKR, MUV3, N_L0, NEWCHOD, RICH, add_hit
from streams.simulate.detectors.lav import CHANNELS, LAST
from streams.simulate.detectors.lkr import ENERGY_UNIT_GEV
from streams.simulate.detectors.muv3 import OUTER
from streams.simulate.detectors.muv3 import SECOND as MUV3_SECOND
from streams.simulate.detectors.newchod import QUADRANT, SECOND, TILES, two_tubes
from streams.simulate.stack import STACK, push, set_count
from trigger.jit import kernel, named
from trigger.particles import M_MUON_GEV, MUON


class Background(NamedTuple):
    """Rates at the nominal intensity, and what fires.

    halo_mhz: muons that come along the beam from `halo_from_mm`, spread by `halo_mm` (standard deviation) and
    `halo_slope`, of `halo_gev` (mean of an exponential above `halo_least_gev`). accidental_mhz: of each L0 detector,
    in the order of its inputs. muv3_inner, newchod_inner, tight: fractions. lkr_gev: mean of an exponential.
    """

    halo_mhz: float
    halo_from_mm: float
    halo_mm: float
    halo_slope: float
    halo_gev: float
    halo_least_gev: float
    accidental_mhz: Annotated[tuple[float, ...], N_L0]
    muv3_inner: float
    muv3_tight: float
    newchod_tight: float
    lkr_gev: float


BACKGROUND: Final = named(Background)


@kernel(types.void(types.uint64[::1], BACKGROUND, STACK))
def halo_muon(rng: Any, background: Any, stack: Any) -> None:
    """Make the stack anew, with an empty row 0 and a halo muon of either charge in row 1."""
    set_count(stack, 0)
    z = background.halo_from_mm
    push(stack, 0, -1, (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, z))
    p = background.halo_least_gev + background.halo_gev * chance.exponential(rng)
    tx, ty = background.halo_slope * chance.normal(rng), background.halo_slope * chance.normal(rng)
    x, y = background.halo_mm * chance.normal(rng), background.halo_mm * chance.normal(rng)
    pz = p / np.sqrt(1.0 + tx * tx + ty * ty)
    pdg = MUON if chance.uniform(rng) < 0.5 else -MUON
    push(stack, pdg, 0, (pz * tx, pz * ty, pz, np.sqrt(p * p + M_MUON_GEV**2)), (x, y, z))


@kernel(types.void(types.uint64[::1], BACKGROUND, types.int64, types.float64, HITS, COUNTS))
def accidental(rng: Any, background: Any, detector: int, time: float, hits: Any, counts: Any) -> None:
    """Append the hit of one L0 detector alone."""
    if detector == CHOD:
        quadrant, slab = int(4.0 * chance.uniform(rng)), int(SLABS * chance.uniform(rng))
        add_hit(hits, counts, CHOD, time, quadrant * SLABS + slab)
        add_hit(hits, counts, CHOD, time, HORIZONTAL + quadrant * SLABS + slab)
    elif detector == RICH:
        add_hit(hits, counts, RICH, time, 2 + int(4.0 * chance.uniform(rng)))
    elif detector == LAV12:
        add_hit(hits, counts, LAV12, time, LAST * CHANNELS + 2 * int(256.0 * chance.uniform(rng)))
    elif detector == MUV3:
        inner = chance.uniform(rng) < background.muv3_inner
        pad = OUTER + int(8.0 * chance.uniform(rng)) if inner else int(OUTER * chance.uniform(rng))
        two_tubes(rng, hits, counts, MUV3, time, 0.0, background.muv3_tight, pad, pad + MUV3_SECOND)
    elif detector == NEWCHOD:
        tile = 1 + int(TILES * chance.uniform(rng))
        identity = QUADRANT * (1 + int(4.0 * chance.uniform(rng))) + tile
        two_tubes(
            rng, hits, counts, NEWCHOD, time, 0.0, background.newchod_tight, identity, identity + SECOND
        )
    elif detector == LKR:
        energy = background.lkr_gev * (1.0 + chance.exponential(rng))
        add_hit(hits, counts, LKR, time, min(int(energy / ENERGY_UNIT_GEV), 0xFFFF))
