"""The entries of the L0 processor, one by one: for who asks why there is a trigger, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trigger.experiment import N_DETECTORS

REFERENCE_TAG: Final = 1
"""The reference detector has a primitive in the entry's slot: the 16 masks may fire."""

CONTROL_TAG: Final = 2
"""The control detector has one: the control trigger may fire."""


@dataclass(frozen=True)
class Entries:
    """Entries of the merged reference and control streams, in order of time, a slot each.

    time_lsb: int64[n], LSB since SOB, the time that the RAM holds for the timing detector (the reference, or the
    control detector where the reference is not in the slot); that of the frame if it holds none, as for a
    calibration primitive. slot: int64[n], slots since SOB. tags: uint8[n]. ids: uint16[n, 7], the OR of the
    IDs in the time cuts by detector (S). fired: uint32[n], bit i if row i fires (16: control), before the same-tick
    rule. kept: uint32[n], the rows that survive downscaling; 0 if there is no trigger. fate: uint8[n], the index in
    `triggers.ACCOUNTS` of same_slot (skipped: the address of the entry before), ignored, rejected, same_tick,
    downscaled or triggers.
    """

    time_lsb: NDArray[np.int64]
    slot: NDArray[np.int64]
    tags: NDArray[np.uint8]
    ids: NDArray[np.uint16]
    fired: NDArray[np.uint32]
    kept: NDArray[np.uint32]
    fate: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.time_lsb)


def join_entries(parts: Sequence[Entries]) -> Entries:
    """Join entries of consecutive stretches of time."""
    parts = parts or [_NONE]
    return Entries(
        np.concatenate([p.time_lsb for p in parts]),
        np.concatenate([p.slot for p in parts]),
        np.concatenate([p.tags for p in parts]),
        np.concatenate([p.ids for p in parts]),
        np.concatenate([p.fired for p in parts]),
        np.concatenate([p.kept for p in parts]),
        np.concatenate([p.fate for p in parts]),
    )


_NONE: Final = Entries(
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0, np.uint8),
    np.zeros((0, N_DETECTORS), np.uint16),
    np.zeros(0, np.uint32),
    np.zeros(0, np.uint32),
    np.zeros(0, np.uint8),
)
