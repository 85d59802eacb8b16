"""Times of an event's words relative to its trigger; shared by the algorithms."""

from __future__ import annotations

from typing import Any, Final

from numba import types

from trigger.jit import inline

TRAILING: Final = 0x8000
"""Bit of the ID of a trailing edge, in detectors that have both."""

WORDS: Final = types.uint32[::1]
_INT: Final = types.int64
_FLOAT: Final = types.float64

SPAN: Final = (WORDS, _INT, _INT, _INT, _FLOAT)
"""First arguments of an algorithm: words, of which those from begin to end are the event's, the trigger time in LSB,
and the half width of the window in LSB."""


@inline
def since_lsb(word: int, time_lsb: int) -> int:
    """Return the time of a word since the trigger in LSB: the difference of two times of 16 bits, with its sign."""
    return (((word - time_lsb) & 0xFFFF) ^ 0x8000) - 0x8000


@inline
def in_window(word: int, time_lsb: int, half_lsb: float) -> bool:
    """Whether a word is in time: |t - t_trigger| < window, strictly."""
    since: Any = since_lsb(word, time_lsb)
    return -half_lsb < since < half_lsb
