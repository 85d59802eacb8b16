"""K+ -> mu+ N, N not seen: a heavy neutral lepton as a peak in (P_K - P_mu)^2."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.searches.cuts import SELECT_ONE, alone, is_muon, of_kaon
from trigger.searches.search import SQUARED_GEV2, Axis, Region, Search

P_GEV: Final = (5.0, 70.0)
"""Momentum, as PLB 816 (2021) 136259 has it."""


@kernel(SELECT_ONE)
def select(candidates: Any, observable: Any) -> None:
    """Take a muon alone."""
    for i in range(len(candidates)):
        c = candidates[i]
        taken = P_GEV[0] < c["p_gev"] < P_GEV[1] and of_kaon(c) and is_muon(c) and alone(c)
        observable[i] = c["m2_mu_gev2"] if taken else np.nan


SELECTION: Final = (
    "one track of 5 to 70 GeV/c, a muon by MUV3 and E/p; no photon in LKr, LAV, IRC, SAC; a matched beam "
    "track, vertex at 105 to 170 m (chosen)"
)

SEARCH: Final = Search(
    name="k_mu_n",
    title="K+ -> mu+ N, N invisible",
    reference="PLB 816 (2021) 136259",
    lines=("Control",),
    kind="one_track",
    select=select,
    selection=SELECTION,
    observable="m2_miss_mu",
    formula="(P_K - P_mu)^2",
    unit=SQUARED_GEV2,
    axis=Axis(5400, -0.060, 0.165),
    regions=(Region("N", 0.200, 0.384, (0.025, 0.1500)),),
    step_gev=0.001,
    resolution=(
        (0.0, 1.13e-3),
        (0.2, 0.948e-3),
        (0.25, 0.834e-3),
        (0.3, 0.689e-3),
        (0.35, 0.485e-3),
        (0.38, 0.237e-3),
        (0.384, 0.173e-3),
    ),
    acceptance=((0.2, 0.601), (0.25, 0.601), (0.3, 0.587), (0.35, 0.571), (0.38, 0.473), (0.384, 0.292)),
    pile_up=((50, 1.0), (300, 0.915), (750, 0.791)),
    backgrounds=(
        "K+ -> mu+ nu gamma, K+ -> pi0 mu+ nu, K+ -> pi+ pi+ pi-, pi+ -> mu+ nu beside a kaon: 2 in the fit of "
        "5,036 taken in 1.2 s at 750 MHz, downscaled by 400"
    ),
    normalisation="kmu2",
    needs=("beam", "clusters", "hits/STRAW", "hits/MUV3", "hits/LAV", "hits/KTAG"),
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
