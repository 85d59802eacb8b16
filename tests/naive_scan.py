"""The slow, obvious twin of the scan, and toy spectra.

It shares nothing with the package: bins are looped over, the background is fitted by scipy's minimiser, tails are
scipy's distributions, limits are found by bisection on averages over the background.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import brentq, minimize
from scipy.special import gammaincc
from scipy.stats import gamma, nbinom, norm, poisson

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

BIN = 0.25
SPACE = 30.0
"""Toys are spectra of unit resolution with bins of BIN, SPACE long, with the hypothesis in the middle."""

CENTRES = np.asarray((np.arange(round(SPACE / BIN)) + 0.5) * BIN - 0.5 * SPACE, dtype=np.float64)

SHAPES: dict[str, Callable[[Floats], Floats]] = {
    "flat": lambda x: np.ones_like(x),
    "falling": lambda x: np.exp(-1.5 * x / 11.0),
    "rising steeply": lambda x: np.exp(3.0 * x / 11.0),
    "curved": lambda x: np.exp(-x / 11.0 + 0.8 * (1.5 * (x / 11.0) ** 2)),
}


def expected_counts(b: float, shape: str) -> Floats:
    """Counts of a toy whose Gaussian window holds b, if it is flat: 2 sqrt(pi) standard deviations' worth."""
    return b * BIN / (2.0 * math.sqrt(math.pi)) * SHAPES[shape](CENTRES)


def expected_peak(s: float, at: float = 0.0) -> Floats:
    edges = np.append(CENTRES - 0.5 * BIN, CENTRES[-1] + 0.5 * BIN)
    return np.asarray(s * np.diff(norm.cdf(edges - at)))


def toys(expected: Floats, n: int, seed: int) -> Counts:
    """n spectra in a row."""
    return np.random.default_rng(seed).poisson(expected, size=(n, len(expected))).astype(np.int64)


def in_a_row(
    counts: Counts, order: int, at: float = 0.0, reach: tuple[float, float] = (-11.0, 11.0)
) -> tuple[Any, ...]:
    """Arguments of `scan` for toys one after the other, each of which is looked at once."""
    n = len(counts)
    places = (np.arange(n) + 0.5) * SPACE
    return (
        counts.ravel(), 0.0, BIN, places + at, np.ones(n), places + reach[0], places + reach[1], np.full(n, order)
    )  # fmt: skip


@dataclass
class Looked:
    """What the twin found at one hypothesis."""

    window: str
    n: float
    b: float
    d: float
    fraction: float
    spread: float


def look(
    counts: Counts,
    low: float,
    width: float,
    at: float,
    sigma: float,
    fit_low: float,
    fit_high: float,
    order: int,
) -> Looked | str:
    """The rules of the scan, or why it does not scan."""
    bins = [
        i
        for i in range(len(counts))
        if _within(i, low, width, max(fit_low, at - 11 * sigma), min(fit_high, at + 11 * sigma))
    ]
    if (
        not bins
        or at - 1.5 * sigma < low + (bins[0] - 1) * width
        or at + 1.5 * sigma > low + (bins[-1] + 2) * width
    ):
        return "edge"
    window = [
        i
        for i in bins
        if low + (i + 1) * width > at - 3 * sigma + 1e-9 and low + i * width < at + 3 * sigma - 1e-9
    ]
    beside = [i for i in bins if i not in window]
    if len(beside) * width < 4 * sigma or len(beside) < 2 * (order + 1):
        return "few bins"
    part = {
        i: norm.cdf((low + (i + 1) * width - at) / sigma) - norm.cdf((low + i * width - at) / sigma)
        for i in window
    }
    middle, half = low + 0.5 * (bins[0] + bins[-1] + 1) * width, 0.5 * len(bins) * width
    rows = {i: legvander(np.array([(low + (i + 0.5) * width - middle) / half]), order)[0] for i in bins}
    flat = np.linalg.inv(sum(np.outer(rows[i], rows[i]) for i in beside))
    sum_of_parts = sum(part[i] * rows[i] for i in window)
    if sum_of_parts @ flat @ sum_of_parts > 9 * sum(p**2 for p in part.values()):
        return "unknown"
    box = {i: 1.0 for i in window if abs(low + (i + 0.5) * width - at) <= 1.5 * sigma}
    if sum(counts[i] for i in beside) == 0:
        inside = float(sum(counts[i] for i in box))
        return Looked("box", inside, 0.0, len(box) / len(beside), sum(part[i] for i in box), 1.0)
    theta, covariance = fit(np.array([counts[i] for i in beside]), np.array([rows[i] for i in beside]))
    found = weigh("gaussian", part, counts, part, rows, theta, covariance)
    if found.b < 10 or found.d / found.b * (found.d**2 / (found.b + found.d**2)) ** 1.5 > 0.06:
        found = weigh("box", box, counts, part, rows, theta, covariance)
    return found


def _within(i: int, low: float, width: float, begin: float, end: float) -> bool:
    return low + i * width >= begin - 1e-9 and low + (i + 1) * width <= end + 1e-9


def fit(counts: Counts, rows: Floats) -> tuple[Floats, Floats]:
    """The polynomial's coefficients and their covariance."""
    flatness = np.diag([(j / 4.0) ** 2 for j in range(rows.shape[1])])

    def loss(theta: Floats) -> float:
        return float(np.exp(rows @ theta).sum() - counts @ rows @ theta + 0.5 * theta @ flatness @ theta)

    def slope(theta: Floats) -> Floats:
        return np.asarray(rows.T @ (np.exp(rows @ theta) - counts) + flatness @ theta)

    def curvature(theta: Floats) -> Floats:
        return np.asarray((rows.T * np.exp(rows @ theta)) @ rows + flatness)

    start = np.zeros(rows.shape[1])
    start[0] = math.log(counts.mean())
    best = minimize(loss, start, jac=slope, hess=curvature, method="trust-exact", options={"gtol": 1e-9}).x
    return best, np.asarray(np.linalg.inv(curvature(best)))


def weigh(
    name: str,
    weights: dict[int, float],
    counts: Counts,
    part: dict[int, float],
    rows: dict[int, Floats],
    theta: Floats,
    covariance: Floats,
) -> Looked:
    expected = {i: math.exp(rows[i] @ theta) for i in weights}
    mean = sum(w * expected[i] for i, w in weights.items())
    scale = mean / sum(w * w * expected[i] for i, w in weights.items())
    slope = scale * sum(w * expected[i] * rows[i] for i, w in weights.items())
    signal = sum(w * part[i] for i, w in weights.items())
    return Looked(
        name,
        scale * sum(w * counts[i] for i, w in weights.items()),
        scale * mean,
        math.sqrt(slope @ covariance @ slope),
        scale * signal,
        scale * sum(w * w * part[i] for i, w in weights.items()) / signal,
    )


def z_of(n: float, b: float, d: float) -> float:
    """The closed form, with more digits than a double."""
    n_, b_, v = np.longdouble(n), np.longdouble(b), np.longdouble(d) ** 2
    if d == 0:
        half = (n_ * np.log(n_ / b_) if n else np.longdouble(0)) - (n_ - b_)
    else:
        half = n_ * np.log(n_ * (b_ + v) / (b_ * b_ + n_ * v)) if n else np.longdouble(0)
        half -= b_ * b_ / v * np.log1p(v * (n_ - b_) / (b_ * (b_ + v)))
    return float(np.sign(n_ - b_) * np.sqrt(2 * max(half, np.longdouble(0))))


def tail_of(n: int, b: float, d: float) -> float:
    """P(N >= n), if the background was counted in a sideband."""
    if n == 0:
        return 1.0
    if d == 0:
        return float(poisson.sf(n - 1, b))
    tau, off = (b / d**2, (b / d) ** 2) if b else (1 / d, 0.0)
    return float(nbinom.sf(n - 1, off + 1, tau / (1 + tau)))


def survival(n: float, b: float, d: float, s: float) -> float:
    """P(N <= n) for a signal s over a background averaged over a gamma distribution."""
    if b == 0 or d == 0:
        return float(gammaincc(n + 1, s + b))
    a, theta = (b / d) ** 2, d * d / b
    if n == round(n) and n < 200:
        k = np.arange(round(n) + 1)
        return float(nbinom.pmf(k, a, 1 / (1 + theta)) @ poisson.cdf(round(n) - k, s))
    ends = gamma.ppf([1e-12, 1 - 1e-12], a, scale=theta)
    points = gamma.ppf([0.001, 0.1, 0.5, 0.9, 0.999], a, scale=theta)
    value, _ = quad(
        lambda x: gamma.pdf(x, a, scale=theta) * gammaincc(n + 1, s + x), *ends, points=points, limit=400
    )
    return float(value)


def limit_of(n: float, b: float, d: float = 0.0, fraction: float = 1.0, spread: float = 1.0) -> float:
    """The signal at which CLs is 10%."""
    without = survival(n, b, d, 0.0)

    def excess(s: float) -> float:
        scale = (b + spread * s) / (b + s)
        return survival(n / scale, b / scale, d / scale, s / scale) - 0.1 * without

    return float(brentq(excess, 1e-6, 10 * (n + 5) + 20 * d, xtol=1e-10)) / fraction
