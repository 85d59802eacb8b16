"""The slow, obvious twin of the accounts of losses: of trigger/l0/losses.py, and of trigger/l0/dispatch.py.

It follows the definitions, candidate by candidate and primitive by primitive. What the firmware decides it takes from
the twin of the L0 processor (naive_l0.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from naive_l0 import CALIBRATION, Noted, Primitive

from trigger.l0.registers import CONTROL, N_DETECTORS, N_MASKS, N_ROWS, L0Registers

CAUSES = ["reach", "boundary", "overwritten", "timing", "calibration"]
ERA_TICKS = 2048
TICK_LSB = 256

Case = tuple[str, str | None, int]


def is_physics(primitive: Primitive) -> bool:
    return primitive.id != 0 and not primitive.id & CALIBRATION


@dataclass
class NaiveLosses:
    """Losses and gains of one spill: all its primitives, and the first entry of each slot."""

    registers: L0Registers
    primitives: Sequence[Primitive]
    noted: Sequence[Noted]

    def __post_init__(self) -> None:
        self.ideal = [0] * N_ROWS
        self.same_slot = [0] * N_ROWS
        self.lost = [[0] * len(CAUSES) for _ in range(N_ROWS)]
        self.gained = [[0] * len(CAUSES) for _ in range(N_ROWS)]
        self.cases: list[list[Case]] = [[] for _ in range(N_ROWS)]
        self.hits: list[list[tuple[int, int]]] = [[] for _ in range(N_DETECTORS)]
        self.last: list[dict[int, int]] = [{} for _ in range(N_DETECTORS)]
        for p in self.primitives:
            if is_physics(p):
                self.last[p.detector][self.slot(self.time(p))] = len(self.hits[p.detector])
                self.hits[p.detector].append((self.time(p), p.id))
        self.entries = {entry.slot: entry for entry in self.noted}
        self.compare(self.registers.reference, [*range(N_MASKS)])
        if self.registers.control is not None:
            self.compare(self.registers.control, [CONTROL])
        for entry in self.noted:
            self.take_fates(entry)

    def time(self, primitive: Primitive) -> int:
        return primitive.timestamp * TICK_LSB + primitive.fine_time

    def slot(self, time: int) -> int:
        return (time << self.registers.fine_time_bits) // TICK_LSB

    def compare(self, detector: int, rows: list[int]) -> None:
        slots = set()
        for index, (time, _) in enumerate(self.hits[detector]):
            slot = self.slot(time)
            slots.add(slot)
            if time // TICK_LSB <= self.registers.ignore_until_tick:
                continue
            entry = self.entries[slot]
            has_entry = self.last[detector][slot] == index and entry.fate != "same_slot"
            steps = [self.decide(time, step) for step in range(4)]
            for row in rows:
                if self.registers.enabled[row]:
                    decisions = [row in step for step in steps] + [bool(entry.fired >> row & 1)]
                    self.take(row, time, decisions, has_entry)
        for entry in self.noted:
            for row in rows:
                if entry.slot not in slots and entry.fired >> row & 1:
                    self.gained[row][4] += 1
                    self.cases[row].append(("gained", "calibration", self.entry_time(entry)))

    def take(self, row: int, time: int, decisions: list[bool], has_entry: bool) -> None:
        ideal, real = decisions[0], decisions[-1]
        self.ideal[row] += ideal
        if not has_entry:
            self.same_slot[row] += ideal
            if ideal:
                self.cases[row].append(("same_slot", None, time))
        elif ideal != real:
            cause = max(k for k in range(4) if decisions[k] != decisions[k + 1])
            (self.lost if ideal else self.gained)[row][cause] += 1
            self.cases[row].append(("lost" if ideal else "gained", CAUSES[cause], time))

    def decide(self, time: int, step: int) -> set[int]:
        """Return the rows that fire on a candidate at this time: step 0 ideally, up to step 3 as in the RAM."""
        ids = [0] * N_DETECTORS
        for d in range(N_DETECTORS):
            for index, (t, id_) in enumerate(self.hits[d]):
                if abs(t - time) >= self.registers.time_cut_lsb[d]:
                    continue
                if step >= 1 and abs(self.slot(t) - self.slot(time)) > 1:
                    continue
                if step >= 2 and t // (ERA_TICKS * TICK_LSB) != time // (ERA_TICKS * TICK_LSB):
                    continue
                if step >= 3 and self.last[d][self.slot(t)] != index:
                    continue
                ids[d] |= id_
        r = self.registers
        return {
            m
            for m in range(N_ROWS)
            if all((ids[d] | int(r.dontcare[m, d])) == r.mask[m, d] for d in range(N_DETECTORS))
        }

    def take_fates(self, entry: Noted) -> None:
        for row in range(N_ROWS):
            if entry.fired >> row & 1 and not entry.kept >> row & 1:
                kind = "same_tick" if entry.fate == "same_tick" else "downscaled"
                self.cases[row].append((kind, None, self.entry_time(entry)))

    def entry_time(self, entry: Noted) -> int:
        """Return the time of an entry; the begin of its slot if its timing detector has nothing there."""
        if self.slot(entry.time_lsb) == entry.slot:
            return entry.time_lsb
        return entry.slot * TICK_LSB >> self.registers.fine_time_bits

    def first_cases(self, row: int, limit: int) -> list[Case]:
        found: list[Case] = []
        for kind in ("lost", "gained", "same_slot", "same_tick", "downscaled"):
            for cause in (None, "reach", "boundary", "overwritten", "timing", "calibration"):
                mine = [case for case in self.cases[row] if case[:2] == (kind, cause)]
                found += sorted(mine, key=lambda case: case[2])[:limit]
        return found


def naive_fates(
    ticks: Sequence[int], dead_time: int, latency: int, choke_lsb: Sequence[tuple[int, int]]
) -> list[str]:
    """Return what becomes of triggers with these timestamps."""
    fates: list[str] = []
    for i, tick in enumerate(ticks):
        at = (tick + latency) * TICK_LSB
        before = [t for t, fate in zip(ticks[:i], fates, strict=True) if fate == "dispatched"]
        if any(on <= at < off + 3 * TICK_LSB for on, off in choke_lsb):
            fates.append("choke")
        elif any(tick - t < dead_time for t in before):
            fates.append("dead_time")
        else:
            fates.append("dispatched")
    return fates
