"""Running sums of L0 and L1 since the start of a spill, as they travel with each answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class LineLosses:
    """What the lines lose and gain against an ideal processor, see `trigger.l0.losses`.

    ideal: firings of the ideal processor; same_slot: those that are no entry of their own, int64[17]. lost, gained:
    int64[17, 5] by `CAUSES`.
    """

    ideal: Rows
    same_slot: Rows
    lost: Rows
    gained: Rows


@dataclass(frozen=True)
class L0Counts:
    """Running sums of the L0 stage since SOB; per row of the menu (16 masks, then control): int64[17].

    before, after: firings that downscaling saw and kept. same_tick, choke, dead_time: lost before it and behind it.
    account: what became of the reference and control words, by `ACCOUNTS`, of which the last are triggers.
    dispatch: what became of the triggers, by `FATES`. pending: words of the last frame, not settled yet. losses: None
    unless they were asked for.
    """

    before: Rows
    after: Rows
    same_tick: Rows
    choke: Rows
    dead_time: Rows
    account: dict[str, int]
    dispatch: dict[str, int]
    pending: int = 0
    losses: LineLosses | None = None


@dataclass(frozen=True)
class L1Counts:
    """Running sums of L1 since SOB.

    events: triggers that came. fates: int64[5]; lines: int64[16, 9]; failed: int64[n steps of the menu]; notes:
    int64[4]; see `l1.fates` and `l1.conclusion.Tally`. missing: events whose window the hits of each detector do not
    cover.
    """

    events: int
    fates: Rows
    lines: NDArray[np.int64]
    failed: Rows
    notes: Rows
    missing: dict[str, int] = field(default_factory=dict)


ROWS: Final = ("before", "after", "same_tick", "choke", "dead_time")
"""The arrays of L0Counts."""

L1_ARRAYS: Final = ("fates", "lines", "failed", "notes")
L1_NUMBERS: Final = ("events", "missing")
"""The fields of L1Counts."""
