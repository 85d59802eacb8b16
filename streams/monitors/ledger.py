"""The ledger: what came in, and where it went. in = out + merged + rejected + downscaled + lost(reason)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.exchange import L0Counts, SpillEnd
from trigger.menu import Control, Line, Menu


@dataclass(frozen=True)
class Account:
    """One sum. `came` and `out` are counted at different places, so a sum that closes says something.

    merged: what went on as part of something else that is counted.
    """

    name: str
    came: int
    out: int
    merged: int = 0
    rejected: int = 0
    downscaled: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        """Whether the sum closes."""
        gone = self.merged + self.rejected + self.downscaled + sum(self.lost.values())
        return self.came == self.out + gone

    def as_dict(self) -> dict[str, Any]:
        """Return the account for a report."""
        return {
            "in": self.came,
            "out": self.out,
            "merged": self.merged,
            "rejected": self.rejected,
            "downscaled": self.downscaled,
            "lost": dict(self.lost),
            "closed": self.closed,
        }


def lost_in_transport(end: SpillEnd, counts: L0Counts, triggers_seen: int) -> int:
    """Primitives and triggers that one stage sent and the next did not get."""
    assert end.l0 is not None
    sent, came = end.source.primitives, end.l0.primitives
    primitives = sum(abs(sent.get(name, 0) - came.get(name, 0)) for name in sent.keys() | came.keys())
    return primitives + abs(counts.account["triggers"] - triggers_seen)


def l0_entries(menu: Menu, end: SpillEnd, counts: L0Counts, triggers_seen: int) -> Account:
    """Words of the reference and control detectors as the source counted them, against triggers as they arrived.

    Merged are control words in the slot of a reference word: they share its entry.
    """
    inputs = [menu.l0.reference] + ([menu.control.detector] if menu.control else [])
    a = counts.account
    reasons = ("same_slot", "ignored", "same_tick", "discarded")
    return Account(
        "l0",
        came=sum(end.source.primitives.get(name, 0) for name in inputs),
        out=triggers_seen,
        merged=a["merged"],
        rejected=a["rejected"],
        downscaled=a["downscaled"],
        lost={reason: a[reason] for reason in reasons},
    )


def line_account(row: int, line: Line | Control, counts: L0Counts, after_seen: int) -> Account:
    """Firings of one line, against its flags in the triggers as they arrived.

    What downscaling takes follows from the firings that it saw, not from the counter that it keeps.
    """
    before, same_tick = int(counts.before[row]), int(counts.same_tick[row])
    return Account(
        line.name,
        came=before + same_tick,
        out=after_seen,
        downscaled=before - before // line.downscaling,
        lost={"same_tick": same_tick},
    )
