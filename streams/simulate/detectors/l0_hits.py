"""The detectors of the L0 trigger, one decay at a time."""

from __future__ import annotations

from typing import Any

from streams.simulate.detectors.chod import chod_hits
from streams.simulate.detectors.hit import LAV12
from streams.simulate.detectors.lav import LAST, lav_hits
from streams.simulate.detectors.lkr import MAX_CLUSTERS, lkr_hits
from streams.simulate.detectors.muv3 import muv3_hits
from streams.simulate.detectors.newchod import newchod_hits
from streams.simulate.detectors.rich import rich_hits
from streams.simulate.detectors.track import r2_at
from streams.simulate.stack import END_Z, LKR_GEV, Z, count, pdg_of
from trigger.jit import inline
from trigger.particles import charge


@inline
def l0_hits(rng: Any, apparatus: Any, stack: Any, clusters: Any, time: float, hits: Any, counts: Any) -> None:
    """Append the hits of all particles on the stack but row 0, after `transport`, at `time` LSB of the frame.

    clusters: see `lkr`; those of this decay afterwards. Who misses a detector is found here, because a call costs
    more than that: half of the decays are muons in the beam pipe.
    """
    magnet_mm = apparatus.magnet.z_mm
    lav, muv3, newchod, chod, rich = (
        apparatus.lav,
        apparatus.muv3,
        apparatus.newchod,
        apparatus.chod,
        apparatus.rich,
    )
    clusters[MAX_CLUSTERS, 0] = 0
    energetic = False
    for row in range(1, count(stack)):
        end = stack[row, END_Z]
        if end <= stack[row, Z] or end < lav.z_mm[LAST]:
            continue
        energetic = energetic or stack[row, LKR_GEV] > 0.0
        if charge(pdg_of(stack, row)) != 0:
            if r2_at(stack, row, magnet_mm, rich.mirror_mm) > rich.inner_mm * rich.inner_mm:
                rich_hits(rng, rich, magnet_mm, stack, row, time, hits, counts)
            if max(
                r2_at(stack, row, magnet_mm, chod.vertical_mm),
                r2_at(stack, row, magnet_mm, chod.horizontal_mm),
            ) > (chod.inner_mm * chod.inner_mm):
                chod_hits(rng, chod, magnet_mm, stack, row, time, hits, counts)
            if r2_at(stack, row, magnet_mm, newchod.z_mm) > newchod.inner_mm * newchod.inner_mm:
                newchod_hits(rng, newchod, magnet_mm, stack, row, time, hits, counts)
            if r2_at(stack, row, magnet_mm, muv3.z_mm) > muv3.hole_mm * muv3.hole_mm:
                muv3_hits(rng, muv3, magnet_mm, stack, row, time, hits, counts)
        if r2_at(stack, row, magnet_mm, lav.z_mm[LAST]) > lav.inner_mm[LAST] * lav.inner_mm[LAST]:
            lav_hits(rng, lav, magnet_mm, stack, row, True, time, hits, counts, LAV12)
    if energetic:
        lkr_hits(rng, apparatus.lkr, magnet_mm, stack, clusters, time, hits, counts)
