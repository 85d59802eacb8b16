"""K+ -> pi+ pi+ pi-, a channel that counts the decays of kaons: a peak in the mass of three pions."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel
from trigger.particles import M_KAON_GEV
from trigger.searches.cuts import SELECT_THREE, tracks_of_kaon, whole
from trigger.searches.search import GEV, Axis, Channel, Search


@kernel(SELECT_THREE)
def select(candidates: Any, observable: Any) -> None:
    """Take three tracks that have all of the kaon's momentum."""
    for i in range(len(candidates)):
        c = candidates[i]
        observable[i] = c["m_3pi_gev"] if tracks_of_kaon(c) and whole(c) else np.nan


SEARCH: Final = Search(
    name="k3pi",
    title="K+ -> pi+ pi+ pi-",
    reference="K3pi flux analysis of the experiment",
    lines=("MT",),
    kind="three_tracks",
    select=select,
    selection=(
        "three tracks of 72 to 78 GeV/c in all and less than 30 MeV/c across the beam, vertex at 105 to 180 m"
        " (the reference)"
    ),
    observable="m_3pi",
    formula="sqrt((P_pi+ + P_pi+ + P_pi-)^2)",
    unit=GEV,
    axis=Axis(800, 0.430, 0.550),
    regions=(),
    step_gev=0.001,
    resolution=((M_KAON_GEV, 0.714e-3),),
    acceptance=((M_KAON_GEV, 0.272),),
    pile_up=((50, 1.0), (300, 0.973), (750, 0.913)),
    backgrounds=(
        "of 899 counted in 1.2 s at 750 MHz 885 are K+ -> pi+ pi+ pi-; of the others the trigger was another "
        "decay's"
    ),
    normalisation="k3pi",
    needs=("hits/STRAW", "hits/KTAG"),
    channel=Channel(0.05583, (0.490, 0.497)),
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
