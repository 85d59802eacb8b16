"""Whose trigger it is: decays and entries of the L0 processor, one to one."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from trigger.clock import LSB_NS

WINDOW_NS: Final = 12.5
"""Largest distance of a decay and its entry."""

WINDOW_LSB: Final = int(WINDOW_NS / LSB_NS)

Ints = NDArray[np.int64]


def nearest(times: Ints, others: Ints) -> Ints:
    """Return the place of the nearest of `others`, sorted and not empty, for each of `times`; of two the earlier."""
    right = np.minimum(np.searchsorted(others, times), len(others) - 1)
    left = np.maximum(right - 1, 0)
    found = np.where(np.abs(others[left] - times) <= np.abs(others[right] - times), left, right)
    # Of equal ones the first.
    return np.searchsorted(others, others[found])


def match(decays_lsb: Ints, entries_lsb: Ints, window_lsb: int = WINDOW_LSB) -> Ints:
    """Give each decay its entry, or -1: the nearest, if the decay is the nearest to it, and within `window_lsb`.

    decays_lsb: int64[n] of those decays only that can have made an entry, which have hits in the detector that times
    it. entries_lsb: int64[m] of all entries, whether they fire a line or not. Both sorted. Returns int64[n].

    So an entry belongs to one decay at most, and a decay whose entry fires nothing does not take that of its
    neighbour. Where the primitives of two decays became one, it is the nearer one's, and the other has none.
    """
    own = np.full(len(decays_lsb), -1)
    if len(decays_lsb) == 0 or len(entries_lsb) == 0:
        return own
    entry = nearest(decays_lsb, entries_lsb)
    back = nearest(entries_lsb, decays_lsb)
    mutual = back[entry] == np.arange(len(decays_lsb))
    near = np.abs(entries_lsb[entry] - decays_lsb) <= window_lsb
    own[mutual & near] = entry[mutual & near]
    return own
