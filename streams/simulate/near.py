"""Where the second pass looks: intervals of time around triggers, and the beam meanwhile."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from streams.simulate.windows import Intervals
from trigger.jit import kernel, named


class Near(NamedTuple):
    """Where to look again: sorted intervals int64[n, 2], LSB since the block began.

    attention: times of decays whose hits can lie in a window. answers: those of decays that can have fired a trigger.
    gtk: windows of beam tracks.
    """

    attention: Intervals
    answers: Intervals
    gtk: Intervals


class Frames(NamedTuple):
    """The frames of a block (`first`, `n`) and the intensity of those from `start` on: the block's and its
    neighbours'.

    mhz: float64[n], of beam. rates: float64[n], moments per LSB.
    """

    first: int
    n: int
    start: int
    mhz: NDArray[np.float64]
    rates: NDArray[np.float64]


NEAR: Final = types.NamedUniTuple(types.int64[:, ::1], 3, Near)  # type: ignore[no-untyped-call]
FRAMES: Final = named(Frames)


@kernel("boolean(int64[:, ::1], int64, int64)")
def touches(ranges: Any, begin: int, end: int) -> bool:
    """Say whether the time from `begin` to before `end` shares anything with one of the sorted intervals."""
    low, high = 0, len(ranges)
    while low < high:
        middle = (low + high) // 2
        if ranges[middle, 1] <= begin:
            low = middle + 1
        else:
            high = middle
    return low < len(ranges) and ranges[low, 0] < end


@kernel("boolean(int64[:, ::1], int64)")
def covers(ranges: Any, time: int) -> bool:
    """Say whether a time lies in one of the sorted intervals int64[n, 2]."""
    return touches(ranges, time, time + 1)
