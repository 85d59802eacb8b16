"""From what L1 leaves of a block of events to its candidates."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trigger.l1.decision import MAX_TRACKS
from trigger.l1.events import Events
from trigger.reconstruct.block import make_candidates
from trigger.reconstruct.candidates import KINDS, Candidates
from trigger.reconstruct.detectors import BEAM_LSB, LKR_LSB, RICH_LSB
from trigger.reconstruct.event import Hits
from trigger.reconstruct.measured import EVENT, TRACK
from trigger.reconstruct.tracks import Tracks
from trigger.records import BEAM, CLUSTER, RING, RecordStream

REACH_LSB: Final = max(BEAM_LSB, LKR_LSB, RICH_LSB)
"""No record is looked at that is farther from a trigger."""


class Objects(NamedTuple):
    """Beam tracks, clusters and rings in the frames that are within REACH_LSB of a block's triggers, or in more."""

    beam: RecordStream
    clusters: RecordStream
    rings: RecordStream

    @classmethod
    def nothing(cls) -> Objects:
        """Return what there is without records."""
        return cls(
            *(RecordStream(0, np.zeros(1, np.int64), np.zeros(0, kind)) for kind in (BEAM, CLUSTER, RING))
        )


class Reconstructor:
    """Makes candidates; its memory is used again, so they last until the next block."""

    def __init__(self) -> None:
        self._measured, self._tracks = np.zeros(1, EVENT), np.zeros(MAX_TRACKS, TRACK)
        self._near, self._order = np.zeros(MAX_TRACKS), np.zeros(MAX_TRACKS, np.int64)
        self._room = Candidates(*(np.zeros(0, kind) for kind in KINDS.values()))

    def reconstruct(
        self, events: Events, wanted: NDArray[np.uint8], tracks: Tracks, objects: Objects
    ) -> Candidates:
        """Return the candidates of events that are wanted (uint8[n], not 0). tracks: of all events of the block."""
        if len(self._room.one_track) < len(events):
            # Pages that no candidate is written to cost nothing.
            self._room = Candidates(*(np.zeros(2 * len(events), kind) for kind in KINDS.values()))
        hits, room = events.hits, self._room
        n_one, n_three, n_five = make_candidates(
            events.time_lsb,
            wanted,
            tracks,
            Hits(hits.ktag, hits.lav, hits.ircsac, hits.muv3),
            tuple(stream.first_frame for stream in objects),
            tuple(stream.offsets for stream in objects),
            objects.beam.records,
            objects.clusters.records,
            objects.rings.records,
            self._measured,
            self._tracks,
            self._near,
            self._order,
            room.one_track,
            room.three_tracks,
            room.five_tracks,
        )
        return Candidates(room.one_track[:n_one], room.three_tracks[:n_three], room.five_tracks[:n_five])
