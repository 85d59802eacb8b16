"""Two processors on one spill: the events that both have, that one gains or loses, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trigger.clock import LSB_PER_TICK
from trigger.l0.causes import Cause, causes_of
from trigger.l0.entries import CONTROL_TAG, REFERENCE_TAG, Entries, join_entries
from trigger.l0.matching import N_PATTERNS, NOBODY, count_patterns, match_entries, split_events
from trigger.l0.overlap import Counts, row_counts
from trigger.l0.registers import CONTROL, N_MASKS, L0Registers
from trigger.l0.triggers import ACCOUNTS

A, B = SIDES = (0, 1)
BEFORE, AFTER = LEVELS = (0, 1)
"""Before downscaling: the firings that its counters see. After: those that survive."""

TRIGGER_TAG_BIT: Final = 2
TRIGGER_TAG: Final = 1 << TRIGGER_TAG_BIT
"""Beside the tags of an entry: it is a trigger."""

ROWS: Final = {REFERENCE_TAG: (1 << N_MASKS) - 1, CONTROL_TAG: 1 << CONTROL}
"""Rows that an entry with a tag may fire, as bits."""

NEVER: Final = np.iinfo(np.int64).max
"""A time that does not come."""

Rows = tuple[NDArray[np.uint32], NDArray[np.uint32]]
"""Sets of rows, before and after downscaling."""

SAME_TICK: Final = ACCOUNTS.index("same_tick")


@dataclass(frozen=True)
class _Events:
    """One side's entries that are not settled. lines: the rows before and after downscaling, numbered as A's."""

    entries: Entries
    tags: NDArray[np.uint8]
    lines: tuple[NDArray[np.uint32], NDArray[np.uint32]]
    times_lsb: NDArray[np.int64]


class Differences:
    """Feed the entries of both processors with `add`, then `finish`; the answer does not depend on the cuts.

    An event of a mask is an entry of the reference, an event of the control row one of the control detector.
    Events of A and B are the same if they have the same slot, where the two processors share the detector that
    makes the entries and the fine-time bits (`by_slot`). Else they are matched by time: less than `window_lsb`, the
    wider of the two slots, apart, and neither has a nearer neighbour (`matching`). Triggers are matched in the same
    way, whatever made them.

    seen[side][level]: int64[N_PATTERNS], entries by the set of rows, numbered as the side's own. common[level],
    only[side][level]: int64[17], events of each pair of rows by the row of A. triggers_common, triggers_only[side]:
    triggers. causes[row of A, level, side]: for the events of this side alone, what became of them on the other.
    """

    def __init__(self, registers: tuple[L0Registers, L0Registers], pairs: Sequence[tuple[int, int]]) -> None:
        """Set up for two processors. pairs: rows of A and B to compare, two masks or both the control row."""
        self._registers = registers
        self._row_of_b = dict(pairs)
        self._numbered = (_renumbered({a: a for a, _ in pairs}), _renumbered({b: a for a, b in pairs}))
        self.by_slot = _by_slot(*registers)
        self.window_lsb = LSB_PER_TICK >> min(r.fine_time_bits for r in registers)
        self.seen = [[np.zeros(N_PATTERNS, np.int64) for _ in LEVELS] for _ in SIDES]
        self._common = [np.zeros(N_PATTERNS, np.int64) for _ in LEVELS]
        self._counted = np.zeros(N_PATTERNS, np.int64)
        self._only = [[np.zeros(N_PATTERNS, np.int64) for _ in LEVELS] for _ in SIDES]
        self.triggers_common = 0
        self.triggers_only = [0, 0]
        self.causes: dict[tuple[int, int, int], Counter[Cause]] = {
            (a, level, side): Counter() for a, _ in pairs for level in LEVELS for side in SIDES
        }
        self._held = [join_entries([]), join_entries([])]
        self._begin = {tag: np.zeros(2, np.int64) for tag in self.by_slot}

    @property
    def common(self) -> list[Counts]:
        """Events of both sides, by level."""
        return [row_counts(counts) for counts in self._common]

    @property
    def only(self) -> list[list[Counts]]:
        """Events of one side alone, by side and level."""
        return [[row_counts(counts) for counts in levels] for levels in self._only]

    def add(self, a: Entries, b: Entries, stop_lsb: int) -> None:
        """Take the entries of both before stop_lsb (LSB since SOB) that have not been given yet."""
        events = []
        for side, entries in zip(SIDES, (a, b), strict=True):
            rows = _rows(entries)
            for level in LEVELS:
                count_patterns(rows[level], self.seen[side][level])
            held = self._held[side]
            if len(held):
                entries = join_entries([held, entries])
                rows = _rows(entries)
            events.append(self._events(side, entries, rows))
        for tag, begin in self._begin.items():
            self._settle(tag, begin, events, stop_lsb)
        for side in SIDES:
            settled = min(int(begin[side]) for begin in self._begin.values())
            self._held[side] = _tail(events[side].entries, settled)
            for begin in self._begin.values():
                begin[side] -= settled

    def finish(self) -> None:
        """Settle what waits for a neighbour."""
        nothing = join_entries([])
        self.add(nothing, nothing, NEVER)

    def _events(self, side: int, entries: Entries, rows: Rows) -> _Events:
        slot_lsb = LSB_PER_TICK >> self._registers[side].fine_time_bits
        before, after = (self._numbered[side][level] for level in rows)
        triggers = (entries.kept != 0).view(np.uint8) << np.uint8(TRIGGER_TAG_BIT)
        times = entries.slot
        if not all(self.by_slot.values()):
            # A calibration primitive leaves the RAM without a time; it lies in its slot all the same.
            times = np.maximum(entries.time_lsb, entries.slot * slot_lsb)
        return _Events(entries, entries.tags | triggers, (before, after), times)

    def _settle(self, tag: int, begin: NDArray[np.int64], events: list[_Events], stop_lsb: int) -> None:
        """Match the entries with a tag as far as that can be decided; count them."""
        a, b = events
        partner = [np.empty(len(e.tags), np.int32) for e in events]
        first = begin.copy()
        if self.by_slot[tag]:
            times, window, stop = (a.entries.slot, b.entries.slot), 1, NEVER
        else:
            times, window, stop = (a.times_lsb, b.times_lsb), self.window_lsb, stop_lsb
        match_entries(
            times[A], a.tags, times[B], b.tags, np.uint8(tag), window, stop, begin, partner[A], partner[B]
        )
        if tag == TRIGGER_TAG:
            self._count_triggers(first, begin, events, partner)
            return
        for side in SIDES:
            for level in LEVELS:
                self._split(side, level, tag, (int(first[side]), int(begin[side])), events, partner)

    def _count_triggers(
        self,
        first: NDArray[np.int64],
        stop: NDArray[np.int64],
        events: list[_Events],
        partner: list[NDArray[np.int32]],
    ) -> None:
        for side in SIDES:
            settled = slice(first[side], stop[side])
            mine = (events[side].tags[settled] & TRIGGER_TAG) != 0
            both = int(np.count_nonzero(mine & (partner[side][settled] != NOBODY)))
            self.triggers_only[side] += int(np.count_nonzero(mine)) - both
            self.triggers_common += both if side == A else 0

    def _split(
        self,
        side: int,
        level: int,
        tag: int,
        span: tuple[int, int],
        events: list[_Events],
        partner: list[NDArray[np.int32]],
    ) -> None:
        """Count the events of a side at a level that the other side has too or has not, and say why not."""
        own, other = events[side], events[1 - side]
        # What both have is the same from either side: it is counted from A's.
        common = self._common[level] if side == A else self._counted
        alone = np.empty(span[1] - span[0], np.int32)
        n = split_events(
            *span,
            own.tags,
            np.uint8(tag),
            np.uint32(ROWS[tag]),
            own.lines[level],
            other.lines[level],
            partner[side],
            common,
            self._only[side][level],
            alone,
        )
        if n:
            self._explain(side, level, tag, alone[:n], own, other, partner[side])

    def _explain(
        self,
        side: int,
        level: int,
        tag: int,
        alone: NDArray[np.int32],
        own: _Events,
        other: _Events,
        partner: NDArray[np.int32],
    ) -> None:
        at = partner[alone]
        theirs = np.where(at >= 0, other.lines[level][at], 0) if len(other.tags) else np.uint32(0)
        rest = own.lines[level][alone] & ~theirs & np.uint32(ROWS[tag])
        present = int(np.bitwise_or.reduce(rest))
        for row_a, row_b in self._row_of_b.items():
            if not present >> row_a & 1:
                continue
            mine = (rest >> np.uint32(row_a) & np.uint32(1)) != 0
            row = row_b if side == A else row_a
            self.causes[row_a, level, side] += causes_of(
                row, self._registers[1 - side], own.entries, alone[mine], other.entries, at[mine]
            )


def _rows(entries: Entries) -> Rows:
    """Rows that fire before downscaling, where its counters see them, and after."""
    return np.where(entries.fate == SAME_TICK, np.uint32(0), entries.fired), entries.kept


def _renumbered(new: dict[int, int]) -> NDArray[np.uint32]:
    """Return the set of new numbers for each set of rows: uint32[N_PATTERNS]; rows without one drop out."""
    patterns = np.arange(N_PATTERNS)
    table = np.zeros(N_PATTERNS, np.uint32)
    for row, number in new.items():
        table |= ((patterns >> row & 1) << number).astype(np.uint32)
    return table


def _by_slot(a: L0Registers, b: L0Registers) -> dict[int, bool]:
    """Return for each tag whether both processors give the same events the same slots."""
    same_slots = a.fine_time_bits == b.fine_time_bits
    reference = same_slots and a.reference == b.reference
    control = same_slots and a.control == b.control
    return {REFERENCE_TAG: reference, CONTROL_TAG: control, TRIGGER_TAG: reference and control}


def _tail(entries: Entries, begin: int) -> Entries:
    return Entries(
        entries.time_lsb[begin:],
        entries.slot[begin:],
        entries.tags[begin:],
        entries.ids[begin:],
        entries.fired[begin:],
        entries.kept[begin:],
        entries.fate[begin:],
    )
