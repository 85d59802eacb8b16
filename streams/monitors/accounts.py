"""The accounts of a spill, when it is over: what each stage and each line did with what came to it."""

from __future__ import annotations

from collections.abc import Mapping

from streams.counts import L1Counts
from streams.ledger import Account, entry_detectors
from streams.monitors.rates import Snapshot
from trigger.l0.fates import CAUSES
from trigger.l1.fates import FATES, LINE_FATES
from trigger.menu import Control, Line, Menu


def spill_accounts(now: Snapshot, menu: Menu, partly: bool = False) -> dict[str, Account]:
    """Settle a spill: each stage's account, then those of the lines.

    source: primitives of the file, against those that L0 received. l0: words of the reference and control detectors
    as the source sent them, against triggers as L0 dispatched them. monitor: triggers that L0 dispatched, against
    those that arrived. l1: triggers that L0 dispatched, against what became of them. Of a line: its firings, against
    its flags in the triggers as they arrived; and these against its L1. partly: some of the spill is not played, or
    not yet.
    """
    source, l0 = now.stages["source"], now.stages["l0"]
    sent = sum(source.primitives.values())
    return {
        "source": Account(
            came=sum(now.start.primitives.values()),
            out=sum(l0.primitives.values()),
            lost={
                "not_played": sum(now.start.primitives.values()) - sent if partly else 0,
                "in_transport": transport_loss(source.primitives, l0.primitives),
            },
        ),
        "l0": _entries(now, menu, partly),
        "monitor": Account(
            came=now.counts.dispatch["dispatched"],
            out=now.triggers_seen,
            lost={"in_transport": max(now.counts.dispatch["dispatched"] - now.triggers_seen, 0)},
        ),
        **({} if now.l1 is None else _l1_accounts(now, now.l1, menu, partly)),
        **{line.name: _line(row, line, now) for row, line in menu.rows},
    }


def _l1_accounts(now: Snapshot, l1: L1Counts, menu: Menu, partly: bool) -> dict[str, Account]:
    """Settle L1: the triggers that L0 dispatched against what became of them, and each line's against its steps.

    What is behind L0 but not concluded is pending while the spill is not over.
    """
    fates = dict(zip(FATES, l1.fates.tolist(), strict=True))
    lost = {name: fates[name] for name in ("reduced", "not_read_out")}
    concluded = sum(fates.values())
    if partly:
        lost["pending"] = now.counts.dispatch["dispatched"] - concluded
    accounts = {
        "l1": Account(
            now.counts.dispatch["dispatched"],
            fates["accepted"],
            rejected=fates["rejected"],
            downscaled=fates["downscaled"],
            lost=lost,
        )
    }
    first = 0
    for row, line in enumerate(menu.line):
        n = dict(zip(LINE_FATES, l1.lines[row].tolist(), strict=True))
        failed = int(l1.failed[first : first + len(line.l1)].sum())
        first += len(line.l1)
        accounts[f"{line.name} L1"] = Account(
            n["input"] if partly else int(now.seen[row]),
            n["kept"],
            rejected=failed,
            downscaled=n["step_downscaled"] + n["downscaled"],
            lost={name: n[name] for name in ("reduced", "bypassed", "not_read_out", "flagged")},
        )
    return accounts


def transport_loss(sent: Mapping[str, int], came: Mapping[str, int]) -> int:
    """Primitives that one stage sent and the next did not get."""
    return sum(max(sent[name] - came.get(name, 0), 0) for name in sent)


def _entries(now: Snapshot, menu: Menu, partly: bool) -> Account:
    """Merged are control words in the slot of a reference word: they share its entry."""
    a, dispatch = now.counts.account, now.counts.dispatch
    sent = now.stages["source"].primitives
    lost = {reason: a[reason] for reason in ("same_slot", "ignored", "same_tick", "discarded")}
    if partly:
        lost["pending"] = now.counts.pending
    return Account(
        came=sum(sent.get(name, 0) for name in entry_detectors(menu)),
        out=dispatch["dispatched"],
        merged=a["merged"],
        rejected=a["rejected"],
        downscaled=a["downscaled"],
        lost=lost | {reason: dispatch[reason] for reason in ("choke", "dead_time")},
    )


def _line(row: int, line: Line | Control, now: Snapshot) -> Account:
    """What downscaling takes follows from the firings that it saw and where its counter began.

    With losses, what came are the firings of an ideal processor.
    """
    counts = now.counts
    before = int(counts.before[row])
    begun = now.start.counters.get(line.name, 0)
    lost = {name: int(getattr(counts, name)[row]) for name in ("same_tick", "choke", "dead_time")}
    came, gained = before + lost["same_tick"], 0
    if counts.losses is not None:
        losses = counts.losses
        causes = dict(zip(CAUSES, losses.lost[row].tolist(), strict=True))
        lost = {"same_slot": int(losses.same_slot[row]), **causes, **lost}
        came, gained = int(losses.ideal[row]), int(losses.gained[row].sum())
    return Account(
        came=came,
        out=int(now.seen[row]),
        downscaled=before - (begun + before) // line.downscaling,
        gained=gained,
        lost=lost,
    )
