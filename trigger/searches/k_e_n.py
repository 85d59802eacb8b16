"""K+ -> e+ N, N not seen: a heavy neutral lepton as a peak in (P_K - P_e)^2."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.searches.cuts import SELECT_ONE, alone, is_electron, of_kaon
from trigger.searches.search import SQUARED_GEV2, Axis, Region, Search

P_GEV: Final = (5.0, 30.0)
"""Momentum, as PLB 807 (2020) 135599 has it: faster electrons fire the trigger's veto of the LKr."""


@kernel(SELECT_ONE)
def select(candidates: Any, observable: Any) -> None:
    """Take an electron alone."""
    for i in range(len(candidates)):
        c = candidates[i]
        taken = P_GEV[0] < c["p_gev"] < P_GEV[1] and of_kaon(c) and is_electron(c) and alone(c)
        observable[i] = c["m2_e_gev2"] if taken else np.nan


SEARCH: Final = Search(
    name="k_e_n",
    title="K+ -> e+ N, N invisible",
    reference="PLB 807 (2020) 135599",
    lines=("PNN",),
    kind="one_track",
    select=select,
    selection=(
        "one track of 5 to 30 GeV/c (the reference), an electron by ring and E/p; no photon in LKr, LAV, IRC,"
        " SAC; a matched beam track, vertex at 105 to 170 m (chosen)"
    ),
    observable="m2_miss_e",
    formula="(P_K - P_e)^2",
    unit=SQUARED_GEV2,
    axis=Axis(4800, -0.050, 0.250),
    regions=(Region("N", 0.144, 0.462, (0.012, 0.240)),),
    step_gev=0.001,
    resolution=(
        (0.15, 1.28e-3),
        (0.2, 1.22e-3),
        (0.25, 1.11e-3),
        (0.3, 0.968e-3),
        (0.35, 0.778e-3),
        (0.4, 0.583e-3),
        (0.45, 0.366e-3),
        (0.462, 0.252e-3),
    ),
    acceptance=(
        (0.15, 0.125),
        (0.2, 0.152),
        (0.25, 0.193),
        (0.3, 0.259),
        (0.35, 0.358),
        (0.4, 0.384),
        (0.45, 0.176),
        (0.462, 0.0355),
    ),
    pile_up=((50, 1.0), (300, 0.891), (750, 0.733)),
    backgrounds=(
        "K+ -> pi0 e+ nu 73%, K+ -> mu+ nu with mu+ -> e+ nu nu 13%, pi+ -> e+ nu 9% and pi+ -> mu+ nu 5% beside "
        "a kaon, of 355 in the fit in 1.2 s at 750 MHz; K+ -> e+ nu gamma in data"
    ),
    normalisation="k2pi",
    needs=("beam", "clusters", "rings", "hits/STRAW", "hits/MUV3", "hits/LAV", "hits/KTAG"),
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
