"""The KTAG: Cherenkov light of beam kaons, in eight sectors."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from numba import types

from streams.simulate import chance
from streams.simulate.detectors.hit import COUNTS, HITS, KTAG, add_hit
from trigger.clock import LSB_NS
from trigger.jit import kernel, named

SECTORS: Final = 8
TUBES: Final = 48
"""Photomultipliers of a sector: ID = TUBES x sector + tube."""


class Ktag(NamedTuple):
    """photons: mean number of hits in a sector by a kaon. resolution_ns: of one of them."""

    photons: float
    resolution_ns: float


KTAG_PARTS: Final = named(Ktag)


@kernel(types.void(types.uint64[::1], KTAG_PARTS, types.float64, HITS, COUNTS))
def ktag_hits(rng: Any, ktag: Any, time: float, hits: Any, counts: Any) -> None:
    """Append the hits of a kaon, leading edges only."""
    for sector in range(SECTORS):
        for _ in range(chance.poisson(rng, ktag.photons)):
            at = time + ktag.resolution_ns / LSB_NS * chance.normal(rng)
            add_hit(hits, counts, KTAG, at, sector * TUBES + int(TUBES * chance.uniform(rng)))
