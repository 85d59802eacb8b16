"""pi0 -> gamma A', A' -> e+ e-: a peak in the mass of the pair of K+ -> pi+ pi0, pi0 -> gamma e+ e-."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.particles import M_KAON_GEV, M_PI0_GEV
from trigger.searches.cuts import BEAM_GEV, PT_GEV, SELECT_THREE, electron, pion, tracks_of_kaon
from trigger.searches.search import GEV, Axis, Region, Search

PI0_GEV: Final = 0.008
KAON_GEV: Final = 0.020
"""Masses of e e gamma about that of the pi0, and of pi e e gamma about that of the kaon, as the reference has
them."""


@kernel(SELECT_THREE)
def select(candidates: Any, observable: Any) -> None:
    """Take a pion, two electrons and a photon that have all of the kaon's momentum."""
    for i in range(len(candidates)):
        c = candidates[i]
        observable[i] = np.nan
        with_photon = BEAM_GEV[0] < c["p_total_g_gev"] < BEAM_GEV[1] and c["pt_g_gev"] < PT_GEV
        if not (with_photon and tracks_of_kaon(c) and electron(c, 0)):
            continue
        for k in range(2):
            near_pi0 = abs(c["m_eeg_gev"][k] - M_PI0_GEV) < PI0_GEV
            near_kaon = abs(c["m_pieeg_gev"][k] - M_KAON_GEV) < KAON_GEV
            if near_pi0 and near_kaon and electron(c, 1 + k) and pion(c, 2 - k):
                observable[i] = c["m_ee_gev"][k]


SEARCH: Final = Search(
    name="pi0_dark_photon",
    title="pi0 -> gamma A', A' -> e+ e-",
    reference="PLB 746 (2015) 178",
    lines=("eMT", "MT"),
    kind="three_tracks",
    select=select,
    selection=(
        "three tracks and a photon of 72 to 78 GeV/c in all and less than 30 MeV/c across the beam, vertex at"
        " 105 to 180 m; two electrons of opposite charge by E/p, or by the ring of what misses the LKr, the "
        "third track neither electron nor muon (chosen); |m(ee gamma) - m_pi0| < 8 MeV, |m(pi ee gamma) - "
        "m_K| < 20 MeV (the reference)"
    ),
    observable="m_ee",
    formula="sqrt((P_e+ + P_e-)^2)",
    unit=GEV,
    axis=Axis(600, 0.0, 0.150),
    regions=(Region("A'", 0.009, 0.120, (0.006, 0.130), 3),),
    step_gev=0.0005,
    resolution=((0.01, 1.21e-3), (0.03, 1.16e-3), (0.06, 1.25e-3), (0.09, 1.11e-3), (0.12, 1.20e-3)),
    acceptance=((0.01, 0.0111), (0.03, 0.0134), (0.06, 0.0198), (0.09, 0.0353), (0.12, 0.0521)),
    pile_up=((50, 1.0), (300, 0.938), (750, 0.907)),
    backgrounds=(
        "pi0 -> gamma e+ e-, which is the same but for the mass of the pair: all 35 taken in 1.2 s at 750 MHz"
    ),
    normalisation="k3pi",
    needs=("clusters", "hits/STRAW", "hits/MUV3", "hits/KTAG"),
    parent="pi0",
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
