"""The compatible search over a block of events, and its answers beside those of the experiment's code."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import Matrix, kernel, named
from trigger.l1.straw.compatible import COMPATIBLE_T, make_compatible, search_compatible
from trigger.l1.straw.hits import MAX_EDGES, STRAWS_T, make_straws
from trigger.l1.straw.verdict import ALL, CUTS_T, Cuts

COMPARED_TRACKS: Final = 4
"""Tracks of an event that are recorded."""

ROUNDING: Final = 1e-5
"""Relative difference of two momenta that are the same: the recorded ones have six digits and come from slopes in
32-bit floats, so that not the last digit but the difference is to be judged. Tracks of other points differ by 3e-4 or
more."""

EDGES_OF_STRAW: Final = 2


class HitLists(NamedTuple):
    """Straws of a block of events, each in the order of its reading: of event e, those from first[e] to first[e + 1].

    first: int64[n + 1]. place: see `geometry`, int64. leading, trailing: ns since the trigger, float32; see `Straws`.
    """

    first: NDArray[np.int64]
    place: NDArray[np.int64]
    leading: NDArray[np.float32]
    trailing: NDArray[np.float32]


class StrawAnswers(NamedTuple):
    """Answers of a search to a block of events.

    verdict, n_tracks: int64[n]; an event with too much in it has no tracks. p_mev, z_mm, charge: float64[n, 4] of its
    first tracks, NaN where there are fewer; charge is 1 or -1, or 0 if it is not known.
    """

    verdict: NDArray[np.int64]
    n_tracks: NDArray[np.int64]
    p_mev: Matrix
    z_mm: Matrix
    charge: Matrix


LISTS_T: Final = named(HitLists)
STRAW_ANSWERS_T: Final = named(StrawAnswers)


def make_straw_answers(n: int) -> StrawAnswers:
    """Return room for the answers to `n` events."""
    tracks = [np.full((n, COMPARED_TRACKS), np.nan) for _ in range(3)]
    return StrawAnswers(np.zeros(n, np.int64), np.zeros(n, np.int64), *tracks)


@kernel(types.int64(LISTS_T, types.int64, STRAWS_T))
def take_event(hits: Any, e: int, straws: Any) -> int:
    """Write the straws of an event as `pair_edges` would; return their number, -1 if it has too many edges."""
    begin = hits.first[e]
    n = int(hits.first[e + 1] - begin)
    if EDGES_OF_STRAW * n >= MAX_EDGES:
        return -1
    for i in range(n):
        straws.place[i] = hits.place[begin + i]
        straws.leading[i], straws.trailing[i] = hits.leading[begin + i], hits.trailing[begin + i]
        straws.late[i] = 0
    return n


@kernel(
    types.void(
        LISTS_T, types.int64, types.int64, STRAWS_T, COMPATIBLE_T, CUTS_T, types.boolean, STRAW_ANSWERS_T
    )
)
def search_events(
    hits: Any, begin: int, end: int, straws: Any, scratch: Any, cuts: Any, memory: bool, answers: Any
) -> None:
    """Search the tracks of events from `begin` to `end` in their order; write the answers at the same places."""
    for e in range(begin, end):
        n = take_event(hits, e, straws)
        verdict, found = ALL, 0
        if n >= 0:
            verdict, found = search_compatible(straws, n, scratch, cuts, memory)
        answers.verdict[e], answers.n_tracks[e] = verdict, max(found, 0)
        final = scratch.final
        for k in range(min(max(found, 0), COMPARED_TRACKS)):
            answers.p_mev[e, k], answers.z_mm[e, k] = final.p[k], final.z[k]
            answers.charge[e, k] = 1.0 if final.m1[k] - final.m2[k] >= 0.0 else -1.0


def answer_events(hits: HitLists, memory: bool = True) -> StrawAnswers:
    """Return the answers of the compatible search; memory: whether events may change the answers to later ones."""
    n = len(hits.first) - 1
    answers = make_straw_answers(n)
    search_events(hits, 0, n, make_straws(), make_compatible(), Cuts(), memory, answers)
    return answers


def same_verdicts(found: StrawAnswers, recorded: StrawAnswers) -> NDArray[np.bool_]:
    """Return of which events the verdicts are the same: bool[n]."""
    return np.equal(found.verdict, recorded.verdict)


def same_answers(found: StrawAnswers, recorded: StrawAnswers) -> NDArray[np.bool_]:
    """Return of which events verdict, number of tracks and the first four momenta are the same: bool[n]."""
    there = np.arange(COMPARED_TRACKS) < recorded.n_tracks[:, None]
    momenta = np.isclose(found.p_mev, recorded.p_mev, rtol=ROUNDING, atol=0.0)
    same: NDArray[np.bool_] = np.all(momenta | ~there, axis=1)
    same[(found.verdict != recorded.verdict) | (found.n_tracks != recorded.n_tracks)] = False
    return same
