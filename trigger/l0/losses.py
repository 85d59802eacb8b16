"""What each line of the trigger loses and gains against an ideal processor, and why.

The ideal processor has the same cuts and masks, but no RAM and no slots. Between it and the firmware stands a
ladder of ever more real processors; a decision that the firmware takes otherwise has the cause of the last step on
which it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trigger.clock import FRAME_BITS, TICK_BITS, TICKS_PER_FRAME
from trigger.frames import Block, FrameStream, join
from trigger.l0 import ideal
from trigger.l0.alignment import CONTROL_MASK, PHYSICS_MASKS
from trigger.l0.cases import Case, FirstCases, times_of
from trigger.l0.entries import Entries
from trigger.l0.fates import CAUSES
from trigger.l0.processor import L0Error, L0Processor, packed
from trigger.l0.registers import CONTROL, IGNORE, N_DETECTORS, N_ROWS, L0Registers

CALIBRATION_CAUSE: Final = CAUSES.index("calibration")


class _Tag(NamedTuple):
    """Candidates of one detector: the rows that they may fire, as bits and as indices, and the detectors in these."""

    detector: int
    rows: np.uint64
    active: NDArray[np.int64]
    watched: list[int]


@dataclass(frozen=True)
class _Primitives:
    """Physics primitives of a detector: times int64[n + 1] in LSB, the last one NEVER; ids uint16[n + 1]."""

    times: NDArray[np.int64]
    ids: NDArray[np.uint16]


class LossFinder:
    """Feed each block and the entries that a processor settled with it; at the end `finish`.

    The processor has the same registers and detectors and keeps its entries. Counts are running sums over the
    frames settled; they do not depend on how the stream is cut into blocks.
    """

    def __init__(
        self, registers: L0Registers, detectors: Sequence[str], row: int | None = None, limit: int = 5
    ) -> None:
        """Set up for `detectors`, the names of inputs 0 to 6.

        Of `row` the first `limit` cases of each kind and cause are kept.
        """
        if row is not None and not 0 <= row < N_ROWS:
            raise L0Error(
                f"there is no row {row}; masks are 0 to {CONTROL - 1}, the control trigger is {CONTROL}"
            )
        self._names = tuple(detectors)
        self._registers = registers
        self._shift = TICK_BITS - registers.fine_time_bits
        self._mask, self._dontcare = packed(registers.mask), packed(registers.dontcare)
        self._tags = _tags(registers)
        self._inputs = sorted({d for tag in self._tags for d in (tag.detector, *tag.watched)})
        self._carry: dict[int, FrameStream] = {}
        self._settled: int | None = None
        self._ideal = np.zeros(N_ROWS, np.int64)
        self._same_slot = np.zeros(N_ROWS, np.int64)
        self._lost = np.zeros((len(CAUSES), N_ROWS), np.int64)
        self._gained = np.zeros((len(CAUSES), N_ROWS), np.int64)
        self._first = FirstCases(row, limit)

    @property
    def ideal(self) -> NDArray[np.int64]:
        """Firings of each row in the ideal processor: int64[17], a copy."""
        return self._ideal.copy()

    @property
    def same_slot(self) -> NDArray[np.int64]:
        """Ideal firings of each row on candidates that are no entry of their own: int64[17], a copy."""
        return self._same_slot.copy()

    @property
    def lost(self) -> NDArray[np.int64]:
        """Ideal firings of each row, by `CAUSES`, that the firmware does not have: int64[17, 5], a copy."""
        return self._lost.T.copy()

    @property
    def gained(self) -> NDArray[np.int64]:
        """Firings of each row, by `CAUSES`, that the ideal processor does not have: int64[17, 5], a copy."""
        return self._gained.T.copy()

    @property
    def cases(self) -> tuple[Case, ...]:
        """The first cases of the row asked for, by `KINDS`, cause and time."""
        return self._first.cases

    def closes(self, processor: L0Processor) -> bool:
        """Whether ideal - same_slot - lost + gained is what the processor fired, before its same-tick rule."""
        expected = self._ideal - self._same_slot - self._lost.sum(axis=0) + self._gained.sum(axis=0)
        return np.array_equal(expected, processor.before_downscaling + processor.lost_same_tick)

    def process(self, block: Block, entries: Entries) -> None:
        """Take a block that the processor has taken, and its entries then. L0Error if they do not belong together."""
        if block.n_frames == 0:
            return
        if self._settled is None:
            self._settled = block.first_frame
        streams = {d: self._joined(d, block) for d in self._inputs}
        self._settle(streams, block.stop_frame - 1, entries)
        self._carry = {d: _last_frames(stream) for d, stream in streams.items()}

    def finish(self, entries: Entries) -> None:
        """Take the entries that the processor's `finish` settled."""
        if self._settled is None:
            return
        stop = self._settled + 1
        self._settle(self._carry, stop, entries)
        self._carry = {d: FrameStream.empty(stop, 0) for d in self._inputs}

    def _joined(self, detector: int, block: Block) -> FrameStream:
        """Put a detector's block behind the frames carried over."""
        nothing = FrameStream.empty(block.first_frame, block.n_frames)
        name = self._names[detector] if detector < len(self._names) else ""
        stream = block.streams.get(name, nothing)
        return join([self._carry[detector], stream]) if self._carry else stream

    def _settle(self, streams: dict[int, FrameStream], stop: int, entries: Entries) -> None:
        """Count the candidates and entries of the frames from the last one settled up to `stop`."""
        assert self._settled is not None
        _check_frames(entries, self._registers.fine_time_bits, self._settled, stop)
        primitives = {d: _unpacked(stream) for d, stream in streams.items()}
        begin = max(self._settled << FRAME_BITS, (self._registers.ignore_until_tick + 1) << TICK_BITS)
        for tag in self._tags:
            times = primitives[tag.detector].times
            first, last = np.searchsorted(times, [begin, stop << FRAME_BITS])
            self._compare(tag, times[first : max(first, last)], primitives, entries)
        self._first.take_fates(entries, self._shift)
        self._first.settle()
        self._settled = stop

    def _compare(
        self, tag: _Tag, at: NDArray[np.int64], primitives: dict[int, _Primitives], entries: Entries
    ) -> None:
        """Compare the decisions on a tag's candidates, which stand at times `at`, with those on the entries."""
        halves = np.zeros((2, len(at)), np.uint64)
        for d in tag.watched:
            p = primitives[d]
            ideal.or_window(at, p.times, p.ids, int(self._registers.time_cut_lsb[d]), d, halves)
        fired = self._decide(tag, halves[0], halves[1], self._ideal)
        without, differs, entry = (np.empty(len(at), np.int64) for _ in range(3))
        alone = np.empty(len(entries), np.int64)
        n_without, n_differs, n_alone = ideal.meet_entries(
            at, fired, self._shift, tag.rows, entries.slot, entries.fate, entries.fired,
            without, differs, entry, alone,
        )  # fmt: skip
        if n_without < 0:
            raise _strangers()
        without, differs, entry, alone = (
            without[:n_without],
            differs[:n_differs],
            entry[:n_differs],
            alone[:n_alone],
        )
        ideal.count_rows(fired[without], self._same_slot)
        self._first.take("same_slot", None, fired[without], at[without])
        calibration = entries.fired[alone] & tag.rows
        ideal.count_rows(calibration, self._gained[CALIBRATION_CAUSE])
        times = times_of(entries, alone, self._shift)
        self._first.take("gained", CAUSES[CALIBRATION_CAUSE], calibration, times)
        self._attribute(tag, at[differs], fired[differs], entries.fired[entry] & tag.rows, primitives)

    def _attribute(
        self,
        tag: _Tag,
        at: NDArray[np.int64],
        wanted: NDArray[np.uint64],
        real: NDArray[np.uint64],
        primitives: dict[int, _Primitives],
    ) -> None:
        """Find the causes for which the firmware decides `real` and not `wanted` on candidates, uint64[n] each."""
        halves = np.zeros((2, ideal.STEPS, len(at)), np.uint64)
        for d in tag.watched:
            p, cut = primitives[d], int(self._registers.time_cut_lsb[d])
            ideal.or_steps(at, p.times, p.ids, cut, self._shift, d, halves)
        steps = self._decide(tag, halves[0].ravel(), halves[1].ravel()).reshape(ideal.STEPS, len(at))
        ladder = [wanted, *steps, real]
        rest = wanted ^ real
        for cause, (before, after) in reversed([*enumerate(pairwise(ladder))]):
            changed = rest & (before ^ after)
            rest = rest ^ changed
            for kind, side, sums in (("lost", wanted, self._lost), ("gained", real, self._gained)):
                ideal.count_rows(changed & side, sums[cause])
                self._first.take(kind, CAUSES[cause], changed & side, at)

    def _decide(
        self,
        tag: _Tag,
        low: NDArray[np.uint64],
        high: NDArray[np.uint64],
        total: NDArray[np.int64] | None = None,
    ) -> NDArray[np.uint64]:
        """Return the rows that fire on each S, uint64[n]; add their numbers to `total`."""
        fired, sums = np.zeros(len(low), np.uint64), np.zeros(N_ROWS, np.int64)
        allowed = np.full(len(low), tag.rows)
        ideal.decide(low, high, allowed, tag.active, self._mask, self._dontcare, fired, sums)
        if total is not None:
            total += sums
        return fired


def _tags(registers: L0Registers) -> list[_Tag]:
    """Return the candidates of the masks and those of the control trigger, as far as rows are enabled."""
    sides = [(registers.reference, PHYSICS_MASKS, np.arange(CONTROL))]
    if registers.control is not None:
        sides.append((registers.control, CONTROL_MASK, np.array([CONTROL])))
    tags = []
    for detector, bits, rows in sides:
        active = rows[registers.enabled[rows]].astype(np.int64)
        looked_at = ((registers.dontcare[active] & IGNORE) != IGNORE).any(axis=0)
        watched = [d for d in range(N_DETECTORS) if looked_at[d] and registers.time_cut_lsb[d] > 0]
        if len(active):
            tags.append(_Tag(detector, bits, active, watched))
    return tags


def _unpacked(stream: FrameStream) -> _Primitives:
    room = len(stream.words) + 1
    times, ids = np.empty(room, np.int64), np.empty(room, np.uint16)
    n = ideal.unpack(stream.first_frame, stream.words, stream.offsets, times, ids)
    return _Primitives(times[: n + 1], ids[: n + 1])


def _check_frames(entries: Entries, fine_time_bits: int, begin: int, stop: int) -> None:
    slots = TICKS_PER_FRAME << fine_time_bits
    if len(entries) and not (begin * slots <= entries.slot[0] and entries.slot[-1] < stop * slots):
        raise _strangers()


def _strangers() -> L0Error:
    return L0Error(
        "these entries are not those of the block's candidates; "
        "give each block with the entries of a processor with keep_entries and the same registers"
    )


def _last_frames(stream: FrameStream) -> FrameStream:
    """Copy the last frame, which is not settled, and the one before it, so that they outlive their buffer."""
    last = stream.cut(max(stream.stop_frame - 2, stream.first_frame), stream.stop_frame)
    return FrameStream(last.first_frame, last.offsets, last.words.copy())
