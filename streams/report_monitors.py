"""What the report of a replay says of the beam and the searches."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # They compile kernels, which who only adds reports up does not want.
    from streams.monitors.peaks import Excess, SearchState
    from streams.monitors.watch import Watched

Report = dict[str, Any]


def monitors_report(watched: Watched, spills: int, problem: str) -> Report:
    """Say how the beam was, and what each search has: in the spill, and in all that it goes on from.

    spills: how many these are. problem: why a snapshot was not written.
    """
    return {
        "spill": _beam(watched),
        "spills": spills,
        "problem": problem,
        "searches": [_search(state) for state in watched.searches],
    }


def _beam(watched: Watched) -> Report:
    quality = watched.quality
    beam = quality.beam
    duty = None if beam is None else beam.duty.plateau_5ms
    return {
        "quality": quality.grade,
        "reasons": list(quality.reasons),
        "detector": quality.detector,
        "mean_mhz": quality.mean_mhz,
        "duty_factor": None if duty is None else duty.declustered,
        "duty_factor_error": None if duty is None else duty.error,
        "duty_factor_raw": None if duty is None else duty.raw,
        "effective_s": None if beam is None else beam.effective_s,
        "live": quality.live,
        "gaps": 0 if beam is None else len(beam.gaps),
    }


def _search(state: SearchState) -> Report:
    return {
        "name": state.search.name,
        "title": state.search.title,
        "active": not state.reason,
        "reason": state.reason,
        "channel": state.search.channel is not None,
        "selected": state.spill.selected,
        "selected_all": state.all.selected,
        "kaon_decays": _known(state.kaons),
        "excess": _excess(state.spill.excess),
        "excess_all": _excess(state.all.excess),
        "alarm": state.alarm,
    }


def _excess(excess: Excess | None) -> Report | None:
    return None if excess is None else {name: _known(value) for name, value in vars(excess).items()}


def _known(value: float) -> float | None:
    """Replace what is not finite: JSON has no word for it."""
    return value if math.isfinite(value) else None


def total_monitors(reports: Sequence[Report | None]) -> Report | None:
    """Put those of several spills together: the last one has what is cumulated, the beam is in each."""
    known = [report for report in reports if report is not None]
    if not known:
        return None
    columns = [*zip(*(report["searches"] for report in known), strict=True)]
    selected = [sum(search["selected"] for search in column) for column in columns]
    searches = [
        search | {"selected": n, "excess": None if len(known) > 1 else search["excess"], **_activity(column)}
        for search, n, column in zip(known[-1]["searches"], selected, columns, strict=True)
    ]
    return known[-1] | {
        "searches": searches,
        "spill": known[-1]["spill"] if len(known) == 1 else None,
    }


def _activity(column: Sequence[Report]) -> Report:
    """Of a search in several spills: it is active if it was in one of them; in which it was not, and why."""
    reasons = Counter(search["reason"] for search in column if not search["active"])
    told = [f"{why} in {n} of {len(column)} spills" if n < len(column) else why for why, n in reasons.items()]
    return {"active": any(search["active"] for search in column), "reason": "; ".join(told)}
