"""Hits: one int64, `(time << 16) | id`, time in LSB since the frame (later the block) began; it may be negative.

hits: int64[n_detectors, capacity]; counts: int64[n_detectors], which go on beyond the capacity when there is no
room, so that who looks at them knows.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from trigger.jit import kernel

HIT_ID_BITS: Final = 16

HITS: Final = types.int64[:, ::1]
COUNTS: Final = types.int64[::1]

N_L0: Final = 6
CHOD, RICH, LAV12, MUV3, NEWCHOD, LKR = range(N_L0)
"""Detectors of the L0 trigger, rows of their hits: the order of the L0 inputs."""

L0_NAMES: Final = ("CHOD", "RICH", "LAV12", "MUV3", "NewCHOD", "LKr")

N_L1: Final = 4
KTAG, LAV, IRCSAC, STRAW = range(N_L1)
"""Detectors that only L1 reads."""

L1_NAMES: Final = ("KTAG", "LAV", "IRCSAC", "STRAW")


@kernel(types.void(HITS, COUNTS, types.int64, types.float64, types.int64))
def add_hit(hits: Any, counts: Any, row: int, time: float, identity: int) -> None:
    """Append a hit to those of a detector, if there is room."""
    n = counts[row]
    if n < hits.shape[1]:
        hits[row, n] = (np.int64(np.floor(time)) << HIT_ID_BITS) | identity
    counts[row] = n + 1


@kernel(types.int64(COUNTS))
def total(counts: Any) -> int:
    """Return the number of hits of all detectors."""
    n = 0
    for d in range(len(counts)):
        n += counts[d]
    return n


@kernel(types.void(COUNTS, COUNTS))
def remember(before: Any, counts: Any) -> None:
    """Copy the numbers of hits."""
    for d in range(len(counts)):
        before[d] = counts[d]


@kernel(types.boolean(HITS, COUNTS))
def overflows(hits: Any, counts: Any) -> bool:
    """Say whether hits were left out for want of room."""
    most = 0
    for n in counts:
        most = max(most, n)
    return most > hits.shape[1]


@kernel(types.void(HITS, COUNTS, COUNTS, types.int64))
def move(hits: Any, before: Any, counts: Any, origin: int) -> None:
    """Add `origin` LSB to the times of the hits appended since the counts were `before`, and set these anew."""
    for d in range(len(counts)):
        for i in range(before[d], min(counts[d], hits.shape[1])):
            hits[d, i] += origin << HIT_ID_BITS
        before[d] = counts[d]
