"""Readout windows: what of a spill is read out around the triggers of the hit menu."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.simulate.settings import SimulationError
from trigger.jit import kernel

Intervals = NDArray[np.int64]
"""int64[n, 2]: half-open ranges of time in LSB, sorted and apart from each other."""

Windows = Mapping[str, tuple[float, float]]
"""Detector -> (begin, end) in ns relative to the trigger time."""

WIDEST_NS: Final = 1000.0
"""From a trigger to the end of a window at most; nothing drifts or decays for longer."""


def parse_windows(given: Iterable[str], defaults: Windows) -> dict[str, tuple[float, float]]:
    """Return the defaults with the windows `NAME=BEGIN:END` (ns, such as STRAW=-50:275) in their places.

    Raises SimulationError that names the window, the value and the remedy.
    """
    windows = dict(defaults)
    for text in given:
        name, equals, span = text.partition("=")
        begin, colon, end = span.partition(":")
        if not equals or not colon:
            raise SimulationError(f"window {text!r} is not NAME=BEGIN:END; write it as STRAW=-50:275, in ns")
        if name not in defaults:
            raise SimulationError(
                f"window {text!r}: {name!r} is not read out; known are {', '.join(defaults)}"
            )
        windows[name] = (_ns(begin, text), _ns(end, text))
        if windows[name][0] >= windows[name][1]:
            raise SimulationError(f"window {text!r} is empty; give a BEGIN before its END")
    return windows


def _ns(text: str, window: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise SimulationError(f"window {window!r}: {text!r} is not a number; give ns") from None
    if not (math.isfinite(value) and abs(value) <= WIDEST_NS):
        raise SimulationError(f"window {window!r}: {text} is not within {WIDEST_NS:g} ns; give a nearer time")
    return value


def intervals(times_lsb: NDArray[np.int64], begin_lsb: int, end_lsb: int) -> Intervals:
    """Join the windows from `begin_lsb` to `end_lsb` around times (int64[n], sorted) to intervals."""
    if len(times_lsb) == 0:
        return np.zeros((0, 2), np.int64)
    begins, ends = times_lsb + begin_lsb, times_lsb + end_lsb
    apart = np.flatnonzero(begins[1:] > ends[:-1])
    firsts, lasts = np.append(0, apart + 1), np.append(apart, len(times_lsb) - 1)
    return np.ascontiguousarray(np.stack([begins[firsts], ends[lasts]], axis=1))


def inside(times_lsb: NDArray[np.int64], ranges: Intervals) -> NDArray[np.bool_]:
    """Say for each time (int64[n], any order) whether it lies in one of the intervals: bool[n]."""
    row = np.searchsorted(ranges[:, 0], times_lsb, side="right") - 1
    return (row >= 0) & (times_lsb < np.append(ranges[:, 1], 0)[row])


@kernel("int64(int64[::1], int64[:, ::1], int64[::1], uint32[::1])", allocates=True)
def pack_windows(hits: Any, ranges: Any, offsets: Any, words: Any) -> int:
    """Sort hits by time and ID, in place, and write those inside the intervals as frame-packed words.

    hits: int64[n], `(time << 16) | id`, time in LSB since the first frame. ranges: intervals in the same time.
    offsets: int64[n_frames + 1], overwritten. words: uint32[n], of which the number returned is filled. Hits outside
    the frames are left out: they belong to another block.
    """
    hits.sort()
    n_words, i, r = 0, 0, 0
    n_frames = len(offsets) - 1
    while i < len(hits) and hits[i] < 0:
        i += 1
    for frame in range(n_frames):
        offsets[frame] = n_words
        stop = np.int64(frame + 1) << 32
        while i < len(hits) and hits[i] < stop:
            time = hits[i] >> 16
            while r < len(ranges) and ranges[r, 1] <= time:
                r += 1
            if r < len(ranges) and ranges[r, 0] <= time:
                words[n_words] = np.uint32(((hits[i] & 0xFFFF) << 16) | (time & 0xFFFF))
                n_words += 1
            i += 1
    offsets[n_frames] = n_words
    return n_words
