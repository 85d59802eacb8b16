"""From yields to branching ratios, by a channel that counts the decays of kaons.

N_K = N_norm D_norm / (A_norm B_norm), and B = N D / (N_K per_kaon A): D are downscalings, A acceptances with the
trigger in them, per_kaon decays of the signal's parent for each decay of a kaon in the fiducial volume.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trigger.searches.search import PARENTS_PER_KAON, Search


def counted(channel: Search, counts: NDArray[np.int64]) -> int:
    """Return the events of a normalisation channel that count, from its spectrum int64[bins]."""
    assert channel.channel is not None
    axis = channel.axis
    low, high = channel.channel.counted
    centres = axis.low + axis.width * (np.arange(axis.bins) + 0.5)
    return int(counts[(centres > low) & (centres < high)].sum())


def kaon_decays(channel: Search, events: int, downscaling: float, intensity_mhz: float) -> float:
    """Return the decays of kaons in the fiducial volume that events of a normalisation channel stand for."""
    assert channel.channel is not None
    acceptance = channel.acceptance_at(0.0, intensity_mhz)
    return events * downscaling / (acceptance * channel.channel.branching_ratio)


def per_event(
    search: Search, mass_gev: float, kaons: float, downscaling: float, intensity_mhz: float
) -> float:
    """Return the branching ratio that one event of a signal stands for; NaN without acceptance or kaons."""
    acceptance = search.acceptance_at(mass_gev, intensity_mhz)
    expected = kaons * PARENTS_PER_KAON[search.parent] * acceptance / downscaling
    return 1.0 / expected if expected > 0 else float("nan")
