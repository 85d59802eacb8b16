"""What the board loses behind the acceptance: triggers in choke intervals, and those too close behind another.

A trigger with timestamp T is dispatched at T + latency on the board's clock. It is lost if a choke is on then, or
if it is nearer than the dead time to the last trigger that was dispatched. A trigger that is not dispatched makes
no dead time (non-paralyzable), and its counters have advanced all the same.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trigger.clock import LSB_PER_TICK, TICK_BITS, lsb
from trigger.jit import kernel
from trigger.l0.fates import FATES
from trigger.l0.registers import CONTROL, N_ROWS
from trigger.l0.triggers import CONTROL_WORD, Triggers
from trigger.menu import DispatchSettings

DISPATCHED, CHOKE, DEAD_TIME = range(len(FATES))

CHOKE_SAFETY_TICKS: Final = 3
"""Ticks after CHOKE_OFF in which nothing is dispatched yet."""

LONG_AGO: Final = -(2**62)
"""Tick of the last dispatched trigger before there is one."""

# Places in `state`: the tick of the last dispatched trigger, and the choke interval that has not ended before it.
LAST_TICK, INTERVAL = range(2)


@kernel(
    "void(int64[::1], uint16[::1], uint8[::1], int64, int64, int64[::1], int64[::1], "
    "int64[::1], uint8[::1], int64[:, ::1], int64[::1])"
)
def dispatch(
    times: Any, flags: Any, words: Any, dead_time: int, latency: int, choke_on: Any, choke_end: Any,
    state: Any, fates: Any, rows: Any, totals: Any,
) -> None:  # fmt: skip
    """Give each trigger its fate, fates[i]; add its rows to rows[fate] and 1 to totals[fate].

    times, flags, words: of `Triggers`. dead_time, latency: ticks. choke_on, choke_end: LSB, half-open, in order.
    state: int64[2], carried from block to block. rows: int64[3, 17]. totals: int64[3].
    """
    last, interval = state[LAST_TICK], state[INTERVAL]
    for i in range(len(times)):
        tick = times[i] >> TICK_BITS
        at = (tick + latency) << TICK_BITS
        while interval < len(choke_end) and choke_end[interval] <= at:
            interval += 1
        if interval < len(choke_on) and choke_on[interval] <= at:
            fate = CHOKE
        elif tick - last < dead_time:
            fate = DEAD_TIME
        else:
            fate = DISPATCHED
            last = tick
        fates[i] = fate
        totals[fate] += 1
        for row in range(CONTROL):
            rows[fate, row] += (flags[i] >> row) & 1
        rows[fate, CONTROL] += (words[i] & CONTROL_WORD) != 0
    state[LAST_TICK], state[INTERVAL] = last, interval


class Dispatcher:
    """Feed the triggers of one spill in order, in any number of parts; the counts are running sums."""

    def __init__(self, settings: DispatchSettings) -> None:
        """Set up for the settings of a menu; times of chokes are rounded to the LSB."""
        self._dead_time, self._latency = settings.dead_time_ticks, settings.latency_ticks
        safety = CHOKE_SAFETY_TICKS * LSB_PER_TICK
        self._choke_on = np.array([lsb(on) for on, _ in settings.choke], np.int64)
        self._choke_end = np.array([lsb(off) + safety for _, off in settings.choke], np.int64)
        self._state = np.array([LONG_AGO, 0], np.int64)
        self._rows = np.zeros((len(FATES), N_ROWS), np.int64)
        self._totals = np.zeros(len(FATES), np.int64)

    def process(self, triggers: Triggers) -> NDArray[np.uint8]:
        """Return the fate of each trigger, an index of FATES: uint8[n]."""
        fates = np.zeros(len(triggers), np.uint8)
        dispatch(
            triggers.time_lsb,
            triggers.flags,
            triggers.word,
            self._dead_time,
            self._latency,
            self._choke_on,
            self._choke_end,
            self._state,
            fates,
            self._rows,
            self._totals,
        )
        return fates

    @property
    def account(self) -> dict[str, int]:
        """Triggers by what became of them, one of FATES."""
        return dict(zip(FATES, self._totals.tolist(), strict=True))

    @property
    def lost_choke(self) -> NDArray[np.int64]:
        """Triggers of each row (flag 0-15; 16: control) lost to a choke: int64[17], a copy."""
        return np.array(self._rows[CHOKE])

    @property
    def lost_dead_time(self) -> NDArray[np.int64]:
        """Triggers of each row (flag 0-15; 16: control) lost to the dead time: int64[17], a copy."""
        return np.array(self._rows[DEAD_TIME])
