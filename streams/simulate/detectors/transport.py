"""From where particles begin to where they end: straight lines, the magnet's kick, decays in flight, absorption."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.decays.in_flight import muon_in_flight, pion_in_flight
from streams.simulate.detectors.lav import LAST, lav_station, leaves_the_middle
from streams.simulate.detectors.lkr import in_lkr, left_in_lkr
from streams.simulate.detectors.small_angle import in_irc, in_sac
from streams.simulate.detectors.track import MAGNET, follow, x_at, y_at
from streams.simulate.stack import END_Z, LKR_GEV, PX, PY, PZ, STACK, Z, count, pdg_of
from trigger.jit import inline, kernel
from trigger.particles import GAMMA, MUON, PION, charge, ctau_mm, mass_gev


@kernel(types.void(types.uint64[::1], MAGNET, STACK, types.int64, types.float64))
def fall_apart(rng: Any, magnet: Any, stack: Any, row: int, z: float) -> None:
    """Let a charged pion or muon decay at z."""
    stack[row, END_Z] = z
    px, py, pz = stack[row, PX], stack[row, PY], stack[row, PZ]
    energy = np.sqrt(px * px + py * py + pz * pz + mass_gev(pdg_of(stack, row)) ** 2)
    if z > magnet.z_mm > stack[row, Z]:
        kicked = px - charge(pdg_of(stack, row)) * magnet.kick_gev
        pz = np.sqrt(max(pz * pz + px * px - kicked * kicked, 1e-6))
        px = kicked
    place = (x_at(stack, row, magnet.z_mm, z), y_at(stack, row, magnet.z_mm, z), z)
    if abs(pdg_of(stack, row)) == PION:
        pion_in_flight(rng, stack, row, (px, py, pz, energy), place)
    else:
        muon_in_flight(rng, stack, row, (px, py, pz, energy), place)


@inline
def absorbed_at(magnet: Any, lkr: Any, small: Any, stack: Any, row: int) -> float:
    """Return z where a photon or charged particle that misses the LAVs ends; infinite if nothing stops it.

    Muons pass everything if they are fast enough; other charged particles end behind the LKr at the latest.
    """
    pdg = pdg_of(stack, row)
    if abs(pdg) == MUON:
        momentum2 = stack[row, PX] ** 2 + stack[row, PY] ** 2 + stack[row, PZ] ** 2
        return np.inf if momentum2 > lkr.muon_gev * lkr.muon_gev else lkr.behind_mm
    if in_irc(
        small, x_at(stack, row, magnet.z_mm, small.irc_mm), y_at(stack, row, magnet.z_mm, small.irc_mm)
    ):
        return small.irc_mm
    if pdg != GAMMA:
        return lkr.behind_mm
    if in_lkr(lkr, x_at(stack, row, magnet.z_mm, lkr.z_mm), y_at(stack, row, magnet.z_mm, lkr.z_mm)):
        return lkr.z_mm
    if in_sac(
        small, x_at(stack, row, magnet.z_mm, small.sac_mm), y_at(stack, row, magnet.z_mm, small.sac_mm)
    ):
        return small.sac_mm
    return np.inf


@kernel(types.float64(types.uint64[::1], STACK, types.int64))
def decay_z(rng: Any, stack: Any, row: int) -> float:
    """Draw the z at which a particle would decay if nothing stopped it."""
    pdg = pdg_of(stack, row)
    length = ctau_mm(pdg)
    if length == np.inf:
        return np.inf
    return stack[row, Z] + chance.exponential(rng) * length * stack[row, PZ] / mass_gev(pdg)


@inline
def transport(rng: Any, apparatus: Any, stack: Any) -> None:
    """Follow all particles but row 0, and those that they decay to, to their ends; set the columns TX to LKR_GEV."""
    magnet, lav, lkr, small = apparatus.magnet, apparatus.lav, apparatus.lkr, apparatus.small_angle
    row = 1
    while row < count(stack):
        pdg = pdg_of(stack, row)
        if stack[row, END_Z] == np.inf and (charge(pdg) != 0 or pdg == GAMMA) and stack[row, PZ] > 0.0:
            follow(magnet, stack, row)
            apart = decay_z(rng, stack, row)
            end, station = absorbed_at(magnet, lkr, small, stack, row), -1
            if abs(pdg) != MUON and leaves_the_middle(
                lav.inner_mm[0], lav.z_mm[0], lav.z_mm[LAST], magnet.z_mm, stack, row
            ):
                station = lav_station(lav, magnet.z_mm, stack, row)
            if station >= 0:
                end = lav.z_mm[station]
            if apart < end and apart < lkr.z_mm:
                fall_apart(rng, magnet, stack, row, apart)
            else:
                stack[row, END_Z] = end
                if end >= lkr.z_mm > stack[row, Z]:
                    x, y = x_at(stack, row, magnet.z_mm, lkr.z_mm), y_at(stack, row, magnet.z_mm, lkr.z_mm)
                    if in_lkr(lkr, x, y):
                        stack[row, LKR_GEV] = left_in_lkr(rng, lkr, stack, row)
        elif stack[row, END_Z] == np.inf:
            stack[row, END_Z] = stack[row, Z]
        row += 1
