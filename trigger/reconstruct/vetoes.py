"""Hits in time of what tells kaons (KTAG) and photons at large and small angles (LAV, IRC, SAC)."""

from __future__ import annotations

from typing import Any

from trigger.jit import inline
from trigger.l1.ktag import SECTORS, TUBES
from trigger.l1.lav import CHANNELS, FIRST_STATION, LAST_STATION
from trigger.l1.window import TRAILING, since_lsb
from trigger.reconstruct.detectors import KTAG_LSB, SMALL_ANGLE_CHANNELS, VETO_LSB
from trigger.reconstruct.window import first_word

_FIRST_LAV = FIRST_STATION * CHANNELS
_STOP_LAV = (LAST_STATION + 1) * CHANNELS


@inline
def kaon_sectors(words: Any, begin: int, end: int, time_lsb: int) -> int:
    """Return how many sectors of the KTAG have a leading edge in time."""
    lit = 0
    for i in range(first_word(words, begin, end, time_lsb, KTAG_LSB), end):
        word = int(words[i])
        if since_lsb(word, time_lsb) > KTAG_LSB:
            break
        identity = word >> 16
        # A trailing edge has a larger ID.
        if identity < TUBES * SECTORS:
            lit |= 1 << identity // TUBES
    n = 0
    for sector in range(SECTORS):
        n += lit >> sector & 1
    return n


@inline
def low_leading(words: Any, begin: int, end: int, time_lsb: int, first: int, stop: int) -> int:
    """Return how many leading edges of even channels from `first` on, before `stop`, are in time."""
    n = 0
    for i in range(first_word(words, begin, end, time_lsb, VETO_LSB), end):
        word = int(words[i])
        if since_lsb(word, time_lsb) > VETO_LSB:
            break
        identity = word >> 16
        n += int(not identity & (TRAILING | 1) and first <= identity < stop)
    return n


@inline
def lav_hits(words: Any, begin: int, end: int, time_lsb: int) -> int:
    """Return how many leading edges of low threshold LAV2 to LAV11 have in time."""
    return low_leading(words, begin, end, time_lsb, _FIRST_LAV, _STOP_LAV)


@inline
def small_angle_hits(words: Any, begin: int, end: int, time_lsb: int) -> int:
    """Return how many leading edges of low threshold IRC and SAC have in time."""
    return low_leading(words, begin, end, time_lsb, 0, SMALL_ANGLE_CHANNELS)
