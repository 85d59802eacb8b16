"""Bins of time that are not a whole number of frames.

A bin of 1 ms has 156.56 frames. A frame belongs to the bin that its middle lies in, so a bin has 156 or 157; its
counts are divided by the frames it has, or a flat beam would ripple by 0.6%, with a period of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trigger.clock import FRAME_S

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

BIN_S: Final = 5e-3
"""Bins in which NA62 quotes the quality of a spill (I. Skillicorn's beam-quality notes)."""

FINE_BIN_S: Final = 1e-3
"""Bins of the length of the gaps that occur."""


@dataclass(frozen=True)
class BinCounts:
    """Counts in bins of `width_s` from SOB on.

    counts: int64[n]. frames: int64[n], those played. full: int64[n], those that the bin has by its place in time. A
    bin is whole if all of them were played; the last one of a spill seldom is. Figures of quality leave out what is
    not whole.
    """

    width_s: float
    counts: Integers
    frames: Integers
    full: Integers

    @property
    def whole(self) -> Flags:
        """Which bins are whole: bool[n]."""
        return np.asarray((self.frames == self.full) & (self.full > 0))

    @property
    def per_frame(self) -> Floats:
        """Counts a frame: float64[n], NaN where no frame was played."""
        return ratio(self.counts, self.frames)

    def between(self, begin_s: float, end_s: float) -> BinCounts:
        """Return the whole bins of a range of time that begins and ends where bins do."""
        part = slice(round(begin_s / self.width_s), round(end_s / self.width_s))
        whole = self.whole[part]
        return BinCounts(
            self.width_s, self.counts[part][whole], self.frames[part][whole], self.full[part][whole]
        )


def ratio(of: NDArray[Any], to: NDArray[Any]) -> Floats:
    """Divide numbers: float64[n], NaN where the divisor is 0."""
    return np.asarray(np.divide(of, to, out=np.full(len(to), np.nan), where=to != 0), np.float64)


def frame_at(time_s: float) -> int:
    """Return the first frame with its middle at or after a time since SOB."""
    return int(np.ceil(time_s / FRAME_S - 0.5))


def first_frames(n_frames: int, width_s: float) -> Integers:
    """Return the first frame of each bin, and the one behind the last bin: int64[n_bins + 1].

    The bins cover the frames 0 to n_frames - 1; the last one may reach beyond.
    """
    n_bins = int((n_frames - 0.5) * FRAME_S / width_s) + 1 if n_frames else 0
    return np.asarray(np.ceil(np.arange(n_bins + 1) * (width_s / FRAME_S) - 0.5), np.int64)


def sum_between(values: NDArray[Any], first: Integers) -> Integers:
    """Sum values by frame from each of `first` to before the next: int64[len(first) - 1]; beyond the values are 0."""
    starts = np.minimum(first, len(values))
    stop = starts[-1]
    inside = int(np.searchsorted(starts, stop))
    sums = np.zeros(len(first) - 1, np.int64)
    if inside:
        sums[:inside] = np.add.reduceat(values[:stop], starts[:inside], dtype=np.int64)
    return sums


def count_bins(frame_counts: NDArray[np.uint16], played: Flags, width_s: float) -> BinCounts:
    """Count in bins of time what was counted in frames.

    frame_counts: uint16[n_frames], 0 in frames that were not played. played: bool[n_frames].
    """
    first = first_frames(len(frame_counts), width_s)
    return BinCounts(width_s, sum_between(frame_counts, first), sum_between(played, first), np.diff(first))
