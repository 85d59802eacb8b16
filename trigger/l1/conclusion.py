"""The conclusion: from what the algorithms say to the L1 word, in the order of events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import WholeMatrix, inline, kernel, named
from trigger.l1.algorithms import CALL_STRAW
from trigger.l1.decision import ANSWERS_T, OVERFLOW, Answers, met
from trigger.l1.events import NOT_READ_OUT
from trigger.l1.fates import (
    ACCEPTED,
    DOWNSCALED,
    FATES,
    LINE_FATES,
    NOT_READ_OUT_FATE,
    NOTES,
    REDUCED_FATE,
    REJECTED,
)
from trigger.l1.program import PROGRAM_T, Program
from trigger.l1.stamps import AUTOPASS, BYPASS, REDUCED, UNSEEN
from trigger.menu import N_MASKS

PASSED_WORD: Final = 0x01
NO_ALGORITHM_WORD: Final = 0x10
BYPASS_WORD: Final = 0x20
FLAG_WORD: Final = 0x40
AUTOPASS_WORD: Final = 0x80
"""Bits of the L1 word: a mask passed; a mask that passed has no algorithm; bypassed; a mask whose cuts passed ran
an algorithm that only flags; autopass. (Bit 3, the experiment's timeout, cannot occur.)"""

_INPUT, _REDUCED, _BYPASSED, _NOT_READ_OUT, _FLAGGED, _STEP_DOWNSCALED, _PASSED, _DOWNSCALED, _KEPT = range(
    len(LINE_FATES)
)


class Tally(NamedTuple):
    """Running sums. fates: int64[5]. lines: int64[16, 9], see LINE_FATES. failed: int64[n steps], events that failed
    a step first. notes: int64[4]. counters: of the downscaling, int64[n steps + 1], the last of all accepted events.
    """

    fates: NDArray[np.int64]
    lines: WholeMatrix
    failed: NDArray[np.int64]
    notes: NDArray[np.int64]
    counters: NDArray[np.int64]


TALLY_T: Final = named(Tally)


def make_tally(n_steps: int) -> Tally:
    """Return sums of nothing."""
    return Tally(
        np.zeros(len(FATES), np.int64),
        np.zeros((N_MASKS, len(LINE_FATES)), np.int64),
        np.zeros(n_steps, np.int64),
        np.zeros(len(NOTES), np.int64),
        np.zeros(n_steps + 1, np.int64),
    )


@kernel(types.int64(PROGRAM_T, types.int64, types.int64, types.int64, types.int64, TALLY_T))
def _conclude_mask(program: Any, mask: int, done: int, value: int, verdict: int, tally: Any) -> int:
    """Conclude a mask that was run; return its bits of the L1 word, of which bit 0 is the mask's own word."""
    first, stop = program.first[mask], program.first[mask + 1]
    line = tally.lines[mask]
    if first == stop:
        line[_PASSED] += 1
        return PASSED_WORD | NO_ALGORITHM_WORD
    complete, flags, taken = True, 0, False
    for step in range(first, stop):
        bit = bool(done >> program.call[step] & 1) and met(program, step, value, verdict)
        if not bit and not program.flag[step]:
            tally.failed[step] += 1
            return 0
        flags |= FLAG_WORD if program.flag[step] else 0
        if bit and program.downscaling[step] > 1:
            tally.counters[step] += 1
            bit = tally.counters[step] % program.downscaling[step] == 0
            taken |= not bit
            if not bit and not program.flag[step]:
                line[_STEP_DOWNSCALED] += 1
                return 0
        complete &= bit
    if complete:
        line[_PASSED] += 1
        return PASSED_WORD | flags
    line[_STEP_DOWNSCALED if taken else _FLAGGED] += 1
    return flags


@inline
def _fate_of(program: Any, word: int, stamp: int, unread: bool, tally: Any) -> int:
    """Return the fate of an event with an L1 word; count it, if L1 accepts it, for the downscaling of all."""
    if stamp & REDUCED:
        return REDUCED_FATE
    if word == 0:
        return NOT_READ_OUT_FATE if unread else REJECTED
    last = len(tally.counters) - 1
    tally.counters[last] += 1
    return DOWNSCALED if tally.counters[last] % program.all_downscaling else ACCEPTED


@inline
def _count_notes(stamp: int, state: int, too_full: bool, tally: Any) -> None:
    """Count what is remarkable in an event, in the order of NOTES."""
    tally.notes[0] += int(stamp & BYPASS != 0)
    tally.notes[1] += int(stamp & AUTOPASS != 0)
    tally.notes[2] += int(too_full)
    tally.notes[3] += int(not state & NOT_READ_OUT and state != 0)


@kernel(
    types.void(
        PROGRAM_T,
        types.uint16[::1],
        types.uint16[::1],
        types.uint8[::1],
        types.uint8[::1],
        ANSWERS_T,
        TALLY_T,
        types.uint8[::1],
        types.uint16[::1],
        types.uint8[::1],
    )
)
def conclude(
    program: Any,
    flags: Any,
    masks: Any,
    stamps: Any,
    status: Any,
    answers: Any,
    tally: Any,
    words: Any,
    passed: Any,
    fates: Any,
) -> None:
    """Conclude events in order; `tally` goes on from block to block.

    flags: of L0. masks, stamps: see `stamps`. status: see `events`. Written: L1 words, uint8[n]; masks that passed,
    uint16[n]; fates, uint8[n].
    """
    for e in range(len(flags)):
        asked, run, stamp, state = int(flags[e]), int(masks[e]), int(stamps[e]), int(status[e])
        unread = bool(state & NOT_READ_OUT)
        word, bits = 0, 0
        word |= BYPASS_WORD if stamp & BYPASS else 0
        word |= AUTOPASS_WORD if stamp & AUTOPASS else 0
        for mask in range(N_MASKS):
            if not asked >> mask & 1:
                continue
            line = tally.lines[mask]
            line[_INPUT] += 1
            if stamp & BYPASS and stamp & UNSEEN:
                line[_BYPASSED] += 1
            elif not run >> mask & 1:
                line[_REDUCED] += 1
            elif unread and program.first[mask] < program.first[mask + 1]:
                line[_NOT_READ_OUT] += 1
            else:
                says = _conclude_mask(
                    program, mask, int(answers.done[e]), int(answers.value[e]), int(answers.verdict[e]), tally
                )
                word |= says
                bits |= (says & PASSED_WORD) << mask
        fate = _fate_of(program, word, stamp, unread, tally)
        kept = _KEPT if fate == ACCEPTED else _DOWNSCALED
        for mask in range(N_MASKS):
            tally.lines[mask, kept] += bits >> mask & 1
        tally.fates[fate] += 1
        too_full = bool(answers.done[e] >> CALL_STRAW & 1) and answers.n_tracks[e] == OVERFLOW
        _count_notes(stamp, state, too_full, tally)
        words[e] = word if fate == ACCEPTED else 0
        passed[e], fates[e] = bits, fate


@dataclass(frozen=True)
class Conclusions:
    """What L1 makes of a block of events. words: L1 words, uint8[n], 0 unless accepted. passed: masks whose word is
    1, uint16[n]. fates: uint8[n], see FATES."""

    words: NDArray[np.uint8]
    passed: NDArray[np.uint16]
    fates: NDArray[np.uint8]


@dataclass
class Concluder:
    """Concludes the events of a spill, block by block; its counters begin at 0."""

    program: Program
    tally: Tally = field(init=False)

    def __post_init__(self) -> None:
        self.tally = make_tally(self.program.n_steps)

    def conclude(
        self,
        flags: NDArray[np.uint16],
        masks: NDArray[np.uint16],
        stamps: NDArray[np.uint8],
        status: NDArray[np.uint8],
        answers: Answers,
    ) -> Conclusions:
        """Conclude the next events."""
        n = len(flags)
        found = Conclusions(np.zeros(n, np.uint8), np.zeros(n, np.uint16), np.zeros(n, np.uint8))
        conclude(
            self.program,
            flags,
            masks,
            stamps,
            status,
            answers,
            self.tally,
            found.words,
            found.passed,
            found.fates,
        )
        return found
