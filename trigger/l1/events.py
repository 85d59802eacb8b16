"""Event building: for each L0 trigger the hits of each detector in its readout window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.clock import FRAME_BITS, LSB_NS
from trigger.frames import TIME_MASK, FrameStream
from trigger.jit import inline, kernel, named

DETECTORS: Final = ("KTAG", "CHOD", "NewCHOD", "LAV", "IRCSAC", "MUV3", "STRAW")
"""Detectors whose hits L1 reads, in the order of their numbers."""

NOT_READ_OUT: Final = 0x80
"""Bit of an event's status: the file has no hits for it."""

Windows = Mapping[str, tuple[float, float]]
"""Detector -> (begin, end) of its readout window in ns relative to the trigger time."""


class DetectorHits(NamedTuple):
    """Hits of one detector for a block of events: of event e, `words[begin[e]:end[e]]`; windows may overlap.

    words: uint32[n], `(id << 16) | time16`. begin, end: int64[n events].
    """

    words: NDArray[np.uint32]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]


class EventHits(NamedTuple):
    """Hits of all detectors, in the order of DETECTORS."""

    ktag: DetectorHits
    chod: DetectorHits
    newchod: DetectorHits
    lav: DetectorHits
    ircsac: DetectorHits
    muv3: DetectorHits
    straw: DetectorHits


HITS_T: Final = named(EventHits)


@dataclass(frozen=True)
class Events:
    """A block of events, in order of time.

    time_lsb: int64[n], trigger times. status: uint8[n], bit d if the hits of detector d do not cover the event's
    window, NOT_READ_OUT if none are there. missing: events whose window each detector does not cover.
    """

    time_lsb: NDArray[np.int64]
    status: NDArray[np.uint8]
    hits: EventHits
    missing: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.time_lsb)


@inline
def _seek(target: int, at: int, first_frame: int, offsets: Any, words: Any) -> int:
    """Return the place of the first word that is not before `target` (LSB since SOB), from `at` on."""
    frame = (target >> FRAME_BITS) - first_frame
    if frame < 0:
        return at
    if frame >= len(offsets) - 1:
        return offsets[len(offsets) - 1]
    at, stop = max(at, offsets[frame]), offsets[frame + 1]
    time16 = target & TIME_MASK
    while at < stop and int(words[at]) & TIME_MASK < time16:
        at += 1
    return at


@kernel(
    types.void(
        types.int64[::1],
        types.int64,
        types.int64[::1],
        types.uint32[::1],
        types.int64,
        types.int64,
        types.int64[::1],
        types.int64[::1],
    )
)
def cut_windows(
    times_lsb: Any, first_frame: int, offsets: Any, words: Any, before: int, after: int, begin: Any, end: Any
) -> None:
    """Find the words within [t + before, t + after) of each trigger time: one walk over both, sorted by time.

    offsets, words: of a frame-packed stream from `first_frame` on. begin, end: written, see DetectorHits.
    """
    low = high = 0
    for e in range(len(times_lsb)):
        low = _seek(times_lsb[e] + before, low, first_frame, offsets, words)
        high = _seek(times_lsb[e] + after, max(high, low), first_frame, offsets, words)
        begin[e], end[e] = low, high


def lsb_of(window_ns: tuple[float, float]) -> tuple[int, int]:
    """Return a window in LSB, the begin rounded down, the end up."""
    return int(np.floor(window_ns[0] / LSB_NS)), int(np.ceil(window_ns[1] / LSB_NS))


def build_events(
    times_lsb: NDArray[np.int64],
    streams: Mapping[str, FrameStream],
    windows: Windows,
    n_frames: int,
    read_out: NDArray[np.bool_] | None = None,
) -> Events:
    """Build the events of triggers at sorted times (int64[n], LSB since SOB).

    streams: hits by detector, each sorted; one that is left out is missing in all events. windows: of each detector,
    relative to the trigger time. n_frames: of the spill; windows that reach beyond it are cut. read_out: bool[n],
    which triggers the hits are for; all by default.
    """
    n = len(times_lsb)
    status = np.zeros(n, np.uint8)
    hits, missing = [], {}
    for number, name in enumerate(DETECTORS):
        begin, end = np.zeros(n, np.int64), np.zeros(n, np.int64)
        stream, window = streams.get(name), windows.get(name)
        uncovered = np.ones(n, bool)
        words = np.zeros(0, np.uint32)
        if stream is not None and window is not None:
            before, after = lsb_of(window)
            words = stream.words
            cut_windows(times_lsb, stream.first_frame, stream.offsets, words, before, after, begin, end)
            first = np.maximum(times_lsb + before, 0) >> FRAME_BITS
            last = np.minimum((times_lsb + after - 1) >> FRAME_BITS, n_frames - 1)
            uncovered = (first <= last) & ((first < stream.first_frame) | (last >= stream.stop_frame))
        status |= uncovered.astype(np.uint8) << number
        missing[name] = int(np.count_nonzero(uncovered))
        hits.append(DetectorHits(words, begin, end))
    if read_out is not None:
        status[~read_out] |= NOT_READ_OUT
    return Events(times_lsb, status, EventHits(*hits), missing)
