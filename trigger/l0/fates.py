"""The names of what befalls firings and triggers. Apart from the kernels: who only reads them compiles none."""

from __future__ import annotations

from typing import Final

CAUSES: Final = ("reach", "boundary", "overwritten", "timing", "calibration")
"""Why the firmware decides otherwise than an ideal processor; the first four are the steps of the ladder, in order.

reach: a primitive in the time cut lies outside slots N-1, N, N+1. boundary: one in them lies across a multiple of
2,048 ticks. overwritten: one of them was replaced by a later one in its slot. timing: the firmware takes another
time difference than that to the candidate. calibration: an entry of calibration primitives alone, which are no
candidates.
"""

FATES: Final = ("dispatched", "choke", "dead_time")
"""What becomes of a trigger."""
