"""An event: whether it becomes a candidate, what is measured of it, and what candidates of all kinds have."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from trigger.jit import inline, named
from trigger.l1.events import DetectorHits
from trigger.reconstruct.muons import is_muon
from trigger.reconstruct.rings import find_ring
from trigger.reconstruct.tracks import measure_track
from trigger.reconstruct.vetoes import kaon_sectors, lav_hits, small_angle_hits


class Hits(NamedTuple):
    """Hits of the detectors that are looked at, see `DetectorHits`."""

    ktag: DetectorHits
    lav: DetectorHits
    ircsac: DetectorHits
    muv3: DetectorHits


HITS_T: Final = named(Hits)


@inline
def is_candidate(l1: Any, e: int) -> bool:
    """Whether an event has one track, or three or five whose charges add up to +1 or -1."""
    n = int(l1.n_tracks[e])
    if n not in (1, 3, 5):
        return False
    positive = 0
    for row in range(l1.first_track[e], l1.first_track[e] + n):
        positive += int(l1.tracks[row, 0] > 0.0)
    return n in (2 * positive + 1, 2 * positive - 1)


@inline
def measure_hits(hits: Any, e: int, time_lsb: int, event: Any) -> None:
    """Set the hits of KTAG, LAV, IRC and SAC in time."""
    ktag, lav, small = hits.ktag, hits.lav, hits.ircsac
    event["kaon_sectors"] = kaon_sectors(ktag.words, ktag.begin[e], ktag.end[e], time_lsb)
    event["lav_hits"] = lav_hits(lav.words, lav.begin[e], lav.end[e], time_lsb)
    event["small_angle_hits"] = small_angle_hits(small.words, small.begin[e], small.end[e], time_lsb)


@inline
def measure_tracks(l1: Any, muv3: Any, e: int, time_lsb: int, event: Any, tracks: Any) -> None:
    """Set the tracks of an event as far as hits go."""
    for k in range(event["n_tracks"]):
        track = tracks[k]
        measure_track(l1.tracks, l1.first_track[e] + k, track)
        track["muon"] = int(is_muon(muv3.words, muv3.begin[e], muv3.end[e], time_lsb, track))


@inline
def measure_rings(rings: Any, begin: int, end: int, event: Any, tracks: Any) -> None:
    """Set the rings of an event's tracks from those in time."""
    for k in range(event["n_tracks"]):
        find_ring(rings, begin, end, tracks[k])


@inline
def fill_common(event: Any, vertex: Any, record: Any) -> None:
    """Set the fields of all kinds: those of the event, and its vertex (`vertex.Vertex`)."""
    record["event"], record["beam"] = event["event"], event["beam"]
    record["kaon_sectors"] = event["kaon_sectors"]
    record["lav_hits"], record["small_angle_hits"] = event["lav_hits"], event["small_angle_hits"]
    record["n_photons"], record["photons_gev"] = event["n_photons"], event["photons_gev"]
    record["beam_p_gev"], record["beam_dt_ns"] = event["beam_p_gev"], event["beam_dt_ns"]
    record["x_mm"], record["y_mm"], record["z_mm"], record["cda_mm"] = vertex
