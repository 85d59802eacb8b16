"""MUV3: a tight hit, hits on opposite sides, or several tiles."""

from __future__ import annotations

from typing import Any, Final

from numba import types

from trigger.jit import inline, kernel
from trigger.l1.window import SPAN, TRAILING, in_window, since_lsb

SECOND: Final = 200
"""ID = tile, and SECOND more for its second photomultiplier."""

OUTER: Final = 144
ROW: Final = 12
"""Outer tiles are 12 x row + column; inner ones follow."""

TILES: Final = 152


@inline
def _tile(word: int) -> int:
    """Return the tile of a leading edge, TILES for anything else."""
    identity = word >> 16
    tile = identity - SECOND if identity >= TILES else identity
    return tile if not identity & TRAILING and 0 <= tile < TILES else TILES


@kernel(types.boolean(*SPAN, types.float64))
def tight(words: Any, begin: int, end: int, time_lsb: int, half_lsb: float, apart_lsb: float) -> bool:
    """Whether both photomultipliers of a tile have hits less than `apart_lsb` apart, their mean in the window."""
    for i in range(begin, end):
        first = int(words[i])
        if first >> 16 >= TILES:
            continue
        for j in range(begin, end):
            second = int(words[j])
            if second >> 16 != (first >> 16) + SECOND:
                continue
            a, b = since_lsb(first, time_lsb), since_lsb(second, time_lsb)
            if abs(a - b) < apart_lsb and -half_lsb < (a + b) / 2.0 < half_lsb:
                return True
    return False


@kernel(types.boolean(*SPAN, types.float64))
def opposite(words: Any, begin: int, end: int, time_lsb: int, half_lsb: float, apart_lsb: float) -> bool:
    """Whether outer tiles of the left and the right half have hits in the window, less than `apart_lsb` apart."""
    for i in range(begin, end):
        first = int(words[i])
        left = _tile(first)
        if left >= OUTER or left % ROW >= ROW // 2 or not in_window(first, time_lsb, half_lsb):
            continue
        for j in range(begin, end):
            second = int(words[j])
            right = _tile(second)
            if right >= OUTER or right % ROW < ROW // 2 or not in_window(second, time_lsb, half_lsb):
                continue
            if abs(since_lsb(first, time_lsb) - since_lsb(second, time_lsb)) < apart_lsb:
                return True
    return False


@inline
def _adjacent(a: int, b: int) -> bool:
    """Whether two outer tiles share an edge."""
    return (abs(a - b) == 1 and a // ROW == b // ROW) or abs(a - b) == ROW


@kernel(types.boolean(*SPAN))
def multiplicity(words: Any, begin: int, end: int, time_lsb: int, half_lsb: float) -> bool:
    """Whether three outer tiles have hits in the window, or two that share no edge."""
    first = second = -1
    for i in range(begin, end):
        word = int(words[i])
        tile = _tile(word)
        if tile >= OUTER or not in_window(word, time_lsb, half_lsb) or tile in (first, second):
            continue
        if first < 0:
            first = tile
        elif second < 0:
            second = tile
        else:
            return True
    return second >= 0 and not _adjacent(first, second)
