"""Four-momenta (E, px, py, pz) in GeV, and what searches make of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from trigger.jit import inline, kernel, some
from trigger.particles import M_PI0_GEV
from trigger.reconstruct.detectors import LKR_MM

Four = tuple[float, float, float, float]

FOUR: Final = some(types.float64, 4)
_F: Final = types.float64


@kernel(FOUR(_F, _F, _F, _F))
def four(px: float, py: float, pz: float, mass_gev: float) -> Four:
    """Return the four-momentum of a particle of a mass."""
    return np.sqrt(px * px + py * py + pz * pz + mass_gev * mass_gev), px, py, pz


@kernel(FOUR(FOUR, FOUR))
def plus(a: Four, b: Four) -> Four:
    """Return the sum."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


@kernel(FOUR(FOUR, FOUR))
def minus(a: Four, b: Four) -> Four:
    """Return the difference."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]


@kernel(_F(FOUR))
def m2_gev2(a: Four) -> float:
    """Return E^2 - p^2."""
    return a[0] * a[0] - (a[1] * a[1] + a[2] * a[2] + a[3] * a[3])


@kernel(_F(FOUR))
def mass_of(a: Four) -> float:
    """Return the root of E^2 - p^2, 0 if rounding leaves that negative."""
    m2 = m2_gev2(a)
    return 0.0 if m2 < 0.0 else np.sqrt(m2)


@kernel(some(_F, 2)(FOUR, _F, _F))
def along_and_across(a: Four, dx_dz: float, dy_dz: float) -> tuple[float, float]:
    """Return the momentum along a line of these slopes and across it."""
    size = np.sqrt(1.0 + dx_dz * dx_dz + dy_dz * dy_dz)
    ux, uy, uz = dx_dz / size, dy_dz / size, 1.0 / size
    along = a[1] * ux + a[2] * uy + a[3] * uz
    return along, np.sqrt((a[1] - along * ux) ** 2 + (a[2] - along * uy) ** 2 + (a[3] - along * uz) ** 2)


@kernel(FOUR(_F, _F, _F, _F, _F, _F))
def photon(energy: float, x: float, y: float, from_x: float, from_y: float, from_z: float) -> Four:
    """Return the four-momentum of a photon with a cluster at (x, y) on the LKr, from a vertex in front of it: mm."""
    dx, dy, dz = x - from_x, y - from_y, LKR_MM - from_z
    scale = energy / np.sqrt(dx * dx + dy * dy + dz * dz)
    return energy, scale * dx, scale * dy, scale * dz


@kernel(_F(_F, _F, _F))
def z_pi0_mm(energy_1: float, energy_2: float, apart_mm: float) -> float:
    """z of the pi0 whose photons have these energies (GeV), `apart_mm` from each other on the LKr.

    m^2 = E1 E2 theta^2 for small angles, theta = apart / (z_lkr - z).
    """
    return LKR_MM - apart_mm * np.sqrt(energy_1 * energy_2) / M_PI0_GEV


@inline
def of_track(track: Any, mass_gev: float) -> Four:
    """Return the four-momentum of a measured track of a mass."""
    return four(track["px_gev"], track["py_gev"], track["pz_gev"], mass_gev)


@inline
def of_beam(event: Any, mass_gev: float) -> Four:
    """Return the four-momentum of the beam particle of an event, of a mass."""
    dx_dz, dy_dz = event["beam_dx_dz"], event["beam_dy_dz"]
    pz = event["beam_p_gev"] / np.sqrt(1.0 + dx_dz * dx_dz + dy_dz * dy_dz)
    return four(pz * dx_dz, pz * dy_dz, pz, mass_gev)
