"""Decays in flight of the pions and muons that a decay made."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.decays.kinematics import boosted, isotropic, two_body
from streams.simulate.stack import FOUR, STACK, VECTOR, pdg_of, push
from trigger.jit import kernel
from trigger.particles import (
    ELECTRON,
    M_ELECTRON_GEV,
    M_MUON_GEV,
    M_PION_GEV,
    MUON,
    NEUTRINO,
)

PION_TO_ELECTRON: Final = 1.230e-4
"""Branching ratio of pi+ -> e+ nu: Particle Data Group."""


@kernel(types.void(types.uint64[::1], STACK, types.int64, FOUR, VECTOR))
def pion_in_flight(rng: Any, stack: Any, row: int, p: Any, place: Any) -> None:
    """Let the charged pion in `row`, of momentum (px, py, pz, E), decay at a place."""
    sign = 1 if pdg_of(stack, row) > 0 else -1
    lepton, mass = -sign * MUON, M_MUON_GEV
    if chance.uniform(rng) < PION_TO_ELECTRON:
        lepton, mass = -sign * ELECTRON, M_ELECTRON_GEV
    two_body(rng, stack, row, p, M_PION_GEV, place, lepton, mass, NEUTRINO, 0.0)


@kernel(types.void(types.uint64[::1], STACK, types.int64, FOUR, VECTOR))
def muon_in_flight(rng: Any, stack: Any, row: int, p: Any, place: Any) -> None:
    """Let the muon in `row`, of momentum (px, py, pz, E), decay at a place: unpolarised, Michel spectrum.

    The spectrum x^2 (3 - 2x), x = 2 E / m_mu, neglects the electron's mass and radiation. Of the two neutrinos one
    record is kept, with their sum.
    """
    while True:
        x = chance.uniform(rng)
        if chance.uniform(rng) < x * x * (3.0 - 2.0 * x):
            break
    energy = max(0.5 * M_MUON_GEV * x, M_ELECTRON_GEV)
    k = np.sqrt(energy * energy - M_ELECTRON_GEV * M_ELECTRON_GEV)
    nx, ny, nz = isotropic(rng)
    electron = boosted((k * nx, k * ny, k * nz, energy), p, M_MUON_GEV)
    push(stack, ELECTRON if pdg_of(stack, row) > 0 else -ELECTRON, row, electron, place)
    rest = (p[0] - electron[0], p[1] - electron[1], p[2] - electron[2], p[3] - electron[3])
    push(stack, NEUTRINO, row, rest, place)
