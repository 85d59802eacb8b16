"""Masks on the OR of the coincident IDs of all detectors.

Mask i fires if (S | dontcare_i) == mask_i on all 7 x 16 bits, and the entry has the tag that the mask needs.
S travels as two uint64 (`low`: detectors 0-3, `high`: 4-6).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import inline

NONE: Final = np.uint64(0)
PHYSICS_ROWS: Final = np.uint64(0xFFFF)
CONTROL_ROW: Final = np.uint64(0x1_0000)


@inline
def test_masks(
    low: Any, high: Any, allowed: Any, n: int, active: Any, mask: Any, dontcare: Any, fired: Any, sums: Any
) -> None:
    """Set bit m of fired[i] if mask m fires on entry i, for i < n; put the number of its firings in sums[m].

    allowed: uint64[n], the masks that the entry's tag lets fire. active: int64, rows in use. mask, dontcare:
    uint64[17, 2]. Each mask is one pass over the entries, without branches and all in 64 bits, because that is
    what LLVM vectorises.
    """
    for i in range(n):
        fired[i] = NONE
    for k in range(len(active)):
        m = active[k]
        mask_low, mask_high = mask[m, 0], mask[m, 1]
        free_low, free_high = dontcare[m, 0], dontcare[m, 1]
        bit = np.uint64(1) << np.uint64(m)
        total = NONE
        for i in range(n):
            differs = ((low[i] | free_low) ^ mask_low) | ((high[i] | free_high) ^ mask_high)
            hit = allowed[i] & bit if differs == NONE else NONE
            fired[i] |= hit
            total += hit
        sums[m] = np.int64(total >> np.uint64(m))
