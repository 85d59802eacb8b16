"""The fit of a peak: the largest likelihood there is, and unbiased."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from naive_scan import BIN, CENTRES, SHAPES, Counts, Floats, expected_counts, expected_peak, toys
from numpy.polynomial.legendre import legvander
from scipy.optimize import brentq, minimize
from scipy.stats import norm

from trigger.statistics.error import StatisticsError
from trigger.statistics.peak_fit import PeakFit, fit_peak
from trigger.statistics.significance import local_z


def fit_one(counts: Counts, order: int = 2, at: float = 0.0, sigma: float = 1.0) -> PeakFit:
    return fit_peak(counts, -15.0, BIN, at, sigma, -15.0, 15.0, order)


def naive_fit(counts: Counts, order: int) -> tuple[Floats, float]:
    """Coefficients, yield and position of the largest likelihood within 11, by a general minimiser; its value."""
    x = CENTRES[abs(CENTRES) < 11]
    n, rows = counts[abs(CENTRES) < 11], legvander(x / 11, order)

    def loss(p: Floats) -> float:
        peak = norm.cdf(x + BIN / 2 - p[-1]) - norm.cdf(x - BIN / 2 - p[-1])
        expected = np.exp(rows @ p[:-2]) + p[-2] * p0[-2] * peak
        if (expected <= 0).any():
            return math.inf
        flat = sum((j / 4 * p[j]) ** 2 for j in range(order + 1)) / 2
        return float((expected - n * np.log(expected)).sum() + flat)

    p0 = np.array([math.log(n.mean()), *[0.0] * order, 10.0 + 0.1 * n.sum(), 0.0])
    start = p0.copy()
    start[-2] = 1.0
    for method in ("Nelder-Mead", "Powell", "Nelder-Mead"):
        options: dict[str, Any] = {
            "maxiter": 20_000,
            "maxfev": 20_000,
            "xatol": 1e-9,
            "fatol": 1e-11,
            "xtol": 1e-9,
            "ftol": 1e-14,
        }
        known = ("xatol", "fatol") if method == "Nelder-Mead" else ("xtol", "ftol")
        chosen = {k: v for k, v in options.items() if k in (*known, "maxiter", "maxfev")}
        start = minimize(loss, start, method=method, options=chosen).x
    value = loss(start)
    start[-2] *= p0[-2]
    return start, value


@pytest.mark.parametrize(
    ("b", "shape", "order"), [(3.0, "flat", 1), (30.0, "falling", 2), (600.0, "curved", 2)]
)
def test_no_minimiser_finds_a_better_fit(b: float, shape: str, order: int) -> None:
    counts = toys(expected_counts(b, shape) + expected_peak(10 + 8 * math.sqrt(b), 0.4), 1, seed=3)[0]
    ours, (theirs, value) = fit_one(counts, order), naive_fit(counts, order)
    assert ours.converged
    assert ours.at == pytest.approx(theirs[-1], abs=2e-3 * ours.at_error + 1e-4)
    n = counts[ours.first : ours.first + len(ours.expected)]
    theta = np.linalg.lstsq(
        legvander(np.linspace(-1, 1, 2 * len(n) + 1)[1::2], order), np.log(ours.background), rcond=None
    )[0]
    flat = sum((j / 4 * theta[j]) ** 2 for j in range(order + 1)) / 2
    assert float((ours.expected - n * np.log(ours.expected)).sum()) + flat < value + 1e-6
    fitted = (ours.expected - ours.background).sum()
    assert fitted == pytest.approx(theirs[-2], rel=1e-3)
    # The correction for the free position is half of a standard deviation's share of the yield at most.
    assert 0 <= fitted - ours.yield_ < 0.6 * ours.yield_error**2 / fitted + 1e-6


def signal_of(z: float, b: float, relative: float) -> float:
    return float(brentq(lambda s: float(local_z(b + s, b, relative * b)) - z, 0.1, 1e4))


@pytest.mark.needs_jit
@pytest.mark.parametrize("shape", ["flat", "falling"])
@pytest.mark.parametrize(("b", "relative"), [(2.0, 0.6), (20.0, 0.2), (200.0, 0.065), (2000.0, 0.02)])
def test_position_and_yield_of_a_signal_of_five_sigma_are_unbiased(
    b: float, relative: float, shape: str
) -> None:
    s = signal_of(5.0, b, relative)
    spectra = toys(expected_counts(b, shape) + expected_peak(s, 0.13), 400, seed=4)
    found = [fit for fit in (fit_one(counts) for counts in spectra) if fit.converged]
    assert len(found) >= 397
    for off, error, size in [
        (np.array([fit.at - 0.13 for fit in found]), np.array([fit.at_error for fit in found]), 1.0),
        (np.array([fit.yield_ - s for fit in found]), np.array([fit.yield_error for fit in found]), s),
    ]:
        assert abs(off.mean()) < 3 * off.std() / math.sqrt(len(found))
        assert abs(off.mean()) < 0.05 * size
        assert (off / error).std() == pytest.approx(1.0, abs=0.12)


@pytest.mark.parametrize(("unit", "zero"), [(1.0, 0.0), (1e-3, 0.018), (250.0, -4e4)])
def test_the_unit_of_the_observable_does_not_matter(unit: float, zero: float) -> None:
    counts = toys(expected_counts(50.0, "falling") + expected_peak(60.0), 1, seed=5)[0]
    plain = fit_one(counts)
    scaled = fit_peak(counts, zero - 15 * unit, BIN * unit, zero, unit, zero - 15 * unit, zero + 15 * unit, 2)
    assert (scaled.at - zero) / unit == pytest.approx(plain.at, abs=1e-5)
    assert scaled.at_error / unit == pytest.approx(plain.at_error, rel=1e-4)
    assert (scaled.yield_, scaled.yield_error) == pytest.approx((plain.yield_, plain.yield_error), rel=1e-4)


def test_a_peak_over_nothing_is_its_events() -> None:
    counts = np.zeros(len(CENTRES), dtype=np.int64)
    counts[57:63] = [1, 2, 4, 4, 2, 1]
    found = fit_one(counts)
    assert found.converged
    assert found.at == pytest.approx(0.0, abs=1e-3)
    assert found.at_error == pytest.approx(1 / math.sqrt(14), rel=0.02)
    assert (found.yield_, found.yield_error) == pytest.approx((14.0, math.sqrt(14)), rel=1e-3)
    assert found.background.sum() < 1e-3


def test_events_and_what_the_fit_expects_are_as_many() -> None:
    for shape in SHAPES:
        counts = toys(expected_counts(80.0, shape) + expected_peak(70.0), 1, seed=6)[0]
        found = fit_one(counts)
        assert found.expected.sum() == pytest.approx(
            counts[found.first : found.first + len(found.expected)].sum(), rel=1e-6
        )


@pytest.mark.parametrize("counts", [np.zeros(120), np.full(120, 7), np.full(120, 10**6), np.arange(120)])
def test_without_a_peak_the_answer_is_finite_and_no_larger_than_its_error(counts: Floats) -> None:
    found = fit_one(counts.astype(np.int64))
    assert np.isfinite([found.at, found.yield_, found.yield_error]).all()
    assert abs(found.at) <= 2.0
    assert found.yield_ <= 1.1 * found.yield_error + 1.1


def test_a_peak_too_far_away_is_not_the_one_that_was_meant() -> None:
    counts = np.rint(expected_counts(100.0, "flat") + expected_peak(2000.0, 3.5)).astype(np.int64)
    assert not fit_one(counts, at=1.0).converged
    assert fit_one(counts, at=2.5).at == pytest.approx(3.5, abs=0.05)


@pytest.mark.parametrize("at", [-15.5, 15.1, 40.0])
def test_a_position_outside_of_what_may_be_fitted_is_refused(at: float) -> None:
    with pytest.raises(StatisticsError, match="give a position between -15 and 15"):
        fit_one(np.ones(120, dtype=np.int64), at=at)
