"""Gaps: half a millisecond or more in which the beam is away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from trigger.clock import FRAME_S
from trigger.intensity.bins import Flags, Floats, Integers, sum_between

CELL_FRAMES: Final = 8
"""Frames that are summed, 0.05 ms: the steps of what follows, which is in cells."""

CELL_S: Final = CELL_FRAMES * FRAME_S

WINDOW: Final = int(0.5e-3 / CELL_S)
"""The shortest gap, 0.46 ms in whole cells: gaps on the scale of 1 ms occur in NA62's spills."""

SIDE: Final = round(25e-3 / CELL_S)
"""What is before and behind, to compare with: half a period of the slowest ripple (10 Hz)."""

LEAST_SIDE: Final = round(5e-3 / CELL_S)
"""A gap nearer to the end of the beam is not told from the end."""

DARK: Final = 0.1
"""Part of the rate before, and of that behind, that a gap has at most. The rate of a beam with a duty factor of
0.9 fluctuates too, by a third: with 0.2 the deepest of its dips would be taken for gaps."""

FALSE_GAPS: Final = 1e-3
"""Gaps a spill that are allowed to be fluctuations of the counts, at a rate like that before or behind."""


@dataclass(frozen=True)
class Gap:
    """A gap: where it begins, in s since SOB, and how much beam time is missing.

    missing_s: that of counts to those expected at the lower of the rates before and behind.
    """

    begin_s: float
    missing_s: float


@dataclass(frozen=True)
class _Sums:
    """Running sums over the cells of the beam, int64[n + 1]: of counts, and of cells played whole."""

    counts: Integers
    played: Integers

    def between(self, begin: Any, end: Any) -> tuple[Any, Any]:
        """Return counts and played cells of [begin, end), cut to the beam; arrays or numbers."""
        last = len(self.counts) - 1
        begin, end = np.clip(begin, 0, last), np.clip(end, 0, last)
        return self.counts[end] - self.counts[begin], self.played[end] - self.played[begin]


def gaps(frame_counts: NDArray[np.uint16], played: Flags, first_frame: int) -> tuple[Gap, ...]:
    """Find the gaps in the frames with beam.

    frame_counts: uint16[n]. played: bool[n]. first_frame: since SOB. A window is dark if its rate is at most DARK
    of those of the 25 ms before and behind; dark windows that touch are one gap. In an empty gap of 0.5 ms
    some window is dark, whatever its place. At low rates a window is often empty: a gap counts if, with so many
    counts beside it, so few in it have a probability of at most FALSE_GAPS over the number of windows. What was not
    played is not dark.
    """
    sums = _sums(frame_counts, played)
    starts = np.arange(LEAST_SIDE, len(sums.counts) - WINDOW - LEAST_SIDE)
    dark = starts[_dark(sums, starts)]
    if not len(dark):
        return ()
    new = np.flatnonzero(np.diff(dark) > WINDOW) + 1
    begins, ends = dark[np.append(0, new)], dark[np.append(new, len(dark)) - 1] + WINDOW
    missing = _missing(sums, begins, ends, len(starts))
    return tuple(
        Gap(first_frame * FRAME_S + begin * CELL_S, cells * CELL_S)
        for begin, cells in zip(begins.tolist(), missing.tolist(), strict=True)
        if cells > 0
    )


def _sums(frame_counts: NDArray[np.uint16], played: Flags) -> _Sums:
    first = np.arange(len(played) // CELL_FRAMES + 1) * CELL_FRAMES
    whole = sum_between(played, first) == CELL_FRAMES
    counts, cells = (np.cumsum(x) for x in (sum_between(frame_counts, first) * whole, whole))
    return _Sums(np.append(0, counts), np.append(0, cells))


def _dark(sums: _Sums, starts: Integers) -> Flags:
    """Which windows are dark: bool[n]."""
    stops = starts + WINDOW
    inside, seen = sums.between(starts, stops)
    before, before_cells = sums.between(starts - SIDE, starts)
    behind, behind_cells = sums.between(stops, stops + SIDE)
    limit = DARK * WINDOW
    # Multiplied out: a side that was not played has no rate.
    dark = (inside * before_cells <= limit * before) & (inside * behind_cells <= limit * behind)
    return np.asarray(dark & (seen == WINDOW))


def _missing(sums: _Sums, begins: Integers, ends: Integers, places: int) -> Floats:
    """Judge the cells [begin, end) that dark windows cover: those that are missing, 0 if it is no gap: float64[n].

    Of the cells before and behind those with the lower rate are what it is compared with.
    """
    inside, length = sums.between(begins, ends)
    before, before_cells = sums.between(begins - SIDE, begins)
    behind, behind_cells = sums.between(ends, ends + SIDE)
    lower = before * behind_cells < behind * before_cells
    beside, cells = np.where(lower, before, behind), np.where(lower, before_cells, behind_cells)
    judged = (np.minimum(before_cells, behind_cells) >= LEAST_SIDE) & (beside > 0)
    chance = bdtr(inside.astype(np.float64), inside + beside, length / np.maximum(length + cells, 1))
    is_gap = judged & (chance * places <= FALSE_GAPS)
    return np.where(is_gap, length - inside * cells / np.maximum(beside, 1), 0.0)
