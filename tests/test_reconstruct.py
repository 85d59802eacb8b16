"""Candidates of random events, against the slow twin; rules of the blocks that they come in."""

from __future__ import annotations

import numpy as np
import pytest
from decay_sample import NA62
from naive_reconstruct import PlainBlock, PlainEvent, Track, candidates, in_pad
from reconstruct_cases import FIRST_FRAME, FRAME, random_block, reconstruct

from streams.simulate.detectors import muv3 as muv3_parts
from trigger.l1.muv3 import SECOND
from trigger.l1.straw.geometry import BEAM_DX_DZ, BEAM_X_MM, MAGNET_MM
from trigger.reconstruct import detectors
from trigger.reconstruct.candidates import KINDS, MATCHED, NEAREST, NOMINAL, Candidates
from trigger.reconstruct.muons import near_pad
from trigger.reconstruct.reconstructor import Reconstructor
from trigger.reconstruct.tracks import KICK_GEV


def assert_same(found: Candidates, block: PlainBlock) -> None:
    for kind, expected in candidates(block).items():
        records = getattr(found, kind)
        assert len(records) == len(expected)
        for record, values in zip(records, expected, strict=True):
            assert set(values) == set(KINDS[kind].names or ())
            for name, value in values.items():
                np.testing.assert_allclose(
                    record[name], value, rtol=1e-6, atol=2e-7, err_msg=f"{kind} {name}"
                )


@pytest.mark.parametrize("seed", range(4))
def test_candidates_of_random_events_are_those_of_the_slow_twin(seed: int) -> None:
    block = random_block(np.random.default_rng(seed), 150)
    found = reconstruct(block)
    assert_same(found, block)
    assert min(len(records) for records in found) > 5
    assert set(found.one_track["beam"]) == {NOMINAL, NEAREST, MATCHED}


@pytest.mark.needs_jit
def test_candidates_of_many_random_events_are_those_of_the_slow_twin() -> None:
    for seed in range(100, 110):
        block = random_block(np.random.default_rng(seed), 200)
        assert_same(reconstruct(block), block)


def test_memory_that_is_used_again_leaves_nothing_behind() -> None:
    rng = np.random.default_rng(7)
    made = Reconstructor()
    for n in (60, 3, 0, 130, 60):
        block = random_block(rng, n)
        assert_same(reconstruct(block, made), block)


def test_without_records_there_is_the_nominal_beam_and_no_photon_and_no_ring() -> None:
    block = random_block(np.random.default_rng(8), 60)
    block.beam, block.clusters, block.rings = [], [], []
    found = reconstruct(block)
    assert_same(found, block)
    assert (found.one_track["beam"] == NOMINAL).all()
    assert np.isnan(found.one_track["ring_mm"]).all()
    assert not found.three_tracks["n_photons"].any()


def test_an_event_with_too_much_or_a_wrong_charge_or_not_wanted_is_no_candidate() -> None:
    plus = Track(1, 0.0, 0.0, 0.001, 114.0, -0.005, 114.0)
    minus = plus._replace(charge=-1, dx_after=0.01)
    time = (FIRST_FRAME + 1) * FRAME
    cases = [
        ([plus], 1, True, 1),
        ([plus], 1, False, 0),
        ([plus], -1, True, 0),
        ([], 0, True, 0),
        ([plus, minus], 2, True, 0),
        ([plus, minus, plus], 3, True, 1),
        ([plus, plus, plus], 3, True, 0),
        ([minus, minus, plus], 3, True, 1),
        ([plus, plus, plus, plus], 4, True, 0),
        ([plus, plus, plus, minus, minus], 5, True, 1),
        ([plus, plus, plus, plus, minus], 5, True, 0),
        ([plus, plus, plus, minus, minus], 6, True, 0),
    ]
    for tracks, n_tracks, wanted, expected in cases:
        block = PlainBlock([PlainEvent(time, tracks, n_tracks, wanted)], [], [], [])
        assert sum(len(records) for records in reconstruct(block)) == expected


def test_a_point_is_near_the_pads_that_the_twin_says() -> None:
    rng = np.random.default_rng(9)
    for _ in range(2000):
        x, y = rng.uniform(-400, 400, 2) if rng.random() < 0.7 else rng.uniform(-1400, 1400, 2)
        margin = float(rng.choice([0.0, 30.0, 100.0]))
        pads = [int(pad) for pad in rng.integers(0, 152, 4)] + [144 + int(rng.integers(0, 8))]
        for pad in pads:
            assert near_pad(pad, float(x), float(y), margin) == in_pad(pad, float(x), float(y), margin)


def test_numbers_of_the_experiment_are_those_of_the_simulation() -> None:
    d, lkr, rich, muv3, beam = detectors, NA62.lkr, NA62.rich, NA62.muv3, NA62.beam
    assert (beam.momentum_gev, beam.entrance_mm) == (d.BEAM_GEV, d.GTK3_MM)
    assert beam.axis_slope == BEAM_DX_DZ
    assert beam.axis_slope * (MAGNET_MM - beam.axis_zero_mm) == pytest.approx(BEAM_X_MM)
    assert (NA62.magnet.z_mm, NA62.magnet.kick_gev) == (MAGNET_MM, KICK_GEV)
    assert (lkr.z_mm, lkr.hole_mm, lkr.apothem_mm) == (d.LKR_MM, d.LKR_HOLE_MM, d.LKR_APOTHEM_MM)
    assert lkr.merge_mm == d.CLUSTER_MM
    assert (rich.focal_mm, rich.refraction) == (d.RICH_FOCAL_MM, d.RICH_REFRACTION)
    assert (muv3.z_mm, muv3.pad_mm, muv3.hole_mm) == (d.MUV3_MM, d.PAD_MM, d.MUV3_HOLE_MM)
    assert (d.PADS, d.PADS**2, SECOND) == (muv3_parts.SIDE, muv3_parts.OUTER, muv3_parts.SECOND)


def test_windows_are_five_standard_deviations_wide() -> None:
    d = detectors
    assert 5 * NA62.ktag.resolution_ns <= d.KTAG_NS
    assert 5 * NA62.lkr.resolution_ns <= d.LKR_NS
    assert 5 * NA62.muv3.resolution_ns <= d.MUV3_NS
    assert 5 * NA62.gtk.time_ns <= d.BEAM_NS
    assert 4.5 * NA62.rich.resolution_ns * (NA62.rich.photo_electrons / 3) ** 0.5 <= d.RICH_NS
    assert NA62.lkr.mip_gev + 3.5 * 0.12 < d.PHOTON_GEV
