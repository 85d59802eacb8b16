"""Particles by their PDG number: mass, charge and lifetime. Numbers: Particle Data Group."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trigger.jit import kernel

ELECTRON: Final = 11
MUON: Final = 13
NEUTRINO: Final = 12
"""Neutrinos of all flavours: nothing here tells them apart."""
GAMMA: Final = 22
PI0: Final = 111
PION: Final = 211
KAON: Final = 321
PROTON: Final = 2212
EXOTIC: Final = 99
"""A new particle that a decay of a kaon, pion or pi0 makes; its mass is the decay's parameter."""
DARK_PHOTON: Final = 98
"""A new particle that an EXOTIC decays to."""

M_ELECTRON_GEV: Final = 0.000510999
M_MUON_GEV: Final = 0.10565838
M_PION_GEV: Final = 0.13957039
M_PI0_GEV: Final = 0.1349768
M_KAON_GEV: Final = 0.493677
M_PROTON_GEV: Final = 0.93827209

CTAU_MUON_MM: Final = 658_638.4
CTAU_PION_MM: Final = 7_804.5
CTAU_KAON_MM: Final = 3_711.0


@kernel("float64(int64)")
def mass_gev(pdg: int) -> float:
    """Mass of a particle or antiparticle; 0 for photons, neutrinos and what is not known."""
    species = abs(pdg)
    if species == PION:
        return M_PION_GEV
    if species == MUON:
        return M_MUON_GEV
    if species == ELECTRON:
        return M_ELECTRON_GEV
    if species == PI0:
        return M_PI0_GEV
    if species == KAON:
        return M_KAON_GEV
    if species == PROTON:
        return M_PROTON_GEV
    return 0.0


@kernel("int64(int64)")
def charge(pdg: int) -> int:
    """Charge in units of the proton's: 11 and 13 are negative leptons, 211, 321 and 2212 positive hadrons."""
    species = abs(pdg)
    sign = 1 if pdg > 0 else -1
    if species in (ELECTRON, MUON):
        return -sign
    if species in (PION, KAON, PROTON):
        return sign
    return 0


@kernel("float64(int64)")
def ctau_mm(pdg: int) -> float:
    """Mean proper decay length of a charged particle that decays in flight; infinite for all others."""
    species = abs(pdg)
    if species == PION:
        return CTAU_PION_MM
    if species == MUON:
        return CTAU_MUON_MM
    if species == KAON:
        return CTAU_KAON_MM
    return float("inf")


def charges(pdg: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return the charges int64[n] of particles: see `charge`."""
    species, sign = np.abs(pdg), np.where(pdg > 0, 1, -1)
    leptons, hadrons = np.isin(species, (ELECTRON, MUON)), np.isin(species, (PION, KAON, PROTON))
    return np.where(leptons, -sign, np.where(hadrons, sign, 0)).astype(np.int64)
