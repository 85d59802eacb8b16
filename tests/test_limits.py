"""Upper limits: what they are, how often they hold the truth, and what is expected of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_scan import expected_counts, expected_peak, in_a_row, limit_of, toys
from scipy.stats import nbinom, norm, poisson

from trigger.statistics.limits import BAND, FEW, expected_limits, upper_limit
from trigger.statistics.scan import scan
from trigger.statistics.windows import GAUSSIAN


@pytest.mark.parametrize("b", [0.0, 0.1, 3.0, 200.0, 1e5])
@pytest.mark.parametrize("relative", [0.0, 0.1, 1.0])
def test_without_events_the_limit_is_2_303_whatever_the_background(b: float, relative: float) -> None:
    assert upper_limit(0, b, relative * b) == pytest.approx(math.log(10), rel=1e-9)
    assert upper_limit(0, b, relative * b, 0.87) == pytest.approx(math.log(10) / 0.87, rel=1e-9)


@pytest.mark.parametrize(
    ("n", "limit"),
    [(0, 2.303), (1, 3.890), (2, 5.322), (3, 6.681), (5, 9.275), (10, 15.407)],
)
def test_without_background_limits_are_those_of_the_table_of_the_review_of_particle_physics(
    n: int, limit: float
) -> None:
    # Review of Particle Physics, Statistics, "Poisson or binomial data": upper limits at 90%.
    assert upper_limit(n, 0.0) == pytest.approx(limit, abs=6e-4)
    assert upper_limit(n, 0.0, 0.2) == upper_limit(n, 0.0)


@pytest.mark.parametrize("relative", [0.0, 0.05, 0.3, 1.0, 2.0])
@pytest.mark.parametrize(
    ("n", "b"), [(0, 0.3), (1, 0.3), (3, 4.0), (12, 6.0), (2, 9.0), (50, 40.0), (30, 45.0)]
)
def test_of_few_events_the_limit_is_where_cls_is_a_tenth(n: int, b: float, relative: float) -> None:
    assert upper_limit(n, b, relative * b, 0.87) == pytest.approx(
        limit_of(n, b, relative * b, 0.87), rel=1e-7
    )


@pytest.mark.parametrize("relative", [0.0, 0.05, 0.3])
@pytest.mark.parametrize(("n", "b"), [(51, 40.0), (51, 66.0), (100.7, 100.0), (400, 350.0), (2100.3, 2000.0)])
def test_of_many_events_it_is_so_to_a_permille(n: float, b: float, relative: float) -> None:
    assert upper_limit(n, b, relative * b) == pytest.approx(limit_of(n, b, relative * b), rel=1e-3)


@pytest.mark.parametrize(
    ("n", "b", "d"),
    [(2.5, 8.0, 2.0), (3.3, 12.0, 6.0), (10.2, 10.0, 6.0), (30.5, 30.0, 25.0), (5.5, 10.0, 0.0)],
)
def test_of_parts_of_events_it_is_so_to_a_percent(n: float, b: float, d: float) -> None:
    assert upper_limit(n, b, d) == pytest.approx(limit_of(n, b, d), rel=1e-2)


@pytest.mark.parametrize(
    ("n", "b", "d"), [(14.3, 10.0, 2.0), (60.2, 50.0, 6.0), (300.1, 290.0, 20.0), (90.0, 20.0, 3.0)]
)
def test_a_signal_that_spreads_more_than_a_count_has_the_limit_of_the_scaled_count(
    n: float, b: float, d: float
) -> None:
    assert upper_limit(n, b, d, 0.99, 1.15) == pytest.approx(limit_of(n, b, d, 0.99, 1.15), rel=3e-3)
    assert upper_limit(n, b, d, 1.0, 1.15) > upper_limit(n + 1e-9, b, d)


@pytest.mark.parametrize("b", [30.0, 50.0, 80.0])
@pytest.mark.parametrize("relative", [0.0, 0.2, 0.5])
def test_sums_and_formula_agree_where_one_takes_over(b: float, relative: float) -> None:
    few, many = upper_limit([FEW, FEW + 1e-9], b, relative * b)
    assert many == pytest.approx(few, rel=5e-3)


@settings(max_examples=50)
@given(st.floats(0, 120), st.floats(0, 100), st.floats(0, 1), st.floats(0.1, 3))
def test_more_events_give_a_higher_limit_and_never_less_than_none_do(
    n: float, b: float, relative: float, more: float
) -> None:
    low, high = upper_limit([n, n + more], b, relative * b)
    assert 2.30 < low * 1.02 < high * 1.04


def test_limits_of_nothing_are_nothing_and_arrays_broadcast() -> None:
    assert np.isnan(upper_limit([math.nan, 1.0], [1.0, math.nan])).all()
    assert upper_limit(np.zeros((4, 1)), np.ones(3)).shape == (4, 3)
    assert math.isfinite(upper_limit(3000, 0.0, 0.1))
    assert math.isfinite(upper_limit(3000.5, 0.2, 0.2))
    assert math.isfinite(upper_limit(0.5, 3000.0, 20.0))


@pytest.mark.parametrize("b", [0.0, 0.5, 1.0, 3.0, 10.0, 40.0, 100.0])
def test_over_a_known_background_at_least_nine_of_ten_limits_hold_the_signal(b: float) -> None:
    for s in [0.1, 1.0, 2.5, 4.0, 8.0, 20.0, 60.0, 150.0]:
        n = np.arange(int(s + b + 8 * math.sqrt(s + b)) + 10)
        held = upper_limit(n, b) >= s
        assert poisson.pmf(n, s + b)[held].sum() >= 0.9


@pytest.mark.needs_jit
@pytest.mark.parametrize("tau", [1.0, 4.0])
@pytest.mark.parametrize("b", [0.2, 2.0, 10.0, 50.0, 100.0])
def test_over_a_counted_background_at_least_nine_of_ten_limits_hold_the_signal(b: float, tau: float) -> None:
    rng = np.random.default_rng(3)
    for s in [1.0, 5.0, 20.0, 80.0]:
        n, off = rng.poisson(s + b, 20_000), rng.poisson(b * tau, 20_000)
        limits = upper_limit(n, off / tau, np.sqrt(off) / tau)
        assert (limits >= s).mean() > 0.9 - 3 * math.sqrt(0.09 / 20_000)


@pytest.mark.needs_jit
@pytest.mark.parametrize("b", [0.0, 1.0, 8.0, 30.0, 100.0])
@pytest.mark.parametrize("s", [2.0, 10.0, 40.0, 100.0])
def test_at_least_nine_of_ten_limits_of_a_scan_hold_the_signal(b: float, s: float) -> None:
    found = scan(*in_a_row(toys(expected_counts(b, "falling") + expected_peak(s), 4000, seed=5), order=2))
    assert (found.limit >= s).mean() > 0.9 - 3 * math.sqrt(0.09 / 4000)


@pytest.mark.parametrize("b", [0.0, 0.3, 2.0, 9.0, 45.0])
@pytest.mark.parametrize("relative", [0.0, 0.4])
def test_expected_limits_of_counts_are_the_quantiles_of_the_limits(b: float, relative: float) -> None:
    d = relative * b
    n = np.arange(400)
    chance = poisson.pmf(n, b) if d == 0 else nbinom.pmf(n, (b / d) ** 2, 1 / (1 + d * d / b))
    limits, ones = upper_limit(n, b, d, 0.87), np.ones(1)
    (expected,) = expected_limits(b * ones, d * ones, 0.87 * ones, ones, ones > 0)
    for z, limit in zip(BAND, expected, strict=True):
        assert (
            chance[limits < limit - 1e-9].sum() < norm.cdf(z) <= chance[limits <= limit + 1e-9].sum() + 1e-9
        )


@pytest.mark.parametrize(("b", "d"), [(60.0, 4.0), (300.0, 40.0), (3000.0, 60.0)])
def test_expected_limits_of_many_counts_are_so_to_a_count(b: float, d: float) -> None:
    ones = np.ones(1)
    (expected,) = expected_limits(b * ones, d * ones, ones, ones, ones > 0)
    n = nbinom.ppf(norm.cdf(BAND), (b / d) ** 2, 1 / (1 + d * d / b))
    assert (expected >= upper_limit(n - 1, b, d)).all()
    assert (expected <= upper_limit(n + 1, b, d)).all()


@pytest.mark.needs_jit
@pytest.mark.parametrize("b", [20.0, 100.0, 1000.0])
def test_expected_limits_of_a_scan_are_the_quantiles_of_its_limits(b: float) -> None:
    found = scan(*in_a_row(toys(expected_counts(b, "falling"), 8000, seed=6), order=1))
    assert (found.window == GAUSSIAN).mean() > 0.9
    quantiles = np.quantile(found.limit, norm.cdf(BAND))
    # What is expected is for the background as it was fitted; here it is another one in each toy.
    assert np.median(found.expected, axis=0) == pytest.approx(quantiles, rel=0.08)
