"""The compatible track search as a whole, and from points to tracks, against its slow twin."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import naive_straw
import naive_straw_tracks as naive
import numpy as np
import pytest
import straw_cases
from conftest import NO_JIT
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_straw import Answer, NaiveStraw
from naive_straw_points import MISSING, Point
from numpy.typing import NDArray
from straw_cases import Event, Flight

from trigger.l1.straw.clones import join_clones
from trigger.l1.straw.closest import closest_approach
from trigger.l1.straw.compatible import make_compatible, search_compatible
from trigger.l1.straw.hits import make_straws
from trigger.l1.straw.hough import CELL_ENTRIES, SLOPES, chamber_of, make_row, make_rows, point_of, want_rows
from trigger.l1.straw.points import MAX_POINTS, Points, make_points
from trigger.l1.straw.tracklets import combine, find_tracks, forget, make_tracklets
from trigger.l1.straw.tracks import Tracks, find_vertex, make_tracks
from trigger.l1.straw.verdict import ALL, Cuts

checked = settings(deadline=None, derandomize=True, max_examples=8 if NO_JIT else 40)
often = settings(checked, max_examples=100 if NO_JIT else 500)
seeds = st.integers(0, 2**32)
line = st.tuples(
    st.floats(-1000, 1000), st.floats(-1000, 1000), st.floats(-0.03, 0.03), st.floats(-0.03, 0.03)
)

Maker = Callable[[np.random.Generator], Event]


def search(events: Iterable[Event], memory: bool) -> list[Answer]:
    straws, scratch, cuts = make_straws(), make_compatible(), Cuts()
    answers = []
    for event in events:
        verdict, n = search_compatible(straws, straw_cases.fill(straws, event), scratch, cuts, memory)
        kept = max(n, 0)
        p, z = scratch.final.p[:kept].tolist(), scratch.final.z[:kept].tolist()
        answers.append(Answer(verdict, n < 0, kept, p, z))
        assert not straws.number.any()
    return answers


def assert_agrees(make: Maker, seed: int, n_events: int, memory: bool) -> None:
    """Compare everything, to the last bit; the text of an answer lets NaN be NaN."""
    rng = np.random.default_rng(seed)
    events = [make(rng) for _ in range(n_events)]
    twin = NaiveStraw(memory)
    assert str(search(events, memory)) == str([twin.run(*event) for event in events])


@pytest.mark.parametrize("memory", [True, False])
@checked
@given(seed=seeds, n_events=st.integers(1, 6), n_tracks=st.integers(1, 5), n_noise=st.integers(0, 150))
def test_tracks_with_noise_get_the_answer_of_the_twin(
    memory: bool, seed: int, n_events: int, n_tracks: int, n_noise: int
) -> None:
    assert_agrees(lambda rng: straw_cases.random_tracks(rng, n_tracks, n_noise), seed, n_events, memory)


@pytest.mark.parametrize("memory", [True, False])
@checked
@given(seed=seeds, n_events=st.integers(1, 4), centres=st.integers(1, 3), share=st.floats(0.4, 1))
def test_dense_hits_get_the_answer_of_the_twin(
    memory: bool, seed: int, n_events: int, centres: int, share: float
) -> None:
    assert_agrees(lambda rng: straw_cases.dense_hits(rng, centres, share), seed, n_events, memory)


@checked
@given(seed=seeds, n_hits=st.integers(0, 749))
def test_hits_at_random_get_the_answer_of_the_twin(seed: int, n_hits: int) -> None:
    assert_agrees(lambda rng: straw_cases.random_hits(rng, n_hits), seed, 2, True)


@pytest.mark.needs_jit
def test_what_an_earlier_event_left_behind_changes_an_answer_only_with_memory() -> None:
    rng = np.random.default_rng(3)
    events = [straw_cases.dense_hits(rng, 3, 0.7) for _ in range(100)]
    alone = [search([event], True)[0] for event in events]
    assert str(search(events, False)) == str(alone)
    assert str(search(events, True)) != str(alone)


def test_no_hits_make_no_tracks() -> None:
    nothing = straw_cases.event_of({})
    assert search([nothing], True) == [NaiveStraw().run(*nothing)] == [Answer(0, False, 0, [], [])]


@pytest.mark.needs_jit
def test_an_event_with_too_much_in_it_is_accepted_and_leaves_nothing_to_the_next() -> None:
    """Forty straws of each plane: some thousands of points a chamber."""
    full = straw_cases.event_of({i: 130.0 for i in range(7808) if 40 <= i % 122 < 80})
    track = straw_cases.event_of(straw_cases.hits_of(straw_cases.flight(30e3, 1, 130e3, 4e-3, 6e-3)))
    found = search([full, track], False)
    assert found[0] == Answer(ALL, True, 0, [], [])
    assert found[1:] == search([track], False)
    assert found[1].n_tracks == 1


def points_near(
    rng: np.random.Generator, flights: list[Flight], spread: float, copies: int
) -> list[list[Point]]:
    """Points of tracks in each chamber, some of them more than once, some not at all; in any order."""
    chambers = []
    for chamber in range(4):
        here = []
        for track in flights:
            for _ in range(int(rng.integers(0, copies + 1))):
                x, y = np.add(track.at(chamber), rng.normal(0, spread, 2)).tolist()
                here.append(Point(x, y, int(rng.choice([2, 3, 4])), float(rng.uniform(0, 6))))
        chambers.append([here[k] for k in rng.permutation(len(here))])
    return chambers


def random_points(rng: np.random.Generator, most: int, copies: int) -> list[list[Point]]:
    flights = [straw_cases.random_flight(rng) for _ in range(int(rng.integers(1, most + 1)))]
    return points_near(rng, flights, float(rng.choice([1.0, 6.0])), copies)


def fill_points(points: Points, chambers: list[list[Point]]) -> None:
    for chamber, here in enumerate(chambers):
        points.n[chamber] = len(here)
        for k, point in enumerate(here, chamber * MAX_POINTS):
            points.x[k], points.y[k], points.views[k], points.distance[k] = point


def assert_same_cells(chambers: list[list[Point]]) -> None:
    """Compare each row that can hold a seed, and those beside it, with the full table of 160 x 200 cells."""
    points, rows = make_points(), make_rows()
    fill_points(points, chambers)
    want_rows(points, rows)
    cells = naive.fill_cells(chambers)
    seeds_of: dict[int, list[int]] = {a: [] for a in range(SLOPES)}
    for a, b in sorted(cells):
        if len({entry.chamber for entry in cells[a, b]}) >= 2:
            seeds_of[a].append(b)
    for a in range(SLOPES):
        assert rows.wanted[a] or not seeds_of[a]
        place = make_row(points.y, points.n, a, rows)
        assert rows.seeds[place, : rows.n_seeds[place]].tolist() == seeds_of[a]
        for b in range(200):
            first = b * CELL_ENTRIES
            found = rows.entry[place, first : first + int(rows.n[place, b])].tolist()
            assert [(chamber_of(e), point_of(e)) for e in found] == cells.get((a, b), [])


@settings(checked, max_examples=5 if NO_JIT else 30)
@given(seeds, st.integers(1, 12), st.integers(1, 3))
def test_a_row_has_the_cells_of_the_full_table(seed: int, most: int, copies: int) -> None:
    assert_same_cells(random_points(np.random.default_rng(seed), most, copies))


def test_a_row_holds_six_points_a_cell_and_counts_them_modulo_256() -> None:
    many = [Point(0.0, float(y), 4, 0.0) for y in np.linspace(-1600, 1600, 300)]
    assert_same_cells([many, [Point(0.0, 0.0, 4, 0.0)] * 9, [Point(0.0, 5e3, 4, 0.0)], []])


def line_of(tracks: Tracks, t: int) -> tuple[object, ...]:
    """Return slopes and positions of a track, its momentum, and closest approach to the beam, be it NaN."""
    numbers = (tracks.my, tracks.qy, tracks.m1, tracks.q1, tracks.m2, tracks.q2, tracks.p)
    return *(float(n[t]) for n in numbers), str((float(tracks.cda[t]), float(tracks.z[t])))


def naive_line(t: naive.Track) -> tuple[object, ...]:
    return t.my, t.qy, t.m1, t.q1, t.m2, t.q2, t.momentum, str((t.vertex.cda, t.vertex.z))


def points_of(tracks: Tracks, t: int) -> tuple[set[tuple[int, int]], int]:
    """Return the points of a track by chamber, and how many came from its seed's own cell."""
    points = {(c, i) for c, i in enumerate(tracks.point[t].tolist()) if i >= 0}
    assert tracks.n_points[t] == len(points)
    return points, int(tracks.central[t])


@checked
@given(seeds, st.integers(1, 4), st.integers(1, 4))
def test_points_make_the_tracks_of_the_twin_event_after_event(seed: int, most: int, copies: int) -> None:
    """Tracklets of a seed, the chambers beside it, what earlier events left behind, and the fit in x."""
    rng = np.random.default_rng(seed)
    points, rows, tracklets, tracks = make_points(), make_rows(), make_tracklets(), make_tracks(4000)
    twin = naive.Tracklets()
    for _ in range(3):
        chambers = random_points(rng, most, copies)
        fill_points(points, chambers)
        n = find_tracks(points, rows, tracklets, tracks)
        for t in range(n):
            find_vertex(tracks, t)
        expected = naive.find_tracks(twin, chambers)
        assert [line_of(tracks, t) for t in range(n)] == [naive_line(t) for t in expected]
        assert [points_of(tracks, t) for t in range(n)] == [({*t.points}, t.n_central) for t in expected]


def test_the_fullest_seed_has_2880_tracklets_which_are_forgotten() -> None:
    """Five combinations of its own six points, and 24 in each of the other chambers in the cells around it."""
    points, rows, tracklets = make_points(), make_rows(), make_tracklets()
    points.views[:] = 4
    rows.n[1, 100] = 6
    rows.entry[1, 600:606] = [0, 1, 2, 3, 4, 1 << 16]
    beside = [c << 16 | i for c in (2, 3) for i in range(24)]
    around = [(row, b) for row in range(3) for b in (99, 100, 101) if (row, b) != (1, 100)]
    for k, (row, b) in enumerate(around):
        rows.n[row, b] = 6
        rows.entry[row, 6 * b : 6 * b + 6] = beside[6 * k : 6 * k + 6]
    assert combine(points, rows, 1, 100, tracklets) == (2879, 2, 2)
    found = np.hstack([tracklets.entry[:2880, :2], tracklets.beside[:2880]])
    assert len(np.unique(found, axis=0)) == 2880
    forget(tracklets)
    assert not tracklets.entry.any()


def random_sharing(rng: np.random.Generator, n: int, most: int) -> NDArray[np.int64]:
    """Points of tracks of four or three of them, so few that many share some."""
    point = rng.integers(0, most, (n, 4))
    for t in np.flatnonzero(rng.random(n) < 0.5):
        point[t, rng.integers(0, 4)] = -1
    return point


def drifting(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Of three tracks of four points, the second is like the first and the third like the second; and `n` of three.

    Those share points with the first, which is left over if the third stands for it.
    """
    point = rng.choice([0, 0, 0, 3, 4], (n, 4))
    for t in range(n):
        point[t, rng.integers(0, 4)] = -1
    return np.vstack([[[0, 0, 0, 0], [0, 0, 1, 1], [2, 2, 1, 1]], point])


class Made:
    """Tracks with these points and jumps at the magnet (then any), for the search and for the twin."""

    def __init__(self, rng: np.random.Generator, points: NDArray[np.int64], jumps: tuple[float, ...] = ()):
        self.tracks = make_tracks(len(points))
        self.twins: list[naive.Track] = []
        for t, point in enumerate(points):
            jump = float(rng.choice([-20.0, -13.0, -8.0, -3.0, 0.0, 4.0, rng.uniform(-30, 30)]))
            jump = jumps[t] if t < len(jumps) else jump
            m1, my = rng.normal(0, 0.004, 2).tolist()
            # In eighths of a millimetre: a jump of -13 mm is that exactly.
            q1, qy = (rng.integers(-500, 1000, 2) / 8).tolist()
            m2 = m1 - 270.0 / rng.uniform(4e3, 9e4)
            entries = frozenset(naive.Entry(c, int(i)) for c, i in enumerate(point) if i >= 0)
            central = int(rng.integers(2, len(entries) + 1))
            twin = naive.Track(my, qy, m1, q1, m2, q1 + jump, entries, central, naive.NO_VERTEX)
            self.twins.append(naive.with_vertex(twin))
            self.fill(t, point)

    def fill(self, t: int, point: NDArray[np.int64]) -> None:
        tracks, twin = self.tracks, self.twins[t]
        tracks.point[t] = point
        tracks.n_points[t], tracks.central[t] = len(twin.points), twin.n_central
        tracks.my[t], tracks.qy[t], tracks.m1[t], tracks.q1[t] = twin.my, twin.qy, twin.m1, twin.q1
        tracks.m2[t], tracks.q2[t], tracks.p[t] = twin.m2, twin.q2, twin.momentum


def assert_same_clones(made: Made) -> None:
    final = make_tracks(1000)
    found = join_clones(made.tracks, len(made.twins), final)
    expected = naive_straw.remove_clones(made.twins)
    assert [line_of(final, t) for t in range(found)] == [naive_line(t) for t in expected]


@often
@given(seeds, st.integers(1, 40), st.integers(1, 6))
def test_clones_are_joined_as_the_twin_does(seed: int, n: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    assert_same_clones(Made(rng, random_sharing(rng, n, most)))


@often
@given(seeds, st.integers(1, 12))
def test_a_track_that_its_best_has_drifted_away_from_is_joined_with_those_of_three_points(
    seed: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    assert_same_clones(Made(rng, drifting(rng, n), (4.0, -8.0, -3.0)))


@pytest.mark.needs_jit
@pytest.mark.parametrize(("n", "found"), [(999, 999), (1000, -1)])
def test_1000_final_tracks_are_too_many(n: int, found: int) -> None:
    made = Made(np.random.default_rng(1), np.repeat(np.arange(n)[:, None], 4, axis=1))
    assert join_clones(made.tracks, n, make_tracks(1000)) == found


@often
@given(line, line)
def test_the_closest_approach_is_that_of_the_twin_to_the_last_bit(
    one: tuple[float, ...], other: tuple[float, ...]
) -> None:
    found = closest_approach(*map(np.float32, one + other))
    lines = [naive.Line(*map(np.float32, line)) for line in (one, other)]
    assert str([*map(float, found)]) == str([*naive.closest_approach(*lines)])


@pytest.mark.parametrize("missing", [MISSING, 300.0, -100.0])
def test_a_trailing_edge_that_is_missing_or_far_off_does_not_matter(missing: float) -> None:
    track = straw_cases.event_of(straw_cases.hits_of(straw_cases.flight(30e3, 1, 130e3, 4e-3, 6e-3)))
    without = straw_cases.as_read(track.straw_id, track.leading, np.full_like(track.trailing, missing))
    assert search([without], True) == search([track], True)
