"""K+ -> pi+ pi0, a channel that counts the decays of kaons: a peak in (P_K - P_pi)^2 at the mass of the pi0."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.searches.cuts import SELECT_ONE, is_pion, of_kaon
from trigger.searches.search import SQUARED_GEV2, Axis, Channel, Search

P_GEV: Final = (15.0, 45.0)
"""Momentum: that of k_pi_x."""


@kernel(SELECT_ONE)
def select(candidates: Any, observable: Any) -> None:
    """Take a pion, whatever else there is."""
    for i in range(len(candidates)):
        c = candidates[i]
        taken = P_GEV[0] < c["p_gev"] < P_GEV[1] and of_kaon(c) and is_pion(c)
        observable[i] = c["m2_pi_gev2"] if taken else np.nan


SEARCH: Final = Search(
    name="k2pi",
    title="K+ -> pi+ pi0",
    reference="JHEP 06 (2021) 093",
    lines=("Control",),
    kind="one_track",
    select=select,
    selection="that of k_pi_x, 15 to 45 GeV/c, whatever photons there are",
    observable="m2_miss",
    formula="(P_K - P_pi)^2",
    unit=SQUARED_GEV2,
    axis=Axis(880, -0.020, 0.090),
    regions=(),
    step_gev=0.001,
    resolution=((0.135, 0.966e-3),),
    acceptance=((0.135, 0.287),),
    pile_up=((50, 1.0), (300, 0.936), (750, 0.809)),
    backgrounds=(
        "of 881 counted in 1.2 s at 750 MHz 4 are pi+ -> mu+ nu beside a kaon, 2 K+ -> mu+ nu, 1 K+ -> pi+ pi+ "
        "pi-"
    ),
    normalisation="k2pi",
    needs=("beam", "clusters", "rings", "hits/STRAW", "hits/MUV3", "hits/KTAG"),
    channel=Channel(0.2067, (0.012, 0.0244)),
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
