"""K+ -> mu+ nu X, X not seen: an excess in (P_K - P_mu)^2 from the mass of X to the end of the phase space."""

from __future__ import annotations

from typing import Final

from trigger.searches.k_mu_n import SEARCH as K_MU_N
from trigger.searches.k_mu_n import SELECTION, select
from trigger.searches.search import SQUARED_GEV2, THREE_BODY, Expected, Region, Search

KMU2_GEV2: Final = (-0.010, 0.010)
"""The peak of K+ -> mu+ nu, that the background is counted by."""

SEARCH: Final = Search(
    name="k_mu_nu_x",
    title="K+ -> mu+ nu X, X invisible",
    reference="PLB 816 (2021) 136259",
    lines=("Control",),
    kind="one_track",
    select=select,
    selection="that of k_mu_n: " + SELECTION,
    observable="m2_miss_mu",
    formula="(P_K - P_mu)^2",
    unit=SQUARED_GEV2,
    axis=K_MU_N.axis,
    regions=(Region("X", 0.010, 0.370, (0.100, 0.1500)),),
    step_gev=0.005,
    resolution=K_MU_N.resolution,
    acceptance=((0.01, 0.1), (0.1, 0.134), (0.2, 0.238), (0.3, 0.523), (0.34, 0.538), (0.37, 0.408)),
    pile_up=((50, 1.0), (300, 0.916), (750, 0.79)),
    backgrounds="K+ -> pi0 mu+ nu, K+ -> pi+ pi+ pi-, K+ -> mu+ nu gamma",
    normalisation="kmu2",
    needs=K_MU_N.needs,
    expected=Expected(((0.100, 4.5e-3), (0.140, 4.3e-3), (0.148, 0.0)), KMU2_GEV2, 0.3),
    shape=THREE_BODY,
)
"""Acceptance: measured on simulated spills (tests/measure_searches.py), of what lies in the window.

Expected background: measured on simulated spills at 50 MHz (tests/measure_backgrounds.py), 1.94(14)e-4 for each
event of the peak, 47% of it K+ -> pi0 mu+ nu, 40% K+ -> pi+ pi+ pi-, 13% K+ -> mu+ nu gamma. Error: chosen, for
what is not simulated, and other intensities.
"""
