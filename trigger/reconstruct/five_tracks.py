"""Candidates with five tracks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import from_dtype, types

from trigger.jit import inline, kernel
from trigger.particles import M_ELECTRON_GEV, M_KAON_GEV, M_PION_GEV
from trigger.reconstruct.candidates import FIVE_TRACKS
from trigger.reconstruct.event import fill_common
from trigger.reconstruct.four_momenta import along_and_across, mass_of, minus, of_track, plus
from trigger.reconstruct.measured import EVENT_T, TRACKS_T
from trigger.reconstruct.vertex import of_tracks


@inline
def _in_order(tracks: Any, charge: int, order: Any) -> None:
    """Write the tracks of the charge that occurs three times, then the others, each in the order of momentum."""
    n = 0
    for sign in (charge, -charge):
        begin = n
        for k in range(5):
            if tracks[k]["charge"] != sign:
                continue
            place = n
            while place > begin and tracks[k]["p_gev"] > tracks[order[place - 1]]["p_gev"]:
                order[place] = order[place - 1]
                place -= 1
            order[place] = k
            n += 1


@inline
def _electrons(tracks: Any) -> Any:
    """Return the sum of all five tracks as electrons."""
    total = of_track(tracks[0], M_ELECTRON_GEV)
    for k in range(1, 5):
        total = plus(total, of_track(tracks[k], M_ELECTRON_GEV))
    return total


@inline
def _find_pion(tracks: Any, electrons: Any, order: Any) -> None:
    """Put the pion in front: the one whose mass with four electrons is nearest to the kaon's."""
    best, nearest = 0, np.inf
    for i in range(3):
        track = tracks[order[i]]
        others = minus(electrons, of_track(track, M_ELECTRON_GEV))
        off = abs(mass_of(plus(others, of_track(track, M_PION_GEV))) - M_KAON_GEV)
        if off < nearest:
            best, nearest = i, off
    pion = order[best]
    for i in range(best, 0, -1):
        order[i] = order[i - 1]
    order[0] = pion


@inline
def _pair(tracks: Any, a: int, b: int) -> float:
    """Return the mass of two electrons."""
    return mass_of(plus(of_track(tracks[a], M_ELECTRON_GEV), of_track(tracks[b], M_ELECTRON_GEV)))


@kernel(types.void(EVENT_T, TRACKS_T, types.int64[::1], from_dtype(FIVE_TRACKS)))
def fill_five_tracks(event: Any, tracks: Any, order: Any, record: Any) -> None:
    """Make a candidate of a measured event with five tracks. order: int64[5], scratch."""
    charge = 0
    for i in range(5):
        charge += tracks[i]["charge"]
    _in_order(tracks, charge, order)
    electrons = _electrons(tracks)
    _find_pion(tracks, electrons, order)
    fill_common(event, of_tracks(tracks, 5), record)
    record["charge"] = charge
    for i in range(5):
        track = tracks[order[i]]
        record["p_gev"][i], record["muon"][i] = track["p_gev"], track["muon"]
        record["eop"][i] = track["cluster_gev"] / track["p_gev"]
    pion = tracks[order[0]]
    four_electrons = minus(electrons, of_track(pion, M_ELECTRON_GEV))
    total = plus(four_electrons, of_track(pion, M_PION_GEV))
    record["m_4e_gev"], record["m_pi4e_gev"] = mass_of(four_electrons), mass_of(total)
    along, across = along_and_across(total, event["beam_dx_dz"], event["beam_dy_dz"])
    record["p_total_gev"], record["pt_gev"] = along, across
    pairs = record["m_pair_gev"]
    pairs[0, 0], pairs[0, 1] = _pair(tracks, order[1], order[3]), _pair(tracks, order[2], order[4])
    pairs[1, 0], pairs[1, 1] = _pair(tracks, order[1], order[4]), _pair(tracks, order[2], order[3])
