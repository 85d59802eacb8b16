"""K+ -> pi+ a a, a -> e+ e-: a peak in the mass of two pairs of equal mass.

One decay in ten has all five tracks in the straws; of their electrons half are so slow that the magnet bends them
past the LKr. So two electrons of four are enough, and the masses do the rest.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.searches.cuts import SELECT_FIVE, equal_pairs, pion_and_electrons
from trigger.searches.search import GEV, Axis, Region, Search


@kernel(SELECT_FIVE)
def select(candidates: Any, observable: Any) -> None:
    """Take a pion and two pairs of the same mass; the observable is the mean of the two."""
    for i in range(len(candidates)):
        c = candidates[i]
        observable[i] = np.nan
        k = equal_pairs(c)
        if k >= 0 and pion_and_electrons(c):
            pairs = c["m_pair_gev"][k]
            observable[i] = 0.5 * (float(pairs[0]) + float(pairs[1]))


SELECTION: Final = (
    "five tracks of 72 to 78 GeV/c in all and less than 30 MeV/c across the beam, vertex at 105 to 180 m; the"
    " pion no electron by E/p and no muon; of the others two electrons by E/p, the rest that or without a "
    "cluster, none a muon; |m(pi 4e) - m_K| < 12 MeV; the masses of the pairs, in the way that makes them "
    "most alike, within 6 MeV of each other (chosen)"
)

SEARCH: Final = Search(
    name="k_pi_aa",
    title="K+ -> pi+ a a, a -> e+ e-",
    reference="PLB 846 (2023) 138193",
    lines=("eMT", "MT"),
    kind="five_tracks",
    select=select,
    selection=SELECTION,
    observable="m_pair",
    formula="mean of sqrt((P_e+ + P_e-)^2) of the two pairs",
    unit=GEV,
    axis=Axis(1200, 0.0, 0.210),
    regions=(Region("a", 0.005, 0.170, (0.001, 0.177), 1),),
    step_gev=0.001,
    resolution=(
        (0.005, 0.76e-3),
        (0.017, 0.79e-3),
        (0.05, 0.79e-3),
        (0.1, 0.83e-3),
        (0.15, 0.82e-3),
        (0.17, 0.77e-3),
    ),
    acceptance=(
        (0.005, 0.0232),
        (0.017, 0.0276),
        (0.05, 0.0279),
        (0.1, 0.0376),
        (0.15, 0.0515),
        (0.17, 0.0259),
    ),
    pile_up=((50, 1.0), (300, 0.92), (750, 0.824)),
    backgrounds=(
        "K+ -> pi+ pi0 with pi0 -> e+ e- e+ e-, K+ -> pi+ pi0 pi0 with two Dalitz decays; none taken in 1.2 s at "
        "750 MHz"
    ),
    normalisation="k3pi",
    needs=("clusters", "hits/STRAW", "hits/MUV3", "hits/KTAG"),
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
