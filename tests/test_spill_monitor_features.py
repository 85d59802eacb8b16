"""Gaps, the spike at the start of a spill, and the verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_intensity import (
    NOMINAL_S,
    USUAL,
    Counts,
    Means,
    all_played,
    frame_times,
    naive_gaps,
    naive_runs,
    poisson,
    profile_means,
    realistic,
)

from streams.simulate.intensity import SpillShape
from trigger.clock import FRAME_S, frames_in
from trigger.intensity.bins import BIN_S, count_bins
from trigger.intensity.duty import DutyFactor
from trigger.intensity.gaps import (
    CELL_FRAMES,
    CELL_S,
    DARK,
    FALSE_GAPS,
    LEAST_SIDE,
    SIDE,
    WINDOW,
    Gap,
    gaps,
)
from trigger.intensity.quality import BeamQuality, Verdict, beam_quality, judge
from trigger.intensity.span import BeamSpan, beam_span
from trigger.intensity.spike import (
    LEAST_BINS,
    OUTSTANDING,
    SPIKE_FACTOR,
    START_S,
    Spike,
    StartSpike,
    start_spike,
)

PER_FRAME = 77.0
NO_GAPS = replace(USUAL, gaps_per_s=0, spike_probability=0)
SPIKED = replace(NO_GAPS, spike_probability=1)


def gaps_of(counts: Counts) -> tuple[Gap, ...]:
    return gaps(counts, all_played(counts), 0)


def dark(means: Means, begin_s: float, length_s: float) -> Means:
    """The beam with an empty gap; frames that it begins or ends in are partly lit."""
    frames = np.arange(len(means)) * FRAME_S
    lit = np.clip(begin_s - frames, 0, FRAME_S) + np.clip(frames + FRAME_S - begin_s - length_s, 0, FRAME_S)
    return np.asarray(means * lit / FRAME_S)


def quality_of(counts: Counts) -> BeamQuality:
    quality = beam_quality(counts, all_played(counts), NOMINAL_S)
    assert quality is not None
    return quality


# Gaps.


@settings(max_examples=30)
@given(st.floats(0.01, 0.04), st.floats(0.5e-3, 5e-3), st.integers(0, 1000))
def test_an_empty_gap_is_found_wherever_it_is_with_its_place_and_length(
    begin_s: float, length_s: float, seed: int
) -> None:
    means = dark(np.full(frames_in(0.06), PER_FRAME), begin_s, length_s)
    found = gaps_of(poisson(np.random.default_rng(seed), means))
    assert len(found) == 1
    assert found[0].begin_s == pytest.approx(begin_s, abs=2 * CELL_S)
    assert found[0].missing_s == pytest.approx(length_s, rel=0.02, abs=5e-6)


def test_gaps_of_a_simulated_spill_are_found() -> None:
    """Against the profile itself: runs of cells without beam."""
    found, truth = 0, 0
    for seed in range(4):
        profile = realistic(seed, replace(NO_GAPS, gaps_per_s=3.0), 2.0)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], profile.cells_mhz == 0, [0]]).astype(int)))
        lengths = np.diff(edges)[::2] * CELL_S
        # Cells of both are 8 frames, but the beam of 25 ms beside a gap may have other gaps in it.
        truth += int((lengths >= 0.5e-3).sum())
        found += len(gaps_of(poisson(np.random.default_rng(seed), profile_means(profile))))
    assert truth > 10
    assert abs(found - truth) <= 2


@pytest.mark.parametrize("duty", [0.9, 0.85])
def test_the_dips_of_a_realistic_beam_are_not_gaps(duty: float) -> None:
    for seed in range(8):
        counts = poisson(np.random.default_rng(seed), profile_means(realistic(seed, NO_GAPS, duty=duty)))
        assert quality_of(counts).gaps == ()


@pytest.mark.parametrize("per_frame", [0.006, 0.1, 1.0])
def test_at_low_rates_the_absence_of_counts_is_no_gap(per_frame: float) -> None:
    """FALSE_GAPS in a spill: none in 20 of them."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        assert gaps_of(poisson(rng, np.full(frames_in(NOMINAL_S), per_frame))) == ()


def test_at_a_low_rate_a_long_gap_is_found() -> None:
    means = dark(np.full(frames_in(1.0), 0.006), 0.5, 0.08)
    found = gaps_of(poisson(np.random.default_rng(2), means))
    assert len(found) == 1
    assert found[0].begin_s == pytest.approx(0.5, abs=5e-3)
    assert found[0].missing_s == pytest.approx(0.08, rel=0.3)


def test_what_was_not_played_and_the_ends_of_the_beam_are_no_gaps() -> None:
    counts = poisson(np.random.default_rng(3), np.full(frames_in(0.1), PER_FRAME))
    played = all_played(counts)
    played[5000:6024] = False
    assert gaps(counts * played, played, 0) == ()
    padded = np.concatenate([np.zeros(3000, np.uint16), counts, np.zeros(3000, np.uint16)])
    assert quality_of(padded).gaps == ()


def test_a_beam_of_a_few_milliseconds_has_no_gaps() -> None:
    for n in (0, 1, 100, 1000, 1700):
        assert gaps_of(np.full(n, 77, np.uint16)) == ()


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.5, 5.0, 300.0]))
def test_gaps_are_those_of_a_loop_over_windows(seed: int, per_cell: float) -> None:
    rng = np.random.default_rng(seed)
    means = np.full(1100, per_cell) * rng.uniform(0.3, 1, 1100)
    for start in rng.integers(0, 1100, 4):
        means[start : start + rng.integers(5, 200)] = 0
    cells = rng.poisson(means)
    counts = np.zeros(len(cells) * CELL_FRAMES, np.uint16)
    counts[::CELL_FRAMES] = cells
    twin = naive_gaps(cells.tolist(), WINDOW, SIDE, LEAST_SIDE, DARK, FALSE_GAPS)
    found = gaps_of(counts)
    assert [gap.begin_s for gap in found] == pytest.approx([a * CELL_S for a, _, _ in twin])
    assert [gap.missing_s for gap in found] == pytest.approx([m * CELL_S for _, _, m in twin])


# The spike.


def spike_of(counts: Counts) -> StartSpike | None:
    bins = count_bins(counts, all_played(counts), BIN_S)
    span = beam_span(bins, len(counts) * FRAME_S, NOMINAL_S)
    assert span is not None
    return start_spike(bins, span)


def simulated_spike(seed: int, shape: SpillShape) -> StartSpike | None:
    """What is found in a spill; a bin has 60,000 counts, their fluctuations are left out."""
    return spike_of(np.rint(profile_means(realistic(seed, shape))).astype(np.uint16))


def test_the_spike_of_a_simulated_spill_is_found_with_its_place_length_and_height() -> None:
    found = [simulated_spike(seed, SPIKED) for seed in range(20)]
    seen = [spike.spike for spike in found if spike is not None and spike.spike is not None]
    assert len(seen) >= 15
    assert np.median([spike.begin_s for spike in seen]) == pytest.approx(0.29, abs=BIN_S)
    assert np.median([spike.duration_s for spike in seen]) == pytest.approx(0.04, abs=BIN_S)
    assert 2 < np.median([spike.factor for spike in seen]) < 3


def test_a_spill_without_a_spike_seldom_has_one() -> None:
    """One in a hundred."""
    found = [simulated_spike(seed, NO_GAPS) for seed in range(100, 130)]
    assert sum(spike != StartSpike(None) for spike in found) <= 1


def test_in_a_steady_beam_any_spike_counts_from_one_and_a_half_times_for_10_ms() -> None:
    t = frame_times(frames_in(NOMINAL_S))
    for factor, length_s, is_one in ((1.6, 0.011, True), (1.4, 0.04, False), (3.0, 0.004, False)):
        means = np.where((t > 0.2) & (t < 0.2 + length_s), factor * 50, 50.0)
        spike = spike_of(poisson(np.random.default_rng(1), means))
        assert spike is not None
        assert (spike.spike is not None) == is_one


def test_a_later_spike_is_none_of_the_start() -> None:
    t = frame_times(frames_in(NOMINAL_S))
    counts = poisson(np.random.default_rng(2), np.where((t > 0.6) & (t < 0.64), 150.0, 50.0))
    assert spike_of(counts) == StartSpike(None)


def test_the_start_of_a_piece_of_a_spill_cannot_be_judged() -> None:
    assert spike_of(np.full(frames_in(0.9), 77, np.uint16)) is None
    counts = np.full(frames_in(NOMINAL_S), 77, np.uint16)
    played = all_played(counts)
    played[20_000:21_024] = False
    quality = beam_quality(counts * played, played, NOMINAL_S)
    assert quality is not None
    assert quality.spike is None


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_the_spike_is_that_of_a_loop_over_bins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rates = rng.gamma(4, 250, 700).round()
    at = rng.integers(0, 90)
    rates[at : at + rng.integers(1, 9)] *= 3
    n, e = rates.astype(np.int64), np.full(700, 1, np.int64)
    bins = replace(
        count_bins(np.zeros(1, np.uint16), np.ones(1, np.bool_), BIN_S), counts=n, frames=e, full=e
    )
    found = start_spike(bins, BeamSpan(0.0, 3.5, 0.6, 3.0, True))
    start, stop = round(START_S / BIN_S), 600
    slope, level = np.polyfit(np.arange(start, stop), rates[start:stop], 1)
    line = np.maximum(slope * np.arange(stop) + level, rates[start:stop].mean() / 2)
    relative = (rates[:stop] / line).tolist()
    first = naive_runs(relative[:start], SPIKE_FACTOR, LEAST_BINS)
    later = naive_runs(relative[start:], SPIKE_FACTOR, LEAST_BINS)
    limit = OUTSTANDING * max((excess for _, _, excess in later), default=0.0)
    best = max(first, key=lambda run: run[2], default=(0, 0, 0.0))
    assert found is not None
    if best[2] > limit:
        i, length, excess = best
        expected = (i * BIN_S, length * BIN_S, 1 + excess / length)
        assert found.spike is not None
        assert (found.spike.begin_s, found.spike.duration_s, found.spike.factor) == pytest.approx(expected)
    else:
        assert found.spike is None


# The verdict.


@pytest.fixture(scope="module")
def good() -> BeamQuality:
    return quality_of(poisson(np.random.default_rng(5), profile_means(realistic(5, NO_GAPS))))


def with_duty(quality: BeamQuality, value: float, error: float = 1e-4) -> BeamQuality:
    duty = DutyFactor(value, value, value, error, 600)
    return replace(quality, duty=replace(quality.duty, plateau_5ms=duty))


def with_line(quality: BeamQuality, amplitude: float, error: float) -> BeamQuality:
    lines = [
        replace(line, amplitude=amplitude, error=error) if line.frequency_hz == 100 else line
        for line in quality.harmonics
    ]
    return replace(quality, harmonics=tuple(lines))


def test_a_spill_as_they_usually_are_is_good(good: BeamQuality) -> None:
    assert judge(good) == Verdict("good")


def test_each_flaw_has_its_grade_and_its_reason(good: BeamQuality) -> None:
    gap, spike = Gap(1.0, 0.02), StartSpike(Spike(0.3, 0.04, 2.5))
    turn = good.turn
    assert turn is not None
    for flawed, grade, reason in [
        (with_duty(good, 0.8), "poor", "duty factor 0.800"),
        (with_duty(good, 0.7), "bad", "duty factor 0.700"),
        (replace(good, gaps=(gap,), missing=0.004), "poor", "gaps: 1, 0.4% of the beam time"),
        (replace(good, gaps=(gap,), missing=0.02), "bad", "gaps: 1, 2.0% of the beam time"),
        (replace(good, spike=spike), "poor", "start spike: 2.5 times the plateau for 40 ms"),
        (with_line(good, 0.25, 0.01), "poor", "100 Hz: amplitude 25%"),
        (with_line(good, 0.5, 0.01), "bad", "100 Hz: amplitude 50%"),
        (replace(good, turn=replace(turn, amplitude=0.3)), "poor", "SPS turn: amplitude 30%"),
    ]:
        verdict = judge(flawed)
        assert verdict.grade == grade
        assert [r for r in verdict.reasons if reason in r] == list(verdict.reasons)
        assert len(verdict.reasons) == 1


def test_the_worst_flaw_is_the_grade_and_all_are_told(good: BeamQuality) -> None:
    verdict = judge(replace(with_duty(good, 0.7), missing=0.004))
    assert verdict.grade == "bad"
    assert len(verdict.reasons) == 2


def test_a_line_that_is_not_clear_is_no_flaw(good: BeamQuality) -> None:
    assert judge(with_line(good, 0.3, 0.15)).grade == "good"


def test_with_too_few_counts_or_bins_there_is_no_verdict(good: BeamQuality) -> None:
    assert judge(None) == Verdict("unknown", ("no beam",))
    assert judge(with_duty(good, 0.7, 0.1)).reasons == (
        f"too few counts ({good.counts}): the duty factor is known to 0.10",
    )
    assert judge(replace(good, duty=replace(good.duty, plateau_5ms=None))).grade == "unknown"
    short = quality_of(poisson(np.random.default_rng(6), np.full(frames_in(0.02), PER_FRAME)))
    assert judge(short) == Verdict("unknown", ("the plateau has 4 bins of 5 ms, 20 are needed",))


def test_a_bad_beam_is_found_bad() -> None:
    shape = SpillShape(harmonics=((100.0, 0.6),), gaps_per_s=0)
    verdict = judge(
        quality_of(poisson(np.random.default_rng(7), profile_means(realistic(7, shape, duty=0.7))))
    )
    assert verdict.grade == "bad"
    assert any("duty factor" in reason for reason in verdict.reasons)
    assert any("100 Hz" in reason for reason in verdict.reasons)
