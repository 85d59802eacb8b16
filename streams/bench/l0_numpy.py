"""The L0 processor in numpy: the baseline of `ktrig bench l0`.

Dense tables of slots, a few dozen frames at a time so that they stay in the cache; the last writer of a slot wins
because numpy assigns in order; slots, time cuts and masks are whole-array operations. Only the same-tick rule,
in which each trigger can change the counters of the next, is a loop, over the few entries where it matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trigger.clock import FRAME_BITS, TICK_BITS, TICKS_PER_FRAME
from trigger.errors import KtrigError
from trigger.frames import ID_SHIFT, TIME_MASK, Block, FrameStream, join
from trigger.l0.alignment import CALIBRATION, ID_ONE
from trigger.l0.registers import CONTROL, N_MASKS, N_ROWS, L0Registers
from trigger.l0.triggers import CONTROL_WORD, PHYSICS_WORD, Triggers, join_triggers

CHUNK_FRAMES: Final = 32
"""Frames computed at a time; of 8 to 256 the fastest, within 10%, for a nominal spill."""

LANES: Final = 8
"""Words of a slot in the table: 7 detectors and a spare one, so that 8 IDs of 16 bits are two uint64."""

MAX_FINE_TIME_BITS: Final = 2
"""With 3, a slot in the processor's RAM can still hold what was there 2,048 ticks ago."""

SLOT_ADDRESSES: Final = 16384
ERA_TICKS: Final = 2048
"""Neighbour slots are not seen across a multiple of this."""

REFERENCE_TAG, CONTROL_TAG = 1, 2


class L0Numpy:
    """One spill; `run` gives the triggers of an `L0Processor` that starts with its counters at zero.

    Raises KtrigError for 3 fine-time bits, which it does not reproduce.
    """

    def __init__(self, registers: L0Registers, detectors: Sequence[str]) -> None:
        if registers.fine_time_bits > MAX_FINE_TIME_BITS:
            raise KtrigError(
                f"fine_time_bits is {registers.fine_time_bits}; the numpy baseline takes at most 2"
            )
        self._registers = registers
        self._detectors = detectors
        self._bits = registers.fine_time_bits
        self._rows = np.flatnonzero(registers.enabled)
        self._mask, self._dontcare = (_packed(w) for w in (registers.mask, registers.dontcare))
        self._cut = np.zeros(LANES, np.int32)
        self._cut[: len(registers.time_cut_lsb)] = registers.time_cut_lsb
        self._period = registers.downscale[self._rows].astype(np.int64) + 1
        self._count = np.zeros(len(self._rows), np.int64)
        self._last_address = 0

    def run(self, blocks: Sequence[Block]) -> Triggers:
        """Return the triggers of a spill, without slots."""
        first, stop = blocks[0].first_frame, blocks[-1].stop_frame
        streams = {}
        for d, name in enumerate(self._detectors):
            parts = [b.streams[name] for b in blocks if name in b.streams]
            streams[d] = join(parts) if parts else FrameStream.empty(first, stop - first)
        return join_triggers(
            [
                self._chunk(streams, f, min(f + CHUNK_FRAMES, stop), max(f - 1, first), stop)
                for f in range(first, stop, CHUNK_FRAMES)
            ]
        )

    def _chunk(self, streams: dict[int, FrameStream], begin: int, end: int, base: int, stop: int) -> Triggers:
        """Return the triggers of frames begin...end - 1; slots are counted from frame `base`."""
        table = np.zeros(((min(end + 1, stop) - base) * self._slots_per_frame + 1, LANES), np.uint32)
        tags = np.zeros(len(table), np.uint8)
        tagged = {self._registers.reference: REFERENCE_TAG}
        if self._registers.control is not None:
            tagged[self._registers.control] = tagged.get(self._registers.control, 0) | CONTROL_TAG
        for d, stream in streams.items():
            piece = stream.cut(base, min(end + 1, stop))
            slot = self._slots(piece)
            held = (piece.words >= ID_ONE) & (piece.words < CALIBRATION)
            table[slot[held], d] = piece.words[held]
            if d in tagged:
                low, high = piece.offsets[begin - base], piece.offsets[end - base]
                tags[slot[low:high][piece.words[low:high] >= ID_ONE]] |= tagged[d]
        entry = np.flatnonzero(tags)
        tag = tags[entry]
        tick = (entry >> self._bits) + base * TICKS_PER_FRAME
        fired, fine = self._coincide(table, entry, tag, tick)
        fired &= self._processed(entry + base * self._slots_per_frame, tick)[:, None]
        return self._accept(fired, tick, fine)

    @property
    def _slots_per_frame(self) -> int:
        return TICKS_PER_FRAME << self._bits

    def _slots(self, stream: FrameStream) -> NDArray[np.int64]:
        """Return the slot of each word, from the first frame of the stream."""
        frame = np.repeat(np.arange(stream.n_frames), np.diff(stream.offsets))
        shift = np.uint32(FRAME_BITS - TICK_BITS - self._bits)
        return frame * self._slots_per_frame + ((stream.words & np.uint32(TIME_MASK)) >> shift)

    def _coincide(
        self,
        table: NDArray[np.uint32],
        entry: NDArray[np.int64],
        tag: NDArray[np.uint8],
        tick: NDArray[np.int64],
    ) -> tuple[NDArray[np.bool_], NDArray[np.uint32]]:
        """Return which rows fire on each entry, bool[n, rows], and the reference fine times."""
        own = np.full(len(entry), self._registers.reference)
        if self._registers.control is not None:
            own[tag == CONTROL_TAG] = self._registers.control
        everyone = np.arange(len(entry))
        here = table[entry]
        reference = here[everyone, own]
        total = np.zeros((len(entry), LANES), np.uint16)
        slot_in_era = (tick % ERA_TICKS << self._bits) + (entry & ((1 << self._bits) - 1))
        for step, edge in ((0, -1), (-1, 0), (1, (ERA_TICKS << self._bits) - 1)):
            words = table[entry + step] if step else here
            dt = (words - reference[:, None]).astype(np.uint16).view(np.int16)
            inside = np.abs(dt.astype(np.int32)) < self._cut
            inside[everyone, own] = self._cut[own] > 0  # compared with itself
            inside[slot_in_era == edge] = False
            total |= (words >> np.uint32(ID_SHIFT)).astype(np.uint16) * inside
        sums = total.view(np.uint64)
        fired = np.empty((len(entry), len(self._rows)), np.bool_)
        for k, m in enumerate(self._rows):
            met = (sums | self._dontcare[m]) == self._mask[m]
            needed = CONTROL_TAG if m == CONTROL else REFERENCE_TAG
            fired[:, k] = met[:, 0] & met[:, 1] & (tag & needed != 0)
        return fired, reference & np.uint32(0xFF)

    def _processed(self, slot: NDArray[np.int64], tick: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which entries are not skipped: another address than the one before, not too early."""
        address = slot % SLOT_ADDRESSES
        before = np.concatenate([[self._last_address], address[:-1]])
        if len(address):
            self._last_address = int(address[-1])
        processed: NDArray[np.bool_] = (address != before) & (tick > self._registers.ignore_until_tick)
        return processed

    def _accept(
        self, fired: NDArray[np.bool_], tick: NDArray[np.int64], fine: NDArray[np.uint32]
    ) -> Triggers:
        """Apply the same-tick rule and the downscaling."""
        some = np.flatnonzero(fired.any(axis=1))
        fired, tick = fired[some], tick[some]
        fired &= self._not_in_tick_of_trigger(fired, tick)[:, None]
        count = self._count + np.cumsum(fired, axis=0)
        surviving = fired & (count % self._period == 0)
        if len(count):
            self._count = count[-1] % self._period
        rows = surviving @ (1 << self._rows)
        passed = np.flatnonzero(rows)
        flags = rows[passed] & ((1 << N_MASKS) - 1)
        word = np.where(flags != 0, PHYSICS_WORD, 0) | np.where(rows[passed] >> CONTROL, CONTROL_WORD, 0)
        times = (tick[passed] << TICK_BITS) + fine[some][passed]
        return Triggers(
            times, flags.astype(np.uint16), word.astype(np.uint8), np.zeros((0, 3, LANES - 1), np.uint32)
        )

    def _not_in_tick_of_trigger(self, fired: NDArray[np.bool_], tick: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which entries the processor looks at: all but those in the tick of a trigger before them.

        Looked at in turn are only entries with another one in their tick behind them, and a counter that can run
        over on them however many of those before were taken out.
        """
        keep = np.ones(len(tick), np.bool_)
        follows = np.zeros(len(tick), np.bool_)
        follows[1:] = tick[1:] == tick[:-1]
        count = self._count + np.cumsum(fired, axis=0)
        least = count - np.cumsum(fired & follows[:, None], axis=0) - 1
        first = np.flatnonzero(follows[1:])
        may_survive = fired[first] & (count[first] // self._period != least[first] // self._period)
        removed = np.zeros(len(self._rows), np.int64)
        for i in first[may_survive.any(axis=1)].tolist():
            if keep[i] and (fired[i] & ((count[i] - removed) % self._period == 0)).any():
                j = i + 1
                while j < len(tick) and follows[j]:
                    keep[j] = False
                    removed += fired[j]
                    j += 1
        return keep


def _packed(words: NDArray[np.uint16]) -> NDArray[np.uint64]:
    lanes = np.zeros((N_ROWS, LANES), np.uint16)
    lanes[:, : words.shape[1]] = words
    return lanes.view(np.uint64)
