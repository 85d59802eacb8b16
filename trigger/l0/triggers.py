"""What the L0 processor puts out. Apart from the processor, so that who only reads it compiles no kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trigger.frames import ID_SHIFT

PHYSICS_WORD: Final = 0x01
"""Bit of the trigger word: a mask fired."""

CONTROL_WORD: Final = 0x10
"""Bit of the trigger word: the control trigger fired."""

ACCOUNTS: Final = (
    "words",
    "discarded",
    "merged",
    "same_slot",
    "ignored",
    "rejected",
    "same_tick",
    "downscaled",
    "triggers",
)
"""What becomes of the words of the reference and control streams; `words` is the sum of the others."""


@dataclass(frozen=True)
class Triggers:
    """Triggers in order of time.

    time_lsb: int64[n], LSB since SOB; its fine time is the one that the RAM holds for the reference.
    flags: uint16[n], bit i for mask i. word: uint8[n], 0x01 physics, 0x10 control, or both.
    slots: uint32[n, 3, 7], the primitives (ID << 16 | time in frame, 0 if none) that slots N, N-1, N+1 hold for each
    detector, without time cut; of length 0 unless the processor was asked for it.
    """

    time_lsb: NDArray[np.int64]
    flags: NDArray[np.uint16]
    word: NDArray[np.uint8]
    slots: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.time_lsb)

    def cut(self, first: int, stop: int) -> Triggers:
        """Return the triggers of a range of numbers; the memory is shared."""
        return Triggers(
            self.time_lsb[first:stop], self.flags[first:stop], self.word[first:stop], self.slots[first:stop]
        )

    @property
    def ids(self) -> NDArray[np.uint16]:
        """IDs in slots N, N-1, N+1 of each detector: uint16[n, 3, 7]."""
        return (self.slots >> np.uint32(ID_SHIFT)).astype(np.uint16)

    @property
    def fine_times(self) -> NDArray[np.uint8]:
        """Fine times in slots N, N-1, N+1 of each detector: uint8[n, 3, 7]."""
        return (self.slots & np.uint32(0xFF)).astype(np.uint8)


def join_triggers(parts: Sequence[Triggers]) -> Triggers:
    """Join triggers of consecutive stretches of time."""
    return Triggers(
        np.concatenate([p.time_lsb for p in parts]),
        np.concatenate([p.flags for p in parts]),
        np.concatenate([p.word for p in parts]),
        np.concatenate([p.slots for p in parts]),
    )
