"""Masks on the OR of the coincident IDs of all detectors.

Mask i fires if (S | dontcare_i) == mask_i on all 7 x 16 bits, and the entry has the tag that the mask needs.
S travels as two uint64 (`low`: detectors 0-3, `high`: 4-6).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import inline

NONE: Final = np.uint64(0)
ONE: Final = np.uint64(1)


@inline
def _hit(low: Any, high: Any, allowed: Any, mask: Any, free: Any, bit: Any) -> Any:
    """Return `bit` if a mask fires on one entry, else 0. mask, free: (low, high) of mask and dontcare."""
    differs = ((low | free[0]) ^ mask[0]) | ((high | free[1]) ^ mask[1])
    return allowed & bit if differs == NONE else NONE


@inline
def fire_masks(
    low: Any, high: Any, allowed: Any, n: int, active: Any, mask: Any, dontcare: Any, fired: Any, sums: Any
) -> None:
    """Set bit m of fired[i] if mask m fires on entry i, for i < n; put the number of its firings in sums[m].

    allowed: uint64[n], the masks that the entry's tag lets fire. active: int64, rows in use. mask, dontcare:
    uint64[17, 2]. Two masks are one pass over the entries (of an odd number the last goes with itself), without
    branches and all in 64 bits, because that is what LLVM vectorises; one or four a pass are slower.
    """
    for i in range(n):
        fired[i] = NONE
    last = len(active) - 1
    for k in range(0, last + 1, 2):
        m, p = active[k], active[min(k + 1, last)]
        # Taken out of the arrays before the loop: LLVM cannot know that `fired` does not overlap them.
        m_mask, p_mask = (mask[m, 0], mask[m, 1]), (mask[p, 0], mask[p, 1])
        m_free, p_free = (dontcare[m, 0], dontcare[m, 1]), (dontcare[p, 0], dontcare[p, 1])
        m_bit, p_bit = ONE << np.uint64(m), ONE << np.uint64(p)
        m_total, p_total = NONE, NONE
        for i in range(n):
            m_hit = _hit(low[i], high[i], allowed[i], m_mask, m_free, m_bit)
            p_hit = _hit(low[i], high[i], allowed[i], p_mask, p_free, p_bit)
            fired[i] |= m_hit | p_hit
            m_total += m_hit
            p_total += p_hit
        sums[m] = np.int64(m_total >> np.uint64(m))
        sums[p] = np.int64(p_total >> np.uint64(p))
