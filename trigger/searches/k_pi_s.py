"""K+ -> pi+ S, S -> A' A', A' -> e+ e-: a peak in the mass of four electrons in two pairs of equal mass."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.searches.cuts import SELECT_FIVE, equal_pairs, pion_and_electrons
from trigger.searches.k_pi_aa import SELECTION
from trigger.searches.search import GEV, Axis, Region, Search


@kernel(SELECT_FIVE)
def select(candidates: Any, observable: Any) -> None:
    """Take a pion and two pairs of the same mass."""
    for i in range(len(candidates)):
        c = candidates[i]
        taken = equal_pairs(c) >= 0 and pion_and_electrons(c)
        observable[i] = c["m_4e_gev"] if taken else np.nan


SEARCH: Final = Search(
    name="k_pi_s",
    title="K+ -> pi+ S, S -> A' A', A' -> e+ e-",
    reference="PLB 846 (2023) 138193",
    lines=("eMT", "MT"),
    kind="five_tracks",
    select=select,
    selection="that of k_pi_aa: " + SELECTION,
    observable="m_4e",
    formula="sqrt((P_e+ + P_e- + P_e+ + P_e-)^2)",
    unit=GEV,
    axis=Axis(1200, 0.0, 0.400),
    regions=(
        Region("S", 0.015, 0.120, (0.010, 0.125), 1),
        Region("S above the pi0", 0.145, 0.345, (0.142, 0.3535), 1),
    ),
    step_gev=0.001,
    resolution=(
        (0.02, 1.66e-3),
        (0.05, 1.48e-3),
        (0.1, 1.56e-3),
        (0.2, 1.64e-3),
        (0.3, 1.58e-3),
        (0.34, 1.58e-3),
    ),
    acceptance=((0.02, 0.0082), (0.05, 0.012), (0.1, 0.0145), (0.2, 0.0216), (0.3, 0.036), (0.34, 0.0245)),
    pile_up=((50, 1.0), (300, 0.956), (750, 0.816)),
    backgrounds=(
        "K+ -> pi+ pi0 with pi0 -> e+ e- e+ e-, which peaks at the pi0, K+ -> pi+ pi0 pi0 with two Dalitz decays;"
        " none taken in 1.2 s at 750 MHz"
    ),
    normalisation="k3pi",
    needs=("clusters", "hits/STRAW", "hits/MUV3", "hits/KTAG"),
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
