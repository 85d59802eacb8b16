"""What is in time with a trigger: words and records are sorted by time, so a search finds the first."""

from __future__ import annotations

from typing import Any

from trigger.clock import FRAME_BITS
from trigger.frames import TIME_MASK
from trigger.jit import inline
from trigger.l1.window import since_lsb


@inline
def first_word(words: Any, begin: int, end: int, time_lsb: int, half_lsb: int) -> int:
    """Return the first of an event's words that is not more than `half_lsb` before the trigger, `end` if none is."""
    # Halves what is left, without a branch on what it finds: that would be guessed wrong every other time.
    low, n = begin, end - begin
    while n > 0:
        half = (n + 1) >> 1
        low += half if since_lsb(int(words[low + half - 1]), time_lsb) < -half_lsb else 0
        n -= half
    return low


@inline
def first_record(records: Any, offsets: Any, first_frame: int, target_lsb: int) -> int:
    """Return the place of the first record that is not before a time in LSB since SOB.

    offsets: int64[n + 1], of frames from `first_frame` on.
    """
    frame = (target_lsb >> FRAME_BITS) - first_frame
    if frame < 0:
        return 0
    if frame >= len(offsets) - 1:
        return offsets[len(offsets) - 1]
    low, high, time16 = offsets[frame], offsets[frame + 1], target_lsb & TIME_MASK
    # Begin where it would be if the records were spread evenly over the frame.
    at = low + ((high - low) * time16 >> FRAME_BITS)
    while at > low and int(records[at - 1]["time"]) >= time16:
        at -= 1
    while at < high and int(records[at]["time"]) < time16:
        at += 1
    return at


@inline
def records_within(
    records: Any, offsets: Any, first_frame: int, time_lsb: int, half_lsb: int
) -> tuple[int, int]:
    """Return the first record not more than `half_lsb` before a trigger, and the first that is more behind it."""
    begin = first_record(records, offsets, first_frame, time_lsb - half_lsb)
    return begin, max(first_record(records, offsets, first_frame, time_lsb + half_lsb + 1), begin)
