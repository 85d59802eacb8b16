"""Lines in the spectrum of the beam: harmonics of the mains, their frequency, and the turn of the machine."""

from __future__ import annotations

import numpy as np
import pytest
from naive_intensity import (
    Counts,
    Means,
    all_played,
    frame_times,
    naive_lines,
    poisson,
    profile_means,
    rayleigh,
    realistic,
    turn_power,
)

from streams.simulate.intensity import SpillShape
from trigger.clock import FRAME_S, TICKS_PER_FRAME, frames_in
from trigger.intensity.harmonics import CELL_FRAMES, FREQUENCIES_HZ, Harmonic, harmonics
from trigger.intensity.quality import beam_quality
from trigger.intensity.turn import TurnLine, log_p_value, turn_line

PER_FRAME = 77.0
"""Counts of the CHOD in a frame at 750 MHz."""


def lines_of(counts: Counts) -> dict[float, Harmonic]:
    return {line.frequency_hz: line for line in harmonics(counts, all_played(counts))[0]}


def numbers(line: Harmonic) -> tuple[float, float, float, float, float]:
    """(amplitude, error, noise, phase, its error) of a line that was measured."""
    found = (line.amplitude, line.error, line.noise, line.phase, line.phase_error)
    assert None not in found
    return tuple(0.0 if x is None else x for x in found)  # type: ignore[return-value]


def wave(n_frames: int, f_hz: float, amplitude: float, phase: float = 1.0) -> Means:
    """A line, t since the middle of the frames."""
    t = frame_times(n_frames) - n_frames * FRAME_S / 2
    return np.asarray(1 + amplitude * np.cos(2 * np.pi * f_hz * t - phase))


def turn(n_frames: int, amplitude: float, period: float = 924.04) -> Means:
    """A modulation with the period of the turn in ticks, averaged over frames."""
    turns = TICKS_PER_FRAME / period
    return np.asarray(1 + amplitude * np.sinc(turns) * np.sin(2 * np.pi * turns * np.arange(n_frames) + 0.3))


def found_turn(counts: Counts) -> TurnLine:
    line = turn_line(counts)
    assert line is not None
    return line


# Harmonics.


def test_100_hz_of_5_percent_is_measured_within_its_error_and_so_is_its_phase() -> None:
    rng = np.random.default_rng(1)
    n = frames_in(1.0)
    means = 0.3 * wave(n, 100, 0.05, 1.0)
    pulls, phases = [], []
    for _ in range(200):
        amplitude, error, _, phase, phase_error = numbers(lines_of(poisson(rng, means))[100])
        pulls.append((amplitude - 0.05) / error)
        phases.append((phase - 1.0) / phase_error)
    for pull in (pulls, phases):
        assert abs(np.mean(pull)) < 4 / np.sqrt(200)
        assert np.std(pull) == pytest.approx(1, abs=0.2)


def test_in_a_beam_with_noise_of_its_own_the_error_is_that_of_its_neighbours() -> None:
    """The residual of a real spill is ten times the noise of counting and more, and the pulls are right."""
    rng = np.random.default_rng(2)
    shape = SpillShape(harmonics=((100.0, 0.1),), turn_amplitude=0, gaps_per_s=0)
    pulls = []
    for seed in range(40):
        line = lines_of(poisson(rng, profile_means(realistic(seed, shape, 1.0))))[100]
        amplitude, error, noise, _, _ = numbers(line)
        pulls.append((amplitude - 0.1) / error)
        assert line.counting_noise is not None
        assert noise > 10 * line.counting_noise
    assert abs(np.mean(pulls)) < 0.6
    assert np.std(pulls) == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("f_hz", FREQUENCIES_HZ)
def test_each_line_is_measured_where_it_is_and_nowhere_else(f_hz: float) -> None:
    rng = np.random.default_rng(3)
    n = frames_in(1.0)
    for line in lines_of(poisson(rng, PER_FRAME * wave(n, f_hz, 0.05, -2.0))).values():
        amplitude, error, noise, phase, phase_error = numbers(line)
        if line.frequency_hz == f_hz:
            assert amplitude == pytest.approx(0.05, abs=4 * error)
            assert phase == pytest.approx(-2.0, abs=4 * phase_error)
        else:
            assert amplitude < 4 * noise


def test_without_a_line_the_amplitude_is_the_noise_of_counting_in_the_mean() -> None:
    rng = np.random.default_rng(4)
    n = frames_in(0.5)
    found = [line for _ in range(60) for line in lines_of(poisson(rng, np.full(n, 0.2))).values()]
    expected = np.sqrt(np.pi / (0.2 * n))
    amplitudes, noises, countings = (
        np.array([getattr(line, name) for line in found]) for name in ("amplitude", "noise", "counting_noise")
    )
    assert amplitudes.mean() == pytest.approx(expected, rel=4 * 0.52 / np.sqrt(len(found)) + 0.02)
    assert noises.mean() == pytest.approx(expected, rel=0.03)
    assert countings == pytest.approx(np.full(len(found), expected), rel=0.02)


def test_a_line_in_a_flat_beam_has_the_amplitude_of_rayleigh() -> None:
    rng = np.random.default_rng(5)
    counts = poisson(rng, PER_FRAME * wave(frames_in(1.0), 50, 0.04))
    for f_hz in FREQUENCIES_HZ[1:]:
        amplitude, error, _, phase, _ = numbers(lines_of(counts)[f_hz])
        twin = rayleigh(counts, f_hz) * np.exp(1j * np.pi * f_hz * len(counts) * FRAME_S)
        # exp(-2 pi i f t) and cos(2 pi f t - phase) turn in opposite ways.
        assert abs(amplitude * np.exp(-1j * phase) - twin) < 0.5 * error


def test_the_fit_is_that_of_a_loop_over_cells() -> None:
    rng = np.random.default_rng(6)
    counts = poisson(rng, 5 * wave(frames_in(0.1), 150, 0.3) * np.linspace(1.2, 0.8, frames_in(0.1)))
    n = len(counts) // CELL_FRAMES
    cells = counts[: n * CELL_FRAMES].reshape(n, CELL_FRAMES).sum(axis=1).astype(float)
    t = [((i + 0.5) * CELL_FRAMES - len(counts) / 2) * FRAME_S for i in range(n)]
    measured = lines_of(counts)
    names = [f for f in FREQUENCIES_HZ if f * 0.1 >= 3]
    assert [f for f in FREQUENCIES_HZ if measured[f].amplitude is not None] == names
    for f_hz, twin in zip(names, naive_lines(cells.tolist(), t, names), strict=True):
        amplitude, _, _, phase, _ = numbers(measured[f_hz])
        taken = np.sinc(f_hz * CELL_FRAMES * FRAME_S)
        assert amplitude * taken * np.exp(1j * phase) == pytest.approx(twin, rel=1e-6)


def test_the_slow_fall_of_a_plateau_does_not_leak_into_10_hz() -> None:
    n = frames_in(3.2)
    x = np.linspace(0, 1, n)
    counts = np.rint(20_000 * (1 - 0.27 * x - 0.1 * x**2 + 0.1 * x**3)).astype(np.uint16)
    amplitude = numbers(lines_of(counts)[10])[0]
    assert amplitude < 1e-5
    assert abs(rayleigh(counts, 10)) > 100 * amplitude


def test_the_rise_and_decline_of_a_spill_do_not_leak_into_10_hz() -> None:
    shape = SpillShape(harmonics=(), turn_amplitude=0, gaps_per_s=0, spike_probability=0)
    counts = np.rint(profile_means(realistic(1, shape, duty=1.0), 10)).astype(np.uint16)
    quality = beam_quality(counts, all_played(counts), 4.8)
    assert quality is not None
    for line in quality.harmonics:
        assert numbers(line)[0] < 1e-4
    assert abs(rayleigh(counts, 10)) > 1e-3


def test_frames_not_played_do_not_change_a_line() -> None:
    rng = np.random.default_rng(7)
    counts = poisson(rng, PER_FRAME * wave(frames_in(1.0), 100, 0.05))
    played = all_played(counts)
    played[10_000:20_000] = False
    played[100_000:101_024] = False
    found, _ = harmonics(counts * played, played)
    amplitude, error, *_ = numbers(found[FREQUENCIES_HZ.index(100)])
    assert amplitude == pytest.approx(0.05, abs=4 * error)
    assert error < 1e-3


@pytest.mark.parametrize(
    ("duration_s", "measured"),
    [(0.31, 6), (0.25, 5), (0.025, 3), (0.011, 2), (0.0055, 1), (0.004, 0), (0, 0)],
)
def test_lines_of_less_than_three_periods_are_not_measured(duration_s: float, measured: int) -> None:
    counts = poisson(np.random.default_rng(8), np.full(frames_in(duration_s), PER_FRAME))
    amplitudes = [line.amplitude for line in lines_of(counts).values()]
    assert [a is not None for a in amplitudes] == [False] * (6 - measured) + [True] * measured


def test_no_counts_have_no_lines() -> None:
    found, mains_hz = harmonics(np.zeros(200_000, np.uint16), np.ones(200_000, np.bool_))
    assert {line.amplitude for line in found} == {None}
    assert mains_hz is None


@pytest.mark.parametrize("mains_hz", [49.93, 50.0, 50.021, 50.1])
def test_the_mains_are_found_and_their_harmonics_with_them(mains_hz: float) -> None:
    rng = np.random.default_rng(9)
    n = frames_in(3.2)
    means = PER_FRAME * (wave(n, 2 * mains_hz, 0.06) + wave(n, 12 * mains_hz, 0.03) - 1)
    found, seen_hz = harmonics(poisson(rng, means), np.ones(n, np.bool_))
    assert (seen_hz or 50.0) == pytest.approx(mains_hz, abs=5e-4)
    lines = {line.frequency_hz: line for line in found}
    for f_hz, truth in ((100, 0.06), (600, 0.03)):
        assert lines[f_hz].measured_hz == pytest.approx(f_hz / 50 * mains_hz, abs=0.01)
        amplitude, error, *_ = numbers(lines[f_hz])
        assert amplitude == pytest.approx(truth, abs=4 * error)
    assert lines[10].measured_hz == 10


@pytest.mark.parametrize("harmonics_of", [(), SpillShape().harmonics])
def test_mains_at_50_hz_or_without_lines_are_not_told_from_50_hz(
    harmonics_of: tuple[tuple[float, float], ...],
) -> None:
    rng = np.random.default_rng(10)
    for seed in range(10):
        counts = poisson(rng, profile_means(realistic(seed, SpillShape(harmonics=harmonics_of), 2.0)))
        assert harmonics(counts, all_played(counts))[1] is None


# The turn.


@pytest.mark.parametrize("period", [920.5, 924.04, 927.3])
def test_a_turn_of_5_percent_is_found_with_its_period_and_amplitude(period: float) -> None:
    rng = np.random.default_rng(11)
    n = frames_in(1.0)
    pulls = []
    for _ in range(40):
        line = found_turn(poisson(rng, 10 * turn(n, 0.05, period)))
        pulls.append(
            [(line.period_ticks - period) / line.period_error_ticks, (line.amplitude - 0.05) / line.error]
        )
        assert line.significance > 10
    assert np.abs(np.mean(pulls, axis=0)).max() < 4 / np.sqrt(40)
    assert np.std(pulls, axis=0) == pytest.approx([1, 1], abs=0.4)


def test_the_amplitude_of_the_turn_is_that_of_a_sum_over_frames() -> None:
    counts = poisson(np.random.default_rng(12), 20 * turn(231 * 60, 0.2))
    line = found_turn(counts)
    power = turn_power(counts, line.period_ticks)
    taken = np.sinc(TICKS_PER_FRAME / line.period_ticks)
    # Chunks are turned as a whole: 0.1% at most.
    assert line.amplitude == pytest.approx(2 * np.sqrt(power) / counts.sum() / taken, rel=2e-3)
    for step in (-0.05, 0.05):
        assert turn_power(counts, line.period_ticks + step) < power


def test_a_flat_beam_has_a_turn_as_often_as_its_p_value_says_or_a_little_less() -> None:
    """Less: noise is taken to be that of counting, or more where the rest of the range has more by chance."""
    rng = np.random.default_rng(13)
    n = frames_in(0.2)
    p = np.array([found_turn(poisson(rng, np.full(n, 1.0))).p_value for _ in range(500)])
    for level in (0.05, 0.1, 0.3):
        expected = 500 * level
        assert 0.6 * expected - 3 * np.sqrt(expected) < (p < level).sum() < expected + 3 * np.sqrt(expected)


def test_counts_in_clusters_are_noise_of_the_turn_and_not_a_line() -> None:
    rng = np.random.default_rng(14)
    found = [found_turn(3 * poisson(rng, np.full(frames_in(0.5), 0.5))) for _ in range(60)]
    assert np.mean([line.p_value < 0.1 for line in found]) < 0.3
    expected = np.sqrt(3 * np.pi / (1.5 * frames_in(0.5))) / np.sinc(TICKS_PER_FRAME / 924)
    assert np.mean([line.noise for line in found]) == pytest.approx(expected, rel=0.1)


def test_a_turn_is_found_in_a_realistic_spill() -> None:
    counts = poisson(np.random.default_rng(15), profile_means(realistic(1)))
    line = found_turn(counts)
    assert line.period_ticks == pytest.approx(924.04, abs=4 * line.period_error_ticks)
    assert line.amplitude == pytest.approx(0.05, abs=4 * line.error)
    assert line.significance > 50
    assert line.trials == pytest.approx(4.8 * 375.5, rel=2e-3)


@pytest.mark.parametrize(("n_frames", "per_frame"), [(0, 77), (700, 77), (10_000, 0), (10_000, 0.005)])
def test_too_little_beam_has_no_turn(n_frames: int, per_frame: float) -> None:
    assert turn_line(poisson(np.random.default_rng(16), np.full(n_frames, per_frame))) is None


def test_the_p_value_after_trials_is_a_probability_however_high_the_peak() -> None:
    z = np.array([5.0, 8.0, 10.0, 12.0, 20.0, 40.0, 1e4])
    log_p = np.array([log_p_value(x, 1800) for x in z])
    assert (np.diff(log_p) <= 0).all()
    assert log_p.max() <= 0
    assert log_p[5] == pytest.approx(-40 + np.log1p(1800 * np.sqrt(np.pi * 40 / 3)))
    assert np.isfinite(log_p).all()
