"""The causes of differences in the words of the two menus."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from streams.compare import Compared, Comparison
from trigger.conditions import Term, read_condition
from trigger.l0.causes import NO_ENTRY, UNMET, Cause

NAMES: Final = ("A", "B")


def describe_causes(
    asked: Comparison, found: Compared, pair: tuple[int, int], level: int, side: int
) -> list[dict[str, Any]]:
    """Say what became, on the other side, of the events that a line has on this side alone.

    pair: the line's rows in A and B. Returns the classes, the largest first: their kind (one of `causes.KINDS`),
    what was the case (`why`), the number of events and their share.
    """
    other = 1 - side
    line = dict(asked.menus[other].rows)[pair[other]]
    terms = {(t.detector.index, t.bit): t for t in read_condition(line.condition, asked.experiment)}
    causes: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for cause, n in found.differences.causes[pair[0], level, side].items():
        causes[cause.kind.replace("_", " "), _why(cause, terms, side)] += n
    total = causes.total()
    ordered = sorted(causes.items(), key=lambda item: (-item[1], item[0]))
    return [{"kind": kind, "why": list(why), "events": n, "share": n / total} for (kind, why), n in ordered]


def _why(cause: Cause, terms: dict[tuple[int, int], Term], side: int) -> tuple[str, ...]:
    """Word a cause; side: the one that has the event."""
    here, there = NAMES[side], NAMES[1 - side]
    if cause.kind != UNMET:
        what = "no entry at this time" if cause.kind == NO_ENTRY else cause.kind.replace("_", " ")
        return (f"{what} in {there}",)
    why = []
    for unmet in cause.unmet:
        term = terms[unmet.detector, unmet.bit]
        if unmet.differs:
            # A veto is not met where its bit is seen, a requirement where it is not.
            why.append(f"{term.word} seen in {there if term.veto else here} only")
        else:
            why.append(f"{term} not met in {there}" if term.veto else f"{term} missing in {there}")
    return tuple(why)
