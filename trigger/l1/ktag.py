"""KTAG: a kaon lights at least five of the eight sectors."""

from __future__ import annotations

from typing import Any, Final

from numba import types

from trigger.jit import kernel
from trigger.l1.window import SPAN, TRAILING, in_window

TUBES: Final = 48
"""Photomultipliers of a sector: ID = TUBES x sector + tube."""

SECTORS: Final = 8


@kernel(types.boolean(*SPAN, types.int64))
def ktag(words: Any, begin: int, end: int, time_lsb: int, half_lsb: float, least: int) -> bool:
    """Whether at least `least` sectors have a leading edge in the window."""
    lit = 0
    for i in range(begin, end):
        word = int(words[i])
        identity = word >> 16
        if not identity & TRAILING and identity < TUBES * SECTORS and in_window(word, time_lsb, half_lsb):
            lit |= 1 << identity // TUBES
    n = 0
    for sector in range(SECTORS):
        n += lit >> sector & 1
    return n >= least
