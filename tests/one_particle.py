"""One particle on the stack, and what becomes of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.simulate import chance
from streams.simulate.apparatus import load_apparatus
from streams.simulate.detectors import hit
from streams.simulate.detectors.l0_hits import l0_hits
from streams.simulate.detectors.lkr import MAX_CLUSTERS
from streams.simulate.detectors.transport import transport
from streams.simulate.stack import (
    new_stack,
    pdg_of,
    push,
    set_count,
)
from trigger.particles import (
    ELECTRON,
    KAON,
    MUON,
    PION,
    mass_gev,
)

NA62 = load_apparatus("na62")
MAGNET = NA62.magnet.z_mm


def rng(seed: int = 1) -> Any:
    return np.array([chance.seed_of(np.uint64(seed), np.uint64(7), np.uint64(0))], np.uint64)


def one(
    pdg: int, p: float, tx: float = 0.0, ty: float = 0.0, x: float = 0.0, y: float = 0.0, z: float = 110e3
) -> Any:
    """A stack of an empty beam particle and one particle of momentum p."""
    stack = new_stack()
    set_count(stack, 0)
    push(stack, KAON, -1, (0.0, 0.0, 75.0, 75.0), (0.0, 0.0, z))
    pz = p / np.sqrt(1 + tx**2 + ty**2)
    push(stack, pdg, 0, (pz * tx, pz * ty, pz, float(np.hypot(p, mass_gev(pdg)))), (x, y, z))
    return stack


def hits_of(stack: Any, seed: int = 1, capacity: int = 1000) -> tuple[Any, Any]:
    """Follow the stack and return the hits of the L0 detectors and their numbers."""
    hits, counts = np.zeros((hit.N_L0, capacity), np.int64), np.zeros(hit.N_L0, np.int64)
    clusters, state = np.zeros((MAX_CLUSTERS + 1, 4)), rng(seed)
    transport(state, NA62, stack)
    l0_hits(state, NA62, stack, clusters, 1000.0, hits, counts)
    return hits, counts


def naive_place(stack: Any, z: float) -> tuple[float, float]:
    """Where the particle of a stack of two is at z, from its momentum: the kick in the plane of the magnet."""
    px, py, pz, _, x, y, z0 = stack[1, :7]
    charge = {PION: 1, -PION: -1, -MUON: 1, MUON: -1, -ELECTRON: 1, ELECTRON: -1}.get(pdg_of(stack, 1), 0)
    if z <= MAGNET or z0 >= MAGNET:
        return x + px / pz * (z - z0), y + py / pz * (z - z0)
    kicked = px - 0.270 * charge
    after = np.sqrt(px**2 + pz**2 - kicked**2)
    return x + px / pz * (MAGNET - z0) + kicked / after * (z - MAGNET), y + py / pz * (z - z0)
