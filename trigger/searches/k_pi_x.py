"""K+ -> pi+ X, X not seen: a peak in (P_K - P_pi)^2 beside that of K+ -> pi+ pi0."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.searches.cuts import SELECT_ONE, alone, is_pion, of_kaon
from trigger.searches.search import SQUARED_GEV2, Axis, Region, Search

P_GEV: Final = (15.0, 35.0, 45.0)
"""Momentum: from the first to the second, above PI0_GEV2 to the third. As the analysis of pi nu nu has it."""

PI0_GEV2: Final = 0.0182
"""Square of the mass of the pi0, between the regions: there the largest momentum changes."""


@kernel(SELECT_ONE)
def select(candidates: Any, observable: Any) -> None:
    """Take a pion alone."""
    for i in range(len(candidates)):
        c = candidates[i]
        m2 = c["m2_pi_gev2"]
        most = P_GEV[1] if m2 < PI0_GEV2 else P_GEV[2]
        taken = P_GEV[0] < c["p_gev"] < most and of_kaon(c) and is_pion(c) and alone(c)
        observable[i] = m2 if taken else np.nan


SEARCH: Final = Search(
    name="k_pi_x",
    title="K+ -> pi+ X, X invisible",
    reference="JHEP 11 (2025) 143",
    lines=("PNN",),
    kind="one_track",
    select=select,
    selection=(
        "one track of 15 to 35 GeV/c, above the pi0 up to 45 (JHEP 06 (2021) 093); a pion by ring, E/p and "
        "MUV3, no photon in LKr, LAV, IRC, SAC; a matched beam track, vertex at 105 to 170 m (chosen, with "
        "the identification)"
    ),
    observable="m2_miss",
    formula="(P_K - P_pi)^2",
    unit=SQUARED_GEV2,
    axis=Axis(880, -0.020, 0.090),
    regions=(
        Region("R1", 0.0, 0.110, (-0.0040, 0.0140)),
        Region("R2", 0.154, 0.260, (0.0225, 0.0720)),
    ),
    step_gev=0.0014,
    resolution=(
        (0.0, 1.08e-3),
        (0.06, 1.08e-3),
        (0.11, 1.03e-3),
        (0.154, 0.938e-3),
        (0.2, 0.850e-3),
        (0.26, 0.689e-3),
    ),
    acceptance=((0.0, 0.151), (0.06, 0.156), (0.11, 0.169), (0.154, 0.298), (0.2, 0.343), (0.26, 0.435)),
    pile_up=((50, 1.0), (300, 0.911), (750, 0.764)),
    backgrounds=(
        "K+ -> pi+ pi0 with both photons lost, K+ -> mu+ nu (gamma), K+ -> pi+ pi+ pi- with two pions lost; in "
        "data K+ -> pi+ nu nu. None of the 303 taken in 1.2 s at 750 MHz lies in a fit"
    ),
    normalisation="k2pi",
    needs=("beam", "clusters", "rings", "hits/STRAW", "hits/MUV3", "hits/LAV", "hits/KTAG"),
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
