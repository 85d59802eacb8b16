"""The searches' selections once more, as plain as can be: masks over whole arrays, with their own numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Records = NDArray[np.void]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

KAON_GEV, PI0_GEV = 0.493677, 0.1349768


def between(values: Floats, low: float, high: float) -> Bools:
    """low < values < high."""
    return np.asarray((values > low) & (values < high))


def off(values: Floats, middle: float, most: float) -> Bools:
    """Whether values are less than `most` from `middle`."""
    return np.asarray(np.abs(values.astype(np.float64) - middle) < most)


def of_beam(c: Records) -> Bools:
    """A positive track and a matched beam track that meet."""
    vertex = between(c["z_mm"], 105_000, 170_000) & (c["cda_mm"] < 8)
    return np.asarray((c["beam"] == 2) & (c["charge"] == 1) & vertex)


def alone(c: Records) -> Bools:
    """Nothing in the vetoes."""
    return np.asarray((c["n_photons"] == 0) & (c["lav_hits"] == 0) & (c["small_angle_hits"] == 0))


def is_pion(c: Records) -> Bools:
    """A single pion."""
    seen = (c["in_lkr"] == 1) & (c["in_muv3"] == 1)
    return np.asarray(seen & between(c["ring_m2_gev2"], 0.0145, 0.03) & (c["eop"] < 0.8) & (c["muon"] == 0))


def is_electron(c: Records) -> Bools:
    """A single electron."""
    return np.asarray(
        between(c["ring_m2_gev2"], -0.012, 0.004) & between(c["eop"], 0.9, 1.1) & (c["muon"] == 0)
    )


def taken(mask: Bools, values: NDArray[np.float32]) -> Floats:
    """The values where the mask is set, NaN elsewhere."""
    return np.where(mask, values.astype(np.float64), np.nan)


def k_pi_x(c: Records) -> Floats:
    """Pion alone, 15 to 35 GeV/c, above the pi0 to 45."""
    kaon = of_beam(c) & (c["kaon_sectors"] >= 5)
    p = between(c["p_gev"], 15, 35) | (between(c["p_gev"], 15, 45) & (c["m2_pi_gev2"] >= 0.0182))
    return taken(kaon & is_pion(c) & alone(c) & p, c["m2_pi_gev2"])


def pi0_inv(c: Records) -> Floats:
    """Pion alone, 25 to 40 GeV/c."""
    kaon = of_beam(c) & (c["kaon_sectors"] >= 5)
    return taken(kaon & is_pion(c) & alone(c) & between(c["p_gev"], 25, 40), c["m2_pi_gev2"])


def k2pi(c: Records) -> Floats:
    """Pion, 15 to 45 GeV/c."""
    kaon = of_beam(c) & (c["kaon_sectors"] >= 5)
    return taken(kaon & is_pion(c) & between(c["p_gev"], 15, 45), c["m2_pi_gev2"])


def k_pi_gg(c: Records) -> Floats:
    """Pion and two photons."""
    kaon = of_beam(c) & (c["kaon_sectors"] >= 5)
    two = (c["n_photons"] == 2) & (c["lav_hits"] == 0) & (c["small_angle_hits"] == 0)
    whole = between(c["p_total_gev"], 72, 78) & (c["pt_gev"] < 0.060) & off(c["m_pigg_gev"], KAON_GEV, 0.020)
    mask = kaon & is_pion(c) & two & whole & between(c["p_gev"], 8, 50) & (c["m2_pi_gev2"] > 0)
    root = np.sqrt(np.maximum(c["m2_pi_gev2"].astype(np.float64), 0.0))
    return np.where(mask, root, np.nan)


def k_e_n(c: Records) -> Floats:
    """Electron alone of a kaon."""
    kaon = of_beam(c) & (c["kaon_sectors"] >= 5)
    return taken(kaon & is_electron(c) & alone(c) & between(c["p_gev"], 5, 30), c["m2_e_gev2"])


def pi_e_n(c: Records) -> Floats:
    """Electron alone of a pion."""
    pion = of_beam(c) & (c["kaon_sectors"] < 5)
    return taken(pion & is_electron(c) & alone(c) & between(c["p_gev"], 5, 50), c["m2_beam_pi_e_gev2"])


def k_mu_n(c: Records) -> Floats:
    """Muon alone."""
    kaon = of_beam(c) & (c["kaon_sectors"] >= 5)
    muon = (c["muon"] == 1) & (c["in_lkr"] == 1) & (c["eop"] < 0.2)
    return taken(kaon & muon & alone(c) & between(c["p_gev"], 5, 70), c["m2_mu_gev2"])


def of_kaon(c: Records) -> Bools:
    """Tracks of one vertex with the kaon's charge."""
    return np.asarray((c["charge"] == 1) & between(c["z_mm"], 105_000, 180_000) & (c["cda_mm"] < 8))


def whole(c: Records) -> Bools:
    """Tracks with the kaon's momentum."""
    return np.asarray(between(c["p_total_gev"], 72, 78) & (c["pt_gev"] < 0.030))


def electrons(c: Records) -> Bools:
    """Which of the tracks are electrons: bool[n, 3]."""
    ring = between(c["ring_m2_gev2"], -0.012, 0.004)
    return np.asarray(between(c["eop"], 0.9, 1.1) | ((c["eop"] == 0) & ring))


def pions(c: Records) -> Bools:
    """Which of the tracks are pions: bool[n, 3]."""
    ring = between(c["ring_m2_gev2"], -0.012, 0.004)
    return np.asarray((c["eop"] < 0.8) & (c["muon"] == 0) & ~ring)


def muons(c: Records) -> Bools:
    """Which of the tracks are muons: bool[n, 3]."""
    return np.asarray((c["muon"] == 1) & (c["eop"] < 0.2))


def pair(c: Records, leptons: Bools, extra: Callable[[int], Bools], field: str) -> Floats:
    """The field of the pair of leptons, where one of the two ways to make it passes."""
    found = np.full(len(c), np.nan)
    for k, lepton, pion in ((0, 1, 2), (1, 2, 1)):
        mask = leptons[:, 0] & leptons[:, lepton] & pions(c)[:, pion] & of_kaon(c) & extra(k)
        found[mask] = c[field][mask, k]
    return found


def k_pi_mumu(c: Records) -> Floats:
    """Pion and two muons."""
    return pair(c, muons(c), lambda k: whole(c) & off(c["m_pimumu_gev"][:, k], KAON_GEV, 0.008), "m_mumu_gev")


def k_pi_ee(c: Records) -> Floats:
    """Pion and two electrons."""
    return pair(c, electrons(c), lambda k: whole(c) & off(c["m_piee_gev"][:, k], KAON_GEV, 0.010), "m_ee_gev")


def pi0_dark_photon(c: Records) -> Floats:
    """Pion, two electrons and a photon."""
    with_photon = between(c["p_total_g_gev"], 72, 78) & (c["pt_g_gev"] < 0.030)

    def extra(k: int) -> Bools:
        masses = off(c["m_eeg_gev"][:, k], PI0_GEV, 0.008) & off(c["m_pieeg_gev"][:, k], KAON_GEV, 0.020)
        return np.asarray(with_photon & masses)

    return pair(c, electrons(c), extra, "m_ee_gev")


def k3pi(c: Records) -> Floats:
    """Three tracks."""
    return taken(of_kaon(c) & whole(c), c["m_3pi_gev"])


def five(c: Records) -> tuple[Bools, NDArray[np.int64]]:
    """Whether five tracks are a pion and electrons in equal pairs, and in which way."""
    eop = c["eop"][:, 1:]
    electrons = between(eop, 0.9, 1.1).sum(axis=1) >= 2
    others = ((eop > 0) & (eop < 0.9)).any(axis=1) | (c["muon"] != 0).any(axis=1)
    apart = np.abs(c["m_pair_gev"][:, :, 0] - c["m_pair_gev"][:, :, 1])
    way = (apart[:, 1] < apart[:, 0]).astype(np.int64)
    mask = of_kaon(c) & whole(c) & off(c["m_pi4e_gev"], KAON_GEV, 0.012) & electrons & ~others
    return mask & (c["eop"][:, 0] < 0.8) & (apart.min(axis=1) < 0.006), way


def k_pi_aa(c: Records) -> Floats:
    """Mean of the pairs."""
    mask, way = five(c)
    pairs = c["m_pair_gev"][np.arange(len(c)), way].astype(np.float64)
    return np.where(mask, pairs.mean(axis=1), np.nan)


def k_pi_s(c: Records) -> Floats:
    """Mass of the four."""
    return taken(five(c)[0], c["m_4e_gev"])


TWINS: dict[str, Callable[[Records], Floats]] = {
    "k_pi_x": k_pi_x,
    "pi0_inv": pi0_inv,
    "k_pi_mumu": k_pi_mumu,
    "k_pi_gg": k_pi_gg,
    "pi0_dark_photon": pi0_dark_photon,
    "k_e_n": k_e_n,
    "k_mu_n": k_mu_n,
    "pi_e_n": pi_e_n,
    "k_mu_nu_x": k_mu_n,
    "k_pi_aa": k_pi_aa,
    "k_pi_s": k_pi_s,
    "k_pi_ee": k_pi_ee,
    "k2pi": k2pi,
    "kmu2": k_mu_n,
    "k3pi": k3pi,
}
"""By search."""
