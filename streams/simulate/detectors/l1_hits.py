"""The detectors that only L1 and the monitors read, one decay at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import from_dtype, types

from streams.simulate import chance
from streams.simulate.detectors.hit import LAV
from streams.simulate.detectors.ktag import ktag_hits
from streams.simulate.detectors.lav import lav_hits
from streams.simulate.detectors.lkr import (
    CLUSTER_GEV,
    CLUSTER_TIME,
    CLUSTER_X,
    CLUSTER_Y,
    CLUSTERS,
    LKR_PARTS,
    MAX_CLUSTERS,
)
from streams.simulate.detectors.rich import RICH_PARTS, light, ring_radius
from streams.simulate.detectors.small_angle import small_angle_hits
from streams.simulate.detectors.straw import straw_hits
from streams.simulate.stack import END_Z, STACK, TX_AFTER, TY, Z, count, pdg_of
from trigger.clock import LSB_NS
from trigger.jit import inline, kernel
from trigger.particles import KAON, charge
from trigger.records import CLUSTER, RING


@inline
def l1_hits(rng: Any, apparatus: Any, stack: Any, time: float, hits: Any, counts: Any) -> None:
    """Append the hits of KTAG, LAV1 to LAV11, IRC, SAC and STRAW, after `transport`, at `time` LSB of the frame."""
    magnet_mm = apparatus.magnet.z_mm
    if count(stack) > 0 and pdg_of(stack, 0) == KAON:
        ktag_hits(rng, apparatus.ktag, time, hits, counts)
    for row in range(1, count(stack)):
        if stack[row, END_Z] <= stack[row, Z]:
            continue
        lav_hits(rng, apparatus.lav, magnet_mm, stack, row, False, time, hits, counts, LAV)
        small_angle_hits(rng, apparatus.small_angle, stack, row, time, hits, counts)
        if charge(pdg_of(stack, row)) != 0:
            straw_hits(rng, apparatus.straw, magnet_mm, stack, row, time, hits, counts)


@kernel(
    types.int64(
        types.uint64[::1],
        LKR_PARTS,
        CLUSTERS,
        from_dtype(CLUSTER)[::1],
        types.int64[::1],
        types.int64,
        types.int64,
    )
)
def cluster_records(rng: Any, lkr: Any, clusters: Any, records: Any, times: Any, n: int, origin: int) -> int:
    """Write the LKr clusters of a decay as records from `n` on, and their times in LSB; return the next n."""
    for i in range(int(clusters[MAX_CLUSTERS, 0])):
        if n >= len(records):
            return n + 1
        energy = clusters[i, CLUSTER_GEV]
        # A shower spreads over more cells the more energy it has: some 50 at 20 GeV.
        records[n]["n_cells"] = 1 + int(11.0 * np.sqrt(energy))
        records[n]["energy_gev"] = energy
        records[n]["x_mm"] = clusters[i, CLUSTER_X] + lkr.position_mm * chance.normal(rng)
        records[n]["y_mm"] = clusters[i, CLUSTER_Y] + lkr.position_mm * chance.normal(rng)
        times[n] = origin + np.int64(np.floor(clusters[i, CLUSTER_TIME]))
        n += 1
    return n


@kernel(
    types.int64(
        types.uint64[::1],
        RICH_PARTS,
        types.float64,
        STACK,
        types.float64,
        from_dtype(RING)[::1],
        types.int64[::1],
        types.int64,
        types.int64,
    )
)
def ring_records(
    rng: Any,
    rich: Any,
    magnet_mm: float,
    stack: Any,
    time: float,
    records: Any,
    times: Any,
    n: int,
    origin: int,
) -> int:
    """Write the rings of a decay with three photo-electrons or more as records from `n` on; return the next n."""
    for row in range(1, count(stack)):
        if charge(pdg_of(stack, row)) == 0:
            continue
        mean = light(rich, magnet_mm, stack, row)
        hits = chance.poisson(rng, mean) if mean > 0.0 else 0
        if hits < 3:
            continue
        if n >= len(records):
            return n + 1
        spread = rich.hit_mm / np.sqrt(float(hits))
        records[n]["n_hits"] = hits
        records[n]["radius_mm"] = ring_radius(rich, stack, row) + spread * chance.normal(rng)
        records[n]["x_mm"] = rich.focal_mm * stack[row, TX_AFTER] + spread * chance.normal(rng)
        records[n]["y_mm"] = rich.focal_mm * stack[row, TY] + spread * chance.normal(rng)
        at = time + rich.resolution_ns * np.sqrt(rich.photo_electrons / hits) / LSB_NS * chance.normal(rng)
        times[n] = origin + np.int64(np.floor(at))
        n += 1
    return n
