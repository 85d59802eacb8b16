"""The liquid-krypton calorimeter: what particles leave in it, as clusters."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.detectors.hit import LKR, add_hit
from streams.simulate.detectors.track import x_at, y_at
from streams.simulate.stack import ENERGY, LKR_GEV, STACK, count, pdg_of
from trigger.clock import LSB_NS
from trigger.jit import inline, kernel, named
from trigger.particles import MUON, PION

MAX_CLUSTERS: Final = 32

# Columns of the clusters of a decay, float64[MAX_CLUSTERS + 1, 4]; the last row holds their number.
CLUSTER_GEV, CLUSTER_X, CLUSTER_Y, CLUSTER_TIME = range(4)

CLUSTERS: Final = types.float64[:, ::1]

ENERGY_UNIT_GEV: Final = 0.002
"""Unit of the energy in the ID of an LKr hit at L0: 16 bits reach 131 GeV."""


class Lkr(NamedTuple):
    """Octagon with a hole, and what is behind it.

    behind_mm: where charged particles other than muons end at the latest. muon_gev: momentum with which muons go
    on. mip_gev: what a muon leaves, and a pion that does not shower. shower: probability that a pion does; it then
    leaves a fraction of its energy, uniform from 0 to 1. Energy resolution: stochastic / sqrt(E) (+) noise / E (+)
    constant. merge_mm: two closer ones are one cluster. least_gev: smallest cluster.
    """

    z_mm: float
    hole_mm: float
    apothem_mm: float
    behind_mm: float
    muon_gev: float
    mip_gev: float
    shower: float
    stochastic: float
    noise_gev: float
    constant: float
    position_mm: float
    resolution_ns: float
    merge_mm: float
    least_gev: float
    cell_mm: float


LKR_PARTS: Final = named(Lkr)


@kernel(types.boolean(LKR_PARTS, types.float64, types.float64))
def in_lkr(lkr: Any, x: float, y: float) -> bool:
    """Say whether a point lies in the octagon, outside of the hole."""
    ax, ay = abs(x), abs(y)
    if max(ax, ay) > lkr.apothem_mm or ax + ay > lkr.apothem_mm * np.sqrt(2.0):
        return False
    return x * x + y * y > lkr.hole_mm * lkr.hole_mm


@kernel(types.float64(types.uint64[::1], LKR_PARTS, STACK, types.int64))
def left_in_lkr(rng: Any, lkr: Any, stack: Any, row: int) -> float:
    """Draw the energy in GeV that a particle which hits the LKr leaves there, before the resolution."""
    energy, species = stack[row, ENERGY], abs(pdg_of(stack, row))
    if species == MUON:
        return min(lkr.mip_gev, energy)
    if species == PION:
        if chance.uniform(rng) >= lkr.shower:
            return min(lkr.mip_gev, energy)
        return max(energy * chance.uniform(rng), min(lkr.mip_gev, energy))
    return energy


@kernel(types.void(CLUSTERS, types.float64, types.float64, types.float64, types.float64))
def add_deposit(clusters: Any, merge_mm: float, energy: float, x: float, y: float) -> None:
    """Add an energy at a place to the cluster there, the centre of which moves, or make a new one."""
    n = int(clusters[MAX_CLUSTERS, 0])
    for i in range(n):
        dx, dy = clusters[i, CLUSTER_X] - x, clusters[i, CLUSTER_Y] - y
        if dx * dx + dy * dy < merge_mm * merge_mm:
            total = clusters[i, CLUSTER_GEV] + energy
            clusters[i, CLUSTER_X] -= dx * energy / total
            clusters[i, CLUSTER_Y] -= dy * energy / total
            clusters[i, CLUSTER_GEV] = total
            return
    if n < MAX_CLUSTERS:
        clusters[n, CLUSTER_GEV], clusters[n, CLUSTER_X], clusters[n, CLUSTER_Y] = energy, x, y
        clusters[MAX_CLUSTERS, 0] = n + 1


@inline
def lkr_hits(
    rng: Any, lkr: Any, magnet_mm: float, stack: Any, clusters: Any, time: float, hits: Any, counts: Any
) -> None:
    """Make the clusters of a decay, energy and time as measured, and append a hit for each: its ID is the energy."""
    clusters[MAX_CLUSTERS, 0] = 0
    for row in range(1, count(stack)):
        energy = stack[row, LKR_GEV]
        if energy > 0.0:
            x, y = x_at(stack, row, magnet_mm, lkr.z_mm), y_at(stack, row, magnet_mm, lkr.z_mm)
            add_deposit(clusters, lkr.merge_mm, energy, x, y)
    for i in range(int(clusters[MAX_CLUSTERS, 0])):
        energy = clusters[i, CLUSTER_GEV]
        # sigma / E = stochastic / sqrt(E) (+) noise / E (+) constant, times E.
        sigma = np.sqrt(lkr.stochastic**2 * energy + lkr.noise_gev**2 + (lkr.constant * energy) ** 2)
        energy = max(energy + sigma * chance.normal(rng), 0.0)
        clusters[i, CLUSTER_GEV] = energy
        clusters[i, CLUSTER_TIME] = time + lkr.resolution_ns / LSB_NS * chance.normal(rng)
        if energy > lkr.least_gev:
            add_hit(hits, counts, LKR, clusters[i, CLUSTER_TIME], min(int(energy / ENERGY_UNIT_GEV), 0xFFFF))
