"""When a block is due: from one fixed anchor on the monotonic clock, so that errors do not add up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from trigger.clock import FRAME_S

NAP_S: Final = 0.1
"""Longest time between two looks whether to go on waiting."""


class Pacer:
    """Releases frames at `speed` times real time, or at once if `speed` is None.

    A block is due when its last frame is over, as from a detector. check: called while waiting, ends it by raising.
    clock: monotonic seconds; sleep: waits.
    """

    def __init__(
        self,
        speed: float | None,
        check: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.speed = speed
        self._check = check
        self._clock = clock
        self._sleep = sleep
        self.anchor_s = clock()

    def start(self) -> None:
        """Set the anchor: frame 0 begins now."""
        self.anchor_s = self._clock()

    def wait(self, frames: int) -> None:
        """Wait until `frames` frames since the anchor are over."""
        if self.speed is None:
            return
        due = self.anchor_s + frames * FRAME_S / self.speed
        while (left := due - self._clock()) > 0:
            self._sleep(min(left, NAP_S))
            self._check()
