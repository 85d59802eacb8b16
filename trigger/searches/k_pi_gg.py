"""K+ -> pi+ a, a -> gamma gamma: a peak in the mass of the photons of K+ -> pi+ gamma gamma.

The mass is that of what the pion leaves of the kaon: it is better resolved than the two clusters' own.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.particles import M_KAON_GEV
from trigger.searches.cuts import BEAM_GEV, SELECT_ONE, is_pion, of_kaon
from trigger.searches.search import GEV, Axis, Region, Search

P_GEV: Final = (8.0, 50.0)
"""Momentum: from where the RICH identifies pions on. Chosen."""

KAON_GEV: Final = 0.020
"""Mass of all three about that of the kaon: the calorimeter's resolution. Chosen."""

PT_GEV: Final = 0.060
"""Momentum across the beam; the calorimeter adds to it. Chosen."""


@kernel(SELECT_ONE)
def select(candidates: Any, observable: Any) -> None:
    """Take a pion and two photons that have all of the kaon's momentum."""
    for i in range(len(candidates)):
        c = candidates[i]
        m2 = c["m2_pi_gev2"]
        taken = (
            m2 > 0.0
            and P_GEV[0] < c["p_gev"] < P_GEV[1]
            and c["n_photons"] == 2
            and c["lav_hits"] == 0
            and c["small_angle_hits"] == 0
            and BEAM_GEV[0] < c["p_total_gev"] < BEAM_GEV[1]
            and c["pt_gev"] < PT_GEV
            and abs(c["m_pigg_gev"] - M_KAON_GEV) < KAON_GEV
            and of_kaon(c)
            and is_pion(c)
        )
        observable[i] = np.sqrt(m2) if taken else np.nan


SEARCH: Final = Search(
    name="k_pi_gg",
    title="K+ -> pi+ a, a -> gamma gamma",
    reference="PLB 850 (2024) 138513",
    lines=("Non-mu",),
    kind="one_track",
    select=select,
    selection=(
        "one track of 8 to 50 GeV/c, a pion by ring, E/p and MUV3; two photons in LKr, none in LAV, IRC, SAC;"
        " with the photons 72 to 78 GeV/c in all, less than 60 MeV/c across the beam, |m(pi gg) - m_K| < 20 "
        "MeV; a matched beam track, vertex at 105 to 170 m (chosen)"
    ),
    observable="m_gg",
    formula="sqrt((P_K - P_pi)^2)",
    unit=GEV,
    axis=Axis(4400, 0.100, 0.360),
    regions=(Region("a", 0.207, 0.350, (0.180, 0.3530)),),
    step_gev=0.0005,
    resolution=((0.21, 1.99e-3), (0.25, 1.48e-3), (0.3, 0.932e-3), (0.34, 0.432e-3), (0.35, 0.243e-3)),
    acceptance=((0.21, 0.19), (0.25, 0.191), (0.3, 0.186), (0.34, 0.147), (0.35, 0.043)),
    pile_up=((50, 1.0), (300, 0.917), (750, 0.76)),
    backgrounds=(
        "K+ -> pi+ pi0 (gamma), K+ -> pi+ pi0 pi0 with merged or lost photons, K+ -> pi+ gamma gamma. All 1,065 "
        "taken in 1.2 s at 750 MHz are K+ -> pi+ pi0, below the fit"
    ),
    normalisation="k2pi",
    needs=("beam", "clusters", "rings", "hits/STRAW", "hits/MUV3", "hits/LAV", "hits/KTAG"),
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
