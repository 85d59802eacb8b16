"""Candidates with one track."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import from_dtype, types

from trigger.jit import inline, kernel
from trigger.particles import M_ELECTRON_GEV, M_KAON_GEV, M_MUON_GEV, M_PION_GEV
from trigger.reconstruct.candidates import ONE_TRACK
from trigger.reconstruct.event import fill_common
from trigger.reconstruct.four_momenta import (
    along_and_across,
    m2_gev2,
    mass_of,
    minus,
    of_beam,
    of_track,
    photon,
    plus,
    z_pi0_mm,
)
from trigger.reconstruct.measured import EVENT_T, TRACKS_T
from trigger.reconstruct.vertex import of_two_lines


@inline
def _fill_track(track: Any, record: Any) -> None:
    record["charge"], record["muon"] = track["charge"], track["muon"]
    record["in_lkr"], record["in_muv3"] = track["in_lkr"], track["in_muv3"]
    record["p_gev"], record["eop"] = track["p_gev"], track["cluster_gev"] / track["p_gev"]
    record["ring_mm"], record["ring_m2_gev2"] = track["ring_mm"], track["ring_m2_gev2"]


@inline
def _fill_missing(event: Any, track: Any, record: Any) -> None:
    """Set the squares of the missing masses."""
    kaon = of_beam(event, M_KAON_GEV)
    record["m2_pi_gev2"] = m2_gev2(minus(kaon, of_track(track, M_PION_GEV)))
    record["m2_mu_gev2"] = m2_gev2(minus(kaon, of_track(track, M_MUON_GEV)))
    electron = of_track(track, M_ELECTRON_GEV)
    record["m2_e_gev2"] = m2_gev2(minus(kaon, electron))
    record["m2_beam_pi_e_gev2"] = m2_gev2(minus(of_beam(event, M_PION_GEV), electron))


@inline
def _fill_pair(event: Any, track: Any, vertex: Any, record: Any) -> None:
    """Set what two photons and the track as pion make."""
    x, y, z, _ = vertex
    first = photon(event["gev_1"], event["x_1_mm"], event["y_1_mm"], x, y, z)
    second = photon(event["gev_2"], event["x_2_mm"], event["y_2_mm"], x, y, z)
    both = plus(first, second)
    record["m_gg_gev"] = mass_of(both)
    total = plus(both, of_track(track, M_PION_GEV))
    record["m_pigg_gev"] = mass_of(total)
    along, across = along_and_across(total, event["beam_dx_dz"], event["beam_dy_dz"])
    record["p_total_gev"], record["pt_gev"] = along, across
    apart = np.sqrt((event["x_1_mm"] - event["x_2_mm"]) ** 2 + (event["y_1_mm"] - event["y_2_mm"]) ** 2)
    record["z_pi0_mm"] = z_pi0_mm(event["gev_1"], event["gev_2"], apart)


@kernel(types.void(EVENT_T, TRACKS_T, from_dtype(ONE_TRACK)))
def fill_one_track(event: Any, tracks: Any, record: Any) -> None:
    """Make a candidate of a measured event with one track."""
    track = tracks[0]
    vertex = of_two_lines(
        track["x_mm"],
        track["y_mm"],
        track["dx_dz"],
        track["dy_dz"],
        event["beam_x_mm"],
        event["beam_y_mm"],
        event["beam_dx_dz"],
        event["beam_dy_dz"],
    )
    fill_common(event, vertex, record)
    _fill_track(track, record)
    _fill_missing(event, track, record)
    if event["n_photons"] >= 2:
        _fill_pair(event, track, vertex, record)
    else:
        record["m_gg_gev"] = record["m_pigg_gev"] = record["z_pi0_mm"] = np.nan
        record["p_total_gev"] = record["pt_gev"] = np.nan
