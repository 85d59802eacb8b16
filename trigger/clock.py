"""Ticks, LSB and frames: the only place with time constants.

Inside ktrig a time is an int64 number of LSB since the start of burst (SOB). Only the edge of the
program (command line, plots, metrics) converts it to seconds or nanoseconds, with the functions here.
"""

from typing import Final

TICK_NS: Final = 24.951059536
"""Period of the experiment's clock in ns; one L0 timestamp unit."""

LSB_PER_TICK: Final = 256
"""Fine-time units in a tick."""

TICKS_PER_FRAME: Final = 256
"""Ticks in a frame, the unit in which detectors send primitives."""

LSB_PER_FRAME: Final = LSB_PER_TICK * TICKS_PER_FRAME
"""65,536: a time inside a frame is 16 bits."""

FRAME_BITS: Final = 16
"""Bits of a time inside a frame: `time >> FRAME_BITS` is the frame number."""

TICK_BITS: Final = 8
"""Bits of the fine time: `time >> TICK_BITS` is the timestamp in ticks."""

LSB_NS: Final = TICK_NS / LSB_PER_TICK
"""97.465 ps in ns."""

LSB_S: Final = LSB_NS * 1e-9
"""One LSB in seconds."""

FRAME_S: Final = LSB_S * LSB_PER_FRAME
"""6.387 us in seconds."""


def seconds(time_lsb: float) -> float:
    """Convert a time or an interval in LSB to seconds."""
    return time_lsb * LSB_S


def lsb(time_s: float) -> int:
    """Convert a time or an interval in seconds to the nearest LSB."""
    return round(time_s / LSB_S)


def frames_in(duration_s: float) -> int:
    """Whole frames needed to cover `duration_s` seconds."""
    return -(-lsb(duration_s) // LSB_PER_FRAME)
