"""Clusters of the calorimeter: those of tracks, and photons."""

from __future__ import annotations

from typing import Any

import numpy as np

from trigger.jit import inline
from trigger.reconstruct.detectors import CLUSTER_MM, PHOTON_GEV, PHOTON_MM


@inline
def _add_photon(event: Any, energy: float, x: float, y: float) -> None:
    """Count a photon; keep the two of highest energy in order."""
    event["n_photons"] += 1
    event["photons_gev"] += energy
    if energy > event["gev_1"]:
        event["gev_2"], event["x_2_mm"], event["y_2_mm"] = event["gev_1"], event["x_1_mm"], event["y_1_mm"]
        event["gev_1"], event["x_1_mm"], event["y_1_mm"] = energy, x, y
    elif energy > event["gev_2"]:
        event["gev_2"], event["x_2_mm"], event["y_2_mm"] = energy, x, y


@inline
def share_clusters(clusters: Any, begin: int, end: int, event: Any, tracks: Any, near: Any) -> None:
    """Give each track the cluster nearest to where it arrives, if it is near, and the event its photons.

    clusters: in time, those from begin to end. near: float64[5], scratch. A cluster may be that of two tracks; one
    that is near a track, and not that of any, is no photon either.
    """
    n = event["n_tracks"]
    event["n_photons"], event["photons_gev"] = 0, 0.0
    event["gev_1"], event["x_1_mm"], event["y_1_mm"] = 0.0, 0.0, 0.0
    event["gev_2"], event["x_2_mm"], event["y_2_mm"] = 0.0, 0.0, 0.0
    for k in range(n):
        near[k] = CLUSTER_MM * CLUSTER_MM
        tracks[k]["cluster_gev"] = 0.0
    for i in range(begin, end):
        cluster = clusters[i]
        energy = np.float64(cluster["energy_gev"])
        x, y = np.float64(cluster["x_mm"]), np.float64(cluster["y_mm"])
        nearest = np.inf
        for k in range(n):
            track = tracks[k]
            away = (x - track["x_lkr_mm"]) ** 2 + (y - track["y_lkr_mm"]) ** 2
            nearest = min(nearest, away)
            if away < near[k]:
                near[k] = away
                track["cluster_gev"] = energy
        if energy > PHOTON_GEV and nearest > PHOTON_MM * PHOTON_MM:
            _add_photon(event, energy, x, y)
