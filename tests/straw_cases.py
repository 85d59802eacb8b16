"""Events of the spectrometer for tests of the track search: recorded ones, simulated tracks, hits at random."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import naive_straw_points as naive
import numpy as np
from numpy.typing import NDArray

from trigger.clock import LSB_NS
from trigger.l1.straw.geometry import N_STRAWS, place_of_id
from trigger.l1.straw.hits import MISSING_NS, Straws

_FOLDERS = (Path(__file__).parents[2] / "shared" / "golden" / "straw", Path(__file__).parent / "golden_straw")
GOLDEN = next(folder for folder in _FOLDERS if folder.is_dir())
"""Recorded events: all of them, or the first 150 of each file."""

FILES = sorted(path.stem for path in GOLDEN.glob("*.npz"))

PLACE = np.array([place_of_id(straw_id) for straw_id in range(N_STRAWS)])

KICK_MEV = 270.0


class Event(NamedTuple):
    """One leading and one trailing time (ns since the trigger) a straw, float32; MISSING_NS for none."""

    straw_id: NDArray[np.int64]
    leading: NDArray[np.float32]
    trailing: NDArray[np.float32]


@dataclass(frozen=True)
class Recorded:
    """Events, what the experiment's code says of them, and what is in them (p signed in the wide files; NaN or 0)."""

    events: list[Event]
    verdict: list[int]
    p_mev: list[NDArray[np.float32]]
    z_mm: list[NDArray[np.float32]]
    n_tracks: list[int]
    true_p_mev: list[list[float]]
    true_z_mm: list[float]


def as_read(straw_id: NDArray[np.int64], leading: NDArray[Any], trailing: NDArray[Any]) -> Event:
    """Order hits by leading time, then straw; a trailing edge that came too early or too late is missing."""
    order = np.lexsort((straw_id, leading))
    late = np.where((trailing > -100) & (trailing < 300), trailing, MISSING_NS)
    return Event(straw_id[order], leading[order].astype(np.float32), late[order].astype(np.float32))


@cache
def recorded(name: str) -> Recorded:
    with np.load(GOLDEN / f"{name}.npz") as file:
        d = {key: file[key] for key in file.files}
    cuts = d["hit_offsets"][1:-1]
    hits = [np.split(d[key], cuts) for key in ("straw_id", "leading_ns", "trailing_ns")]
    shown = np.minimum(d["n_tracks"], 4).tolist()
    return Recorded(
        [as_read(i.astype(np.int64), up, down) for i, up, down in zip(*hits, strict=True)],
        d["verdict"].tolist(),
        [p[:n] for p, n in zip(d["track_p_mev"], shown, strict=True)],
        [z[:n] for z, n in zip(d["track_vertex_z_mm"], shown, strict=True)],
        d["n_tracks"].tolist(),
        [[float(p) for p in row if np.isfinite(p) and p != 0] for row in d["true_p_mev"]],
        d["true_vertex_z_mm"].tolist(),
    )


TRIGGER_LSB = 20_000


def edges_of(event: Event) -> NDArray[np.uint32]:
    """Return the edges of an event as words in order of time, about a trigger at TRIGGER_LSB."""
    times = np.concatenate([event.leading, event.trailing]).astype(np.float64)
    ids = np.concatenate([event.straw_id, event.straw_id | 0x8000])
    there = times != MISSING_NS
    lsb = np.rint(times[there] / LSB_NS).astype(np.int64) + TRIGGER_LSB
    order = np.lexsort((ids[there], lsb))
    words: NDArray[np.uint32] = (ids[there][order] << 16 | lsb[order]).astype(np.uint32)
    return words


def fill(straws: Straws, event: Event) -> int:
    """Give an event the form in which the search wants it; return the number of straws."""
    n = len(event.straw_id)
    straws.place[:n] = PLACE[event.straw_id]
    straws.leading[:n], straws.trailing[:n], straws.late[:n] = event.leading, event.trailing, 0
    straws.number[straws.place[:n]] = np.arange(1, n + 1)
    return n


class Flight(NamedTuple):
    """A line in y, and one with a bend at the magnet in x, by position (mm) there and slopes."""

    x: float
    y: float
    m1: float
    my: float
    m2: float

    def at(self, chamber: int) -> tuple[float, float]:
        zeta = naive.ZETA[chamber]
        return self.x + (self.m1 if zeta < 0 else self.m2) * zeta, self.y + self.my * zeta


def flight(
    p_mev: float, charge: int, z_mm: float, mx: float, my: float, x_mm: float | None = None, y_mm: float = 0.0
) -> Flight:
    """Return the flight of a particle from (x, y, z) on, without x from the beam line."""
    run = naive.MAGNET_Z - z_mm
    x = 114.0 - 0.0012 * run if x_mm is None else x_mm
    return Flight(x + mx * run, y_mm + my * run, mx, my, mx - charge * KICK_MEV / p_mev)


_TIMES_NS = np.linspace(10.0, 174.9, 16491)
_RADII_MM = np.array([naive.drift_radius(t) for t in _TIMES_NS.tolist()])
_REACHED = np.flatnonzero(_RADII_MM > 0)[0] - 1


def drift_ns(radius_mm: float) -> float:
    """Return the leading time whose radius this is."""
    return float(np.interp(radius_mm, _RADII_MM[_REACHED:], _TIMES_NS[_REACHED:]))


def crossed(chamber: int, view: int, x: float, y: float) -> dict[int, float]:
    """Return the straws of a view that a particle at (x, y) crosses, with its distance from the wire."""
    if not naive.covers(chamber, view, x, y):
        return {}
    across = [(x - y) / naive.ROOT2, (x + y) / naive.ROOT2, x, y][view]
    found = {}
    for plane in range(4):
        first = ((chamber * 4 + view) * 4 + plane) * 122
        k = round((across - naive.position(first)) / naive.PITCH)
        distance = abs(across - naive.position(first + k)) if 0 <= k < 122 else 99.0
        if distance < 4.87:
            found[first + k] = distance
    return found


def hits_of(track: Flight, views: set[tuple[int, int]] | None = None) -> dict[int, float]:
    """Return the leading times of the straws that a track crosses, in all or in some (chamber, view)."""
    return {
        straw: drift_ns(distance)
        for chamber in range(4)
        for view in range(4)
        if views is None or (chamber, view) in views
        for straw, distance in crossed(chamber, view, *track.at(chamber)).items()
    }


def event_of(times: dict[int, float], trailing_ns: float = 180.0) -> Event:
    straw_id = np.array([*times], np.int64)
    leading = np.array([*times.values()], np.float32)
    return as_read(straw_id, leading, np.full(len(times), trailing_ns, np.float32))


def random_flight(rng: np.random.Generator) -> Flight:
    """Return a track from the decay volume through some chambers at least."""
    angle, phi = rng.uniform(0.002, 0.012), rng.uniform(0, 2 * np.pi)
    return flight(
        1e3 * float(rng.uniform(4, 90)),
        1 if rng.random() < 0.7 else -1,
        1e3 * float(rng.uniform(105, 180)),
        float(angle * np.cos(phi)) + 0.0012,
        float(angle * np.sin(phi)),
        y_mm=float(rng.normal(0, 10)),
    )


def random_tracks(rng: np.random.Generator, n_tracks: int, n_noise: int) -> Event:
    """Tracks with jitter, 3 % of their straws missing and one in five tracks late, and noise."""
    times: dict[int, float] = {}
    for _ in range(n_tracks):
        late = float(rng.choice([0.0, 0.0, 0.0, 0.0, 30.0]))
        for straw, time in hits_of(random_flight(rng)).items():
            if rng.random() < 0.97:
                times[straw] = min(times.get(straw, 999.0), time + late + float(rng.normal(0, 1)))
    for straw in rng.integers(0, N_STRAWS, n_noise).tolist():
        times.setdefault(straw, float(rng.uniform(-20, 200)))
    trailing = rng.normal(180, 10, len(times)).astype(np.float32)
    trailing[rng.random(len(times)) < 0.1] = MISSING_NS
    event = event_of(times)
    return as_read(event.straw_id, event.leading, trailing)


def random_hits(rng: np.random.Generator, n: int) -> Event:
    """Hits of any straws at any time."""
    straw_id = rng.permutation(N_STRAWS)[:n]
    trailing = rng.uniform(-120, 320, n)
    trailing[rng.random(n) < 0.3] = MISSING_NS
    return as_read(straw_id, rng.uniform(-20, 200, n), trailing)


def dense_hits(rng: np.random.Generator, centres: int, share: float) -> Event:
    """Most straws about a few places in all chambers: clusters share straws, points share clusters."""
    times: dict[int, float] = {}
    for _ in range(centres):
        track = random_flight(rng)
        for chamber in range(4):
            x, y = track.at(chamber)
            for view, across in enumerate([(x - y) / naive.ROOT2, (x + y) / naive.ROOT2, x, y]):
                for plane in range(4):
                    first = ((chamber * 4 + view) * 4 + plane) * 122
                    k = round((across - naive.position(first)) / naive.PITCH)
                    for straw in range(max(k - 1, 0), min(k + 2, 122)):
                        if rng.random() < share:
                            times[first + straw] = float(rng.choice([20.0, 55.0, 100.0, 130.0, 150.0]))
    jitter = rng.normal(0, 3, len(times))
    event = event_of(times)
    return as_read(event.straw_id, event.leading + jitter, event.trailing)
