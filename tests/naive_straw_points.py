"""The slow, obvious twin of the L1 STRAW algorithm, steps 1 to 5: from edges to points. See `naive_straw`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

# Views: 0 = v = (x - y)/√2, 1 = u = (x + y)/√2, 2 = x, 3 = y.
V, U, X, Y = range(4)
N_CHAMBERS, N_VIEWS = 4, 4
PITCH = 17.6
PLANE_OFFSETS = [  # of a view: half-view 0 plane 0, half-view 0 plane 1, then half-view 1
    [-1058.2, -1067.0, -1071.4, -1062.6],
    [-1062.6, -1071.4, -1067.0, -1058.2],
    [-1058.2, -1067.0, -1071.4, -1062.6],
    [-1080.2, -1089.0, -1084.6, -1075.8],
]
CHAMBER_OFFSETS = [  # of a view in the four chambers
    [-0.0538315, 0.2585159, -0.00973369, 0.03975005],
    [0.0857196, 0.0453096, 0.0212925, 0.1124206],
    [-0.1735152, 0.1563879, -0.3323366, -0.02243413],
    [0.0267571, -0.01980598, 0.046397608, -0.02177299],
]
HOLE_MAX = [  # of a chamber in the four views
    [134.2, 134.2, 165.0, 63.8],
    [143.0, 143.0, 178.2, 63.8],
    [129.8, 129.8, 156.2, 63.8],
    [103.4, 103.4, 116.6, 63.8],
]
HOLE_MIN = [
    [6.6, 6.6, 37.4, -63.8],
    [15.4, 15.4, 50.6, -63.8],
    [2.2, 2.2, 28.6, -63.8],
    [-24.2, -24.2, -11.0, -63.8],
]
VIEW_EDGE, STRAW_END = 1052.1112, 1050.0
MAGNET_Z = 197645.0
ZETA = [183508.0 - MAGNET_Z, 194066.0 - MAGNET_Z, 204459.0 - MAGNET_Z, 218885.0 - MAGNET_Z]
ROOT2 = math.sqrt(2.0)

MISSING = -100000.0
MAX_EDGES, MAX_PRECLUSTERS, MAX_CLUSTERS = 1500, 500, 500
MAX_POINTS, MAX_SELECTED = 5000, 2000
MIN_TO_SELECT = 7


class LimitError(Exception):
    """A list of the original is full: it gives the event up."""


def check(count: int, limit: int) -> None:
    if count >= limit:
        raise LimitError


@dataclass
class Hit:
    """The precluster of a straw. first_time is that of the edge that created it."""

    straw: int
    position: float
    first_time: float
    leading: float = MISSING
    trailing: float = MISSING
    radius: float = 0.0
    used: bool = False


@dataclass
class Cluster:
    """mark: 0 is in no point of 3 or 4 views, 1 in one of 4 views, 2 last taken by one of 3 views."""

    coordinate: float
    mark: int = 0


class Point(NamedTuple):
    """distance is how far the view that fits best is from where the other two put it."""

    x: float
    y: float
    n_views: int
    distance: float


# Step 1: preclusters.


def place(straw_id: int) -> tuple[int, int, int, int]:
    """Chamber, view, half-view and straw in its plane."""
    return straw_id // 1952, straw_id // 488 % 4, straw_id // 244 % 2, straw_id % 122


def position(straw_id: int) -> float:
    chamber, view, _, straw = place(straw_id)
    return PITCH * straw + PLANE_OFFSETS[view][straw_id // 122 % 4] + CHAMBER_OFFSETS[view][chamber]


def drift_radius(leading: float) -> float:
    t = leading / 1000.0
    s = t - 0.00807073
    q = 763.831 * s - 58.9754 * s * s
    return max(0.0, -2.29722 + math.sqrt(abs(q)) - 22.5652 * t)


def replace_leading(hit: Hit, time: float) -> None:
    if -10.0 < time < 300.0 and (time < hit.leading or hit.leading <= -10.0):
        hit.leading = time
        # The original takes 1 µs where it means 1 ns.
        hit.radius = drift_radius(time if time >= 1.0 else 1000.0)


def replace_trailing(hit: Hit, time: float) -> None:
    if -100.0 < time < 300.0 and (time > hit.trailing or hit.trailing < -100.0):
        hit.trailing = time


def is_edge(time: float) -> bool:
    return not math.isnan(time) and time != MISSING


def precluster(
    straw_id: Iterable[int], leading: Iterable[float], trailing: Iterable[float]
) -> dict[int, Hit]:
    """One hit a straw; a straw may come again, its edges count in the order they come."""
    hits: dict[int, Hit] = {}
    n_edges = 0
    for straw, up, down in zip(straw_id, leading, trailing, strict=True):
        for time, is_leading in ((up, True), (down, False)):
            if not is_edge(time):
                continue
            n_edges += 1
            check(n_edges, MAX_EDGES)
            if straw in hits:
                (replace_leading if is_leading else replace_trailing)(hits[straw], time)
            elif is_leading:  # whatever edge comes first is stored without a test of its window
                radius = drift_radius(time) if time >= 1.0 else 0.0
                hits[straw] = Hit(straw, position(straw), time, leading=time, radius=radius)
            else:
                hits[straw] = Hit(straw, position(straw), time, trailing=time)
    return hits


HalfViews = dict[tuple[int, int, int], list[Hit]]


def half_views(hits: dict[int, Hit]) -> HalfViews:
    """The hits by chamber, view and half-view, in the order in which the original reads them."""

    def readout_order(hit: Hit) -> tuple[bool, float, int]:
        # The board of the straws from 65 up is read first, each board in the order of time.
        return hit.straw % 122 < 65, hit.first_time, hit.straw

    halves: HalfViews = {(c, v, h): [] for c in range(N_CHAMBERS) for v in range(N_VIEWS) for h in range(2)}
    for hit in sorted(hits.values(), key=readout_order):
        half = halves[place(hit.straw)[:3]]
        half.append(hit)
        check(len(half), MAX_PRECLUSTERS)
    return halves


# Step 2: good hits.


def is_good(hit: Hit) -> bool:
    lead, trail = hit.leading, hit.trailing
    if not 0.0 < lead < 175.0:
        return False
    if trail == MISSING:
        return True
    return 55.0 < trail < 250.0 and lead < 1.35 * trail - 50.0 and lead > 4.8 * trail - 1150.0


# Step 3: clusters of two straws.


def find_partner(hit: Hit, others: Iterable[Hit], low: float, high: float) -> Hit | None:
    """The first free straw beside this one such that the radii add up to low ... high."""
    for other in others:
        near = abs(hit.position - other.position) < 9.0
        if near and not other.used and is_good(other) and low < hit.radius + other.radius < high:
            return other
    return None


def join(hit: Hit, other: Hit) -> Cluster:
    hit.used = other.used = True
    a, b = sorted((hit, other), key=lambda h: h.position)
    return Cluster(((a.position + a.radius) + (b.position - b.radius)) / 2.0)


def cluster_view(halves: tuple[list[Hit], list[Hit]]) -> list[Cluster]:
    """The clusters of a view: of two straws of one half-view, or of one straw of each."""
    clusters: list[Cluster] = []
    for half, other_half in ((0, 1), (1, 0)):
        for j, hit in enumerate(halves[half]):
            if hit.used or not is_good(hit):
                continue
            partner = find_partner(hit, halves[half][j + 1 :], 8.6, 9.0)
            if partner is not None:
                clusters.append(join(hit, partner))
                check(len(clusters), MAX_CLUSTERS)
                for near in halves[other_half]:
                    if abs(near.position - clusters[-1].coordinate) < 5.0:
                        near.used = True
                continue
            # The track is taken to pass between the two wires: the difference of the radii is never tried.
            partner = find_partner(hit, halves[0], 2.9, 5.8) if half == 1 else None
            if partner is not None:
                clusters.append(join(hit, partner))
                check(len(clusters), MAX_CLUSTERS)
    return clusters


# Step 4: points of a chamber.

Views = list[list[Cluster]]


def add_point(points: list[Point], point: Point) -> None:
    points.append(point)
    check(len(points), MAX_POINTS)


def compatible(cluster: Cluster, prediction: float) -> bool:
    return abs(cluster.coordinate - prediction) < 6.0


def four_view_points(views: Views, points: list[Point]) -> None:
    for y in views[Y]:
        for x in views[X]:
            predicted_u = (x.coordinate + y.coordinate) / ROOT2
            predicted_v = (x.coordinate - y.coordinate) / ROOT2
            for u in views[U]:
                if not compatible(u, predicted_u):
                    continue
                distance = abs(u.coordinate - predicted_u)
                for v in views[V]:
                    if compatible(v, predicted_v):
                        # The distance is not set back for the next v.
                        distance = min(distance, abs(v.coordinate - predicted_v))
                        add_point(points, Point(x.coordinate, y.coordinate, 4, distance))
                        for cluster in (v, u, x, y):
                            cluster.mark = 1


def is_third(third: Cluster, prediction: float, first: Cluster, second: Cluster) -> bool:
    """Do the three make a point? If so, they are marked, which may free a cluster of a point of 4 views."""
    clusters = (first, second, third)
    if sum(cluster.mark != 1 for cluster in clusters) < 2 or not compatible(third, prediction):
        return False
    for cluster in clusters:
        cluster.mark = 2
    return True


def three_view_points(views: Views, points: list[Point]) -> None:
    for y in views[Y]:
        for x in views[X]:
            for view, sign in ((U, 1.0), (V, -1.0)):
                predicted = (x.coordinate + sign * y.coordinate) / ROOT2
                for third in views[view]:
                    if is_third(third, predicted, x, y):
                        distance = abs(third.coordinate - predicted)
                        add_point(points, Point(x.coordinate, y.coordinate, 3, distance))
    for v in views[V]:
        for u in views[U]:
            predicted_x = (v.coordinate + u.coordinate) / ROOT2
            predicted_y = (u.coordinate - v.coordinate) / ROOT2
            for x in views[X]:
                if is_third(x, predicted_x, v, u):
                    add_point(points, Point(x.coordinate, predicted_y, 3, abs(x.coordinate - predicted_x)))
            for y in views[Y]:
                if is_third(y, predicted_y, v, u):
                    add_point(points, Point(predicted_x, y.coordinate, 3, abs(y.coordinate - predicted_y)))


def covers(chamber: int, view: int, x: float, y: float) -> bool:
    """Is there a straw of this view at (x, y)?"""
    v, u = (x - y) / ROOT2, (x + y) / ROOT2
    across, along = [(v, u), (u, v), (x, y), (y, x)][view]
    above = HOLE_MAX[chamber][view] < across < VIEW_EDGE
    below = -VIEW_EDGE < across < HOLE_MIN[chamber][view]
    return (above or below) and abs(along) < STRAW_END


FROM_TWO_VIEWS: dict[tuple[int, int], Callable[[float, float], tuple[float, float]]] = {
    (V, U): lambda v, u: ((v + u) / ROOT2, (u - v) / ROOT2),
    (V, X): lambda v, x: (x, x - ROOT2 * v),
    (V, Y): lambda v, y: (ROOT2 * v + y, y),
    (U, X): lambda u, x: (x, ROOT2 * u - x),
    (U, Y): lambda u, y: (ROOT2 * u - y, y),
    (X, Y): lambda x, y: (x, y),
}


def two_view_points(chamber: int, views: Views, points: list[Point]) -> None:
    """Points of two clusters that nothing else took, where only two views have straws."""
    for view1 in (V, U, X):
        for first in views[view1]:
            for view2 in range(view1 + 1, N_VIEWS):
                for second in views[view2]:
                    if first.mark != 0 or second.mark != 0:
                        continue
                    x, y = FROM_TWO_VIEWS[view1, view2](first.coordinate, second.coordinate)
                    if sum(covers(chamber, view, x, y) for view in range(N_VIEWS)) == 2:
                        add_point(points, Point(x, y, 2, 0.0))


def chamber_points(chamber: int, views: Views) -> list[Point]:
    points: list[Point] = []
    four_view_points(views, points)
    three_view_points(views, points)
    two_view_points(chamber, views, points)
    return select(points)


# Step 5: selection of points.


def selection_pass(points: list[Point], coordinate: int, distances: list[float]) -> list[Point]:
    """Thin out points of equally many views that lie in one strip of 4 mm around the first of them.

    coordinate: 0 is x, 1 is y. distances is where the original reads the distance of a worse point.
    """
    selected: list[Point] = []
    used = [False] * len(points)
    for j, point in enumerate(points):
        if used[j]:
            continue
        best = point
        for k in range(j + 1, len(points)):
            other = points[k]
            near = abs(other[coordinate] - point[coordinate]) < 4.0
            if point.n_views == 2 or used[k] or other.n_views != point.n_views or not near:
                continue
            excess = best.distance - other.distance
            if excess > 1.0 and best.distance > 3.0:
                best = other
                used[k] = True
            elif excess < -1.0 and distances[k] > 3.0:
                used[k] = True
        selected.append(best)
        check(len(selected), MAX_SELECTED)
    return selected


def select(points: list[Point]) -> list[Point]:
    if len(points) < MIN_TO_SELECT:
        return points
    # The original looks into the list before the first pass in the second one too.
    distances = [point.distance for point in points]
    selected = selection_pass(points, 1, distances)
    return selection_pass(selected, 0, distances)
