"""Why a row fires in one processor and not in another: what the other one made of the same event."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trigger.jit import inline, kernel
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

_INACTIVE, _NO_ENTRY, _SAME_SLOT, _IGNORED, _SAME_TICK, _DOWNSCALED, _UNMET = range(len(KINDS))
_SAME_SLOT_FATE, _IGNORED_FATE, _SAME_TICK_FATE = (
    ACCOUNTS.index(name) for name in (*NOT_LOOKED_AT, SAME_TICK)
)

ID_BITS: Final = 16

WORDS: Final = 1 + 2 * N_DETECTORS
"""Words of a class of events: the kind, the unmet bits of each detector, those of them that differ."""

TABLE: Final = 1 << 12
"""Places for classes, a power of 2; a condition that fails in more ways than half of them takes several rounds."""

FNV_PRIME: Final = 0x0100_0193
"""Spreads the classes over the table (Fowler, Noll and Vo: FNV-1a in 32 bits), in int64 so that nothing runs over."""


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
    here: Entries,
    at: NDArray[np.int32],
    there: Entries,
    partner: NDArray[np.int32],
) -> Counter[Cause]:
    """Say why `row` of the processor with these registers does not fire, or not survive, in n events; count.

    here, at: the entries in which the other processor fires, and the places of the events among them: int32[n].
    there, partner: those of the processor asked, and the places there, negative where there is none.
    """
    if not registers.enabled[row]:
        return Counter({Cause(INACTIVE): len(at)} if len(at) else {})
    causes: Counter[Cause] = Counter()
    done = 0
    while done < len(at):
        words, counts = np.zeros((TABLE, WORDS), np.uint16), np.zeros(TABLE, np.int64)
        done = count_classes(
            done, at, partner, row, here.ids, there.ids, there.fired, there.fate,
            registers.mask[row], registers.dontcare[row], words, counts,
        )  # fmt: skip
        for place in np.flatnonzero(counts).tolist():
            causes[_cause(words[place].tobytes())] += int(counts[place])
    return causes


@inline
def first_place(word: Any, places: int) -> Any:
    """Return where in a table of `places` the search for a class begins."""
    mixed = np.int64(0)
    for w in range(WORDS):
        mixed = ((mixed ^ np.int64(word[w])) * FNV_PRIME) & 0xFFFF_FFFF
    return (mixed ^ mixed >> 16) & (places - 1)


@inline
def differ(words: Any, place: Any, word: Any) -> bool:
    """Whether a place of the table holds another class."""
    differs = False
    for w in range(WORDS):
        differs |= words[place, w] != word[w]
    return differs


@kernel(
    "int64(int64, int32[::1], int32[::1], int64, uint16[:, ::1], uint16[:, ::1], uint32[::1], uint8[::1], "
    "uint16[::1], uint16[::1], uint16[:, ::1], int64[::1])",
    allocates=True,
)
def count_classes(
    begin: int, at: Any, partner: Any, row: int, ids_here: Any, ids_there: Any, fired: Any, fate: Any,
    mask: Any, dontcare: Any, words: Any, counts: Any,
) -> int:  # fmt: skip
    """Count events from number `begin` on by class, in a table of `words` and `counts`; return where it stopped.

    It stops before a class that would fill more than half of the table.
    """
    word = np.zeros(WORDS, np.uint16)
    free = len(counts) // 2
    for k in range(begin, len(at)):
        word[:] = 0
        i, j = at[k], partner[k]
        if j < 0:
            word[0] = _NO_ENTRY
        elif fate[j] == _SAME_SLOT_FATE:
            word[0] = _SAME_SLOT
        elif fate[j] == _IGNORED_FATE:
            word[0] = _IGNORED
        elif fired[j] >> np.uint32(row) & np.uint32(1):
            word[0] = _SAME_TICK if fate[j] == _SAME_TICK_FATE else _DOWNSCALED
        else:
            word[0] = _UNMET
            for d in range(N_DETECTORS):
                unmet = (ids_there[j, d] | dontcare[d]) ^ mask[d]
                word[1 + d] = unmet
                word[1 + N_DETECTORS + d] = unmet & (ids_there[j, d] ^ ids_here[i, d])
        place = first_place(word, len(counts))
        while counts[place] != 0 and differ(words, place, word):
            place = (place + 1) & (len(counts) - 1)
        if counts[place] == 0:
            if free == 0:
                return k
            free -= 1
            words[place] = word
        counts[place] += 1
    return len(at)


@cache
def _cause(words: bytes) -> Cause:
    """Name the class of these words."""
    kind, *bits = np.frombuffer(words, np.uint16).tolist()
    return Cause(
        KINDS[kind],
        tuple(
            Unmet(d, bit, bool(bits[N_DETECTORS + d] >> bit & 1))
            for d in range(N_DETECTORS)
            for bit in range(ID_BITS)
            if bits[d] >> bit & 1
        ),
    )
