"""Comparing the triggers of two L0 processors, and saying in words how they differ.

Triggers are aligned on their timestamps: a trigger that one of the two lacks is one difference, and those behind
it are compared with their own partners. Lists in different order are aligned on as many triggers as both have in
the same order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from trigger.clock import FRAME_BITS, TICK_BITS
from trigger.l0.triggers import CONTROL_WORD, PHYSICS_WORD, Triggers

SLOTS: Final = ("N", "N-1", "N+1")
"""Slots of `Triggers.ids`, in order."""

WORD_BITS: Final = {PHYSICS_WORD: "physics", CONTROL_WORD: "control"}
"""Bits of the trigger word that this core can set."""


@dataclass(frozen=True)
class Difference:
    """A trigger on which two lists disagree: its indices (from 0), None in the list that lacks it."""

    expected: int | None
    found: int | None

    @property
    def kind(self) -> Literal["differs", "missing", "extra"]:
        """Say whether both lists have the trigger, or which one has not."""
        if self.found is None:
            return "missing"
        return "extra" if self.expected is None else "differs"


def compare(expected: Triggers, found: Triggers) -> list[Difference]:
    """Return the differences in order of time; none only if the lists are the same.

    Times, flags, words and IDs are compared; both lists must have IDs (`Triggers.slots`). Either list may be out
    of order or have a timestamp twice: a trigger that is not where the other list has it is missing there, and
    extra where it is.
    """
    partners = _rising(_partners(expected.time_lsb >> TICK_BITS, found.time_lsb >> TICK_BITS))
    e, f = np.array(partners, np.int64).reshape(-1, 2).T
    differs = (
        (expected.time_lsb[e] != found.time_lsb[f])
        | (expected.flags[e] != found.flags[f])
        | (expected.word[e] != found.word[f])
        | (expected.ids[e] != found.ids[f]).any(axis=(1, 2))
    )
    missing = np.setdiff1d(np.arange(len(expected)), e)
    extra = np.setdiff1d(np.arange(len(found)), f)
    differences = [
        *(Difference(int(i), int(j)) for i, j in zip(e[differs], f[differs], strict=True)),
        *(Difference(int(i), None) for i in missing),
        *(Difference(None, int(j)) for j in extra),
    ]
    return sorted(differences, key=lambda d: _tick(d, expected, found))


def _partners(expected: NDArray[np.int64], found: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pair the indices of equal ticks, first with first, second with second; in the order of `expected`."""
    partners, rest = [], iter(np.argsort(found, kind="stable").tolist())
    j = next(rest, None)
    for i in np.argsort(expected, kind="stable").tolist():
        while j is not None and found[j] < expected[i]:
            j = next(rest, None)
        if j is not None and found[j] == expected[i]:
            partners.append((i, j))
            j = next(rest, None)
    return sorted(partners)


def _rising(partners: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the most of `partners` (rising in the first index) that rise in the second one too.

    The longest increasing subsequence by patience sorting: `ends[n]` is the lowest last index of n + 1 pairs.
    """
    ends: list[int] = []
    length = []
    for _, j in partners:
        n = bisect_left(ends, j)
        ends[n : n + 1] = [j]
        length.append(n)
    kept, wanted = [], len(ends) - 1
    for pair, n in zip(reversed(partners), reversed(length), strict=True):
        if n == wanted:
            kept.append(pair)
            wanted -= 1
    return kept[::-1]


def _tick(difference: Difference, expected: Triggers, found: Triggers) -> int:
    if difference.expected is not None:
        return int(expected.time_lsb[difference.expected]) >> TICK_BITS
    return int(found.time_lsb[difference.found]) >> TICK_BITS


def fields(triggers: Triggers, index: int | None, detectors: Sequence[str]) -> dict[str, int]:
    """Return what trigger number `index` reports, by name; empty for None."""
    if index is None:
        return {}
    values = {
        "fine time": int(triggers.time_lsb[index]) & ((1 << TICK_BITS) - 1),
        "flags": int(triggers.flags[index]),
        "word": int(triggers.word[index]),
    }
    for d, detector in enumerate(detectors):
        for s, slot in enumerate(SLOTS):
            values[f"{detector} {slot}"] = int(triggers.ids[index, s, d])
    return values


def decode(field: str, value: int) -> str:
    """Write the value of one of `fields` as a number and as what its bits say."""
    if field == "fine time":
        return f"{value}"
    if field == "word":
        named = [name for bit, name in WORD_BITS.items() if value & bit]
        rest = value & ~sum(WORD_BITS)
        return f"0x{value:02X} ({' + '.join(named + [f'0x{rest:02X}'] * (rest > 0)) or 'nothing'})"
    what = "mask" if field == "flags" else "bit"
    return f"0x{value:04X} ({_numbered(what, value)})"


def _numbered(what: str, value: int) -> str:
    bits = [str(bit) for bit in range(16) if value >> bit & 1]
    return f"{what}{'s' * (len(bits) > 1)} {', '.join(bits)}" if bits else f"no {what}"


def explain(
    difference: Difference, expected: Triggers, found: Triggers, detectors: Sequence[str]
) -> list[str]:
    """Say in lines of text what a difference is: the trigger, then the fields that differ (or that it has)."""
    tick = _tick(difference, expected, found)
    when = f"timestamp {tick} (frame {tick << TICK_BITS >> FRAME_BITS})"
    wanted = fields(expected, difference.expected, detectors)
    got = fields(found, difference.found, detectors)
    if difference.expected is None:
        behind = np.count_nonzero(expected.time_lsb >> TICK_BITS <= tick)
        head = f"a trigger too many after number {behind} of {len(expected)}: {when}"
    else:
        state = "differs" if difference.kind == "differs" else "is missing"
        head = f"trigger {difference.expected + 1} of {len(expected)} {state}: {when}"
    if difference.kind == "differs":
        wrong = [name for name in wanted if wanted[name] != got[name]]
        return [head] + [
            f"{name}: expected {decode(name, wanted[name])}, found {decode(name, got[name])}"
            for name in wrong
        ]
    present = wanted or got
    shown = [name for name in present if present[name] or name in ("fine time", "flags", "word")]
    return [head] + [f"{name}: {decode(name, present[name])}" for name in shown]
