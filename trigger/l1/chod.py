"""CHOD: one to five hits of the slabs."""

from __future__ import annotations

from typing import Any, Final

from numba import types

from trigger.jit import kernel
from trigger.l1.window import SPAN, in_window

SLABS: Final = 128


@kernel(types.boolean(*SPAN, types.int64))
def chod(words: Any, begin: int, end: int, time_lsb: int, half_lsb: float, most: int) -> bool:
    """Whether there are hits of slabs in the window, and `most` of them at most."""
    n = 0
    for i in range(begin, end):
        word = int(words[i])
        n += int(word >> 16 < SLABS and in_window(word, time_lsb, half_lsb))
    return 0 < n <= most
