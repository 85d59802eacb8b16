"""What L1 reads of a decay: KTAG, STRAW, LAV, IRC and SAC, beam tracks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_particle import MAGNET, NA62, naive_place, one, rng

from streams.simulate.detectors import hit
from streams.simulate.detectors.gtk import wrong_probability
from streams.simulate.detectors.ktag import SECTORS, TUBES, ktag_hits
from streams.simulate.detectors.l1_hits import l1_hits
from streams.simulate.detectors.straw import straw_hits
from streams.simulate.detectors.track import follow
from streams.simulate.detectors.transport import transport
from trigger.clock import LSB_NS
from trigger.particles import (
    GAMMA,
    MUON,
    PION,
)


@pytest.mark.needs_jit
def test_a_kaon_lights_five_sectors_of_the_ktag_nearly_always() -> None:
    fine, state = 0, rng()
    for _ in range(2000):
        hits, counts = np.zeros((hit.N_L1, 200), np.int64), np.zeros(hit.N_L1, np.int64)
        ktag_hits(state, NA62.ktag, 0.0, hits, counts)
        sectors = {(int(h) & 0xFFFF) // TUBES for h in hits[hit.KTAG, : counts[hit.KTAG]]}
        assert sectors <= set(range(SECTORS))
        fine += len(sectors) >= 5
    assert fine / 2000 > 0.98


def naive_straws(x: float, y: float, chamber: int) -> list[int]:
    """IDs of the straws whose wire is nearer than their radius."""
    straw = NA62.straw
    found: list[int] = []
    coordinates = (
        ((x - y) / np.sqrt(2), (x + y) / np.sqrt(2)),
        ((x + y) / np.sqrt(2), (x - y) / np.sqrt(2)),
        (x, y),
        (y, x),
    )
    for view, (across, along) in enumerate(coordinates):
        slot = 4 * chamber + view
        if (
            straw.hole_min_mm[slot] < across < straw.hole_max_mm[slot]
            or abs(across) > 1052.1112
            or abs(along) > 1050
        ):
            continue
        for plane in range(4):
            first = straw.plane_mm[4 * view + plane] + straw.chamber_mm[slot]
            wires = first + straw.pitch_mm * np.arange(122)
            near = np.flatnonzero(np.abs(wires - across) < straw.radius_mm)
            found.extend((slot * 4 + plane) * 122 + int(n) for n in near)
    return found


@settings(max_examples=100)
@given(st.floats(0.0, 0.02), st.floats(0, 2 * np.pi), st.integers(0, 2**20))
def test_a_track_hits_the_straws_that_it_crosses(angle: float, phi: float, seed: int) -> None:
    """Without scattering and inefficiency; in all chambers, holes and edges included."""
    straw = NA62.straw._replace(scatter_gev=0.0, efficiency=1.0)
    stack = one(-MUON, 30.0, angle * np.cos(phi), angle * np.sin(phi), z=150e3)
    follow(NA62.magnet, stack, 1)
    hits, counts = np.zeros((hit.N_L1, 500), np.int64), np.zeros(hit.N_L1, np.int64)
    straw_hits(rng(seed), straw, MAGNET, stack, 1, 0.0, hits, counts)
    ids = [int(h) & 0xFFFF for h in hits[hit.STRAW, : counts[hit.STRAW]]]
    expected = [
        i for chamber, z in enumerate(straw.z_mm) for i in naive_straws(*naive_place(stack, z), chamber)
    ]
    assert ids[::2] == expected
    assert ids[1::2] == [i | 1 << 15 for i in expected]
    times = (hits[hit.STRAW, : counts[hit.STRAW]] >> 16).reshape(-1, 2)
    assert (times % 8 == 0).all()
    assert (times[:, 1] > times[:, 0]).all()


@pytest.mark.needs_jit
def test_drift_and_trailing_times_are_like_those_of_the_experiments_test_events() -> None:
    """Its one-track events: 34 straws of 97% and more, leading from 0 to 178 ns, trailing 180 +- 10 ns."""
    leading: list[float] = []
    trailing: list[float] = []
    straws: list[int] = []
    state, tracks = rng(), np.random.default_rng(1)
    for _ in range(500):
        hits, counts = np.zeros((hit.N_L1, 500), np.int64), np.zeros(hit.N_L1, np.int64)
        stack = one(PION, 25.0, tracks.uniform(6e-3, 8e-3), tracks.uniform(6e-3, 8e-3), z=130e3)
        follow(NA62.magnet, stack, 1)
        straw_hits(state, NA62.straw, MAGNET, stack, 1, 0.0, hits, counts)
        times = (hits[hit.STRAW, : counts[hit.STRAW]] >> 16).reshape(-1, 2) * LSB_NS
        leading.extend(times[:, 0])
        trailing.extend(times[:, 1])
        straws.append(len(times))
    assert np.mean(straws) == pytest.approx(34.3, rel=0.05)
    assert np.median(leading) == pytest.approx(55.4, abs=4)
    assert np.mean(trailing) == pytest.approx(180, abs=1)
    assert np.std(trailing) == pytest.approx(10, abs=0.6)


def test_a_wrong_beam_track_becomes_likelier_with_the_intensity() -> None:
    assert wrong_probability(NA62.gtk, 500.0) == pytest.approx(0.013)
    assert wrong_probability(NA62.gtk, 1000.0) > wrong_probability(NA62.gtk, 500.0)
    assert wrong_probability(NA62.gtk, 1e9) == 1.0


def test_a_photon_leaves_hits_with_both_edges_in_the_lav_and_the_small_angle_vetoes() -> None:
    for tx, detector in ((12e-3, hit.LAV), (0.75e-3, hit.IRCSAC)):
        seen = 0
        for seed in range(20):
            stack, state = one(GAMMA, 20.0, tx), rng(seed)
            hits, counts = np.zeros((hit.N_L1, 500), np.int64), np.zeros(hit.N_L1, np.int64)
            transport(state, NA62, stack)
            l1_hits(state, NA62, stack, 1000.0, hits, counts)
            ids = [int(h) & 0xFFFF for h in hits[detector, : counts[detector]]]
            leading = sorted(i for i in ids if i < 1 << 15)
            assert sorted(i ^ 1 << 15 for i in ids if i >= 1 << 15) == leading
            low = [i for i in leading if i % 2 == 0]
            seen += len(low) >= (3 if detector == hit.LAV else 1)
        assert seen >= 18
