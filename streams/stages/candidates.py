"""Candidates of the events of a task: reconstructed, and shown to every search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.findings import UNKNOWN_HITS
from streams.stages.hits import HitFile
from streams.work import Found
from trigger.l1.decision import Answers
from trigger.l1.events import Events
from trigger.reconstruct.bypassed import TrackCompleter
from trigger.reconstruct.reconstructor import Objects, Reconstructor
from trigger.searches.catalogue import entries


class CandidateFinder:
    """Finds what the monitors look at; its memory is used again from task to task."""

    def __init__(self) -> None:
        self._completer = TrackCompleter()
        self._reconstructor = Reconstructor()

    def find(self, file: HitFile, events: Events, answers: Answers, wanted: NDArray[np.uint8]) -> Found:
        """Reconstruct the events that may be accepted (uint8[n], not 0); return what searches take of them."""
        times = events.time_lsb
        objects = Objects(*(file.records(kind, times) for kind in ("beam", "clusters", "rings")))
        tracks, _searched = self._completer.complete(events, wanted, answers)
        candidates = self._reconstructor.reconstruct(events, wanted, tracks, objects)
        hits = file.gtk_hits(times)
        gtk_hits = np.where(hits < 0, UNKNOWN_HITS, np.minimum(hits, UNKNOWN_HITS - 1)).astype(np.uint16)
        return Found(*entries(candidates), gtk_hits)
