"""The alignment of one frame: entries of the reference and control streams, and the slots around them.

The firmware keeps a RAM of 16,384 slots a detector and looks at slots N-1, N and N+1 of each entry. Its answer
is reproduced with far less memory, because of three of its rules:

- Frame f is merged after frame f+1 has been written, and the RAM is deeper than two frames, so a slot holds the
  last primitive of its own time.
- An older primitive found in a slot is recognised by its timestamp bits [29:11] and ignored. So is a neighbour
  across a 2,048-tick boundary (every 8 frames), even if it is 1 ns away.
- A time difference is taken modulo 2^16 LSB, which is one frame: the 16-bit time inside the frame is enough.

So only the slots next to an entry are kept, for one frame, as rows of `LANES` words (see `vector`): row
numbers rise with time, rows of neighbouring slots are neighbours, row 0 takes what no entry will look at. A word
is the primitive as it stands in the stream; 0 is an empty slot.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import inline
from trigger.l0.vector import LANES

ID_ONE: Final = np.uint32(0x1_0000)
"""Words below this have ID 0 and are discarded by the processor's input."""

CALIBRATION: Final = np.uint32(0x8000_0000)
"""Words from here on are calibration primitives: they never enter the RAM."""

TIME: Final = np.uint32(0xFFFF)

PHYSICS_MASKS: Final = np.uint64(0x0_FFFF)
"""Masks that an entry of the reference detector may fire, as bits: the 16 physics masks."""

CONTROL_MASK: Final = np.uint64(0x1_0000)
"""Masks that an entry of the control detector may fire."""

FRAMES_PER_ERA: Final = 8
"""Frames between two boundaries that a neighbour slot cannot cross (2,048 ticks)."""

APART: Final = 3
"""Entries this many slots apart, or more, share no row."""


@inline
def merge_entries(
    reference: Any, r: Any, r_end: Any, control: Any, c: Any, c_end: Any, shift: Any,
    slot: Any, allowed: Any, row: Any, near: Any,
) -> Any:  # fmt: skip
    """Merge the reference and control words of a frame into entries of distinct slots, and give these rows.

    A reference and a control word at the heads of both streams in the same slot make one entry that may fire
    both kinds of mask; a further word in the slot of the entry before it makes none. Calibration primitives
    take part; no word may have ID 0. The slots N-1, N, N+1 of each entry get rows: `row[i]` is that of entry i's
    own slot, `near[1 + s]` that of slot s (0: no entry is near); slot -1 and the slot after the last are those of
    the neighbouring frames. `near` comes in as zeros.

    Returns the numbers of entries, of pairs of words in one slot, and of rows, row 0 included. Without branches on
    the data: which stream is ahead cannot be predicted. Indices are unsigned because numba then leaves out the
    test for negative ones. Rows are given in the same loop, because the chain from one word to the next leaves
    the processor time for it.
    """
    n = np.uint64(0)
    pairs = np.uint64(0)
    before = np.int64(-APART)
    last = np.int64(-1)
    r, r_end, c, c_end = np.uint64(r), np.uint64(r_end), np.uint64(c), np.uint64(c_end)
    while (r < r_end) & (c < c_end):
        r_slot = (reference[r] & TIME) >> shift
        c_slot = (control[c] & TIME) >> shift
        is_r = np.uint64(r_slot <= c_slot)
        is_c = np.uint64(c_slot <= r_slot)
        r += is_r
        c += is_c
        pairs += is_r & is_c
        here = np.int64(min(r_slot, c_slot))
        last = _give_rows(
            here, before, last, n, is_r * PHYSICS_MASKS | is_c * CONTROL_MASK, slot, allowed, row, near
        )
        n += np.uint64(here != before)
        before = here
    while r < r_end:
        here = np.int64((reference[r] & TIME) >> shift)
        if here != before:
            last = _give_rows(here, before, last, n, PHYSICS_MASKS, slot, allowed, row, near)
            n += np.uint64(1)
            before = here
        r += np.uint64(1)
    while c < c_end:
        here = np.int64((control[c] & TIME) >> shift)
        if here != before:
            last = _give_rows(here, before, last, n, CONTROL_MASK, slot, allowed, row, near)
            n += np.uint64(1)
            before = here
        c += np.uint64(1)
    return np.int64(n), np.int64(pairs), last + 2


@inline
def _give_rows(
    here: Any, before: Any, last: Any, n: Any, masks: Any, slot: Any, allowed: Any, row: Any, near: Any
) -> Any:
    """Write entry n at slot `here`; return its row. `last` is the row of the entry before, at slot `before`."""
    last += min(here - before, np.int64(APART))
    slot[n] = here
    allowed[n] = masks
    row[n] = last
    at = np.uint64(here)
    near[at] = last - 1
    near[at + np.uint64(1)] = last
    near[at + np.uint64(2)] = last + 1
    return last


@inline
def fill_rows(words: Any, begin: int, end: int, detector: int, shift: Any, near: Any, rows: Any) -> None:
    """Write a detector's primitives of a frame into the rows; the last one of a slot stays."""
    lane = np.uint64(detector)
    for k in range(np.uint64(begin), np.uint64(end)):
        word = words[k]
        if ID_ONE <= word < CALIBRATION:
            row = np.uint64(near[np.uint64(1) + ((word & TIME) >> shift)])
            rows[np.uint64(LANES) * row + lane] = word


@inline
def last_of_slot(words: Any, begin: int, end: int, wanted: int, shift: Any) -> Any:
    """Return the word that the RAM holds for slot `wanted`, the frame's last; 0 if none.

    words[begin:end] is the frame.
    """
    for k in range(end - 1, begin - 1, -1):
        word = words[k]
        if np.int64((word & TIME) >> shift) != wanted:
            break
        if ID_ONE <= word < CALIBRATION:
            return word
    return np.uint32(0)


@inline
def first_slot(words: Any, begin: int, end: int, shift: Any) -> Any:
    """Return the word that the RAM holds for the first slot of the frame words[begin:end]; 0 if none."""
    held = np.uint32(0)
    for k in range(begin, end):
        word = words[k]
        if (word & TIME) >> shift:
            break
        if ID_ONE <= word < CALIBRATION:
            held = word
    return held
