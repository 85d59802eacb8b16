"""The slow, obvious twin of the L0 processor: the firmware's rules, step by step, on its own RAM.

It shares nothing with trigger/l0 but the registers. The rules are those of the NA62 firmware (L0TP), as they
were found by running it in a simulator:

- Input: an ID of 0 is discarded. A calibration primitive (bit 15) does not enter the RAM, but it enters the
  reference or control FIFO.
- RAM, one a detector: 16,384 words. The address is the low 14 - b bits of the timestamp and the top b bits of the
  fine time; the word keeps the ID, timestamp bits [29:11] and the fine time. Last writer wins; nothing is cleared
  in a burst. A frame is written before the one ahead of it is merged.
- Merging: the heads of the FIFOs are compared in (timestamp, b fine bits); equal heads make one entry. An entry
  with the address of the entry before it is skipped; that address is 0 at the start of a burst.
- Coincidence: slots N, N-1, N+1 whose timestamp bits [29:11] are the entry's. The reference time is what slot N
  of the timing detector holds, or 0 if it holds nothing; time differences are signed 16-bit numbers of LSB; the
  cut is strict. The timing detector is compared with itself in all three slots.
- Masks: (S | dontcare) == mask on all detectors; 16 masks for entries of the reference, one for the control.
- Accept: nothing up to the tick `ignore_until_tick`, nothing in the tick of the last trigger; a counter that stands
  at D keeps the firing and goes to 0, else it rises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from trigger.frames import Block
from trigger.l0.registers import CONTROL, N_DETECTORS, N_MASKS, N_ROWS, L0Registers

ADDRESSES = 16384
CALIBRATION = 0x8000
REFERENCE_TAG, CONTROL_TAG = 1, 2
ACCOUNTS = (
    ["words", "discarded", "merged", "same_slot", "ignored", "rejected", "same_tick", "downscaled", "triggers"]
)  # fmt: skip


class Primitive(NamedTuple):
    detector: int
    timestamp: int
    fine_time: int
    id: int


class Stored(NamedTuple):
    """A word of the alignment RAM."""

    id: int
    high_timestamp: int
    fine_time: int


EMPTY = Stored(0, -1, 0)


class Entry(NamedTuple):
    timestamp: int
    fine_time: int
    tag: int


class Trigger(NamedTuple):
    """slots: (ID, time in frame) of each detector in slots N, N-1, N+1; (0, 0) if there is none."""

    timestamp: int
    fine_time: int
    flags: int
    word: int
    slots: list[list[tuple[int, int]]]


def frames_of(block: Block, detectors: Sequence[str]) -> list[list[Primitive]]:
    """Unpack a block into the primitives of each frame, detector by detector."""
    frames: list[list[Primitive]] = [[] for _ in range(block.n_frames)]
    for d, name in enumerate(detectors):
        if name in block.streams:
            stream = block.streams[name]
            for time, id_ in zip(stream.times_lsb().tolist(), stream.ids().tolist(), strict=True):
                frames[(time >> 16) - block.first_frame].append(Primitive(d, time >> 8, time & 0xFF, id_))
    return frames


class Noted(NamedTuple):
    """What became of the first entry of a slot: S by detector, the rows that fire and those that survive, as bits."""

    time_lsb: int
    slot: int
    tag: int
    ids: list[int]
    fired: int
    kept: int
    fate: str


@dataclass
class NaiveL0:
    """A processor for one burst: `run` it once; then look at its counts."""

    registers: L0Registers
    counters: list[int] = field(default_factory=lambda: [0] * N_ROWS)

    def __post_init__(self) -> None:
        self.ram = [[EMPTY] * ADDRESSES for _ in range(N_DETECTORS)]
        self.last_address = 0
        self.last_fired: int | None = None
        self.before = [0] * N_ROWS
        self.after = [0] * N_ROWS
        self.same_tick = [0] * N_ROWS
        self.account = dict.fromkeys(ACCOUNTS, 0)
        self.noted: list[Noted] = []

    def run(self, frames: Sequence[Sequence[Primitive]]) -> list[Trigger]:
        """Process all frames of a burst, as if empty ones followed."""
        triggers = []
        for f in range(len(frames) + 1):
            if f < len(frames):
                self.write(frames[f])
            if f > 0:
                for entry in self.merge(frames[f - 1]):
                    trigger = self.process(entry)
                    if trigger:
                        triggers.append(trigger)
        return triggers

    def slot(self, timestamp: int, fine_time: int) -> int:
        """Return the number of a slot since the start of burst."""
        b = self.registers.fine_time_bits
        return timestamp << b | fine_time >> (8 - b)

    def write(self, primitives: Sequence[Primitive]) -> None:
        for detector, timestamp, fine_time, id_ in primitives:
            if id_ != 0 and not id_ & CALIBRATION:
                address = self.slot(timestamp, fine_time) % ADDRESSES
                self.ram[detector][address] = Stored(id_, _high(timestamp), fine_time)

    def read(self, detector: int, address: int, timestamp: int) -> tuple[int, int]:
        """Return (ID, time in frame) of a word, (0, 0) if it is stale."""
        stored = self.ram[detector][address % ADDRESSES]
        if stored.high_timestamp != _high(timestamp):
            return 0, 0
        tick = address % ADDRESSES >> self.registers.fine_time_bits
        return stored.id, (tick & 0xFF) << 8 | stored.fine_time

    def merge(self, primitives: Sequence[Primitive]) -> list[Entry]:
        """Merge the reference and control primitives of a frame."""
        fifos = []
        for detector in (self.registers.reference, self.registers.control):
            mine = [p for p in primitives if p.detector == detector]
            self.account["words"] += len(mine)
            self.account["discarded"] += sum(p.id == 0 for p in mine)
            fifos.append([p for p in mine if p.id != 0])
        reference, control = fifos
        entries = []
        while reference or control:
            slots = [self.slot(q[0].timestamp, q[0].fine_time) if q else None for q in fifos]
            if slots[0] == slots[1]:
                head = reference.pop(0)
                control.pop(0)
                entries.append(Entry(head.timestamp, head.fine_time, REFERENCE_TAG | CONTROL_TAG))
                self.account["merged"] += 1
            elif slots[1] is None or (slots[0] is not None and slots[0] < slots[1]):
                head = reference.pop(0)
                entries.append(Entry(head.timestamp, head.fine_time, REFERENCE_TAG))
            else:
                head = control.pop(0)
                entries.append(Entry(head.timestamp, head.fine_time, CONTROL_TAG))
        return entries

    def process(self, entry: Entry) -> Trigger | None:
        slot = self.slot(entry.timestamp, entry.fine_time)
        slots = [
            [self.read(d, slot + step, entry.timestamp) for d in range(N_DETECTORS)] for step in (0, -1, 1)
        ]
        timing = self.registers.reference if entry.tag & REFERENCE_TAG else self.registers.control
        assert timing is not None
        t_ref = slots[0][timing][1]
        coincident = self.coincident(slots, t_ref, timing)
        repeated = slot % ADDRESSES == self.last_address
        self.last_address = slot % ADDRESSES
        early = entry.timestamp <= self.registers.ignore_until_tick
        fired = [] if repeated or early else self.fired(coincident, entry.tag)
        kept: list[int] = []
        if repeated or early:
            fate = "same_slot" if repeated else "ignored"
        else:
            fate, kept = self.accept(entry.timestamp, fired)
        self.account[fate] += 1
        if not (self.noted and self.noted[-1].slot == slot):
            time_lsb = (entry.timestamp >> 8 << 16) + t_ref
            self.noted.append(Noted(time_lsb, slot, entry.tag, coincident, _bits(fired), _bits(kept), fate))
        if not kept:
            return None
        flags = _bits(kept) & ~(1 << CONTROL)
        word = (0x01 if flags else 0) | (0x10 if CONTROL in kept else 0)
        return Trigger(entry.timestamp, t_ref & 0xFF, flags, word, slots)

    def coincident(self, slots: list[list[tuple[int, int]]], t_ref: int, timing: int) -> list[int]:
        """Return the OR of the IDs inside the time cut, for each detector."""
        total = [0] * N_DETECTORS
        for words in slots:
            for d, (id_, time) in enumerate(words):
                dt = 0 if d == timing else (time - t_ref + 0x8000) % 0x10000 - 0x8000
                if abs(dt) < self.registers.time_cut_lsb[d]:
                    total[d] |= id_
        return total

    def fired(self, total: list[int], tag: int) -> list[int]:
        """Return the rows that fire: masks 0-15 for the reference's tag, row 16 for the control's."""
        r = self.registers
        allowed = [*range(N_MASKS)] if tag & REFERENCE_TAG else []
        if tag & CONTROL_TAG:
            allowed.append(CONTROL)
        return [
            m
            for m in allowed
            if r.enabled[m]
            and all((total[d] | int(r.dontcare[m, d])) == r.mask[m, d] for d in range(N_DETECTORS))
        ]

    def accept(self, timestamp: int, fired: list[int]) -> tuple[str, list[int]]:
        """Return the fate of an entry, and the rows that survive downscaling."""
        if not fired:
            return "rejected", []
        if timestamp == self.last_fired:
            for m in fired:
                self.same_tick[m] += 1
            return "same_tick", []
        kept = []
        for m in fired:
            self.before[m] += 1
            if self.counters[m] != self.registers.downscale[m]:
                self.counters[m] += 1
                continue
            self.counters[m] = 0
            self.after[m] += 1
            kept.append(m)
        if not kept:
            return "downscaled", []
        self.last_fired = timestamp
        return "triggers", kept


def _bits(rows: list[int]) -> int:
    return sum(1 << row for row in rows)


def _high(timestamp: int) -> int:
    """Return timestamp bits [29:11], which the RAM stores."""
    return timestamp >> 11 & 0x7FFFF
