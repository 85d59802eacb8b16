"""Blocks of plain events for tests of the reconstruction: random ones, and their form for the kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from naive_reconstruct import Object, PlainBlock, PlainEvent, Track, in_pad, momentum

from trigger.l1.decision import TRACK_FIELDS
from trigger.l1.events import DETECTORS, DetectorHits, EventHits, Events
from trigger.reconstruct.candidates import Candidates
from trigger.reconstruct.detectors import LKR_MM, MUV3_MM, RICH_FOCAL_MM
from trigger.reconstruct.reconstructor import Objects, Reconstructor
from trigger.reconstruct.tracks import Tracks
from trigger.records import BEAM, CLUSTER, RING, RecordStream

FRAME = 1 << 16
MAGNET = 197645.0
N_FRAMES = 40
FIRST_FRAME = 7
"""Streams begin here; some events are before."""

SINCE = (
    -63,
    -62,
    -61,
    -36,
    -35,
    -26,
    -25,
    -21,
    -20,
    -11,
    -10,
    -1,
    0,
    1,
    10,
    11,
    20,
    21,
    25,
    26,
    35,
    36,
    61,
    62,
)
"""Times since the trigger about the ends of all windows."""

KTAG_IDS = (0, 47, 48, 100, 335, 383, 384, 400, 0x8000, 0x8030)
LAV_IDS = (510, 511, 512, 513, 514, 5630, 5631, 5632, 0x8200, 6144)
SMALL_IDS = (0, 1, 2, 62, 64, 126, 127, 128, 0x8000)


def single(x: float) -> float:
    """Round to what a record of 32 bits holds."""
    return float(np.float32(x))


def random_track(rng: np.random.Generator) -> Track:
    charge = int(rng.choice([-1, 1]))
    p = rng.uniform(4.0, 70.0)
    dx, dy = rng.normal(0.0012, 0.003), rng.normal(0.0, 0.003)
    x, y = rng.normal(114.0, 150.0), rng.normal(0.0, 150.0)
    after = dx - charge * 0.270 / p
    return Track(charge, *(single(v) for v in (dy, y, dx, x, after, x + rng.normal(0.0, 0.2))))


def _since(rng: np.random.Generator) -> int:
    return int(rng.choice(SINCE)) if rng.random() < 0.5 else int(rng.integers(-70, 70))


def random_hits(
    rng: np.random.Generator, time: int, tracks: Sequence[Track]
) -> dict[str, list[tuple[int, int]]]:
    hits = {}
    for name, ids in (("KTAG", KTAG_IDS), ("LAV", LAV_IDS), ("IRCSAC", SMALL_IDS)):
        n = int(rng.integers(0, 20))
        hits[name] = sorted((time + _since(rng), int(i)) for i in rng.choice(ids, n))
    pads = []
    for track in tracks:
        x = track.x_after + track.dx_after * (MUV3_MM - MAGNET) + rng.normal(0.0, 60.0)
        y = track.y + track.dy * (MUV3_MM - MAGNET) + rng.normal(0.0, 60.0)
        for pad in range(152):
            if in_pad(pad, x, y, 0.0) and rng.random() < 0.7:
                pads.append((time + _since(rng), pad + 200 * int(rng.random() < 0.5)))
    pads += [(time + _since(rng), int(rng.integers(0, 360))) for _ in range(int(rng.integers(0, 3)))]
    hits["MUV3"] = sorted(pads)
    return hits


def random_beam(rng: np.random.Generator, time: int) -> list[Object]:
    tracks = []
    for _ in range(int(rng.integers(0, 5))):
        values = {
            "matched": float(rng.random() < 0.3),
            "p_gev": single(rng.normal(75.0, 0.8)),
            "dx_dz": single(rng.normal(0.0012, 1e-4)),
            "dy_dz": single(rng.normal(0.0, 1e-4)),
            "x_mm": single(rng.normal(0.0, 10.0)),
            "y_mm": single(rng.normal(0.0, 5.0)),
        }
        tracks.append(Object(time + _since(rng), values))
    return tracks


def random_clusters(rng: np.random.Generator, time: int, tracks: Sequence[Track]) -> list[Object]:
    places = [(rng.uniform(-900, 900), rng.uniform(-900, 900)) for _ in range(int(rng.integers(0, 5)))]
    for track in tracks:
        for _ in range(int(rng.integers(0, 3))):
            x = track.x_after + track.dx_after * (LKR_MM - MAGNET) + rng.normal(0.0, 40.0)
            places.append((x, track.y + track.dy * (LKR_MM - MAGNET) + rng.normal(0.0, 40.0)))
    return [
        Object(
            time + _since(rng),
            {"energy_gev": single(rng.exponential(8.0)), "x_mm": single(x), "y_mm": single(y)},
        )
        for x, y in places
    ]


def random_rings(rng: np.random.Generator, time: int, tracks: Sequence[Track]) -> list[Object]:
    rings = []
    for track in tracks:
        for _ in range(int(rng.integers(0, 3))):
            x, y = RICH_FOCAL_MM * track.dx_after + rng.normal(0.0, 8.0), RICH_FOCAL_MM * track.dy
            values = {"radius_mm": single(rng.uniform(50.0, 200.0)), "x_mm": single(x), "y_mm": single(y)}
            rings.append(Object(time + _since(rng), values))
    return rings


def random_block(rng: np.random.Generator, n: int) -> PlainBlock:
    """Return events in order of time, a third of them at the border of a frame, and records, some of no event."""
    frames = np.sort(rng.integers(FIRST_FRAME, FIRST_FRAME + N_FRAMES - 1, n))
    inside = np.where(
        rng.random(n) < 1 / 3, rng.choice([0, 1, 30, FRAME - 30, FRAME - 1], n), rng.integers(0, FRAME, n)
    )
    block = PlainBlock([], [], [], [])
    for time in np.sort(frames * FRAME + inside).tolist():
        n_tracks = int(rng.choice([-1, 0, 1, 1, 1, 2, 3, 3, 3, 4, 5, 5, 5, 7]))
        tracks = [random_track(rng) for _ in range(min(max(n_tracks, 0), 5))]
        hits = random_hits(rng, time, tracks)
        block.events.append(PlainEvent(time, tracks, n_tracks, bool(rng.random() < 0.9), hits))
        block.beam.extend(random_beam(rng, time))
        block.clusters.extend(random_clusters(rng, time, tracks))
        block.rings.extend(random_rings(rng, time, tracks))
    first, last = FIRST_FRAME * FRAME, (FIRST_FRAME + N_FRAMES) * FRAME
    for objects in (block.beam, block.clusters, block.rings):
        objects[:] = sorted((o for o in objects if first <= o.time < last), key=lambda o: o.time)
    return block


def stream_of(objects: Sequence[Object], dtype: np.dtype) -> RecordStream:
    records = np.zeros(len(objects), dtype)
    times = np.array([o.time for o in objects], np.int64)
    records["time"] = times % FRAME
    for i, o in enumerate(objects):
        for name, value in o.values.items():
            records[name][i] = value
    offsets = np.searchsorted(times >> 16, np.arange(FIRST_FRAME, FIRST_FRAME + N_FRAMES + 1)).astype(
        np.int64
    )
    return RecordStream(FIRST_FRAME, offsets, records)


def reconstruct(block: PlainBlock, made: Reconstructor | None = None) -> Candidates:
    """Give a block the form of L1's answers and of a file's records, and reconstruct it."""
    lists = []
    for name in DETECTORS:
        of_each = [event.hits.get(name, []) for event in block.events]
        stops = np.cumsum([0, *map(len, of_each)]).astype(np.int64)
        words = np.array([i << 16 | t % FRAME for hits in of_each for t, i in hits], np.uint32)
        lists.append(DetectorHits(words, stops[:-1].copy(), stops[1:].copy()))
    times = np.array([event.time for event in block.events], np.int64)
    events = Events(times, np.zeros(len(times), np.uint8), EventHits(*lists), {})
    rows = [
        (t.charge * 1e3 * np.linalg.norm(momentum(t)), t.dy, t.y, t.dx, t.x, t.dx_after, t.x_after, 0.0, 0.0)
        for event in block.events
        for t in event.tracks
    ]
    tracks = Tracks(
        np.cumsum([0, *(len(event.tracks) for event in block.events)]).astype(np.int64),
        np.array(rows, np.float32).reshape(-1, len(TRACK_FIELDS)),
        np.array([event.n_tracks for event in block.events], np.int16),
    )
    wanted = np.array([event.wanted for event in block.events], np.uint8)
    objects = Objects(
        stream_of(block.beam, BEAM), stream_of(block.clusters, CLUSTER), stream_of(block.rings, RING)
    )
    return (made or Reconstructor()).reconstruct(events, wanted, tracks, objects)
