"""From the hits of a detector to its L0 primitives: time order, clusters, limits of the boards, IDs, frames."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.simulate.apparatus import Apparatus
from streams.simulate.detectors.hit import (
    CHOD,
    HIT_ID_BITS,
    L0_NAMES,
    LAV12,
    LKR,
    MUV3,
    NEWCHOD,
    RICH,
)
from streams.simulate.detectors.identity import (
    LKR_NAMES,
    MOST_HITS,
    MUV3_NAMES,
    NEWCHOD_NAMES,
    chod_fires,
    lkr_id,
    muv3_id,
    newchod_id,
)
from trigger.clock import FRAME_BITS, LSB_NS, LSB_PER_TICK
from trigger.experiment import Experiment
from trigger.frames import FrameStream
from trigger.jit import kernel
from trigger.l1.window import TRAILING

NAMES: Final[dict[int, tuple[str, ...]]] = {
    CHOD: (), RICH: (), LAV12: (), MUV3: MUV3_NAMES, NEWCHOD: NEWCHOD_NAMES, LKR: LKR_NAMES,
}  # fmt: skip

SPLIT_LSB: Final = 4 * LSB_PER_TICK
"""A split of 100 ns, in which a board takes MOST_HITS hits and sends MOST_CLUSTERS clusters."""

MOST_CLUSTERS: Final = 8
MOST_RINGS: Final = 4
"""Clusters that the RICH sends in a tick."""


@kernel("int64(int64, int64[::1], int64[::1], int64, int64, int64)")
def identity_of(detector: int, members: Any, bits: Any, n: int, fired: int, least: int) -> int:
    """ID of a cluster of `n` members (int64[MOST_HITS], IDs of hits), 0 if it makes no primitive.

    fired: mask of the bit that every primitive of the detector has. least: super-cells that the RICH needs.
    """
    if detector == MUV3:
        return fired | muv3_id(members, n, bits)
    if detector == NEWCHOD:
        return fired | newchod_id(members, n, bits)
    if detector == LKR:
        return fired | lkr_id(members, n, bits)
    if detector == CHOD:
        return fired if chod_fires(members, n) else 0
    if detector == RICH:
        cells = 0
        for i in range(n):
            cells += members[i]
        return fired if cells >= least else 0
    return fired


@kernel("void(int64[::1])")
def sort_hits(hits: Any) -> None:
    """Sort hits by time, in place: they are almost in order, and hits of one time keep theirs."""
    for i in range(1, len(hits)):
        hit = hits[i]
        j = i - 1
        while j >= 0 and (hits[j] >> HIT_ID_BITS) > (hit >> HIT_ID_BITS):
            hits[j + 1] = hits[j]
            j -= 1
        hits[j + 1] = hit


@kernel("int64(int64, int64[::1], int64, int64[::1], int64, int64, int64[::1], uint32[::1])", allocates=True)
def pack_primitives(
    detector: int, hits: Any, window: int, bits: Any, fired: int, least: int, offsets: Any, words: Any
) -> int:
    """Write the primitives of sorted hits as frame-packed words; return their number.

    A hit joins a cluster up to `window` LSB after its first hit, in the same frame; the primitive's time is that
    of the first hit plus the mean of the differences. Hits outside the frames are left out: they belong to another
    block. bits, fired, least: see `identity_of`. offsets: int64[n_frames + 1], overwritten. words: uint32[n].
    """
    members = np.zeros(MOST_HITS, np.int64)
    n_frames, n_words, i = len(offsets) - 1, 0, 0
    split, taken, sent, tick, rings = np.int64(-1), 0, 0, np.int64(-1), 0
    begin = np.int64(0)
    while i < len(hits) and hits[i] < 0:
        i += 1
    for frame in range(n_frames):
        offsets[frame] = n_words
        stop = np.int64(frame + 1) << FRAME_BITS
        n, first, late = 0, np.int64(0), np.int64(0)
        while True:
            ends = i >= len(hits) or (hits[i] >> HIT_ID_BITS) >= stop
            time = stop if ends else hits[i] >> HIT_ID_BITS
            if n > 0 and (ends or time - first > window):
                at = first + late // n
                identity = identity_of(detector, members, bits, n, fired, least)
                if at // LSB_PER_TICK != tick:
                    tick, rings = at // LSB_PER_TICK, 0
                if first // SPLIT_LSB != begin:
                    begin, sent = first // SPLIT_LSB, 0
                if (
                    identity
                    and not (detector == RICH and rings >= MOST_RINGS)
                    and not (detector in (MUV3, NEWCHOD) and sent >= MOST_CLUSTERS)
                ):
                    words[n_words] = np.uint32((identity << 16) | (at & 0xFFFF))
                    n_words += 1
                    rings += 1
                    sent += 1
                n = 0
            if ends:
                break
            identity = hits[i] & 0xFFFF
            i += 1
            if detector == LAV12 and (identity & TRAILING or identity & 1):
                continue
            if time // SPLIT_LSB != split:
                split, taken = time // SPLIT_LSB, 0
            taken += 1
            if taken > MOST_HITS or n == MOST_HITS:
                continue
            if n == 0:
                first, late = time, np.int64(0)
            members[n] = identity
            late += time - first
            n += 1
    offsets[n_frames] = n_words
    return n_words


class Primitives:
    """Makes the primitives of each detector, with the bits of an experiment.

    Raises ExperimentError if the experiment lacks a detector or a condition that the simulation sets.
    """

    def __init__(self, apparatus: Apparatus, experiment: Experiment) -> None:
        self.detectors = L0_NAMES
        self._least = apparatus.rich.l0_least
        self._windows = [round(ns / LSB_NS) for ns in apparatus.l0_cluster_ns]
        self._bits = [
            np.array([_mask(experiment, L0_NAMES[d], name) for name in names], np.int64)
            for d, names in NAMES.items()
        ]
        self._fired = [_mask(experiment, name, name) for name in L0_NAMES]

    def make(self, detector: int, hits: NDArray[np.int64], first: int, n_frames: int) -> FrameStream:
        """Return the primitives of a detector (a row) in `n_frames` frames from `first`; sorts the hits in place."""
        sort_hits(hits)
        offsets, words = np.empty(n_frames + 1, np.int64), np.empty(len(hits), np.uint32)
        n = pack_primitives(
            detector,
            hits,
            self._windows[detector],
            self._bits[detector],
            self._fired[detector],
            self._least,
            offsets,
            words,
        )
        return FrameStream(first, offsets, words[:n].copy())


def _mask(experiment: Experiment, detector: str, name: str) -> int:
    return 1 << experiment.bit(f"{detector}.{name}")[1]
