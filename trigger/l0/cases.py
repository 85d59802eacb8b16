"""Single cases for who asks about one row: when it should have fired, or fired and gave no trigger."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trigger.l0.entries import Entries
from trigger.l0.fates import CAUSES
from trigger.l0.triggers import ACCOUNTS

KINDS: Final = ("lost", "gained", "same_slot", "same_tick", "downscaled")
"""Kinds of cases; lost and gained have a cause."""


class Case(NamedTuple):
    """A firing that is lost, gained or no trigger: its kind, its cause (None if it needs none), its time."""

    kind: str
    cause: str | None
    time_lsb: int


class FirstCases:
    """The first cases of each kind and cause of one row: taken in any order in a stretch of time, then settled."""

    def __init__(self, row: int | None, limit: int) -> None:
        self._row, self._limit = row, limit
        self._new: list[Case] = []
        self._kept: dict[tuple[str, str | None], list[Case]] = {}

    @property
    def cases(self) -> tuple[Case, ...]:
        """Those kept so far, by `KINDS`, cause and time."""
        order = {cause: k for k, cause in enumerate((None, *CAUSES))}
        keys = sorted(self._kept, key=lambda key: (KINDS.index(key[0]), order[key[1]]))
        return tuple(case for key in keys for case in self._kept[key])

    def take(self, kind: str, cause: str | None, fired: NDArray[Any], times: NDArray[np.int64]) -> None:
        """Take the cases where the row is among the bits of `fired`; times are rising LSB since SOB."""
        if self._row is None or len(self._kept.get((kind, cause), ())) == self._limit:
            return
        where = np.flatnonzero(fired & fired.dtype.type(1 << self._row))[: self._limit]
        self._new += [Case(kind, cause, time) for time in times[where].tolist()]

    def take_fates(self, entries: Entries, shift: int) -> None:
        """Take what the same-tick rule and the downscaling took of the firings; `shift` as in `times_of`."""
        if self._row is None:
            return
        fired = np.flatnonzero(entries.fired & np.uint32(1 << self._row))
        times = times_of(entries, fired, shift)
        same_tick = entries.fate[fired] == ACCOUNTS.index("same_tick")
        suppressed = entries.fired[fired] & ~entries.kept[fired]
        self.take("same_tick", None, suppressed * same_tick, times)
        self.take("downscaled", None, suppressed * ~same_tick, times)

    def settle(self) -> None:
        """Keep the earliest of the cases taken, behind those kept before."""
        for case in sorted(self._new, key=lambda case: case.time_lsb):
            kept = self._kept.setdefault((case.kind, case.cause), [])
            if len(kept) < self._limit:
                kept.append(case)
        self._new = []


def times_of(entries: Entries, which: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """Return the times of the entries `which`; the begin of the slot where the timing detector has nothing in it.

    shift: bits of a time below its slot.
    """
    time, slot = entries.time_lsb[which], entries.slot[which]
    return np.where(time >> shift == slot, time, slot << shift)
