"""The slow, obvious twin of the L1 STRAW algorithm, steps 6 to 9: from points to tracks. See `naive_straw`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from naive_straw_points import MAGNET_Z, N_CHAMBERS, ZETA, Point, check

MAX_TRACKLET, MAX_NEIGHBOURS, MAX_TRACKS = 3000, 50, 4000
CELL_DEPTH = 6
N_SLOPES, N_INTERCEPTS = 160, 200


class Entry(NamedTuple):
    """A point in a Hough cell or a tracklet: its index is kept in 8 bits."""

    chamber: int
    point: int


Tracklet = list[Entry]
Cells = dict[tuple[int, int], list[Entry]]


class Line(NamedTuple):
    """A line by its point in the magnet plane and its slopes, in 32 bits."""

    x: np.float32
    y: np.float32
    mx: np.float32
    my: np.float32


class Vertex(NamedTuple):
    cda: float
    x: float
    y: float
    z: float


@dataclass
class Track:
    """A track, by slopes and intercepts at the magnet plane: y, x before (1) and x behind (2) the magnet."""

    my: float
    qy: float
    m1: float
    q1: float
    m2: float
    q2: float
    points: frozenset[Entry]
    n_central: int
    vertex: Vertex
    used: bool = False

    @property
    def jump(self) -> float:
        return self.q2 - self.q1

    @property
    def bend(self) -> float:
        """Negative for negative charge."""
        return self.m1 - self.m2

    @property
    def momentum(self) -> float:
        return 270.0 / abs(self.bend) if self.bend != 0.0 else math.inf

    @property
    def line(self) -> Line:
        return Line(np.float32(self.q1), np.float32(self.qy), np.float32(self.m1), np.float32(self.my))


BEAM = Line(np.float32(114.0), np.float32(0.0), np.float32(0.0012), np.float32(0.0))


# Step 6: Hough transform in the y-z plane.


def slope(a: int) -> float:
    return (a - 80.05) * 0.0004


def fill_cells(points: list[list[Point]]) -> Cells:
    cells: Cells = {}
    for chamber in range(N_CHAMBERS):
        for i, point in enumerate(points[chamber]):
            for a in range(N_SLOPES):
                q = point.y - slope(a) * ZETA[chamber]
                b = int(q * 200.0 / 3000.0 + 100.0)
                if 1 <= b < N_INTERCEPTS and len(cells.setdefault((a, b), [])) < CELL_DEPTH:
                    cells[a, b].append(Entry(chamber, i % 256))
    return cells


# Step 7: tracklets of a seed.


class Tracklets:
    """The original's array of tracklets. It is never cleared, and what is left in it has consequences."""

    def __init__(self) -> None:
        self.array = [[Entry(0, 0)] * N_CHAMBERS for _ in range(MAX_TRACKLET + 1)]
        self.last = 0

    def grow(self) -> None:
        self.last += 1
        check(self.last, MAX_TRACKLET)

    def central(self, entries: list[Entry], points: list[list[Point]]) -> int:
        """Combine the entries of a cell; returns how many chambers are in the tracklets."""
        self.last = 0
        n = 0
        seen: set[int] = set()
        for entry in entries:
            if entry.chamber in seen:
                self.branch(entry, n, points)
                continue
            for k in range(self.last + 1):
                self.array[k][n] = entry
                # Before k gets to it, the last tracklet still has what an earlier cell or event left here.
                seen.add(self.array[self.last][n].chamber)
            n += 1
        return n

    def branch(self, entry: Entry, n: int, points: list[list[Point]]) -> None:
        """One more point of a chamber: it is compared with that of the last tracklet only."""
        current, following = self.array[self.last], self.array[self.last + 1]
        for at in range(n):
            if current[at].chamber != entry.chamber:
                following[at] = current[at]
                continue
            old, new = (points[e.chamber][e.point].n_views for e in (current[at], entry))
            if new == old:
                following[at] = entry
                self.grow()
            elif new > old:
                current[at] = entry
            return
        self.grow()  # the chamber was seen only in what was left over: a mere copy

    def add_chamber(self, tracklets: list[Tracklet], found: list[Entry], n_central: int) -> list[Tracklet]:
        """Every tracklet with every neighbour: the first is added to all, for each other one all are copied.

        Of a copy only the points from the cell itself get into the array, none of the neighbours does.
        """
        longer = [tracklet + [found[0]] for tracklet in tracklets]
        for entry in found[1:]:
            for tracklet in tracklets:
                self.grow()
                self.array[self.last][:n_central] = tracklet[:n_central]
                longer.append(tracklet + [entry])
        return longer


def neighbours(cells: Cells, a: int, b: int, chamber: int) -> list[Entry]:
    """The points of a chamber in the 3 x 3 cells around (a, b)."""
    found: list[Entry] = []
    for near_a in (a - 1, a, a + 1):
        for near_b in (b - 1, b, b + 1):
            for entry in cells.get((near_a, near_b), []):
                if entry.chamber == chamber and entry not in found:
                    found.append(entry)
                    check(len(found), MAX_NEIGHBOURS)
    return found


def seed_tracklets(
    tracklets: Tracklets, cells: Cells, a: int, b: int, points: list[list[Point]]
) -> tuple[list[Tracklet], int]:
    """The tracklets of a seed with 3 points or more, and how many chambers they have from its own cell."""
    entries = cells[a, b]
    n_central = tracklets.central(entries, points)
    found = [tracklets.array[k][:n_central] for k in range(tracklets.last + 1)]
    if n_central in (2, 3):
        for chamber in range(N_CHAMBERS):
            near = neighbours(cells, a, b, chamber)
            if near and all(entry.chamber != chamber for entry in entries):
                found = tracklets.add_chamber(found, near, n_central)
    return [tracklet for tracklet in found if len(tracklet) >= 3], n_central


# Step 8: fit in x.


def arm(x_a: float, x_b: float, zeta_a: float, zeta_b: float) -> tuple[float, float]:
    """Slope, and intercept at the magnet plane, of the line through two chambers."""
    return (x_b - x_a) / (zeta_b - zeta_a), x_a - zeta_a * (x_b - x_a) / (zeta_b - zeta_a)


def half_arm(x: dict[int, float], chambers: tuple[int, int], q: float) -> float:
    """The slope from the intercept of the other arm to the one chamber that is there."""
    present = chambers[0] if chambers[0] in x else chambers[1]
    return (x[present] - q) / ZETA[present]


def fit_x(x: dict[int, float]) -> tuple[float, float, float, float]:
    """m1, q1, m2, q2 from x by chamber, of which one may be missing."""
    m1 = q1 = m2 = q2 = 0.0
    before, behind = 0 in x and 1 in x, 2 in x and 3 in x
    if before:
        m1, q1 = arm(x[0], x[1], ZETA[0], ZETA[1])
    if behind:
        m2, q2 = arm(x[2], x[3], ZETA[2], ZETA[3])
    if not before:
        q1 = q2
        m1 = half_arm(x, (0, 1), q1)
    if not behind:
        q2 = q1
        m2 = half_arm(x, (2, 3), q2)
    return m1, q1, m2, q2


def with_vertex(track: Track) -> Track:
    track.vertex = closest_approach(BEAM, track.line)
    return track


NO_VERTEX = Vertex(math.nan, math.nan, math.nan, math.nan)


def find_tracks(tracklets: Tracklets, points: list[list[Point]]) -> list[Track]:
    cells = fill_cells(points)
    tracks: list[Track] = []
    for a, b in sorted(cells):
        if len({entry.chamber for entry in cells[a, b]}) < 2:
            continue
        my, qy = slope(a), 15.0 * b - 1500.0  # the lower edge of the bin; y is never fitted again
        found, n_central = seed_tracklets(tracklets, cells, a, b, points)
        for tracklet in found:
            m1, q1, m2, q2 = fit_x({c: points[c][i].x for c, i in tracklet})
            track = Track(my, qy, m1, q1, m2, q2, frozenset(tracklet), n_central, NO_VERTEX)
            if 3000.0 < track.momentum < 100000.0 and my < 0.020 and m1 < 0.020:
                tracks.append(with_vertex(track))
                check(len(tracks), MAX_TRACKS)
    return tracks


# Step 9: closest approach.


def closest_approach(line1: Line, line2: Line) -> Vertex:
    """Where two lines are closest. All is rounded to 32 bits: Δ is a difference of nearly equal numbers."""
    with np.errstate(all="ignore"):  # parallel lines give NaN, with which every comparison fails
        one, two = np.float32(1.0), np.float32(2.0)
        rx, ry = line1.x - line2.x, line1.y - line2.y
        a = (line1.mx * line1.mx + line1.my * line1.my) + one
        b = (line2.mx * line2.mx + line2.my * line2.my) + one
        c = (line1.mx * line2.mx + line1.my * line2.my) + one
        d = rx * line1.mx + ry * line1.my
        e = rx * line2.mx + ry * line2.my
        delta = c * c - a * b
        t1 = (b * d - c * e) / delta
        t2 = (c * d - a * e) / delta
        x1, y1 = line1.x + t1 * line1.mx, line1.y + t1 * line1.my
        x2, y2 = line2.x + t2 * line2.mx, line2.y + t2 * line2.my
        dx, dy, dz = x1 - x2, y1 - y2, t1 - t2
        cda = np.sqrt((dx * dx + dy * dy) + dz * dz)
        z = np.float32(MAGNET_Z) + (t1 + t2) / two
        return Vertex(float(cda), float((x1 + x2) / two), float((y1 + y2) / two), float(z))
