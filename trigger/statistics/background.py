"""The background under a peak, from the bins on both sides of it.

The logarithm of the expected events per bin is a polynomial, in Legendre's basis on the range of the sidebands:
expected counts are positive, and an exponential is a straight line. The coefficients maximise the Poisson
likelihood times a Gaussian of width FLATNESS/j for the one of order j. That does nothing once there are a few
dozen events, and keeps what a handful of events does not determine from running away.

Newton's step is shortened to ln(1 + c)/c of itself, where c bounds its change of the logarithm of any bin: then
each step makes a function of this kind better, from anywhere (T. Sun, Q. Tran-Dinh, Math. Program. 178 (2019) 145,
with nu = 2), and the last ones are as fast as Newton's own.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import ArrayLike, NDArray

from trigger.jit import Matrix, inline, kernel, named
from trigger.statistics.error import StatisticsError

REACH: Final = 11.0
"""Standard deviations of the signal from a hypothesis to the ends of its sidebands, as in NA62's searches for
peaks."""

GAP: Final = 3.0
"""Standard deviations from a hypothesis to the beginning of its sidebands.

A signal that reaches into the sidebands counts as background there. From 1.5 on, where the box window ends, 13% of
it do, and the fit takes away 6% of the yield at order 2 and 11% at order 4; from 3 on it is 0.2% and 0.4%. The
price is a fit that is less certain: the error of a yield over a large flat background is as before at order 2, and
1.2 times as large at order 4.
"""

MAX_ORDER: Final = 4
"""Of the polynomial with the most freedom."""

TERMS: Final = MAX_ORDER + 1

FLATNESS: Final = 4.0
"""Width of the Gaussian of the slope: background that changes by e^4 from the middle of the range to its end is
nothing unusual.

Higher orders are the less expected. Chosen with toys: with less than ten events in the sidebands p-values are
conservative, from flat spectra to those that change by e^8 in all.
"""

_EDGE: Final = 1e-9
"""Part of a bin by which the end of a range may miss an edge that it is meant to lie on."""

_TOLERANCE: Final = 1e-9
_STEPS: Final = 100


class Spectrum(NamedTuple):
    """Counts of bins of equal width, in the unit of the observable; low: where the first one begins."""

    counts: NDArray[np.int64]
    low: float
    width: float


class Hypotheses(NamedTuple):
    """Where a peak is looked for, its standard deviation, the range that may be fitted, and the order of the
    polynomial: [k]."""

    at: NDArray[np.float64]
    sigma: NDArray[np.float64]
    fit_low: NDArray[np.float64]
    fit_high: NDArray[np.float64]
    order: NDArray[np.int64]


class Bins(NamedTuple):
    """Bins of a hypothesis. [first, last) lie within REACH of it and in the range that may be fitted; of these
    [gap_first, gap_last) touch what is within GAP of it and are its window, the others are sidebands."""

    first: int
    gap_first: int
    gap_last: int
    last: int


class Fit(NamedTuple):
    """A fit. basis: polynomials at the centres of the bins from the first one on [bins, TERMS]; theta:
    coefficients [TERMS]; factor: lower triangle of Cholesky's factor of the inverse of their covariance [TERMS,
    TERMS]; slope: scratch [TERMS]."""

    basis: Matrix
    theta: NDArray[np.float64]
    factor: Matrix
    slope: NDArray[np.float64]


SPECTRUM_T: Final = named(Spectrum)
HYPOTHESES_T: Final = named(Hypotheses)
BINS_T: Final = named(Bins)
FIT_T: Final = named(Fit)


def make_hypotheses(
    at: ArrayLike, sigma: ArrayLike, fit_low: ArrayLike, fit_high: ArrayLike, order: ArrayLike
) -> Hypotheses:
    """Return hypotheses as kernels take them.

    Raises StatisticsError for arrays of different lengths, or values out of range.
    """
    columns = [np.array(x, dtype=np.float64, ndmin=1) for x in (at, sigma, fit_low, fit_high)]
    orders = np.array(order, dtype=np.int64, ndmin=1)
    lengths = [len(x) for x in (*columns, orders)]
    if len(set(lengths)) != 1:
        raise StatisticsError(
            f"at, sigma, fit_low, fit_high, order have {lengths} entries; give as many of each"
        )
    if not ((orders >= 1) & (orders <= MAX_ORDER)).all():
        raise StatisticsError(f"order is {orders.tolist()}; give 1 to {MAX_ORDER}")
    if not (columns[1] > 0).all():
        raise StatisticsError(f"sigma is {columns[1].tolist()}; give more than 0")
    return Hypotheses(columns[0], columns[1], columns[2], columns[3], orders)


def make_spectrum(counts: NDArray[np.int64], low: float, width: float) -> Spectrum:
    """Return a spectrum as kernels take it.

    Raises StatisticsError unless width > 0 and no count is negative.
    """
    if not width > 0:
        raise StatisticsError(f"width is {width:g}; give more than 0")
    if (np.asarray(counts) < 0).any():
        raise StatisticsError("counts are negative; give numbers of events")
    return Spectrum(np.ascontiguousarray(counts, dtype=np.int64), float(low), float(width))


def room_for_fit(n_bins: int) -> Fit:
    """Return memory for the fit of a spectrum of `n_bins`."""
    return Fit(np.empty((n_bins, TERMS)), np.empty(TERMS), np.empty((TERMS, TERMS)), np.empty(TERMS))


@kernel(BINS_T(SPECTRUM_T, HYPOTHESES_T, types.int64))
def bins_of(spectrum: Any, hypotheses: Any, k: Any) -> Bins:
    """Return the Bins of hypothesis k."""
    low, width, at, sigma = spectrum.low, spectrum.width, hypotheses.at[k], hypotheses.sigma[k]
    begin = max(hypotheses.fit_low[k], at - REACH * sigma)
    end = min(hypotheses.fit_high[k], at + REACH * sigma)
    first = max(math.ceil((begin - low) / width - _EDGE), 0)
    last = max(min(math.floor((end - low) / width + _EDGE), len(spectrum.counts)), first)
    gap_first = min(max(math.floor((at - GAP * sigma - low) / width + _EDGE), first), last)
    gap_last = min(max(math.ceil((at + GAP * sigma - low) / width - _EDGE), first), last)
    return Bins(first, gap_first, gap_last, last)


@inline
def density(fit: Any, order: Any, i: Any) -> Any:
    """Return the expected events of the bin whose row of the basis is i."""
    exponent = fit.theta[0]
    for j in range(1, order + 1):
        exponent += fit.theta[j] * fit.basis[i, j]
    return math.exp(exponent)


@inline
def divide(fit: Any, order: Any) -> None:
    """Replace the vector `slope` v by L^-1 v for the factor L; its square is then the variance of v theta."""
    for i in range(order + 1):
        for k in range(i):
            fit.slope[i] -= fit.factor[i, k] * fit.slope[k]
        fit.slope[i] /= fit.factor[i, i]


@inline
def in_sidebands(spectrum: Any, bins: Any) -> Any:
    """Return the events in the sidebands."""
    total = 0
    for i in range(bins.first, bins.gap_first):
        total += spectrum.counts[i]
    for i in range(bins.gap_last, bins.last):
        total += spectrum.counts[i]
    return total


@inline
def fill_basis(bins: Any, order: Any, basis: Any) -> None:
    """Fill rows of the basis for the bins [first, last), whose range is [-1, 1]."""
    half = 0.5 * (bins.last - bins.first)
    for i in range(bins.last - bins.first):
        x = (i + 0.5) / half - 1.0
        basis[i, 0], basis[i, 1] = 1.0, x
        for j in range(1, order):
            basis[i, j + 1] = ((2 * j + 1) * x * basis[i, j] - j * basis[i, j - 1]) / (j + 1)


@inline
def _add_up(spectrum: Any, first: Any, begin: Any, end: Any, order: Any, fit: Any) -> None:
    """Add bins [begin, end) to the derivatives of the logarithm of the likelihood: slope, and -curvature into
    factor."""
    for i in range(begin - first, end - first):
        expected = density(fit, order, i)
        missing = spectrum.counts[first + i] - expected
        for j in range(order + 1):
            fit.slope[j] += missing * fit.basis[i, j]
            for k in range(j + 1):
                fit.factor[j, k] += expected * fit.basis[i, j] * fit.basis[i, k]


@inline
def _decompose(factor: Any, order: Any) -> None:
    """Replace the lower half of a positive definite matrix by Cholesky's factor."""
    for j in range(order + 1):
        for i in range(j, order + 1):
            value = factor[i, j]
            for k in range(j):
                value -= factor[i, k] * factor[j, k]
            factor[i, j] = math.sqrt(value) if i == j else value / factor[j, j]


@inline
def curve_of_flat(bins: Any, order: Any, fit: Any) -> None:
    """Fill the factor of a fit as if each bin of the sidebands were known to hold one event on average."""
    fit.factor[:] = 0.0
    for i in range(bins.last - bins.first):
        if bins.gap_first <= i + bins.first < bins.gap_last:
            continue
        for j in range(order + 1):
            for k in range(j + 1):
                fit.factor[j, k] += fit.basis[i, j] * fit.basis[i, k]
    _decompose(fit.factor, order)


@inline
def _step(fit: Any, order: Any) -> Any:
    """Change the coefficients; return the sum of the changes before they are shortened."""
    divide(fit, order)
    change = 0.0
    for i in range(order, -1, -1):
        for k in range(i + 1, order + 1):
            fit.slope[i] -= fit.factor[k, i] * fit.slope[k]
        fit.slope[i] /= fit.factor[i, i]
        change += abs(fit.slope[i])
    short = math.log1p(change) / change if change > 0.0 else 1.0
    for i in range(order + 1):
        fit.theta[i] += short * fit.slope[i]
    return change


@kernel(types.boolean(SPECTRUM_T, BINS_T, types.int64, FIT_T))
def fit_sidebands(spectrum: Any, bins: Any, order: Any, fit: Any) -> bool:
    """Fit the sidebands, which hold at least one event; return whether it came to rest. The basis must be
    filled."""
    n_bins = bins.last - bins.first - (bins.gap_last - bins.gap_first)
    fit.theta[:] = 0.0
    fit.theta[0] = math.log(in_sidebands(spectrum, bins) / n_bins)
    for _ in range(_STEPS):
        fit.slope[:] = 0.0
        fit.factor[:] = 0.0
        for j in range(1, order + 1):
            weight = (j / FLATNESS) ** 2
            fit.slope[j], fit.factor[j, j] = -weight * fit.theta[j], weight
        _add_up(spectrum, bins.first, bins.first, bins.gap_first, order, fit)
        _add_up(spectrum, bins.first, bins.gap_last, bins.last, order, fit)
        _decompose(fit.factor, order)
        change = _step(fit, order)
        if not change > _TOLERANCE:
            return not math.isnan(change)
    return False
