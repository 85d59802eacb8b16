"""The ideal processor that the L0 processor is compared with: the same cuts and masks, no RAM and no slots.

It decides on each candidate, a primitive of the reference (or control) detector, from all primitives that lie in
the time cuts around it. The kernels work on primitives without frames: times in LSB since SOB in order, behind the
last one the time `NEVER`, and the IDs to them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.clock import FRAME_BITS, LSB_PER_FRAME
from trigger.frames import ID_SHIFT
from trigger.jit import kernel
from trigger.l0.alignment import CALIBRATION, FRAMES_PER_ERA, ID_ONE, TIME
from trigger.l0.coincidence import NONE, ONE, fire_masks
from trigger.l0.kernel import SAME_SLOT
from trigger.l0.registers import N_ROWS

NEVER: Final = np.int64(2**63 - 1)
"""Behind the last primitive, so that a loop over a window needs no look at the end of the arrays."""

LSB_PER_ERA: Final = FRAMES_PER_ERA * LSB_PER_FRAME
"""Entries and primitives in different eras (2,048 ticks) do not see each other."""

STEPS: Final = 3
"""Processors between the ideal and the real one: neighbouring slots, in one era, the last of each slot."""

LANE_BITS: Final = 16
LANES_A_HALF: Final = 4
"""S is two uint64 of four detectors (see `coincidence`)."""


@kernel(
    "int64(int64, Array(uint32, 1, 'C', readonly=True), Array(int64, 1, 'C', readonly=True), "
    "int64[::1], uint16[::1])"
)
def unpack(first_frame: int, words: Any, offsets: Any, times: Any, ids: Any) -> int:
    """Take the physics primitives out of frames, those with an ID and no calibration bit; return their number.

    words: uint32[n], offsets: int64[n_frames + 1], as in a FrameStream. times: int64[n + 1]. ids: uint16[n + 1].
    """
    n = 0
    for f in range(len(offsets) - 1):
        start = (first_frame + f) << FRAME_BITS
        for k in range(offsets[f], offsets[f + 1]):
            word = words[k]
            times[n] = start + np.int64(word & TIME)
            ids[n] = np.uint16(word >> np.uint32(ID_SHIFT))
            n += ID_ONE <= word < CALIBRATION
    times[n] = NEVER
    return n


@kernel("void(int64[::1], int64[::1], uint16[::1], int64, int64, uint64[:, ::1])")
def or_window(at: Any, times: Any, ids: Any, cut: int, detector: int, halves: Any) -> None:
    """OR the IDs of a detector's primitives in the time cut, |t - at[i]| < cut, into its lane of S.

    at: int64[n], rising, as times. halves: uint64[2, n], detectors 0-3 and 4-6.
    """
    half = halves[detector // LANES_A_HALF]
    lane = np.uint64(LANE_BITS * (detector % LANES_A_HALF))
    first = 0
    for i in range(len(at)):
        begin, end = at[i] - cut, at[i] + cut
        while times[first] <= begin:
            first += 1
        k = first
        total = NONE
        while times[k] < end:
            total |= np.uint64(ids[k])
            k += 1
        half[i] |= total << lane


@kernel("void(int64[::1], int64[::1], uint16[::1], int64, int64, int64, uint64[:, :, ::1])")
def or_steps(at: Any, times: Any, ids: Any, cut: int, shift: int, detector: int, halves: Any) -> None:
    """OR the IDs in the time cut as ever more real processors see them, into the detector's lane of their S.

    The first sees slots N, N-1, N+1 only; the second of those what lies in the era of N; the third of those the
    last primitive of each slot. shift: bits of a time below its slot. halves: uint64[2, STEPS, n].
    """
    half = halves[detector // LANES_A_HALF]
    lane = np.uint64(LANE_BITS * (detector % LANES_A_HALF))
    cut = min(cut, 2 << shift)  # no slot of the three is farther away
    first = 0
    for i in range(len(at)):
        begin, end = at[i] - cut, at[i] + cut
        slot, era = at[i] >> shift, at[i] // LSB_PER_ERA
        while times[first] <= begin:
            first += 1
        k = first
        while times[k] < end:
            here = times[k] >> shift
            if abs(here - slot) <= 1:
                id_ = np.uint64(ids[k]) << lane
                half[0, i] |= id_
                if times[k] // LSB_PER_ERA == era:
                    half[1, i] |= id_
                    if times[k + 1] >> shift != here:
                        half[2, i] |= id_
            k += 1


@kernel(
    "void(uint64[::1], uint64[::1], uint64[::1], int64[::1], uint64[:, ::1], uint64[:, ::1], uint64[::1], int64[::1])"
)
def decide(
    low: Any, high: Any, allowed: Any, active: Any, mask: Any, dontcare: Any, fired: Any, sums: Any
) -> None:
    """Test the masks on S; see `fire_masks`, whose arguments these are."""
    fire_masks(low, high, allowed, len(low), active, mask, dontcare, fired, sums)


@kernel(
    "UniTuple(int64, 3)(int64[::1], uint64[::1], int64, uint64, int64[::1], uint8[::1], uint32[::1], "
    "int64[::1], int64[::1], int64[::1], int64[::1])"
)
def meet_entries(
    at: Any, ideal: Any, shift: int, rows: Any, slot: Any, fate: Any, fired: Any,
    without: Any, differs: Any, entry: Any, alone: Any,
) -> Any:  # fmt: skip
    """Find the entry of each candidate. Of candidates in one slot the last has it, the others have none.

    at: int64[n], the candidates' times. ideal: uint64[n], the rows that ideally fire on them. rows: those that the
    candidates' tag lets fire, as bits. slot, fate, fired: of the m entries, as in `Entries`.

    without: int64[n], candidates that fire ideally and have no entry, or one that was skipped. differs, entry:
    int64[n], candidates on which the firmware decided otherwise, and their entries. alone: int64[m], entries
    that fire without a candidate. Returns how many there are of each; the first is -1 if a candidate's slot has no
    entry.
    """
    n_without, n_differs, n_alone = 0, 0, 0
    e = 0
    for i in range(len(at)):
        here = at[i] >> shift
        while e < len(slot) and slot[e] < here:
            alone[n_alone] = e
            n_alone += (np.uint64(fired[e]) & rows) != NONE
            e += 1
        if e == len(slot) or slot[e] != here:
            return -1, n_differs, n_alone
        is_last = i + 1 == len(at) or at[i + 1] >> shift != here
        if not is_last or fate[e] == SAME_SLOT:
            without[n_without] = i
            n_without += ideal[i] != NONE
        else:
            differs[n_differs] = i
            entry[n_differs] = e
            n_differs += (np.uint64(fired[e]) & rows) != ideal[i]
        e += is_last
    while e < len(slot):
        alone[n_alone] = e
        n_alone += (np.uint64(fired[e]) & rows) != NONE
        e += 1
    return n_without, n_differs, n_alone


@kernel("void(uint64[::1], int64[::1])")
def count_rows(fired: Any, sums: Any) -> None:
    """Add to sums, int64[17], how often each row is among the bits of fired, uint64[n]."""
    for i in range(len(fired)):
        for row in range(N_ROWS):
            sums[row] += np.int64((fired[i] >> np.uint64(row)) & ONE)
