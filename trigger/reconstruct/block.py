"""The candidates of a block of events: one kernel, so that what is measured of an event is never far away."""

from __future__ import annotations

from typing import Any

from numba import from_dtype, types

from trigger.jit import kernel, some
from trigger.reconstruct.beam import choose_beam
from trigger.reconstruct.candidates import FIVE_TRACKS, ONE_TRACK, THREE_TRACKS
from trigger.reconstruct.clusters import share_clusters
from trigger.reconstruct.detectors import BEAM_LSB, LKR_LSB, RICH_LSB
from trigger.reconstruct.event import HITS_T, is_candidate, measure_hits, measure_rings, measure_tracks
from trigger.reconstruct.five_tracks import fill_five_tracks
from trigger.reconstruct.measured import EVENT_T, TRACKS_T
from trigger.reconstruct.one_track import fill_one_track
from trigger.reconstruct.three_tracks import fill_three_tracks
from trigger.reconstruct.tracks import L1_TRACKS_T
from trigger.reconstruct.window import records_within
from trigger.records import BEAM, CLUSTER, RING


@kernel(
    some(types.int64, 3)(
        types.int64[::1],
        types.uint8[::1],
        L1_TRACKS_T,
        HITS_T,
        some(types.int64, 3),
        some(types.int64[::1], 3),
        from_dtype(BEAM)[::1],
        from_dtype(CLUSTER)[::1],
        from_dtype(RING)[::1],
        EVENT_T[::1],
        TRACKS_T,
        types.float64[::1],
        types.int64[::1],
        from_dtype(ONE_TRACK)[::1],
        from_dtype(THREE_TRACKS)[::1],
        from_dtype(FIVE_TRACKS)[::1],
    )
)
def make_candidates(
    times_lsb: Any,
    wanted: Any,
    l1: Any,
    hits: Any,
    first_frames: Any,
    offsets: Any,
    beam: Any,
    clusters: Any,
    rings: Any,
    measured: Any,
    tracks: Any,
    near: Any,
    order: Any,
    one: Any,
    three: Any,
    five: Any,
) -> tuple[int, int, int]:
    """Write the candidates of the events that are wanted to one, three and five; return how many there are of each.

    times_lsb: int64[n]. wanted: uint8[n]. first_frames, offsets: of the streams of beam, clusters and rings.
    measured, tracks, near, order: scratch of 1, 5, 5 and 5. one, three, five: room for n each.
    """
    n_one = n_three = n_five = 0
    event = measured[0]
    for e in range(len(wanted)):
        if not wanted[e] or not is_candidate(l1, e):
            continue
        time = times_lsb[e]
        event["event"], event["n_tracks"] = e, l1.n_tracks[e]
        measure_hits(hits, e, time, event)
        measure_tracks(l1, hits.muv3, e, time, event, tracks)
        begin, end = records_within(beam, offsets[0], first_frames[0], time, BEAM_LSB)
        choose_beam(beam, begin, end, time, event)
        begin, end = records_within(clusters, offsets[1], first_frames[1], time, LKR_LSB)
        share_clusters(clusters, begin, end, event, tracks, near)
        begin, end = records_within(rings, offsets[2], first_frames[2], time, RICH_LSB)
        measure_rings(rings, begin, end, event, tracks)
        if event["n_tracks"] == 1:
            fill_one_track(event, tracks, one[n_one])
            n_one += 1
        elif event["n_tracks"] == 3:
            fill_three_tracks(event, tracks, three[n_three])
            n_three += 1
        else:
            fill_five_tracks(event, tracks, order, five[n_five])
            n_five += 1
    return n_one, n_three, n_five
