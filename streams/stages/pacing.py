"""When a block is due: from one fixed anchor on the monotonic clock, so that errors do not add up."""

from __future__ import annotations

import time
from collections.abc import Callable

from trigger.clock import FRAME_S


class Pacer:
    """Releases frames at `speed` times real time, or at once if `speed` is None.

    A block is due when its last frame is over, as from a detector. clock: monotonic seconds; sleep: waits.
    """

    def __init__(
        self,
        speed: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.speed = speed
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
        late = self._clock() - due
        if late < 0:
            self._sleep(-late)
