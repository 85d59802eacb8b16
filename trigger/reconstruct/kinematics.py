"""Masses from momenta: arrays of any number of decays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def momenta(p_gev: Floats, dx_dz: Floats, dy_dz: Floats) -> Floats:
    """Return momentum vectors float64[n, 3] in GeV of the magnitudes and slopes float64[n]."""
    along = p_gev / np.sqrt(1.0 + dx_dz**2 + dy_dz**2)
    return np.stack([along * dx_dz, along * dy_dz, along], axis=-1)


def energies(p: Floats, mass_gev: float) -> Floats:
    """Return the energies float64[n] in GeV of particles of a mass with momenta float64[n, 3]."""
    return np.sqrt((p**2).sum(axis=-1) + mass_gev**2)


def m2_miss_gev2(beam: Floats, beam_gev: float, track: Floats, track_gev: float) -> Floats:
    """Return (P_beam - P_track)^2 in GeV^2: momenta float64[n, 3], masses that they are taken to have."""
    energy = energies(beam, beam_gev) - energies(track, track_gev)
    return np.asarray(energy**2 - ((beam - track) ** 2).sum(axis=-1))


def invariant_mass_gev(tracks: Floats, masses_gev: Floats) -> Floats:
    """Return the invariant mass float64[n] of k tracks each: momenta float64[n, k, 3], masses float64[k]."""
    energy = np.sqrt((tracks**2).sum(axis=-1) + np.asarray(masses_gev) ** 2).sum(axis=-1)
    m2 = energy**2 - (tracks.sum(axis=1) ** 2).sum(axis=-1)
    return np.sqrt(np.maximum(m2, 0.0))
