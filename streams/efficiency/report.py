"""Efficiencies of a spill: played piece by piece, as an object that JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from streams.efficiency.asked import Asked
from streams.efficiency.counts import L0_PASS, L1_IN, L1_PASS, L1_UNREAD, Counts, make_counts
from streams.efficiency.matching import WINDOW_NS
from streams.efficiency.sample import Sampler
from streams.spill.reader import SpillReader
from trigger.frames import BLOCK_FRAMES
from trigger.statistics.binomial import ONE_SIGMA, clopper_pearson

Report = dict[str, Any]

PIECE_FRAMES: Final = 2 * BLOCK_FRAMES
"""Frames that are held at once. A frame more on either side costs two blocks of the file, so not just one."""


def count(
    asked: Asked, tell: Callable[[float], None] = lambda _fraction: None, piece: int = PIECE_FRAMES
) -> Counts:
    """Play the spill and count; tell: called with the fraction that is done. piece: frames that are held at once."""
    with SpillReader(asked.spill) as reader:
        cells = reader.optional.intensity_mhz()
        assert cells is not None
        counts = make_counts(len(asked.truth.modes), asked.drawn, cells[0])
        sampler = Sampler(asked, reader)
        n_frames = reader.header.n_frames
        for first in range(0, n_frames, piece):
            stop = min(first + piece, n_frames)
            counts.add(sampler.take(first, stop))
            tell(stop / n_frames)
    return counts


def build_report(asked: Asked, counts: Counts) -> Report:
    """Return the efficiencies as an object: docs/efficiency.md has its fields."""
    mode, row = asked.drawn
    return {
        "file": str(asked.spill),
        "menu": asked.menu.name,
        "truth": asked.truth.kept,
        "level": ONE_SIGMA,
        "window_ns": WINDOW_NS,
        "rows": [_row(asked, counts, m, acceptance, r) for m, acceptance in asked.modes for r in asked.rows],
        "drawn": None if mode is None else _row(asked, counts, mode, dict(asked.modes)[mode], row),
        "against": {name: _bins(asked, counts, name) for name in counts.against},
    }


def _row(asked: Asked, counts: Counts, mode: int, acceptance: str, row: int) -> Report:
    known = asked.truth.modes[mode]
    named = {
        "mode": known["name"],
        "title": known["title"],
        "acceptance": acceptance,
        "line": asked.name_of(row),
    }
    passes = [int(n) for n in counts.passes[:, mode, row]]
    return named | _efficiencies(int(counts.decays[mode]), passes, asked.is_whole(mode), asked.is_judged(row))


def _bins(asked: Asked, counts: Counts, quantity: str) -> list[Report]:
    """Return the efficiencies of the mode and line that are drawn in bins of a quantity."""
    (mode, row), bins = asked.drawn, counts.against[quantity]
    if mode is None:
        return []
    return [
        {"from": float(bins.edges[i]), "to": float(bins.edges[i + 1])}
        | _efficiencies(
            int(bins.decays[i]),
            [int(n) for n in bins.passes[:, i]],
            asked.is_whole(mode),
            asked.is_judged(row),
        )
        for i in range(len(bins.decays))
    ]


def _efficiencies(decays: int, passes: list[int], whole: bool, judged: bool) -> Report:
    """Return counts and efficiencies. whole: the truth has all the decays. judged: L1 looks at the line."""
    l0 = _part("l0", passes[L0_PASS], decays if whole else 0)
    l1 = _part("l1", passes[L1_PASS], passes[L1_IN] if judged else 0)
    looked: Report = {"l1_in": passes[L1_IN], "l1_unread": passes[L1_UNREAD], "l1_pass": passes[L1_PASS]}
    if not judged:
        looked = dict.fromkeys(looked)
    fired = {"decays": decays if whole else None, "l0_pass": passes[L0_PASS]}
    return fired | l0 | looked | l1 | _both(l0, l1, judged)


def _part(name: str, passed: int, total: int) -> Report:
    if not total:
        return {f"{name}_efficiency": None, f"{name}_low": None, f"{name}_high": None}
    low, high = clopper_pearson(passed, total)
    return {f"{name}_efficiency": passed / total, f"{name}_low": low, f"{name}_high": high}


def _both(l0: Report, l1: Report, judged: bool) -> Report:
    """Return the product of both efficiencies, whose errors are those of the factors, added in squares.

    That of L0, if L1 does not look at the line: it accepts it.
    """
    a, b = l0["l0_efficiency"], l1["l1_efficiency"]
    if not judged:
        return {"efficiency": a, "low": l0["l0_low"], "high": l0["l0_high"]}
    if a is None or b is None:
        return {"efficiency": None, "low": None, "high": None}
    down = math.hypot(b * (a - l0["l0_low"]), a * (b - l1["l1_low"]))
    up = math.hypot(b * (l0["l0_high"] - a), a * (l1["l1_high"] - b))
    return {"efficiency": a * b, "low": max(a * b - down, 0.0), "high": min(a * b + up, 1.0)}
