"""Why a row fires in one processor and not in another: what the other one made of the same event."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trigger.l0.entries import Entries
from trigger.l0.registers import N_DETECTORS, L0Registers
from trigger.l0.triggers import ACCOUNTS

INACTIVE: Final = "inactive"
"""The row is switched off there."""

NO_ENTRY: Final = "no entry"
"""There is no entry at this time."""

UNMET: Final = "not met"
"""The row's condition is not met there."""

DOWNSCALED: Final = "downscaled"
"""The row fires there and does not survive its downscaling."""

NOT_LOOKED_AT: Final = ("same_slot", "ignored")
"""Fates of entries whose conditions the processor does not look at."""

SAME_TICK: Final = "same_tick"
"""Fate of an entry that fires in the tick of an earlier trigger."""

KINDS: Final = (INACTIVE, NO_ENTRY, *NOT_LOOKED_AT, SAME_TICK, DOWNSCALED, UNMET)

ID_BITS: Final = 16


@dataclass(frozen=True, order=True)
class Unmet:
    """A bit whose requirement or veto is not met. differs: the two processors do not see it alike."""

    detector: int
    bit: int
    differs: bool


@dataclass(frozen=True, order=True)
class Cause:
    """What became of an event in the processor where the row does not fire: one of KINDS.

    unmet: of UNMET, the bits that were against it, in order.
    """

    kind: str
    unmet: tuple[Unmet, ...] = ()


def causes_of(
    row: int,
    registers: L0Registers,
    there: Entries,
    partner: NDArray[np.int32],
    ids: NDArray[np.uint16],
) -> Counter[Cause]:
    """Say why `row` of the processor with these registers does not fire, or not survive, in n events; count.

    there: its entries. partner: int32[n], the places of the events among them, negative where there is none. ids:
    uint16[n, 7], S as the other processor has it, in which its row does.
    """
    if not registers.enabled[row]:
        return Counter({Cause(INACTIVE): len(partner)} if len(partner) else {})
    found = partner >= 0
    at = partner[found]
    fires = (there.fired[at] >> np.uint32(row) & np.uint32(1)).astype(bool)
    fate = there.fate[at]
    not_looked_at = [fate == ACCOUNTS.index(name) for name in NOT_LOOKED_AT]
    late = fires & (fate == ACCOUNTS.index(SAME_TICK))
    unmet = ~fires & ~np.logical_or.reduce(not_looked_at)
    numbers = {
        NO_ENTRY: len(partner) - len(at),
        **{name: int(sum(taken)) for name, taken in zip(NOT_LOOKED_AT, not_looked_at, strict=True)},
        SAME_TICK: int(late.sum()),
        DOWNSCALED: int((fires & ~late).sum()),
    }
    causes = Counter({Cause(kind): n for kind, n in numbers.items() if n})
    causes += _unmet(row, registers, there.ids[at[unmet]], ids[found][unmet])
    return causes


def _unmet(
    row: int, registers: L0Registers, ids: NDArray[np.uint16], others: NDArray[np.uint16]
) -> Counter[Cause]:
    """Count the sets of bits that keep the row from firing on `ids`; others: the same events as seen elsewhere."""
    unmet = (ids | registers.dontcare[row]) ^ registers.mask[row]
    classes, numbers = _classes(np.hstack([unmet, unmet & (ids ^ others)]))
    causes: Counter[Cause] = Counter()
    for words, n in zip(classes.tolist(), numbers.tolist(), strict=True):
        bits = tuple(
            Unmet(d, bit, bool(words[N_DETECTORS + d] >> bit & 1))
            for d in range(N_DETECTORS)
            for bit in range(ID_BITS)
            if words[d] >> bit & 1
        )
        causes[Cause(UNMET, bits)] += n
    return causes


def _classes(words: NDArray[np.uint16]) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Return the different rows of words (uint16[n, m]) and the number of each.

    Column by column, those that do not vary left out: most conditions fail on a bit or two, and sorting whole rows
    is slow.
    """
    number = np.zeros(len(words), np.int64)
    for column in words.T:
        if len(column) and (column != column[0]).any():
            values, index = np.unique(column, return_inverse=True)
            number = np.unique(number * len(values) + index, return_inverse=True)[1]
    _, first, counts = np.unique(number, return_index=True, return_counts=True)
    return words[first], counts.astype(np.int64)
