"""The tracks of events that are wanted: L1's, and those of events that L1 let pass without a search for tracks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import kernel
from trigger.l1.algorithms import CALL_STRAW
from trigger.l1.decision import ANSWERS_T, MAX_TRACKS, TRACK_FIELDS, Answers, _keep_tracks
from trigger.l1.events import DETECTORS, NOT_READ_OUT, Events
from trigger.l1.straw.refit import REFIT_T, make_refit, search_refit
from trigger.l1.straw.verdict import CUTS_T, Cuts
from trigger.reconstruct.tracks import L1_TRACKS_T, Tracks

_UNSEEN = NOT_READ_OUT | 1 << DETECTORS.index("STRAW")
"""Bits of an event's status: it has no straws, or not all of them."""


@kernel(
    types.int64(
        types.int64[::1],
        types.uint8[::1],
        types.uint8[::1],
        types.uint32[::1],
        types.int64[::1],
        types.int64[::1],
        ANSWERS_T,
        REFIT_T,
        CUTS_T,
        L1_TRACKS_T,
    )
)
def _complete(
    times_lsb: Any,
    status: Any,
    wanted: Any,
    words: Any,
    begin: Any,
    end: Any,
    answers: Any,
    refit: Any,
    cuts: Any,
    out: Any,
) -> int:
    """Write the tracks of the events that are wanted; return in how many of them they were searched here."""
    at = searched = 0
    out.first_track[0] = 0
    for e in range(len(wanted)):
        out.n_tracks[e] = 0
        if wanted[e] and answers.done[e] >> CALL_STRAW & 1:
            out.n_tracks[e] = answers.n_tracks[e]
            for row in range(answers.first_track[e], answers.first_track[e + 1]):
                for column in range(len(TRACK_FIELDS)):
                    out.tracks[at, column] = answers.tracks[row, column]
                at += 1
        elif wanted[e] and not int(status[e]) & _UNSEEN:
            _, found = search_refit(words, begin[e], end[e], times_lsb[e], refit, cuts)
            out.n_tracks[e] = found
            at += _keep_tracks(refit.final, found, at, out.tracks)
            searched += 1
        out.first_track[e + 1] = at
    return searched


class TrackCompleter:
    """Searches the tracks that L1 did not; its memory is used again, so tracks last until the next block."""

    def __init__(self) -> None:
        self._refit, self._cuts = make_refit(), Cuts()
        self._room = Tracks(
            np.zeros(1, np.int64), np.zeros((0, len(TRACK_FIELDS)), np.float32), np.zeros(0, np.int16)
        )

    def complete(self, events: Events, wanted: NDArray[np.uint8], answers: Answers) -> tuple[Tracks, int]:
        """Return the tracks of events that are wanted (uint8[n], not 0), and how many of them were searched here.

        Events whose STRAW was computed keep what it found, with whatever search the menu has. Events that are not
        wanted, or without straws, have no tracks.
        """
        n = len(events)
        if len(self._room.n_tracks) < n:
            self._room = Tracks(
                np.zeros(2 * n + 1, np.int64),
                np.zeros((2 * MAX_TRACKS * n, len(TRACK_FIELDS)), np.float32),
                np.zeros(2 * n, np.int16),
            )
        room, straw = self._room, events.hits.straw
        tracks = Tracks(room.first_track[: n + 1], room.tracks, room.n_tracks[:n])
        searched = _complete(
            events.time_lsb,
            events.status,
            wanted,
            straw.words,
            straw.begin,
            straw.end,
            answers,
            self._refit,
            self._cuts,
            tracks,
        )
        return tracks, searched
