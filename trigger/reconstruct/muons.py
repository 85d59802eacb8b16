"""Muons: tracks that arrive at a pad of the MUV3 which has a hit in time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from trigger.jit import inline, kernel
from trigger.l1.muv3 import SECOND, TILES
from trigger.l1.window import since_lsb
from trigger.reconstruct.detectors import (
    MUV3_LSB,
    MUV3_MM,
    PAD_MARGIN_MM,
    PAD_MARGIN_MM_GEV,
    PAD_MM,
    PADS,
)
from trigger.reconstruct.tracks import x_after_mm, y_at_mm
from trigger.reconstruct.window import first_word

_OUTER: Final = PADS * PADS
_HALF: Final = PADS // 2


@kernel(types.boolean(types.int64, types.float64, types.float64, types.float64))
def near_pad(pad: int, x: float, y: float, margin: float) -> bool:
    """Whether a point lies in a pad, or not more than `margin` mm beyond an edge.

    An inner pad (144 to 151) is an eighth of the square of the four pads in the middle: its number has 4 for y < 0,
    2 for x < 0 and 1 for |x| > |y|.
    """
    if pad < _OUTER:
        left, low = (pad % PADS - _HALF) * PAD_MM, (pad // PADS - _HALF) * PAD_MM
        return left - margin <= x <= left + PAD_MM + margin and low - margin <= y <= low + PAD_MM + margin
    octant = pad - _OUTER
    x = -x if octant & 2 else x
    y = -y if octant & 4 else y
    if not (-margin <= x <= PAD_MM + margin and -margin <= y <= PAD_MM + margin):
        return False
    beyond = y - x if octant & 1 else x - y
    return beyond <= margin * np.sqrt(2.0)


@inline
def is_muon(words: Any, begin: int, end: int, time_lsb: int, track: Any) -> bool:
    """Whether a pad near to where a track arrives has a hit in time."""
    x, y = x_after_mm(track, MUV3_MM), y_at_mm(track, MUV3_MM)
    margin = PAD_MARGIN_MM + PAD_MARGIN_MM_GEV / track["p_gev"]
    for i in range(first_word(words, begin, end, time_lsb, MUV3_LSB), end):
        word = int(words[i])
        if since_lsb(word, time_lsb) > MUV3_LSB:
            break
        identity = word >> 16
        pad = identity - SECOND if identity >= TILES else identity
        # A trailing edge has a larger ID.
        if 0 <= pad < TILES and near_pad(pad, x, y, margin):
            return True
    return False
