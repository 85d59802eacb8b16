"""pi0 -> nothing that is seen: K+ -> pi+ pi0 without photons, at the mass of the pi0."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.particles import M_PI0_GEV
from trigger.searches.cuts import SELECT_ONE, alone, is_pion, of_kaon
from trigger.searches.search import SQUARED_GEV2, Axis, Expected, Region, Search

P_GEV: Final = (25.0, 40.0)
"""Momentum, from JHEP 02 (2021) 201: the photons of a fast pion's pi0 go where they are seen."""


@kernel(SELECT_ONE)
def select(candidates: Any, observable: Any) -> None:
    """Take a pion alone, where a pi0 beside it would not have been missed."""
    for i in range(len(candidates)):
        c = candidates[i]
        taken = P_GEV[0] < c["p_gev"] < P_GEV[1] and of_kaon(c) and is_pion(c) and alone(c)
        observable[i] = c["m2_pi_gev2"] if taken else np.nan


WINDOW_GEV2: Final = (0.015, 0.021)
"""What is counted, from the reference."""

TAGGED: Final = 0.577
"""Part of the events of k2pi that are in the window and have the momenta of this search: of simulated spills."""


def _flat(events: float, error: float) -> Expected:
    """Return an expectation of so many events in the window for each one of k2pi."""
    density = events / (WINDOW_GEV2[1] - WINDOW_GEV2[0])
    return Expected(((WINDOW_GEV2[0], density), (WINDOW_GEV2[1], density)), None, error)


SEARCH: Final = Search(
    name="pi0_inv",
    title="pi0 -> invisible",
    reference="JHEP 02 (2021) 201",
    lines=("PNN",),
    kind="one_track",
    select=select,
    selection="that of k_pi_x, with 25 to 40 GeV/c (the reference)",
    observable="m2_miss",
    formula="(P_K - P_pi)^2",
    unit=SQUARED_GEV2,
    axis=Axis(880, -0.020, 0.090),
    regions=(Region("pi0", M_PI0_GEV, M_PI0_GEV, WINDOW_GEV2),),
    step_gev=0.001,
    resolution=((M_PI0_GEV, 0.983e-3),),
    acceptance=((M_PI0_GEV, 0.105),),
    pile_up=((50, 1.0), (300, 0.898), (750, 0.775)),
    backgrounds="K+ -> pi+ pi0 with both photons lost: all 10 in the window in 1.2 s at 750 MHz",
    normalisation="k2pi",
    needs=("beam", "clusters", "rings", "hits/STRAW", "hits/MUV3", "hits/LAV", "hits/KTAG"),
    expected=_flat(2.8e-9 * TAGGED, 2.1),
    expected_simulated=_flat(2.6e-5, 0.35),
    parent="pi0",
)
"""Resolution and acceptance, of what lies in the window: measured on simulated spills (tests/measure_searches.py).

Expected background: the rejection of the reference, 2.8(+5.9-2.1)e-9 for each pi0 of a tagged K+ -> pi+ pi0. In
simulated spills 2.6(8)e-5 for each event of k2pi (tests/measure_backgrounds.py), since the inefficiencies of their
photon vetoes do not fall with the energy.
"""
