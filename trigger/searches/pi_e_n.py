"""pi+ -> e+ N of beam pions, N not seen: a heavy neutral lepton as a peak in (P_pi - P_e)^2."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.searches.cuts import KAON_SECTORS, SELECT_ONE, alone, is_electron, of_beam
from trigger.searches.search import SQUARED_GEV2, Axis, Region, Search

P_GEV: Final = (5.0, 50.0)
"""Momentum: to what L1 STRAW takes in the line. Chosen."""


@kernel(SELECT_ONE)
def select(candidates: Any, observable: Any) -> None:
    """Take an electron alone, without a kaon in time."""
    for i in range(len(candidates)):
        c = candidates[i]
        pion = c["kaon_sectors"] < KAON_SECTORS and of_beam(c)
        taken = P_GEV[0] < c["p_gev"] < P_GEV[1] and pion and is_electron(c) and alone(c)
        observable[i] = c["m2_beam_pi_e_gev2"] if taken else np.nan


SEARCH: Final = Search(
    name="pi_e_n",
    title="pi+ -> e+ N, N invisible",
    reference="arXiv 2507.07345",
    lines=("PNN",),
    kind="one_track",
    select=select,
    selection=(
        "one track of 5 to 50 GeV/c, an electron by ring and E/p; no photon in LKr, LAV, IRC, SAC; fewer than"
        " 5 sectors of KTAG within 2 ns (L1 asks for 5 within 5 ns, so a kaon must be near); a matched beam "
        "track, vertex at 105 to 170 m (chosen)"
    ),
    observable="m2_miss_pi_e",
    formula="(P_pi - P_e)^2",
    unit=SQUARED_GEV2,
    axis=Axis(1600, -0.015, 0.025),
    regions=(Region("N", 0.095, 0.126, (0.004, 0.0190)),),
    step_gev=0.0005,
    resolution=((0.095, 0.253e-3), (0.105, 0.225e-3), (0.115, 0.191e-3), (0.126, 0.132e-3)),
    acceptance=((0.095, 0.0277), (0.105, 0.0247), (0.115, 0.018), (0.126, 0.0034)),
    pile_up=((50, 0.137), (300, 0.615), (750, 1.0)),
    backgrounds=(
        "pi+ -> mu+ nu with mu+ -> e+ nu nu: all 12 in the fit in 1.2 s at 750 MHz, beside 33 pi+ -> e+ nu in "
        "their peak at 0"
    ),
    normalisation="k2pi",
    needs=("beam", "clusters", "rings", "hits/STRAW", "hits/MUV3", "hits/LAV", "hits/KTAG"),
    parent="pi+",
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
