"""Transport and detectors: acceptances, kicks and decays in flight against closed forms and plain twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_particle import MAGNET, NA62, hits_of, naive_place, one, rng

from streams.simulate.detectors import background, hit
from streams.simulate.detectors.chod import quadrant
from streams.simulate.detectors.lav import lav_station
from streams.simulate.detectors.lkr import CLUSTER_GEV, MAX_CLUSTERS, in_lkr, lkr_hits
from streams.simulate.detectors.muv3 import pad_at
from streams.simulate.detectors.newchod import TILES, tile_at
from streams.simulate.detectors.rich import ring_radius
from streams.simulate.detectors.track import follow, x_at, y_at
from streams.simulate.detectors.transport import transport
from streams.simulate.stack import (
    END_Z,
    LKR_GEV,
    MOTHER,
    TX,
    TX_AFTER,
    X,
    Z,
    count,
    new_stack,
    pdg_of,
    push,
)
from trigger.clock import LSB_NS
from trigger.particles import (
    CTAU_PION_MM,
    ELECTRON,
    GAMMA,
    M_MUON_GEV,
    M_PION_GEV,
    MUON,
    PION,
    mass_gev,
)

slopes = st.floats(-0.02, 0.02)
vertices = st.floats(103e3, 235e3)
energies = st.floats(5.0, 70.0)


@given(st.sampled_from([PION, -PION, GAMMA, MUON]), energies, slopes, slopes, vertices)
def test_a_particle_flies_on_straight_lines_that_the_magnet_joins(
    pdg: int, p: float, tx: float, ty: float, z: float
) -> None:
    stack = one(pdg, p, tx, ty, z=z)
    follow(NA62.magnet, stack, 1)
    for at in (z, 183_508.0, 219_000.0, 241_093.0):
        if at >= z:
            expected = naive_place(stack, at)
            found = x_at(stack, 1, MAGNET, at), y_at(stack, 1, MAGNET, at)
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)


def test_the_magnet_brings_the_beam_back_to_the_axis_at_the_calorimeter() -> None:
    """+1.2 mrad and 114 mm at the magnet, a kick of -3.6 mrad: 9.7 mm at the LKr."""
    stack = one(PION, 75.0, tx=1.2e-3, x=1.2e-3 * (110e3 - 102_645.0))
    follow(NA62.magnet, stack, 1)
    assert x_at(stack, 1, MAGNET, MAGNET) == pytest.approx(114.0)
    assert stack[1, TX_AFTER] - stack[1, TX] == pytest.approx(-3.6e-3, rel=1e-3)
    assert abs(x_at(stack, 1, MAGNET, 241_093.0)) < 15


@pytest.mark.needs_jit
@pytest.mark.parametrize("p", [15.0, 45.0])
def test_pions_decay_in_flight_as_often_as_their_lifetime_says(p: float) -> None:
    """Through the middle of a LAV-less path: from 110 m to the LKr, 1 - exp(-L m / p ctau)."""
    n, decayed, electrons = 20_000, 0, 0
    state = rng()
    for _ in range(n):
        stack = one(PION, p, tx=3e-3, z=150e3)
        transport(state, NA62, stack)
        decayed += count(stack) > 2
        electrons += count(stack) > 2 and abs(pdg_of(stack, 2)) == ELECTRON
    expected = -np.expm1(-(241_093.0 - 150e3) * M_PION_GEV / (p * CTAU_PION_MM))
    assert decayed / n == pytest.approx(expected, abs=4 * np.sqrt(expected / n))
    assert electrons < 10


@pytest.mark.needs_jit
def test_a_muon_of_a_decay_in_flight_carries_on_from_where_the_pion_was() -> None:
    state = rng()
    seen = 0
    for _ in range(3000):
        stack = one(PION, 10.0, tx=5e-3, z=150e3)
        transport(state, NA62, stack)
        if count(stack) > 2:
            seen += 1
            z = stack[2, Z]
            assert stack[1, END_Z] == z
            assert stack[2, MOTHER] == 1
            np.testing.assert_allclose(stack[2, X], naive_place(stack, z)[0], atol=1e-6)
            pion, muon, nu = stack[1, :4], stack[2, :4], stack[3, :4]
            assert muon[3] + nu[3] == pytest.approx(pion[3], rel=1e-9)
            total = np.hypot.reduce((muon + nu)[:3])
            assert total == pytest.approx(np.hypot.reduce(pion[:3]), rel=1e-9)
    assert seen > 100


@given(st.floats(0.0, 0.04), st.floats(0, 2 * np.pi), vertices)
def test_photons_hit_the_first_lav_ring_on_their_way(angle: float, phi: float, z: float) -> None:
    stack = one(GAMMA, 10.0, angle * np.cos(phi), angle * np.sin(phi), z=z)
    follow(NA62.magnet, stack, 1)
    rings: list[tuple[float, float, float]] = list(
        zip(NA62.lav.z_mm, NA62.lav.inner_mm, NA62.lav.outer_mm, strict=True)
    )
    hit_rings = [
        i
        for i, (at, low, high) in enumerate(rings)
        if at > z and low < np.hypot(*naive_place(stack, at)) < high
    ]
    assert lav_station(NA62.lav, MAGNET, stack, 1) == (hit_rings[0] if hit_rings else -1)


@given(st.floats(0.0, 0.012), st.floats(0, 2 * np.pi), vertices)
def test_photons_end_in_lav_irc_lkr_or_sac(angle: float, phi: float, z: float) -> None:
    stack = one(GAMMA, 10.0, angle * np.cos(phi), angle * np.sin(phi), z=z)
    transport(rng(), NA62, stack)
    end = stack[1, END_Z]
    if end in NA62.lav.z_mm:
        assert not stack[1, LKR_GEV]
        return
    x, y = naive_place(stack, 239_700.0)
    if 60 < np.hypot(x, y) < 145:
        assert end == 239_700.0
        return
    x, y = naive_place(stack, 241_093.0)
    if np.hypot(x, y) > 150 and max(abs(x), abs(y), (abs(x) + abs(y)) / np.sqrt(2)) < 1130:
        assert (end, stack[1, LKR_GEV]) == (241_093.0, stack[1, 3])
        return
    x, y = naive_place(stack, 260_956.0)
    assert end == (260_956.0 if max(abs(x), abs(y)) < 100 else np.inf)


@settings(max_examples=200)
@given(st.floats(0.0, 0.012), st.floats(0, 2 * np.pi), st.floats(5, 70), st.integers(0, 2**20))
def test_a_muon_fires_the_hodoscopes_that_it_crosses(angle: float, phi: float, p: float, seed: int) -> None:
    stack = one(-MUON, p, angle * np.cos(phi), angle * np.sin(phi), z=150e3)
    _, counts = hits_of(stack, seed)
    if stack[1, END_Z] != np.inf:
        return  # It decayed.
    r = {z: np.hypot(*naive_place(stack, z)) for z in (238_131.5, 239_009.0, 239_389.0, 246_800.0)}
    assert counts[hit.NEWCHOD] in ((0, 1, 2) if 140 < r[238_131.5] < 1070 else (0,))
    planes = sum(130 < r[z] < 1100 for z in (239_009.0, 239_389.0))
    assert counts[hit.CHOD] <= planes
    x, y = naive_place(stack, 246_800.0)
    on = r[246_800.0] > 103 and max(abs(x), abs(y)) < 1320
    assert counts[hit.MUV3] in ((0, 1, 2) if on else (0,))


def test_an_electron_does_not_reach_the_muon_veto() -> None:
    for seed in range(50):
        _, counts = hits_of(one(-ELECTRON, 20.0, 2e-3, 2e-3), seed)
        assert counts[hit.MUV3] == 0
        assert counts[hit.LKR] == 1


@pytest.mark.needs_jit
@pytest.mark.parametrize(
    ("detector", "sigma_ns"), [(hit.CHOD, 0.2), (hit.NEWCHOD, 1.0), (hit.MUV3, 0.5), (hit.RICH, 0.1)]
)
def test_hits_have_the_time_resolution_of_their_detector(detector: int, sigma_ns: float) -> None:
    times = []
    for seed in range(3000):
        hits, counts = hits_of(one(-MUON, 30.0, 3e-3, 3e-3, z=180e3), seed)
        times.extend((hits[detector, : counts[detector]] >> 16).tolist())
    spread = (np.array(times) - 1000.0 + 0.5) * LSB_NS
    assert len(times) > 2500
    assert spread.std() == pytest.approx(sigma_ns, rel=0.06)
    assert spread.mean() == pytest.approx(0.0, abs=4 * sigma_ns / np.sqrt(len(times)))


@pytest.mark.needs_jit
def test_the_rich_sees_particles_above_threshold_only() -> None:
    """Thresholds m / sqrt(n^2 - 1): 12.6 GeV/c for pions, 9.6 for muons; n - 1 = 6.1e-5."""
    fired = {}
    for pdg, p in ((PION, 12.0), (PION, 35.0), (-MUON, 9.0), (-MUON, 35.0)):
        n = sum(hits_of(one(pdg, p, 3e-3, 3e-3, z=180e3), seed)[1][hit.RICH] > 0 for seed in range(300))
        fired[pdg, p] = n / 300
    assert fired[PION, 12.0] < 0.05  # Muons of pions that decay on the way are above.
    assert fired[-MUON, 9.0] == 0
    assert fired[PION, 35.0] > 0.9
    assert fired[-MUON, 35.0] > 0.95


@pytest.mark.parametrize(("pdg", "p"), [(-ELECTRON, 30.0), (-MUON, 30.0), (PION, 30.0)])
def test_rings_have_the_radius_of_their_velocity(pdg: int, p: float) -> None:
    """f tan(theta) with cos(theta) = 1/(beta n); at the speed of light 17 m x 11 mrad = 188 mm."""
    stack = one(pdg, p)
    beta = p / np.hypot(p, mass_gev(pdg))
    theta = np.arccos(1 / (beta * (1 + 6.1e-5)))
    assert ring_radius(NA62.rich, stack, 1) == pytest.approx(17_000 * np.tan(theta), rel=1e-6)


@pytest.mark.needs_jit
@pytest.mark.parametrize("energy", [3.0, 30.0])
def test_the_calorimeter_has_its_energy_resolution(energy: float) -> None:
    measured = []
    clusters, state = np.zeros((MAX_CLUSTERS + 1, 4)), rng()
    hits, counts = np.zeros((hit.N_L0, 10), np.int64), np.zeros(hit.N_L0, np.int64)
    stack = one(GAMMA, energy, 3e-3, 3e-3)
    transport(state, NA62, stack)
    for _ in range(5000):
        counts[:] = 0
        lkr_hits(state, NA62.lkr, MAGNET, stack, clusters, 0.0, hits, counts)
        measured.append(clusters[0, CLUSTER_GEV])
    expected = np.sqrt(0.048**2 / energy + (0.11 / energy) ** 2 + 0.009**2) * energy
    assert np.std(measured) == pytest.approx(expected, rel=0.05)
    assert np.mean(measured) == pytest.approx(energy, abs=4 * expected / np.sqrt(5000))


def test_two_photons_in_one_place_are_one_cluster_of_both_energies() -> None:
    stack = one(GAMMA, 10.0, 3e-3, 3e-3)
    push(stack, GAMMA, 0, (0.06, 0.06, 20.0, 20.0), (0.0, 0.0, 110e3))
    clusters = np.zeros((MAX_CLUSTERS + 1, 4))
    state, counts = rng(), np.zeros(hit.N_L0, np.int64)
    transport(state, NA62, stack)
    lkr_hits(state, NA62.lkr, MAGNET, stack, clusters, 0.0, np.zeros((hit.N_L0, 10), np.int64), counts)
    assert clusters[MAX_CLUSTERS, 0] == counts[hit.LKR] == 1
    assert clusters[0, CLUSTER_GEV] == pytest.approx(30.0, rel=0.1)


@given(st.floats(-1300, 1300), st.floats(-1300, 1300))
def test_the_lkr_is_an_octagon_with_a_hole(x: float, y: float) -> None:
    turned = (x + y) / np.sqrt(2), (x - y) / np.sqrt(2)
    inside = all(abs(c) <= 1130 for c in (x, y, *turned)) and np.hypot(x, y) > 150
    assert in_lkr(NA62.lkr, x, y) == inside


@given(st.floats(-1070, 1070), st.floats(-1070, 1070))
def test_tiles_and_pads_are_numbered_inside_their_ranges(x: float, y: float) -> None:
    assert 0 <= tile_at(x, y) < TILES
    pad = pad_at(220.0, x, y)
    if max(abs(x), abs(y)) >= 220:
        assert pad == 12 * int((y + 1320) // 220) + int((x + 1320) // 220)
    else:
        assert 144 <= pad < 152
    assert quadrant(x, y) == quadrant(-x, -y) ^ 2 or 0 in (x, y)


def test_all_tiles_and_all_pads_exist() -> None:
    points = [(x, y) for x in range(5, 1070, 10) for y in range(5, 1070, 10) if np.hypot(x, y) < 1070]
    assert {tile_at(x, y) for x, y in points} == set(range(TILES))
    pads = {pad_at(220.0, sx * x, sy * y) for x, y in points for sx in (1, -1) for sy in (1, -1)}
    centre = {12 * row + column for row in (5, 6) for column in (5, 6)}
    assert {pad for pad in pads if pad >= 144} == set(range(144, 152))
    assert not pads & centre


@pytest.mark.parametrize("detector", range(hit.N_L0))
def test_an_accidental_hit_is_one_of_its_detector_alone(detector: int) -> None:
    hits, counts = np.zeros((hit.N_L0, 10), np.int64), np.zeros(hit.N_L0, np.int64)
    background.accidental(rng(), NA62.background, detector, 5.0, hits, counts)
    assert counts[detector] > 0
    assert counts.sum() == counts[detector]


def test_a_halo_muon_is_a_muon_of_its_own() -> None:
    stack = new_stack()
    background.halo_muon(rng(), NA62.background, stack)
    assert count(stack) == 2
    assert abs(pdg_of(stack, 1)) == MUON
    assert stack[1, 3] ** 2 - (stack[1, :3] ** 2).sum() == pytest.approx(M_MUON_GEV**2, rel=1e-6)
