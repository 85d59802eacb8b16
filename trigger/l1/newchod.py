"""NewCHOD: one to three tiles that both of their photomultipliers see."""

from __future__ import annotations

from typing import Any, Final

from numba import types

from trigger.jit import kernel
from trigger.l1.window import SPAN, TRAILING, in_window, since_lsb

QUADRANT: Final = 100
SECOND: Final = 50
"""ID = QUADRANT x quadrant + tile, and SECOND more for the tile's second photomultiplier."""


@kernel(types.boolean(*SPAN, types.float64, types.int64))
def newchod(
    words: Any, begin: int, end: int, time_lsb: int, half_lsb: float, apart_lsb: float, most: int
) -> bool:
    """Whether there are pairs of hits of one tile, less than `apart_lsb` apart, and `most` of them at most."""
    n = 0
    for i in range(begin, end):
        first = int(words[i])
        identity = first >> 16
        if identity & TRAILING or identity % QUADRANT >= SECOND or not in_window(first, time_lsb, half_lsb):
            continue
        for j in range(begin, end):
            second = int(words[j])
            if second >> 16 == identity + SECOND and in_window(second, time_lsb, half_lsb):
                n += int(abs(since_lsb(first, time_lsb) - since_lsb(second, time_lsb)) < apart_lsb)
    return 0 < n <= most
