"""K+ -> pi+ X, X -> e+ e-: a peak in the mass of the pair of K+ -> pi+ e+ e-, above those of pi0 -> gamma e+ e-."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.particles import M_KAON_GEV
from trigger.searches.cuts import SELECT_THREE, electron, pion, tracks_of_kaon, whole
from trigger.searches.search import GEV, Axis, Region, Search

KAON_GEV: Final = 0.010
"""Mass of the three about that of the kaon. Chosen."""


@kernel(SELECT_THREE)
def select(candidates: Any, observable: Any) -> None:
    """Take a pion and two electrons."""
    for i in range(len(candidates)):
        c = candidates[i]
        observable[i] = np.nan
        if not (tracks_of_kaon(c) and whole(c) and electron(c, 0)):
            continue
        for k in range(2):
            near = abs(c["m_piee_gev"][k] - M_KAON_GEV) < KAON_GEV
            if near and electron(c, 1 + k) and pion(c, 2 - k):
                observable[i] = c["m_ee_gev"][k]


SEARCH: Final = Search(
    name="k_pi_ee",
    title="K+ -> pi+ X, X -> e+ e-",
    reference="PLB 677 (2009) 246",
    lines=("eMT", "MT"),
    kind="three_tracks",
    select=select,
    selection=(
        "three tracks of 72 to 78 GeV/c in all and less than 30 MeV/c across the beam (K3pi flux analysis), "
        "vertex at 105 to 180 m; two electrons of opposite charge by E/p, or by the ring of what misses "
        "the LKr, the third track neither electron nor muon; |m(pi ee) - m_K| < 10 MeV (chosen)"
    ),
    observable="m_ee",
    formula="sqrt((P_e+ + P_e-)^2)",
    unit=GEV,
    axis=Axis(1600, 0.100, 0.360),
    regions=(Region("X", 0.150, 0.350, (0.140, 0.3535), 1),),
    step_gev=0.001,
    resolution=(
        (0.15, 1.23e-3),
        (0.2, 1.25e-3),
        (0.25, 1.26e-3),
        (0.3, 1.33e-3),
        (0.34, 1.32e-3),
        (0.35, 1.31e-3),
    ),
    acceptance=((0.15, 0.127), (0.2, 0.147), (0.25, 0.166), (0.3, 0.179), (0.34, 0.124), (0.35, 0.039)),
    pile_up=((50, 1.0), (300, 0.94), (750, 0.855)),
    backgrounds=(
        "K+ -> pi+ e+ e-, K+ -> pi+ pi+ pi- with showers of pions, K+ -> pi+ pi0 with two pairs; none taken in "
        "1.2 s at 750 MHz"
    ),
    normalisation="k3pi",
    needs=("clusters", "hits/STRAW", "hits/MUV3", "hits/KTAG"),
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
