"""K+ -> mu+ nu, a channel that counts the decays of kaons: a peak in (P_K - P_mu)^2 at 0."""

from __future__ import annotations

from typing import Final

from trigger.searches.k_mu_n import SEARCH as K_MU_N
from trigger.searches.k_mu_n import SELECTION, select
from trigger.searches.k_mu_nu_x import KMU2_GEV2
from trigger.searches.search import SQUARED_GEV2, Channel, Search

SEARCH: Final = Search(
    name="kmu2",
    title="K+ -> mu+ nu",
    reference="PLB 816 (2021) 136259",
    lines=("Control",),
    kind="one_track",
    select=select,
    selection="that of k_mu_n: " + SELECTION,
    observable="m2_miss_mu",
    formula="(P_K - P_mu)^2",
    unit=SQUARED_GEV2,
    axis=K_MU_N.axis,
    regions=(),
    step_gev=0.001,
    resolution=((0.0, 1.13e-3),),
    acceptance=((0.0, 0.583),),
    pile_up=((50, 1.0), (300, 0.916), (750, 0.794)),
    backgrounds=(
        "of 5,019 counted in 1.2 s at 750 MHz 28 are pi+ -> mu+ nu beside a kaon, 1 K+ -> mu+ nu gamma"
    ),
    normalisation="kmu2",
    needs=K_MU_N.needs,
    channel=Channel(0.6294, KMU2_GEV2),
)
"""Resolution and acceptance: measured on simulated spills (tests/measure_searches.py)."""
