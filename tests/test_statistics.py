"""Intervals of Clopper and Pearson: closed forms, their definition, and how often they hold the truth."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trigger.statistics.binomial import ONE_SIGMA, clopper_pearson
from trigger.statistics.error import StatisticsError


def probability(k: int, n: int, p: float) -> float:
    """Of `k` successes in `n` trials."""
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


@pytest.mark.parametrize("n", [1, 2, 10, 1000])
@pytest.mark.parametrize("level", [ONE_SIGMA, 0.9, 0.95])
def test_none_or_all_of_the_trials_have_the_closed_form_of_one_power(n: int, level: float) -> None:
    tail = (1 - level) / 2
    low, high = clopper_pearson(0, n, level)
    assert low == 0.0
    assert high == pytest.approx(1 - tail ** (1 / n), rel=1e-12)
    low, high = clopper_pearson(n, n, level)
    assert low == pytest.approx(tail ** (1 / n), rel=1e-12)
    assert high == 1.0


def test_without_trials_nothing_is_known() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    [
        # Of 95%, from tables of the interval to four digits.
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (4, 20, 0.0573, 0.4366),
        (90, 100, 0.8238, 0.9510),
    ],
)
def test_intervals_are_those_of_the_tables(passed: int, total: int, low: float, high: float) -> None:
    assert clopper_pearson(passed, total, 0.95) == pytest.approx((low, high), abs=5e-5)


def test_one_of_one_at_one_sigma_reaches_down_to_its_tail() -> None:
    assert clopper_pearson(1, 1) == pytest.approx((0.15865, 1.0))


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([ONE_SIGMA, 0.9, 0.99]))
def test_at_either_end_what_was_seen_or_more_extreme_has_half_of_the_rest(
    passed: int, failed: int, level: float
) -> None:
    n, tail = passed + failed, (1 - level) / 2
    low, high = clopper_pearson(passed, n, level)
    assert 0 <= low <= (passed / n if n else 0.5) <= high <= 1
    if passed:
        assert sum(probability(k, n, low) for k in range(passed, n + 1)) == pytest.approx(tail, rel=1e-6)
    if failed:
        assert sum(probability(k, n, high) for k in range(passed + 1)) == pytest.approx(tail, rel=1e-6)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_failures_have_the_mirror_image_of_the_interval_of_successes(passed: int, failed: int) -> None:
    low, high = clopper_pearson(passed, passed + failed)
    assert clopper_pearson(failed, passed + failed) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@pytest.mark.parametrize("n", [1, 5, 20])
@pytest.mark.parametrize("level", [ONE_SIGMA, 0.95])
def test_whatever_the_probability_the_interval_holds_it_often_enough(n: int, level: float) -> None:
    intervals = [clopper_pearson(k, n, level) for k in range(n + 1)]
    for step in range(1, 100):
        p = step / 100
        held = sum(probability(k, n, p) for k, (low, high) in enumerate(intervals) if low <= p <= high)
        assert held >= level - 1e-12


def test_many_trials_have_the_width_of_a_gaussian() -> None:
    low, high = clopper_pearson(300_000, 1_000_000)
    assert (high - low) / 2 == pytest.approx(math.sqrt(0.3 * 0.7 / 1e6), rel=2e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 3), "passed is 5 of 3; give 0 to 3"),
        ((-1, 3), "passed is -1 of 3"),
        ((0, -1), "passed is 0 of -1"),
        ((1, 3, 1.0), "level is 1; give more than 0 and less than 1"),
        ((1, 3, 0.0), "level is 0;"),
        ((1, 3, math.nan), "level is nan;"),
    ],
)
def test_counts_that_cannot_be_are_refused(arguments: tuple[int, int], message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        clopper_pearson(*arguments)
