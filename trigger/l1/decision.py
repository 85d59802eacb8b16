"""The algorithms of a block of events, each computed once an event, and no further than its masks need."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import SingleMatrix, inline, kernel, named
from trigger.l1.algorithms import (
    CALL_CHOD,
    CALL_IRCSAC,
    CALL_KTAG,
    CALL_LAV,
    CALL_MUV3,
    CALL_NEWCHOD,
    CALL_STRAW,
    OPPOSITE,
    TIGHT,
)
from trigger.l1.chod import chod
from trigger.l1.events import HITS_T, NOT_READ_OUT
from trigger.l1.ircsac import ircsac
from trigger.l1.ktag import ktag
from trigger.l1.lav import lav
from trigger.l1.muv3 import multiplicity, opposite, tight
from trigger.l1.newchod import newchod
from trigger.l1.program import PROGRAM_T, REFIT
from trigger.l1.straw.compatible import Compatible, make_compatible, search_compatible
from trigger.l1.straw.edges import TOO_MANY, pair_edges
from trigger.l1.straw.hits import Straws, make_straws
from trigger.l1.straw.refit import Refit, make_refit, search_refit
from trigger.l1.straw.verdict import ALL
from trigger.menu import N_MASKS

MAX_TRACKS: Final = 5
"""Tracks of an event that are kept, in the order of their finding."""

TRACK_FIELDS: Final = (
    "p_mev",
    "dy_dz",
    "y_mm",
    "dx_dz",
    "x_mm",
    "dx_dz_after",
    "x_mm_after",
    "z_mm",
    "cda_mm",
)
"""What is kept of a track: momentum, negative for a negative charge; slopes and positions at the magnet's centre, in
y, then in x in front of the magnet and behind it; closest approach to the beam line."""

OVERFLOW: Final = -1
"""Number of tracks of an event that has too much in it."""


class Answers(NamedTuple):
    """What the algorithms say of each event.

    done, value: uint16[n], bit c if call c was computed, and if its condition is met. verdict: uint8[n], STRAW bits.
    n_tracks: int16[n]. first_track: int64[n + 1]. tracks: float32[:, 9], see TRACK_FIELDS. wanted: uint8[n], 1 if the
    event may be accepted.
    """

    done: NDArray[np.uint16]
    value: NDArray[np.uint16]
    verdict: NDArray[np.uint8]
    n_tracks: NDArray[np.int16]
    first_track: NDArray[np.int64]
    tracks: SingleMatrix
    wanted: NDArray[np.uint8]


class StrawScratch(NamedTuple):
    """Scratch of both searches."""

    straws: Straws
    refit: Refit
    compatible: Compatible


ANSWERS_T: Final = named(Answers)
SCRATCH_T: Final = named(StrawScratch)


def make_answers(n: int) -> Answers:
    """Return room for the answers to `n` events."""
    return Answers(
        np.zeros(n, np.uint16),
        np.zeros(n, np.uint16),
        np.zeros(n, np.uint8),
        np.zeros(n, np.int16),
        np.zeros(n + 1, np.int64),
        np.zeros((MAX_TRACKS * n, len(TRACK_FIELDS)), np.float32),
        np.zeros(n, np.uint8),
    )


def make_scratch() -> StrawScratch:
    """Return empty scratch."""
    return StrawScratch(make_straws(), make_refit(), make_compatible())


@inline
def _simple(program: Any, call: int, hits: Any, e: int, time: int) -> bool:
    """Compute an algorithm other than STRAW."""
    p, half = program, program.half_lsb[call]
    if call == CALL_KTAG:
        h = hits.ktag
        return ktag(h.words, h.begin[e], h.end[e], time, half, p.ktag_sectors)
    if call == CALL_CHOD:
        h = hits.chod
        return chod(h.words, h.begin[e], h.end[e], time, half, p.chod_hits)
    if call == CALL_NEWCHOD:
        h = hits.newchod
        return newchod(h.words, h.begin[e], h.end[e], time, half, p.newchod_pair_lsb, p.newchod_pairs)
    if call == CALL_LAV:
        h = hits.lav
        return lav(h.words, h.begin[e], h.end[e], time, half, p.lav_hits)
    if call == CALL_IRCSAC:
        h = hits.ircsac
        return ircsac(h.words, h.begin[e], h.end[e], time, half, p.ircsac_hits)
    h = hits.muv3
    if call == CALL_MUV3 + TIGHT:
        return tight(h.words, h.begin[e], h.end[e], time, half, p.muv3_tight_lsb)
    if call == CALL_MUV3 + OPPOSITE:
        return opposite(h.words, h.begin[e], h.end[e], time, half, p.muv3_opposite_lsb)
    return multiplicity(h.words, h.begin[e], h.end[e], time, half)


@inline
def _keep_tracks(final: Any, n: int, at: int, tracks: Any) -> int:
    """Keep the first tracks of an event; return how many."""
    kept = min(n, MAX_TRACKS)
    for k in range(kept):
        row = at + k
        charge = 1.0 if final.m1[k] - final.m2[k] >= 0.0 else -1.0
        tracks[row, 0] = charge * final.p[k]
        tracks[row, 1], tracks[row, 2] = final.my[k], final.qy[k]
        tracks[row, 3], tracks[row, 4] = final.m1[k], final.q1[k]
        tracks[row, 5], tracks[row, 6] = final.m2[k], final.q2[k]
        tracks[row, 7], tracks[row, 8] = final.z[k], final.cda[k]
    return max(kept, 0)


@inline
def _straw(program: Any, words: Any, begin: int, end: int, time: int, s: Any, answers: Any, e: int) -> None:
    """Run STRAW; its tracks follow those of the events before."""
    n = pair_edges(words, begin, end, time, s.straws)
    at = answers.first_track[e]
    verdict, found, kept = ALL, OVERFLOW, 0
    if n != TOO_MANY:
        if program.straw_search == REFIT:
            verdict, found = search_refit(s.straws, n, s.refit, program.cuts)
            kept = _keep_tracks(s.refit.final, found, at, answers.tracks)
        else:
            verdict, found = search_compatible(s.straws, n, s.compatible, program.cuts, False)
            kept = _keep_tracks(s.compatible.final, found, at, answers.tracks)
    answers.verdict[e], answers.n_tracks[e] = verdict, found
    answers.first_track[e + 1] = at + kept


@inline
def met(program: Any, step: int, value: int, verdict: int) -> bool:
    """Whether a step's condition is met, as far as its call is computed; a veto's if the call's is not."""
    call, variant = program.call[step], program.variant[step]
    says = (verdict & variant) == variant if call == CALL_STRAW else bool(value >> call & 1)
    return says != bool(program.veto[step])


@inline
def _missing(call: int, status: int) -> bool:
    """Whether the hits of a call's detector do not cover the event's window: its condition is then not met."""
    detector = min(call, CALL_MUV3) if call < CALL_STRAW else CALL_MUV3 + 1
    return bool(status >> detector & 1)


@kernel(
    types.void(PROGRAM_T, HITS_T, types.int64[::1], types.uint8[::1], types.uint16[::1], SCRATCH_T, ANSWERS_T)
)
def run_algorithms(
    program: Any, hits: Any, times_lsb: Any, status: Any, masks: Any, scratch: Any, answers: Any
) -> None:
    """Run the algorithms of the masks of each event, in order, until the first that fails and is no mere flag.

    times_lsb: int64[n]. status: uint8[n], see `events`. masks: uint16[n], those to run.
    """
    answers.first_track[0] = 0
    for e in range(len(times_lsb)):
        done = value = verdict = wanted = 0
        answers.n_tracks[e], answers.verdict[e] = 0, 0
        answers.first_track[e + 1] = answers.first_track[e]
        run = int(masks[e])
        if int(status[e]) & NOT_READ_OUT:
            run = 0
        for mask in range(N_MASKS):
            if not run >> mask & 1:
                continue
            passed = True
            for step in range(program.first[mask], program.first[mask + 1]):
                call = program.call[step]
                if not done >> call & 1:
                    done |= 1 << call
                    if _missing(call, int(status[e])):
                        pass
                    elif call == CALL_STRAW:
                        h = hits.straw
                        _straw(program, h.words, h.begin[e], h.end[e], times_lsb[e], scratch, answers, e)
                        verdict = int(answers.verdict[e])
                        value |= int(verdict != 0) << CALL_STRAW
                    else:
                        value |= int(_simple(program, call, hits, e, times_lsb[e])) << call
                if not met(program, step, value, verdict) and not program.flag[step]:
                    passed = False
                    break
            wanted |= int(passed)
        answers.done[e], answers.value[e], answers.wanted[e] = done, value, wanted
