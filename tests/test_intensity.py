"""Beam intensity along the spill."""

from dataclasses import replace

import numpy as np
import pytest

from streams.simulate.intensity import (
    CELL_FRAMES,
    CELL_S,
    Floats,
    IntensityProfile,
    SpillShape,
    flat_profile,
    spill_profile,
)
from trigger.clock import frames_in
from trigger.intensity.duty import duty_factor

MEAN_MHZ = 750.0
SPILL_S = 4.8
BIN_5_MS = round(5e-3 / CELL_S)
PLAIN = SpillShape(harmonics=(), turn_amplitude=0, gaps_per_s=0, spike_probability=0)
"""Ramps and the slow fall only, if the duty factor asked for is 1."""


def make(
    seed: int = 1, duration_s: float = SPILL_S, duty: float = 0.9, shape: SpillShape | None = None
) -> IntensityProfile:
    shape = shape or SpillShape()
    return spill_profile(MEAN_MHZ, frames_in(duration_s), SPILL_S, duty, np.random.default_rng(seed), shape)


def between(profile: IntensityProfile, start_s: float, stop_s: float) -> Floats:
    return profile.cells_mhz[round(start_s / CELL_S) : round(stop_s / CELL_S)]


def in_bins(cells: Floats, per_bin: int) -> Floats:
    n = len(cells) // per_bin
    return np.asarray(cells[: n * per_bin].reshape(n, per_bin).mean(axis=1))


@pytest.mark.parametrize("duration_s", [1e-6, 1e-4, 0.0202, 1.0, SPILL_S])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_mean_over_the_frames_of_the_spill_is_the_one_asked_for(duration_s: float, seed: int) -> None:
    n_frames = max(1, frames_in(duration_s))
    for profile in (
        spill_profile(MEAN_MHZ, n_frames, SPILL_S, 0.9, np.random.default_rng(seed)),
        flat_profile(MEAN_MHZ, n_frames),
    ):
        frames = profile.frames_mhz(0, n_frames)
        assert frames.mean() == pytest.approx(MEAN_MHZ, rel=1e-9)
        assert profile.mean_mhz() == pytest.approx(MEAN_MHZ, rel=1e-9)
        assert (frames >= 0).all()


@pytest.mark.parametrize("duration_s", [1.0, SPILL_S])
def test_the_duty_factor_of_the_plateau_in_5_ms_bins_is_0_87_to_0_92(duration_s: float) -> None:
    for seed in range(10):
        profile = make(seed, duration_s)
        plateau = between(profile, 0.8, 3.8) if duration_s == SPILL_S else profile.cells_mhz
        assert 0.87 < duty_factor(in_bins(plateau, BIN_5_MS)) < 0.92


def test_the_duty_factor_is_the_one_asked_for_when_other_features_allow_it() -> None:
    for duty in (0.7, 0.8, 0.9, 0.97):
        assert duty_factor(in_bins(make(3, 1.0, duty).cells_mhz, BIN_5_MS)) == pytest.approx(duty, abs=1e-6)


def test_the_residual_loses_variance_in_longer_bins_as_in_run_8764() -> None:
    # Poisson-subtracted duty factors 0.87, 0.93, 0.97 in 5, 20 and 100 ms: the variance halves from 5 to 20 ms.
    shape = replace(PLAIN, fall=0.0)
    ratios = []
    for seed in range(10):
        cells = between(make(seed, shape=shape), 0.3, 4.5)
        variance = [1 / duty_factor(in_bins(cells, n * BIN_5_MS)) - 1 for n in (1, 4, 20)]
        ratios.append([variance[1] / variance[0], variance[2] / variance[0]])
    at_20_ms, at_100_ms = np.mean(ratios, axis=0)
    assert 0.4 < at_20_ms < 0.6
    assert 0.05 < at_100_ms < 0.25


def test_a_whole_spill_rises_falls_by_27_percent_and_declines() -> None:
    profile = make(duty=1.0, shape=PLAIN)
    cells = profile.cells_mhz
    before_ramps = cells / (1 - 0.27 * (np.arange(len(cells)) + 0.5) / len(cells))
    top = before_ramps.max()
    assert between(profile, 0, 0.001).max() < 0.01 * top
    assert before_ramps[round(0.075 / CELL_S)] == pytest.approx(0.5 * top, rel=0.01)
    assert before_ramps[-round(0.05 / CELL_S)] == pytest.approx(0.5 * top, rel=0.01)
    np.testing.assert_allclose(before_ramps[round(0.151 / CELL_S) : -round(0.101 / CELL_S)], top, rtol=1e-9)


@pytest.mark.parametrize("duration_s", [0.02, 1.0, 3.9])
def test_a_short_spill_is_a_piece_of_the_plateau_without_ramps(duration_s: float) -> None:
    cells = make(duration_s=duration_s, duty=1.0, shape=PLAIN).cells_mhz
    fall = 0.27 * duration_s / SPILL_S / (1 - 0.27 / 2)
    assert cells.min() > MEAN_MHZ * (1 - fall)
    assert cells.max() < MEAN_MHZ * (1 + fall)


@pytest.mark.parametrize(("frequency_hz", "amplitude"), SpillShape().harmonics)
def test_each_harmonic_has_its_amplitude(frequency_hz: float, amplitude: float) -> None:
    shape = replace(PLAIN, harmonics=((frequency_hz, amplitude),), fall=0.0)
    cells = make(duration_s=1.0, duty=1.0, shape=shape).cells_mhz
    t = (np.arange(len(cells)) + 0.5) * CELL_S
    seen = 2 * abs(np.mean(cells * np.exp(2j * np.pi * frequency_hz * t))) / MEAN_MHZ
    assert seen == pytest.approx(amplitude, rel=0.02)


def test_gaps_last_half_a_millisecond_to_two() -> None:
    shape = replace(PLAIN, gaps_per_s=5.0, fall=0.0)
    dark = make(seed=4, duration_s=1.0, duty=1.0, shape=shape).cells_mhz == 0
    starts, stops = (np.flatnonzero(np.diff(dark.astype(int)) == step) for step in (1, -1))
    lengths_s = (stops - starts) * CELL_S
    assert len(lengths_s) >= 2
    assert (lengths_s > 0.4e-3).all()
    assert np.median(lengths_s) < 2.1e-3


def test_the_start_spike_doubles_or_triples_40_ms_of_a_whole_spill() -> None:
    quiet, spiked = (
        make(duty=1.0, shape=replace(PLAIN, fall=0.0, spike_probability=p)).cells_mhz for p in (0.0, 1.0)
    )
    ratio = spiked / quiet
    ratio /= np.median(ratio)
    inside = ratio > 1.5
    assert inside.sum() * CELL_S == pytest.approx(0.04, abs=2 * CELL_S)
    assert 2 <= ratio[inside].min() <= ratio[inside].max() <= 3


def test_the_profile_depends_on_nothing_but_its_arguments() -> None:
    np.testing.assert_array_equal(make(5).cells_mhz, make(5).cells_mhz)
    assert (make(5).cells_mhz != make(6).cells_mhz).any()


def test_frames_have_the_intensity_of_their_cell() -> None:
    profile = IntensityProfile(20, np.array([1.0, 2.0, 3.0]), 0.0, 0.0)
    assert CELL_FRAMES == 8
    np.testing.assert_array_equal(profile.frames_mhz(6, 10), [1, 1, 2, 2])
    np.testing.assert_array_equal(profile.frames_mhz(15, 20), [2, 3, 3, 3, 3])
    assert profile.mean_mhz() == pytest.approx((8 * 1 + 8 * 2 + 4 * 3) / 20)


def test_the_duty_factor_of_a_sine_is_its_closed_form() -> None:
    sine = 1 + 0.4 * np.sin(np.linspace(0, 2 * np.pi, 1000, endpoint=False))
    assert duty_factor(sine) == pytest.approx(1 / (1 + 0.4**2 / 2), rel=1e-12)
