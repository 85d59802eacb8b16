"""From edges to points: each stage of the track search against its slow twin, and its exact limits."""

from __future__ import annotations

from itertools import product

import naive_straw_points as naive
import numpy as np
import pytest
import straw_cases
from conftest import NO_JIT
from hypothesis import given, settings
from hypothesis import strategies as st
from straw_cases import Event

from trigger.clock import LSB_NS
from trigger.l1.straw.clusters import ROOM, Clusters, make_clusters, make_pairs
from trigger.l1.straw.edges import TOO_MANY, pair_edges
from trigger.l1.straw.geometry import N_STRAWS
from trigger.l1.straw.hits import MISSING_NS, Hits, Straws, forget_hits, make_hits, make_straws, order_hits
from trigger.l1.straw.points import MAX_POINTS, Points, make_points, make_points_of
from trigger.l1.straw.selection import make_copies, select_points
from trigger.l1.window import TRAILING

checked = settings(deadline=None, derandomize=True, max_examples=50 if NO_JIT else 150)
seeds = st.integers(0, 2**32)

STRAW_OF_PLACE = {int(place): straw_id for straw_id, place in enumerate(straw_cases.PLACE)}

Edge = tuple[int, int, bool]
"""A straw's ID, time in LSB since the trigger, whether it is a trailing one."""


def ordered(event: Event) -> tuple[Straws, Hits, int]:
    straws, hits = make_straws(), make_hits()
    n = straw_cases.fill(straws, event)
    return straws, hits, order_hits(straws, n, hits)


def event(*times: tuple[float, float]) -> Event:
    """Straws 0, 1, 2, ... with leading and trailing times, in that order."""
    leading, trailing = np.array(times, np.float32).T
    return Event(np.arange(len(times)), leading, trailing)


def just(value: float, towards: float) -> float:
    """Return the next 32-bit float."""
    return float(np.nextafter(np.float32(value), np.float32(towards)))


def good(leading: float, trailing: float) -> bool:
    _, hits, _ = ordered(event((leading, trailing)))
    assert naive.is_good(naive.Hit(0, 0.0, leading, leading, trailing)) == hits.good[0]
    return bool(hits.good[0])


@pytest.mark.parametrize("trailing", [float(MISSING_NS), 120.0, 180.0])
def test_a_good_leading_edge_is_later_than_0_ns(trailing: float) -> None:
    assert not good(0.0, trailing)
    assert not good(-1.0, trailing)
    assert good(just(0, 1), trailing)


def test_a_good_leading_edge_is_earlier_than_175_ns() -> None:
    for trailing in (float(MISSING_NS), 200.0):
        assert good(just(175, 0), trailing)
        assert not good(175.0, trailing)


def test_a_good_trailing_edge_is_later_than_55_and_earlier_than_250_ns() -> None:
    assert not good(1.0, 55.0)
    assert good(1.0, just(55, 60))
    assert not good(60.0, 250.0)
    assert good(60.0, just(250, 0))


def test_a_good_hit_lies_between_two_lines_of_leading_against_trailing_time() -> None:
    """Leading 1.35 x 100 - 50 = 85 and 4.8 x 245 - 1150 = 26 ns."""
    assert not good(85.0, 100.0)
    assert good(just(85, 0), 100.0)
    assert not good(26.0, 245.0)
    assert good(just(26, 50), 245.0)


def test_a_hit_without_leading_edge_is_never_good() -> None:
    assert not good(float(MISSING_NS), 180.0)
    assert not good(float(MISSING_NS), float(MISSING_NS))


def radii(leading: list[float], late: int) -> list[float]:
    straws, hits = make_straws(), make_hits()
    n = straw_cases.fill(straws, event(*((t, 180.0) for t in leading)))
    straws.late[:n] = late
    order_hits(straws, n, hits)
    found: list[float] = hits.all_radius[:n].tolist()
    return found


@pytest.mark.parametrize("late", [0, 1])
def test_the_radius_is_that_of_the_drift_time_from_1_ns_on(late: int) -> None:
    times = np.linspace(1, 175, 1000, dtype=np.float32).tolist()
    assert radii(times, late) == [naive.drift_radius(t) for t in times]
    assert min(radii(times, late)) == 0
    assert max(radii(times, late)) == pytest.approx(4.97, abs=0.05)


def test_below_1_ns_a_track_is_on_the_wire_but_1_588_mm_away_if_another_edge_was_there_before() -> None:
    early = [just(1, 0), 0.0, -9.0, -400.0, float(MISSING_NS)]
    assert radii(early, 0) == [0.0] * 5
    assert radii(early, 1) == pytest.approx([1.588] * 5, abs=5e-4)
    assert len({*radii(early, 1)}) == 1


@checked
@given(seeds, st.integers(0, 700))
def test_good_hits_come_in_the_order_of_reading(seed: int, n: int) -> None:
    found = straw_cases.random_hits(np.random.default_rng(seed), n)
    straws, hits, n_good = ordered(found)
    halves = naive.half_views(naive.precluster(*(a.tolist() for a in found)))
    places = [STRAW_OF_PLACE[p] for p in hits.place[:n_good].tolist()]
    for (chamber, view, half), expected in halves.items():
        here = [k for k, i in enumerate(places) if naive.place(i)[:3] == (chamber, view, half)]
        kept = [hit for hit in expected if naive.is_good(hit)]
        assert [places[k] for k in here] == [hit.straw for hit in kept]
        assert hits.radius[here].tolist() == [hit.radius for hit in kept]
    forget_hits(straws, hits, n_good)
    assert not straws.number.any()


def words_of(edges: list[Edge], trigger_lsb: int) -> np.ndarray:
    words = [
        (straw | (TRAILING if trailing else 0)) << 16 | (trigger_lsb + dt & 0xFFFF)
        for straw, dt, trailing in edges
    ]
    return np.array(words, np.uint32)


Paired = list[tuple[int, float, float, float]]
"""Straw's ID, leading and trailing time, radius."""


def paired(edges: list[Edge], trigger_lsb: int) -> Paired:
    straws, hits = make_straws(), make_hits()
    words = np.concatenate([np.full(3, 77, np.uint32), words_of(edges, trigger_lsb), np.zeros(2, np.uint32)])
    n = pair_edges(words, 3, 3 + len(edges), trigger_lsb, straws)
    ids = [STRAW_OF_PLACE[p] for p in straws.place[:n].tolist()]
    assert straws.number[straws.place[:n]].tolist() == [*range(1, n + 1)]
    times = straws.leading[:n].tolist(), straws.trailing[:n].tolist()
    order_hits(straws, n, hits)
    return [*zip(ids, *times, hits.all_radius[:n].tolist(), strict=True)]


def naive_paired(edges: list[Edge]) -> Paired:
    """Each edge on its own is a row of the twin's."""
    none = float(MISSING_NS)
    known = [e for e in edges if e[0] < N_STRAWS]
    times = [float(np.float32(dt * LSB_NS)) for _, dt, _ in known]
    up = [none if e[2] else t for e, t in zip(known, times, strict=True)]
    down = [t if e[2] else none for e, t in zip(known, times, strict=True)]
    hits = naive.precluster([e[0] for e in known], up, down)
    return [(hit.straw, hit.leading, hit.trailing, hit.radius) for hit in hits.values()]


TIMES_LSB = [-32768, -1027, -1026, -103, -102, -1, 0, 10, 11, 500, 3078, 3079, 32767]
"""On both sides of -100, -10, 0, 1 and 300 ns."""

some_straws = st.sampled_from([0, 121, 122, 4000, N_STRAWS - 1, N_STRAWS, 0x7FFF])
some_times = st.sampled_from(TIMES_LSB) | st.integers(-1100, 3200)
edges = st.lists(st.tuples(some_straws, some_times, st.booleans()), max_size=20)


@checked
@given(edges, st.integers(0, 2**40))
def test_edges_make_straws_as_the_twin_says(found: list[Edge], trigger_lsb: int) -> None:
    """Also if an edge comes twice, the trailing one first, or 16 bits of time turn over in between."""
    assert paired(found, trigger_lsb) == naive_paired(found)


@pytest.mark.parametrize("first_trails", [False, True])
@pytest.mark.parametrize("then_trails", [False, True])
def test_two_edges_of_a_straw_at_any_times_make_one_as_the_twin_says(
    first_trails: bool, then_trails: bool
) -> None:
    """A straw for each pair of times."""
    pairs = [*product(TIMES_LSB, TIMES_LSB)]
    found = [(straw, first, first_trails) for straw, (first, _) in enumerate(pairs)]
    found += [(straw, then, then_trails) for straw, (_, then) in enumerate(pairs)]
    assert paired(found, 0x1234) == naive_paired(found)


def test_the_first_edge_is_kept_whenever_it_came_and_a_later_one_takes_its_place_only_in_time() -> None:
    ns = 1 / LSB_NS
    early, late, best = round(-2000 * ns), round(2000 * ns), round(50 * ns)
    for first in (early, late):
        assert paired([(5, first, False)], 0)[0][1] == pytest.approx(first * LSB_NS)
        assert paired([(5, first, False), (5, best, False)], 9)[0][1] == pytest.approx(50, abs=0.1)
    assert paired([(5, best, False), (5, late, False)], 0)[0][1] == pytest.approx(50, abs=0.1)
    assert paired([(5, best, False), (5, early, False)], 0)[0][1] == pytest.approx(50, abs=0.1)


def test_1500_edges_are_too_many() -> None:
    found = [(i, i, False) for i in range(1500)]
    assert len(paired(found[:-1], 0)) == 1499
    assert pair_edges(words_of(found, 0), 0, 1500, 0, make_straws()) == TOO_MANY


def clusters_of(found: Event) -> Clusters:
    straws, hits, _ = ordered(found)
    clusters = make_clusters()
    make_pairs(straws, hits, clusters)
    return clusters


def assert_same_clusters(found: Event) -> int:
    clusters = clusters_of(found)
    halves = naive.half_views(naive.precluster(*(a.tolist() for a in found)))
    total = 0
    for chamber in range(4):
        for view in range(4):
            expected = naive.cluster_view((halves[chamber, view, 0], halves[chamber, view, 1]))
            w = 4 * chamber + view
            first = w * ROOM
            assert clusters.mm[first : first + clusters.n[w]].tolist() == [c.coordinate for c in expected]
            assert not clusters.mark[first : first + clusters.n[w]].any()
            total += len(expected)
    return total


@checked
@given(seeds, st.integers(0, 749))
def test_random_hits_make_the_clusters_of_the_twin(seed: int, n: int) -> None:
    assert_same_clusters(straw_cases.random_hits(np.random.default_rng(seed), n))


@checked
@given(seeds, st.integers(1, 3), st.floats(0.3, 1))
def test_dense_hits_make_the_clusters_of_the_twin(seed: int, centres: int, share: float) -> None:
    assert_same_clusters(straw_cases.dense_hits(np.random.default_rng(seed), centres, share))


def test_a_track_without_jitter_makes_a_cluster_where_it_is_in_each_view() -> None:
    track = straw_cases.flight(30e3, 1, 130e3, 4e-3, 6e-3)
    clusters = clusters_of(straw_cases.event_of(straw_cases.hits_of(track)))
    assert clusters.n.tolist() == [1] * 16
    for chamber in range(4):
        x, y = track.at(chamber)
        for view, across in enumerate([(x - y) / 2**0.5, (x + y) / 2**0.5, x, y]):
            assert clusters.mm[(4 * chamber + view) * ROOM] == pytest.approx(across, abs=1e-3)


def random_views(rng: np.random.Generator, chamber: int, most: int) -> naive.Views:
    """Clusters of places in a chamber, a few mm off, some missing, some that belong to nothing."""
    views: naive.Views = [[] for _ in range(4)]
    for _ in range(int(rng.integers(0, most + 1))):
        x, y = rng.uniform(-200, 400), rng.uniform(-200, 200)
        if rng.random() < 0.5:
            x, y = rng.uniform(-1100, 1100, 2)
        for view, across in enumerate([(x - y) / naive.ROOT2, (x + y) / naive.ROOT2, x, y]):
            if naive.covers(chamber, view, x, y):
                near = across + rng.normal(0, 3, rng.choice([0, 1, 1, 1, 2]))
                views[view] += [naive.Cluster(float(c)) for c in near]
    for view in range(4):
        views[view] += [naive.Cluster(float(c)) for c in rng.uniform(-1050, 1050, rng.integers(0, 3))]
    return views


def fill_clusters(clusters: Clusters, chambers: list[naive.Views]) -> None:
    for w, view in enumerate(view for views in chambers for view in views):
        clusters.n[w] = len(view)
        clusters.mm[w * ROOM : w * ROOM + len(view)] = [c.coordinate for c in view]
        clusters.mark[w * ROOM : w * ROOM + len(view)] = 0


def points_in(points: Points, chamber: int) -> list[naive.Point]:
    here = slice(chamber * MAX_POINTS, chamber * MAX_POINTS + points.n[chamber])
    fields = points.x[here], points.y[here], points.views[here], points.distance[here]
    return [naive.Point(*values) for values in zip(*(f.tolist() for f in fields), strict=True)]


@checked
@given(seeds, st.integers(1, 8))
def test_clusters_make_the_points_of_the_twin_in_its_order(seed: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    chambers = [random_views(rng, chamber, most) for chamber in range(4)]
    clusters, points = make_clusters(), make_points()
    fill_clusters(clusters, chambers)
    assert make_points_of(clusters, points)
    for chamber, views in enumerate(chambers):
        expected: list[naive.Point] = []
        naive.four_view_points(views, expected)
        naive.three_view_points(views, expected)
        naive.two_view_points(chamber, views, expected)
        assert points_in(points, chamber) == expected


@pytest.mark.parametrize(("counts", "room"), [((17, 7, 7, 6), True), ((10, 10, 10, 5), False)])
def test_5000_points_in_a_chamber_are_too_many(counts: tuple[int, ...], room: bool) -> None:
    """All clusters of a chamber at 0 mm, 4998 and 5000 combinations."""
    clusters, points = make_clusters(), make_points()
    views = [[naive.Cluster(0.0) for _ in range(n)] for n in counts]
    nothing: naive.Views = [[], [], [], []]
    fill_clusters(clusters, [nothing, views, nothing, nothing])
    assert make_points_of(clusters, points) == room


def selected(chambers: list[list[naive.Point]]) -> Points:
    points = make_points()
    for chamber, here in enumerate(chambers):
        points.n[chamber] = len(here)
        for k, point in enumerate(here, chamber * MAX_POINTS):
            points.x[k], points.y[k], points.views[k], points.distance[k] = point
    assert select_points(points, make_copies(), np.zeros(MAX_POINTS, np.uint8))
    return points


@checked
@given(seeds, st.integers(5, 60), st.sampled_from([3.0, 10.0, 100.0]))
def test_the_selection_keeps_the_points_of_the_twin(seed: int, most: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    chambers = [
        [naive.Point(x, y, int(rng.integers(2, 5)), float(rng.uniform(0, 6))) for x, y in places.tolist()]
        for places in (rng.normal(0, spread, (rng.integers(0, most), 2)) for _ in range(4))
    ]
    points = selected(chambers)
    assert [points_in(points, chamber) for chamber in range(4)] == [naive.select(here) for here in chambers]


def test_six_points_are_left_alone_and_of_seven_the_poor_ones_go() -> None:
    good, poor = naive.Point(0.0, 0.0, 4, 0.0), naive.Point(1.0, 1.0, 4, 5.0)
    points = selected([[good] + [poor] * 5, [good] + [poor] * 6, [], [good]])
    assert points.n.tolist() == [6, 1, 0, 1]


def test_2000_selected_points_are_too_many() -> None:
    for n, fits in ((1999, True), (2000, False)):
        points = make_points()
        points.n[2] = n
        points.x[2 * MAX_POINTS :] = points.y[2 * MAX_POINTS :] = np.arange(2 * MAX_POINTS) * 10.0
        points.views[:] = 2
        assert select_points(points, make_copies(), np.zeros(MAX_POINTS, np.uint8)) == fits
