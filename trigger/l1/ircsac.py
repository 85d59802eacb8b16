"""IRC and SAC: a hit at the low threshold; used as a veto."""

from __future__ import annotations

from typing import Any, Final

from numba import types

from trigger.jit import kernel
from trigger.l1.lav import low_hits
from trigger.l1.window import SPAN

_IDS: Final = (0, 128)
"""IRC 0 to 63, SAC 64 to 127, low thresholds even."""


@kernel(types.boolean(*SPAN, types.int64))
def ircsac(words: Any, begin: int, end: int, time_lsb: int, half_lsb: float, least: int) -> bool:
    """Whether there are at least `least` hits."""
    return low_hits(words, begin, end, time_lsb, half_lsb, _IDS, least) >= least
