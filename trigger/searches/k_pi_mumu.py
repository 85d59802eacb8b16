"""K+ -> pi+ X, X -> mu+ mu-: a peak in the mass of the muons of K+ -> pi+ mu+ mu-."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.particles import M_KAON_GEV
from trigger.searches.cuts import SELECT_THREE, muon, pion, tracks_of_kaon, whole
from trigger.searches.search import GEV, Axis, Region, Search

KAON_GEV: Final = 0.008
"""Mass of the three about that of the kaon, as the reference has it."""


@kernel(SELECT_THREE)
def select(candidates: Any, observable: Any) -> None:
    """Take a pion and two muons; of the two ways to share the tracks one at most passes: the pion is no muon."""
    for i in range(len(candidates)):
        c = candidates[i]
        observable[i] = np.nan
        if not (tracks_of_kaon(c) and whole(c) and muon(c, 0)):
            continue
        for k in range(2):
            near = abs(c["m_pimumu_gev"][k] - M_KAON_GEV) < KAON_GEV
            if near and muon(c, 1 + k) and pion(c, 2 - k):
                observable[i] = c["m_mumu_gev"][k]


SEARCH: Final = Search(
    name="k_pi_mumu",
    title="K+ -> pi+ X, X -> mu+ mu-",
    reference="JHEP 11 (2022) 011",
    lines=("2muMT", "MT"),
    kind="three_tracks",
    select=select,
    selection=(
        "three tracks of 72 to 78 GeV/c in all and less than 30 MeV/c across the beam (K3pi flux analysis), "
        "vertex at 105 to 180 m; two muons of opposite charge by MUV3 and E/p, the third track neither muon "
        "nor electron (chosen); |m(pi mu mu) - m_K| < 8 MeV (the reference)"
    ),
    observable="m_mumu",
    formula="sqrt((P_mu+ + P_mu-)^2)",
    unit=GEV,
    axis=Axis(4500, 0.210, 0.360),
    regions=(Region("X", 0.2150, 0.3500, (0.2115, 0.3540), 1),),
    step_gev=0.0005,
    resolution=(
        (0.215, 0.160e-3),
        (0.22, 0.242e-3),
        (0.23, 0.359e-3),
        (0.25, 0.540e-3),
        (0.3, 0.830e-3),
        (0.34, 0.930e-3),
        (0.35, 0.965e-3),
    ),
    acceptance=(
        (0.215, 0.255),
        (0.22, 0.251),
        (0.23, 0.23),
        (0.25, 0.204),
        (0.3, 0.215),
        (0.34, 0.153),
        (0.35, 0.056),
    ),
    pile_up=((50, 1.0), (300, 0.946), (750, 0.844)),
    backgrounds="K+ -> pi+ mu+ mu-, K+ -> pi+ pi+ pi- with pi+ -> mu+ nu; none taken in 1.2 s at 750 MHz",
    normalisation="k3pi",
    needs=("clusters", "hits/STRAW", "hits/MUV3", "hits/KTAG"),
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
