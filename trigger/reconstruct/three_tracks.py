"""Candidates with three tracks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import from_dtype, types

from trigger.jit import inline, kernel
from trigger.particles import M_ELECTRON_GEV, M_MUON_GEV, M_PION_GEV
from trigger.reconstruct.candidates import THREE_TRACKS
from trigger.reconstruct.event import fill_common
from trigger.reconstruct.four_momenta import along_and_across, mass_of, of_track, photon, plus
from trigger.reconstruct.measured import EVENT_T, TRACKS_T
from trigger.reconstruct.vertex import of_tracks


@inline
def _in_order(tracks: Any, charge: int) -> tuple[int, int, int]:
    """Return the track of the charge that occurs once, then the others, the one of higher momentum first."""
    odd = 0
    for k in range(3):
        if tracks[k]["charge"] == -charge:
            odd = k
    a, b = int(odd == 0), 2 - int(odd == 2)
    if tracks[b]["p_gev"] > tracks[a]["p_gev"]:
        a, b = b, a
    return odd, a, b


@inline
def _fill_track(track: Any, k: int, record: Any) -> None:
    record["p_gev"][k], record["eop"][k] = track["p_gev"], track["cluster_gev"] / track["p_gev"]
    record["muon"][k], record["ring_m2_gev2"][k] = track["muon"], track["ring_m2_gev2"]


@inline
def _fill_leptons(odd: Any, lepton: Any, pion: Any, k: int, record: Any) -> None:
    """Set the masses with the odd track and another one as leptons."""
    third = of_track(pion, M_PION_GEV)
    muons = plus(of_track(odd, M_MUON_GEV), of_track(lepton, M_MUON_GEV))
    record["m_mumu_gev"][k], record["m_pimumu_gev"][k] = mass_of(muons), mass_of(plus(muons, third))
    electrons = plus(of_track(odd, M_ELECTRON_GEV), of_track(lepton, M_ELECTRON_GEV))
    record["m_ee_gev"][k], record["m_piee_gev"][k] = mass_of(electrons), mass_of(plus(electrons, third))


@inline
def _fill_photon(gamma: Any, odd: Any, lepton: Any, pion: Any, k: int, record: Any) -> None:
    """Set the masses with a photon and two electrons."""
    electrons = plus(of_track(odd, M_ELECTRON_GEV), of_track(lepton, M_ELECTRON_GEV))
    with_photon = plus(electrons, gamma)
    record["m_eeg_gev"][k] = mass_of(with_photon)
    record["m_pieeg_gev"][k] = mass_of(plus(with_photon, of_track(pion, M_PION_GEV)))


@kernel(types.void(EVENT_T, TRACKS_T, from_dtype(THREE_TRACKS)))
def fill_three_tracks(event: Any, tracks: Any, record: Any) -> None:
    """Make a candidate of a measured event with three tracks."""
    charge = tracks[0]["charge"] + tracks[1]["charge"] + tracks[2]["charge"]
    odd, a, b = _in_order(tracks, charge)
    x, y, z, cda = of_tracks(tracks, 3)
    fill_common(event, (x, y, z, cda), record)
    record["charge"] = charge
    _fill_track(tracks[odd], 0, record)
    _fill_track(tracks[a], 1, record)
    _fill_track(tracks[b], 2, record)
    pions = plus(of_track(tracks[a], M_PION_GEV), of_track(tracks[b], M_PION_GEV))
    total = plus(pions, of_track(tracks[odd], M_PION_GEV))
    record["m_3pi_gev"] = mass_of(total)
    dx_dz, dy_dz = event["beam_dx_dz"], event["beam_dy_dz"]
    record["p_total_gev"], record["pt_gev"] = along_and_across(total, dx_dz, dy_dz)
    _fill_leptons(tracks[odd], tracks[a], tracks[b], 0, record)
    _fill_leptons(tracks[odd], tracks[b], tracks[a], 1, record)
    if event["n_photons"] >= 1:
        gamma = photon(event["gev_1"], event["x_1_mm"], event["y_1_mm"], x, y, z)
        _fill_photon(gamma, tracks[odd], tracks[a], tracks[b], 0, record)
        _fill_photon(gamma, tracks[odd], tracks[b], tracks[a], 1, record)
        along, across = along_and_across(plus(total, gamma), dx_dz, dy_dz)
        record["p_total_g_gev"], record["pt_g_gev"] = along, across
    else:
        record["p_total_g_gev"] = record["pt_g_gev"] = np.nan
        for i in range(2):
            record["m_eeg_gev"][i] = record["m_pieeg_gev"][i] = np.nan
