"""Stamps: what of L1 depends on the order of events and must be known before they are looked at."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import inline, kernel
from trigger.l0.triggers import CONTROL_WORD
from trigger.l1.program import PROGRAM_T, Program
from trigger.menu import N_MASKS

AUTOPASS: Final = 1
BYPASS: Final = 2
REDUCED: Final = 4
UNSEEN: Final = 8
"""Bits of a stamp: accepted whatever the algorithms say; bypass bit set; rejected by the reduction of all events;
algorithms not run."""

SPECIAL_WORDS: Final = (0x22, 0x23, 0x24, 0x25, 0x30, 0x32)
"""L0 words of events that are accepted unseen: start and end of burst, choke, calibration of the calorimeter."""

PULSER_WORD: Final = 0x31
PERIODIC_WORD: Final = 0x02

N_COUNTERS: Final = 1 + N_MASKS
"""Counters of a stamper: all events, then those of each mask."""


@inline
def _chance(time_lsb: int) -> float:
    """Return a number in [0, 1) that depends on the trigger time only (the finalizer of SplitMix64)."""
    z = np.uint64(time_lsb) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return float((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@kernel(
    types.void(
        PROGRAM_T,
        types.int64[::1],
        types.uint16[::1],
        types.uint8[::1],
        types.int64[::1],
        types.uint16[::1],
        types.uint8[::1],
    )
)
def stamp_events(
    program: Any, times_lsb: Any, flags: Any, words: Any, counters: Any, masks: Any, stamps: Any
) -> None:
    """Stamp events in order; `counters` (int64[17]) go on from block to block.

    flags, words: of L0. Written: masks, uint16[n], which to run; stamps, uint8[n].
    """
    for e in range(len(times_lsb)):
        counters[0] += 1
        word = int(words[e])
        stamp, run = 0, 0
        if program.flag_mode or (program.autopass and counters[0] % program.autopass == 0):
            stamp |= AUTOPASS
        if word in SPECIAL_WORDS:
            stamp |= BYPASS | UNSEEN
        elif counters[0] % program.all_reduction:
            stamp = REDUCED | UNSEEN
        elif word == PULSER_WORD or (
            program.bypass_probability > 0.0 and _chance(times_lsb[e]) < program.bypass_probability
        ):
            stamp |= BYPASS | UNSEEN
        else:
            if word & (CONTROL_WORD | PERIODIC_WORD):
                stamp |= BYPASS
            for mask in range(N_MASKS):
                if int(flags[e]) >> mask & 1:
                    counters[1 + mask] += 1
                    if counters[1 + mask] % program.reduction[mask] == 0:
                        run |= 1 << mask
        masks[e], stamps[e] = run, stamp


class Stamper:
    """Stamps the events of a spill, block by block; its counters begin at 0."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.counters = np.zeros(N_COUNTERS, np.int64)

    def stamp(
        self, times_lsb: NDArray[np.int64], flags: NDArray[np.uint16], words: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        """Return masks to run (uint16[n]) and stamps (uint8[n]) of the next events."""
        masks, stamps = np.zeros(len(flags), np.uint16), np.zeros(len(flags), np.uint8)
        stamp_events(self._program, times_lsb, flags, words, self.counters, masks, stamps)
        return masks, stamps
