"""When a block is due: from one fixed anchor on the monotonic clock, so that errors do not add up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from trigger.clock import FRAME_S

NAP_S: Final = 0.05
"""Longest time between two looks whether to go on waiting."""

CATCH_UP: Final = 1.05
"""How much faster than asked blocks may follow each other after a stall."""

JITTER_S: Final = 2e-3
"""What a release may be late without it being a stall: timers wake up 0.1 ms late, on a busy machine some 1 ms."""


class Pacer:
    """Releases frames at `speed` times real time, or at once if `speed` is None.

    A block is due when its last frame is over, as from a detector. After a stall blocks follow each other at most
    `catch_up` times faster than asked (None: at once), until they are due again. check: called while waiting, ends it
    by raising. clock: monotonic seconds; sleep: waits.
    """

    def __init__(
        self,
        speed: float | None,
        catch_up: float | None = CATCH_UP,
        check: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.speed = speed
        self._catch_up = catch_up
        self._check = check
        self._clock = clock
        self._sleep = sleep
        self.start()

    def start(self, frames: int = 0) -> None:
        """Set the anchor: the first `frames` frames are over now."""
        self.anchor_s = self._clock() - self._takes_s(frames)
        self._released_s = self._clock()
        self._frames = frames

    def wait(self, frames: int) -> None:
        """Wait until `frames` frames since the anchor are over, or later if that would be too fast."""
        if self.speed is None:
            return
        release_s = self.due_s(frames)
        if self._catch_up is not None:
            soonest_s = self._released_s + self._takes_s(frames - self._frames) / self._catch_up
            release_s = max(release_s, soonest_s)
        while (left := release_s - self._clock()) > 0:
            self._check()
            self._sleep(min(left, NAP_S))
        now = self._clock()
        # A late timer is no stall: going on from where it should have been keeps its errors from adding up.
        self._released_s = release_s if now - release_s <= JITTER_S else now
        self._frames = frames

    def due_s(self, frames: int) -> float:
        """Return the time on the clock at which `frames` frames since the anchor are over."""
        return self.anchor_s + self._takes_s(frames)

    def late_s(self, frames: int) -> float:
        """Return how long ago `frames` frames since the anchor were over."""
        return self._clock() - self.due_s(frames)

    def now_s(self) -> float:
        """Return the time on the clock."""
        return self._clock()

    def _takes_s(self, frames: int) -> float:
        return frames * FRAME_S / self.speed if self.speed else 0.0
