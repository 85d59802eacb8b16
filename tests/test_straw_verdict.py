"""The edges of the verdict, on tracks made by hand, and the closest approach in 32 bits."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trigger.l1.straw.closest import closest_approach, closest_to_beam
from trigger.l1.straw.tracks import Tracks, find_vertex, make_tracks
from trigger.l1.straw.verdict import (
    ALL,
    DV_LOOSE,
    DV_TIGHT,
    EXOTIC,
    MULTI_TRACK,
    ONE_TRACK,
    PNN,
    Cuts,
    verdict_of,
)

MAGNET_MM = 197645.0
BEAM = (114.0, 0.0, 0.0012, 0.0)
DV = DV_LOOSE | DV_TIGHT
KICK_MEV = 270.0


class Ray(NamedTuple):
    """A track by a place on it (mm), its slopes, its momentum (MeV) and charge."""

    x: float
    y: float
    z: float
    mx: float
    my: float
    p: float = 30e3
    charge: int = 1


def of_beam(z: float, cda: float = 0.0, mx: float = 0.0112, my: float = 0.0) -> Ray:
    """Return a track that is closest to the beam at z, with this distance, above it if it goes sideways.

    The place where it is closest lies on the common normal of the two directions.
    """
    beam, track = np.array([0.0012, 0.0, 1.0]), np.array([mx, my, 1.0])
    normal = np.cross(track, beam)
    place = np.array([114.0 + 0.0012 * (z - MAGNET_MM), 0.0, z]) + cda * normal / np.linalg.norm(normal)
    at = place.tolist()
    return Ray(at[0], at[1], at[2], mx, my)


def tracks_of(*rays: Ray) -> Tracks:
    tracks = make_tracks(len(rays))
    for t, ray in enumerate(rays):
        run = MAGNET_MM - ray.z
        tracks.m1[t], tracks.my[t] = ray.mx, ray.my
        tracks.m2[t] = ray.mx - ray.charge * KICK_MEV / ray.p
        tracks.q1[t] = tracks.q2[t] = ray.x + ray.mx * run
        tracks.qy[t], tracks.p[t] = ray.y + ray.my * run, ray.p
        find_vertex(tracks, t)
    return tracks


def verdict(*rays: Ray, cuts: Cuts | None = None) -> int:
    return verdict_of(tracks_of(*rays), len(rays), cuts or Cuts())


GOOD = of_beam(130e3)


def test_no_tracks_say_nothing() -> None:
    assert verdict() == 0


@pytest.mark.parametrize(
    ("p_gev", "bits"), [(49.9, PNN | ONE_TRACK), (50.1, ONE_TRACK), (64.9, ONE_TRACK), (65.1, 0)]
)
def test_a_pnn_track_has_less_than_50_and_a_one_track_track_less_than_65_gev(p_gev: float, bits: int) -> None:
    assert verdict(GOOD._replace(p=1e3 * p_gev)) == bits


def test_the_cuts_on_momentum_are_strict() -> None:
    assert verdict(GOOD._replace(p=50e3)) == ONE_TRACK
    assert verdict(GOOD._replace(p=65e3)) == 0


def test_a_menu_can_move_the_cuts() -> None:
    cuts = Cuts(pnn_p_mev=20e3, one_track_p_mev=40e3, z_max_mm=150e3)
    expected = {19.9: PNN | ONE_TRACK, 20.1: ONE_TRACK, 40.1: 0}
    assert {p: verdict(GOOD._replace(p=1e3 * p), cuts=cuts) for p in expected} == expected
    assert verdict(of_beam(149.9e3), cuts=cuts) == ONE_TRACK
    assert verdict(of_beam(150.1e3), cuts=cuts) == 0


@pytest.mark.parametrize(("z_m", "bits"), [(-99.9, 3), (-100.1, 0), (179.9, 3), (180.1, 0)])
@pytest.mark.parametrize("cda", [0.0, 100.0])
def test_a_good_vertex_lies_between_minus_100_and_180_m(z_m: float, bits: int, cda: float) -> None:
    ray = of_beam(1e3 * z_m, cda, mx=0.0512)
    assert tracks_of(ray).z[0] == pytest.approx(1e3 * z_m, abs=50)
    assert verdict(ray) == (PNN | ONE_TRACK if bits else 0)


@pytest.mark.parametrize(("cda", "bits"), [(199.0, PNN | ONE_TRACK), (201.0, 0)])
@pytest.mark.parametrize(("mx", "my"), [(0.0112, 0.0), (0.0012, 0.01), (-0.006, -0.006)])
def test_a_good_vertex_is_within_200_mm_of_the_beam(cda: float, bits: int, mx: float, my: float) -> None:
    ray = of_beam(130e3, cda, mx, my)
    assert tracks_of(ray).cda[0] == pytest.approx(cda, abs=0.5)
    assert verdict(ray) == bits


def test_a_recorded_vertex_is_compared_strictly() -> None:
    """With what the search noted of a track set by hand."""
    tracks = tracks_of(GOOD)
    for z, cda, bits in [
        (180000.0, 0.0, 0),
        (np.nextafter(np.float32(180000), np.float32(0)), 0.0, PNN | ONE_TRACK),
        (-100000.0, 0.0, 0),
        (130000.0, 200.0, 0),
        (130000.0, np.nextafter(np.float32(200), np.float32(0)), PNN | ONE_TRACK),
        (math.nan, math.nan, 0),
    ]:
        tracks.z[0], tracks.cda[0] = z, cda
        assert verdict_of(tracks, 1, Cuts()) == bits


@pytest.mark.parametrize(("distance", "bits"), [(29.0, ONE_TRACK), (31.0, PNN | ONE_TRACK)])
def test_a_pnn_track_has_no_other_within_30_mm(distance: float, bits: int) -> None:
    """Both from the beam, one in x, one in y: 29 or 31 mm from each other at the same z."""
    other = Ray(GOOD.x, 0.0, GOOD.z, 0.0012, 0.01)
    normal = np.cross([GOOD.mx, GOOD.my, 1.0], [other.mx, other.my, 1.0])
    step = distance * normal / np.linalg.norm(normal)
    moved = other._replace(x=other.x + step[0], y=other.y + step[1], z=other.z + step[2])
    assert verdict(GOOD, moved) == verdict(moved, GOOD) == bits


def test_one_track_apart_from_two_that_meet_is_still_pnn() -> None:
    pair = Ray(GOOD.x, 300.0, 150e3, 0.0112, 0.0), Ray(GOOD.x, 300.0, 150e3, -0.008, 0.001)
    for order in ([GOOD, *pair], [*pair, GOOD]):
        assert verdict(*order) & PNN


@pytest.mark.parametrize("others", [0, 1])
def test_a_negative_track_is_exotic_wherever_it_is(others: int) -> None:
    far = Ray(900.0, 900.0, 185e3, 0.001, 0.001, charge=-1)
    assert verdict(far) == EXOTIC
    assert verdict(*[GOOD] * others, far) & EXOTIC
    assert not verdict(*[GOOD] * others, far._replace(charge=1)) & EXOTIC


def test_a_straight_track_is_not_exotic() -> None:
    tracks = tracks_of(GOOD)
    tracks.m2[0] = tracks.m1[0]
    assert not verdict_of(tracks, 1, Cuts()) & EXOTIC


def test_three_tracks_are_many_and_two_are_not() -> None:
    rays = [GOOD._replace(my=0.003 * k, p=80e3) for k in range(4)]
    assert [verdict(*rays[:n]) for n in range(5)] == [0, 0, 0, MULTI_TRACK, MULTI_TRACK]


def displaced(x_mm: float, y_mm: float, charges: tuple[int, int], z_mm: float = 150e3) -> int:
    """Two tracks that meet so far from the beam line, perpendicular to it; they say nothing else."""
    x = 114.0 + 0.0012 * (z_mm - MAGNET_MM) + x_mm * math.hypot(1.0, 0.0012)
    pair = [(0.01, 0.002), (-0.008, 0.004)]
    rays = [Ray(x, y_mm, z_mm, *m, 80e3, charge) for m, charge in zip(pair, charges, strict=True)]
    return verdict(*rays) & DV


@pytest.mark.parametrize(("distance", "bits"), [(49.0, 0), (51.0, DV_LOOSE), (99.0, DV_LOOSE), (101.0, DV)])
@pytest.mark.parametrize("angle", [0.0, 0.5 * math.pi, 1.2 * math.pi])
def test_a_displaced_vertex_is_more_than_50_or_100_mm_from_the_beam(
    distance: float, bits: int, angle: float
) -> None:
    x, y = distance * math.cos(angle), distance * math.sin(angle)
    assert displaced(x, y, (1, -1)) == displaced(x, y, (-1, 1)) == bits
    assert displaced(x, y, (1, 1)) == displaced(x, y, (-1, -1)) == 0


def test_a_displaced_vertex_lies_in_front_of_180_m() -> None:
    assert displaced(150.0, 0.0, (1, -1), 179.9e3) == DV
    assert displaced(150.0, 0.0, (1, -1), 180.1e3) == 0


@pytest.mark.parametrize(("distance", "bits"), [(29.0, DV), (31.0, 0)])
def test_the_tracks_of_a_displaced_vertex_pass_within_30_mm(distance: float, bits: int) -> None:
    one = Ray(400.0, 0.0, 150e3, 0.01, 0.0, 80e3)
    other = Ray(400.0, distance, 150e3, -0.01, 0.0, 80e3, -1)
    assert verdict(one, other) & DV == bits


def test_of_several_displaced_vertices_the_farthest_counts() -> None:
    """Two positive tracks meet a negative one 60 and 120 mm from the beam."""
    x = 114.0 + 0.0012 * (150e3 - MAGNET_MM)
    negative = Ray(x, 60.0, 150e3, 0.01, 0.006, 80e3, -1)
    near = Ray(x, 60.0, 150e3, -0.01, 0.0, 80e3)
    far = Ray(x + 100.0, 120.0, 160e3, -0.01, 0.0, 80e3)
    assert verdict(negative, near) & DV == DV_LOOSE
    assert verdict(negative, near, far) & DV == verdict(far, near, negative) & DV == DV


def test_all_bits_together_are_those_of_an_event_that_is_accepted() -> None:
    assert PNN | EXOTIC | MULTI_TRACK | DV | ONE_TRACK == ALL == 0x3F


class Exact(NamedTuple):
    """CDA and the middle in 64 bits, and the square of the sine between the lines."""

    cda: float
    middle: NDArray[np.float64]
    square: float


def exact(one: tuple[float, ...], other: tuple[float, ...]) -> Exact | None:
    """Return the closest approach of two lines from their common normal; None if they are nearly parallel."""
    places = [np.array([x, y, 0.0]) for x, y, _, _ in (one, other)]
    u, v = (np.array([mx, my, 1.0]) for _, _, mx, my in (one, other))
    normal = np.cross(u, v)
    square = float(normal @ normal)
    if square < 1e-4:
        return None
    gap = places[1] - places[0]
    s, t = np.cross(gap, v) @ normal / square, np.cross(gap, u) @ normal / square
    middle = (places[0] + s * u + places[1] + t * v) / 2.0
    return Exact(abs(gap @ normal) / math.sqrt(square), middle + [0, 0, MAGNET_MM], square)


lines = st.tuples(
    st.floats(-500, 500), st.floats(-500, 500), st.floats(-0.02, 0.02), st.floats(-0.02, 0.02)
).map(lambda line: tuple(float(np.float32(number)) for number in line))
checked = settings(deadline=None, derandomize=True, max_examples=300)


@checked
@given(lines, lines)
def test_the_closest_approach_is_that_of_two_lines_as_far_as_32_bits_go(
    one: tuple[float, ...], other: tuple[float, ...]
) -> None:
    """The determinant, the square of the sine of their angle, is a difference of numbers near 1."""
    expected = exact(one, other)
    if expected is None:
        return
    found = closest_approach(*map(np.float32, one + other))
    error = 8 * 2.0**-24 / expected.square
    reach = 1000.0 / math.sqrt(expected.square)
    assert found[3] == pytest.approx(expected.middle[2], abs=error * reach + 0.1)
    assert [*found[:3]] == pytest.approx([expected.cda, *expected.middle[:2]], abs=0.03 * error * reach + 0.1)


@checked
@given(lines, lines)
def test_the_closest_approach_is_the_same_the_other_way_round(
    one: tuple[float, ...], other: tuple[float, ...]
) -> None:
    there, back = (closest_approach(*map(np.float32, pair)) for pair in (one + other, other + one))
    # Bit for bit, but for the sign of a zero.
    assert np.array_equal(there, back, equal_nan=True)


@checked
@given(lines)
def test_the_closest_approach_to_the_beam_is_that_to_its_line(line: tuple[float, ...]) -> None:
    singles = [*map(np.float32, line)]
    assert str(closest_to_beam(*singles)) == str(closest_approach(*map(np.float32, BEAM), *singles))


def test_parallel_lines_have_no_closest_approach_that_a_cut_would_accept() -> None:
    for x in (10.0, 20.0, 500.0):
        cda, *_ = closest_approach(*map(np.float32, (10.0, 0.0, 0.01, 0.0, x, 0.0, 0.01, 0.0)))
        assert not cda < 200.0


@pytest.mark.parametrize("y_mm", [-150.0, 0.0, 7.0])
def test_a_track_along_the_beam_has_no_good_vertex(y_mm: float) -> None:
    assert verdict(Ray(114.0, y_mm, MAGNET_MM, 0.0012, 0.0)) == 0
