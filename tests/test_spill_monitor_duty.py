"""Bins of time, the duty factor of a beam and its error, and the spread of its rate."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_intensity import (
    NOMINAL_S,
    all_played,
    frame_times,
    naive_bins,
    naive_dispersion,
    naive_duty,
    poisson,
)

from trigger.clock import FRAME_S, frames_in
from trigger.intensity.bins import (
    BIN_S,
    FINE_BIN_S,
    BinCounts,
    count_bins,
    first_frames,
    frame_at,
    sum_between,
)
from trigger.intensity.duty import (
    DutyFactor,
    dispersion,
    duty_factor,
    duty_of_counts,
    duty_of_measurements,
)
from trigger.intensity.span import beam_span
from trigger.intensity.spread import spread

counts = st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=3000)


def equal_bins(values: list[int], frames: int = 100) -> BinCounts:
    """Bins of as many frames each."""
    n = np.array(values, np.int64)
    played = np.full(len(n), frames, np.int64)
    return BinCounts(BIN_S, n, played, played)


def found(bins: BinCounts, dispersed: float = 1.0) -> DutyFactor:
    duty = duty_of_counts(bins, dispersed)
    assert duty is not None
    return duty


# Bins.


@given(counts, st.sampled_from([BIN_S, FINE_BIN_S]))
def test_a_frame_is_counted_in_the_bin_of_its_middle(frames: list[tuple[int, bool]], width_s: float) -> None:
    n, played = np.array([n * p for n, p in frames], np.uint16), np.array([p for _, p in frames], np.bool_)
    bins = count_bins(n, played, width_s)
    twin = naive_bins(n.tolist(), played.tolist(), width_s)
    assert list(zip(bins.counts.tolist(), bins.frames.tolist(), strict=True)) == twin


def test_bins_have_a_frame_more_or_less_and_a_flat_beam_is_flat_in_them() -> None:
    n = np.full(frames_in(NOMINAL_S), 7, np.uint16)
    bins = count_bins(n, all_played(n), FINE_BIN_S)
    assert set(bins.frames[:-1].tolist()) == {156, 157}
    assert set(bins.per_frame.tolist()) == {7.0}


def test_a_bin_that_was_not_played_to_its_end_is_not_whole() -> None:
    n = np.ones(frame_at(0.023), np.uint16)
    played = all_played(n)
    assert count_bins(n, played, BIN_S).whole.tolist() == [True] * 4 + [False]
    played[frame_at(0.005)] = False
    bins = count_bins(n * played, played, BIN_S)
    assert bins.whole.tolist() == [True, False, True, True, False]
    assert bins.per_frame.tolist() == [1.0] * 5
    assert len(bins.between(0.0, 0.02).counts) == 3


@given(st.lists(st.integers(0, 9), max_size=50), st.lists(st.integers(0, 60), min_size=1, max_size=9))
def test_sums_between_edges_are_those_of_slices(values: list[int], edges: list[int]) -> None:
    first = np.unique(edges).astype(np.int64)
    sums = sum_between(np.array(values, np.uint16), first)
    assert sums.tolist() == [sum(values[a:b]) for a, b in pairwise(first)]


def test_the_frame_at_the_beginning_of_a_bin_is_its_first() -> None:
    first = first_frames(frames_in(NOMINAL_S), BIN_S)
    assert [frame_at(i * BIN_S) for i in range(len(first))] == first.tolist()


def test_an_empty_spill_has_no_bins() -> None:
    assert first_frames(0, BIN_S).tolist() == [0]


# The duty factor.


def test_a_mean_of_50_and_a_spread_of_15_is_a_raw_duty_factor_of_0_917() -> None:
    """The hits of GTK1 in NA62's beam-quality notes."""
    duty = found(equal_bins([35, 65] * 200))
    assert duty.raw == pytest.approx(50**2 / (50**2 + 15**2)) == pytest.approx(0.917, abs=5e-4)
    assert duty.corrected == pytest.approx(50**2 / (50**2 + 15**2 - 50), rel=1e-4)


def test_a_flat_beam_with_50_counts_in_a_bin_has_0_980_before_and_1_after_correction() -> None:
    rng = np.random.default_rng(1)
    duties = [found(equal_bins(rng.poisson(50, 600).tolist())) for _ in range(200)]
    assert np.mean([d.raw for d in duties]) == pytest.approx(1 / (1 + 1 / 50), abs=3e-4)
    assert np.mean([d.corrected for d in duties]) == pytest.approx(1, abs=3e-4)


def test_a_sinusoid_alone_has_its_closed_form() -> None:
    wave = 1 + 0.3 * np.sin(np.linspace(0, 2 * np.pi, 1000, endpoint=False))
    assert duty_factor(wave) == pytest.approx(1 / (1 + 0.3**2 / 2), rel=1e-12)
    assert found(equal_bins((wave * 1e9).astype(int).tolist())).corrected == pytest.approx(
        1 / (1 + 0.3**2 / 2), rel=1e-6
    )


@pytest.mark.parametrize("mean", [0.5, 4.6, 50.0, 5e4])
@pytest.mark.parametrize("ripple", [0.0, 0.5])
def test_the_error_of_the_duty_factor_is_its_spread(mean: float, ripple: float) -> None:
    rng = np.random.default_rng(2)
    beam = mean * (1 + ripple * np.sin(np.linspace(0, 9, 600)))
    duties = [found(equal_bins(rng.poisson(beam).tolist())) for _ in range(400)]
    pulls = np.array([(d.corrected - duty_factor(beam)) / d.error for d in duties])
    assert abs(pulls.mean()) < 4 / np.sqrt(400) + 0.15
    assert pulls.std() == pytest.approx(1, abs=0.15)


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 160)), min_size=1, max_size=60), st.floats(1, 3)
)
def test_the_duty_factor_is_that_of_a_loop(rows: list[tuple[int, int]], dispersed: float) -> None:
    n, e = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    duty = duty_of_counts(BinCounts(BIN_S, n, e, e), dispersed)
    if duty is not None:
        twin = naive_duty(n.tolist(), e.tolist(), dispersed)
        assert (duty.raw, duty.corrected, duty.declustered) == pytest.approx(twin, rel=1e-9)
        assert duty.error >= 0


def test_without_two_counts_in_a_bin_there_is_no_duty_factor() -> None:
    assert duty_of_counts(equal_bins([])) is None
    assert duty_of_counts(equal_bins([0, 1, 1, 0])) is None


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40))
def test_the_dispersion_is_that_of_a_loop(values: list[int]) -> None:
    d = dispersion(np.array(values, np.uint16))
    assert d is None if not any(values) else d == pytest.approx(naive_dispersion(values))


def test_counts_in_clusters_are_told_from_a_beam_that_varies() -> None:
    """One particle in ten makes 5 primitives: the Poisson correction leaves a third of their spread to the beam."""
    rng = np.random.default_rng(3)
    n_frames = frames_in(3.0)
    beam = 0.004 * (1 + 0.3 * np.sin(2 * np.pi * 12 * frame_times(n_frames)))
    duties, dispersions = [], []
    for _ in range(60):
        n = (rng.poisson(0.9 * beam) + 5 * rng.poisson(0.1 * beam)).astype(np.uint16)
        d = dispersion(n)
        assert d is not None
        dispersions.append(d)
        duties.append(found(count_bins(n, all_played(n), BIN_S).between(0, 3), d))
    truth = duty_factor(
        count_bins((beam * 1e7).astype(np.uint16), all_played(beam), BIN_S).between(0, 3).per_frame
    )
    # <k^2> / <k> of clusters of k.
    assert np.mean(dispersions) == pytest.approx((0.9 + 0.1 * 25) / (0.9 + 0.1 * 5), abs=0.02)
    assert np.mean([d.declustered for d in duties]) == pytest.approx(truth, abs=0.01)
    assert np.mean([d.corrected for d in duties]) < truth - 0.1
    spread_of_it = np.std([d.declustered for d in duties])
    assert spread_of_it < 1.2 * np.mean([d.error for d in duties])


def test_poisson_numbers_have_a_dispersion_of_1_to_its_error() -> None:
    rng = np.random.default_rng(4)
    for mean in (0.006, 1.0, 77.0):
        values = [dispersion(poisson(rng, np.full(40_000, mean))) for _ in range(40)]
        assert np.mean([v or 0 for v in values]) == pytest.approx(1, abs=4 * np.sqrt(3 / 40_000 / 40))
        assert np.std([v or 0 for v in values]) == pytest.approx(np.sqrt(3 / 40_000), rel=0.5)


@pytest.mark.parametrize("ripple", [0.0, 0.4])
def test_the_duty_factor_of_measurements_is_without_their_noise_and_its_error_is_its_spread(
    ripple: float,
) -> None:
    rng = np.random.default_rng(5)
    beam = 600 * (1 + ripple * np.sin(np.linspace(0, 9, 300)))
    sigma = rng.uniform(50, 200, 300)
    pulls = []
    for _ in range(400):
        duty = duty_of_measurements(beam + sigma * rng.standard_normal(300), sigma**2)
        assert duty is not None
        pulls.append((duty.corrected - duty_factor(beam)) / duty.error)
    assert abs(np.mean(pulls)) < 0.2
    assert np.std(pulls) == pytest.approx(1, abs=0.15)


def test_no_measurement_has_no_duty_factor() -> None:
    assert duty_of_measurements(np.zeros(0), np.zeros(0)) is None
    assert duty_of_measurements(np.zeros(5), np.ones(5)) is None


# Where the beam is, and its spread.


def test_the_plateau_is_the_middle_two_thirds_of_the_beam_as_2_to_5_s_of_1_2_to_5_8_s() -> None:
    t = frame_times(frames_in(6.5))
    n = np.where((t > 1.2) & (t < 5.8), 50, 0).astype(np.uint16)
    n[[1000, 1_000_000]] = 1
    span = beam_span(count_bins(n, all_played(n), BIN_S), len(n) * FRAME_S, NOMINAL_S)
    assert span is not None
    assert (span.begin_s, span.end_s) == pytest.approx((1.2, 5.8))
    assert span.plateau_s == pytest.approx((1.965, 5.035))
    assert span.whole


def test_a_short_spill_is_plateau_all_over() -> None:
    n = np.full(frames_in(0.3), 50, np.uint16)
    span = beam_span(count_bins(n, all_played(n), BIN_S), len(n) * FRAME_S, NOMINAL_S)
    assert span is not None
    assert span.plateau_s == (span.begin_s, span.end_s)
    assert span.plateau_s == pytest.approx((0.0, 0.3))
    assert not span.whole


def test_no_counts_are_no_beam() -> None:
    n = np.zeros(2000, np.uint16)
    assert beam_span(count_bins(n, all_played(n), BIN_S), 1.0, NOMINAL_S) is None
    assert spread(equal_bins([0, 0])) is None


def test_the_spread_is_that_of_its_definitions() -> None:
    values = np.random.default_rng(6).gamma(4, 1000, 500).astype(int)
    found = spread(equal_bins(values.tolist()))
    assert found is not None
    z = (values - values.mean()) / values.std()
    assert (found.mean, found.sd) == pytest.approx((values.mean(), values.std()))
    assert (found.max_over_mean, found.min_over_mean) == pytest.approx(
        (values.max() / values.mean(), values.min() / values.mean())
    )
    assert (found.skewness, found.kurtosis) == pytest.approx(((z**3).mean(), (z**4).mean() - 3))
    flat = spread(equal_bins([5, 5]))
    assert flat is not None
    assert (flat.skewness, flat.kurtosis) == (None, None)
