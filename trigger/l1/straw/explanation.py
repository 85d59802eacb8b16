"""What the compatible search does with one event, step by step, and in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trigger.l1.algorithms import STRAW_BITS
from trigger.l1.straw.clusters import make_pairs
from trigger.l1.straw.comparison import (
    COMPARED_TRACKS,
    HitLists,
    StrawAnswers,
    make_straw_answers,
    search_events,
    take_event,
)
from trigger.l1.straw.compatible import make_compatible
from trigger.l1.straw.geometry import CHAMBERS, VIEWS
from trigger.l1.straw.hits import forget_hits, make_straws, order_hits
from trigger.l1.straw.points import make_points_of
from trigger.l1.straw.selection import select_points
from trigger.l1.straw.tracklets import find_tracks, forget
from trigger.l1.straw.verdict import Cuts

LEAST_CHAMBERS: Final = 3


@dataclass(frozen=True)
class Steps:
    """What an event holds after each step. A step that was not reached, as there was too much, is None.

    clusters: int64[chambers, views v, u, x, y]. made, selected: points, int64[chambers].
    """

    straws: int
    good: int | None = None
    clusters: NDArray[np.int64] | None = None
    made: NDArray[np.int64] | None = None
    selected: NDArray[np.int64] | None = None
    candidates: int | None = None


class Stepper:
    """Takes events apart, in rising order; between them it searches the others, for what they leave behind."""

    def __init__(self, hits: HitLists, memory: bool) -> None:
        self._hits, self._memory = hits, memory
        self._straws, self._scratch = make_straws(), make_compatible()
        self._answers = make_straw_answers(len(hits.first) - 1)
        self._next = 0

    def steps(self, event: int) -> Steps:
        """Return what becomes of an event, which is behind those asked for before."""
        search_events(
            self._hits, self._next, event, self._straws, self._scratch, Cuts(), self._memory, self._answers
        )
        self._next = event + 1
        n = take_event(self._hits, event, self._straws)
        all_straws = int(self._hits.first[event + 1] - self._hits.first[event])
        return Steps(all_straws) if n < 0 else self._taken_apart(n)

    def _taken_apart(self, n: int) -> Steps:
        c = self._scratch
        if not self._memory:
            forget(c.tracklets)
        good = order_hits(self._straws, n, c.hits)
        make_pairs(self._straws, c.hits, c.clusters)
        forget_hits(self._straws, c.hits, good)
        clusters = c.clusters.n.reshape(CHAMBERS, VIEWS).copy()
        if not make_points_of(c.clusters, c.points):
            return Steps(n, good, clusters)
        made = c.points.n.copy()
        if not select_points(c.points, c.copies, c.used):
            return Steps(n, good, clusters, made)
        selected = c.points.n.copy()
        if np.count_nonzero(selected) < LEAST_CHAMBERS:
            return Steps(n, good, clusters, made, selected, 0)
        found = find_tracks(c.points, c.rows, c.tracklets, c.tracks)
        return Steps(n, good, clusters, made, selected, None if found < 0 else found)


def named_bits(verdict: int) -> str:
    """Write a verdict as a number and as the names of its bits."""
    names = [name for name, bit in STRAW_BITS.items() if verdict & bit]
    rest = verdict & ~sum(STRAW_BITS.values())
    return f"0x{verdict:02X} ({' + '.join(names + [f'0x{rest:02X}'] * (rest > 0)) or 'nothing'})"


def explain(steps: Steps, found: StrawAnswers, recorded: StrawAnswers, event: int) -> list[str]:
    """Say in lines of text what the search made of an event, beside what is recorded."""
    lines = [*_stepwise(steps)]
    verdict, n = int(found.verdict[event]), int(found.n_tracks[event])
    wanted, n_wanted = int(recorded.verdict[event]), int(recorded.n_tracks[event])
    lines.append(f"verdict: {named_bits(verdict)}{_recorded(named_bits(wanted), verdict == wanted)}")
    lines.append(f"tracks: {n}{_recorded(str(n_wanted), n == n_wanted)}")
    for k in range(min(max(n, n_wanted), COMPARED_TRACKS)):
        ours = _track(found, event, k) if k < n else "none"
        theirs = _track(recorded, event, k) if k < n_wanted else "none"
        lines.append(f"track {k + 1}: {ours}; recorded {theirs}")
    return lines


def _recorded(theirs: str, same: bool) -> str:
    return ", as recorded" if same else f"; recorded {theirs}"


def _track(answers: StrawAnswers, event: int, k: int) -> str:
    """Write a track; without the units where the charge is not known, as it stands behind one that has them."""
    p, z, charge = answers.p_mev[event, k], answers.z_mm[event, k], answers.charge[event, k]
    if charge == 0.0:
        return f"{p:.6g}, z {z:.6g}"
    return f"{p:.6g} MeV/c, charge {'-' if charge < 0 else '+'}, z {z:.6g} mm"


def _stepwise(steps: Steps) -> Iterator[str]:
    """Yield a line for each step that was reached, and one for where the search gave up."""
    yield f"straws: {steps.straws}" + (f", {steps.good} of them good" if steps.good is not None else "")
    if steps.clusters is not None:
        rows = [" ".join(map(str, row)) for row in steps.clusters.tolist()]
        yield f"clusters by chamber in v u x y: {', '.join(rows)}"
    if steps.made is not None:
        selected = "" if steps.selected is None else f"{_numbers(steps.selected)}, of "
        yield f"points by chamber: {selected}{_numbers(steps.made)} before the selection"
    if steps.candidates is None:
        yield "candidates: too much in it, so accepted unsearched"
    else:
        yield f"candidates: {steps.candidates}"


def _numbers(counts: NDArray[np.int64]) -> str:
    return " ".join(map(str, counts.tolist()))
