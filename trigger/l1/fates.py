"""What becomes of events in L1, and how it is counted. Without kernels, for those who only read the counts."""

from __future__ import annotations

from typing import Final

ACCEPTED, REJECTED, REDUCED_FATE, DOWNSCALED, NOT_READ_OUT_FATE = range(5)

FATES: Final = ("accepted", "rejected", "reduced", "downscaled", "not_read_out")
"""What becomes of an event, by number."""

LINE_FATES: Final = (
    "input",
    "reduced",
    "bypassed",
    "not_read_out",
    "flagged",
    "step_downscaled",
    "passed",
    "downscaled",
    "kept",
)
"""Counts of a line's events: those that came; of them, not looked at for a reduction, accepted unseen, without hits,
with their cuts passed but not a flag, taken by the downscaling of an algorithm, passed; of these, taken by the
downscaling of all events, and kept. What is left failed an algorithm: see Tally.failed."""

NOTES: Final = ("bypassed", "autopassed", "overflow", "incomplete")
"""Counts of events that are no fates: with a bypass, with autopass, with too much in STRAW, with missing hits."""
