"""Upper limits on a signal: the CLs method at 90%, and what it is expected to give if there is no signal.

CLs = P(N <= n | s + b) / P(N <= n | b), and the limit is the signal s at which it is 10% (A. L. Read, J. Phys. G
28 (2002) 2693). A background of b +- d (significance.py) is averaged over a gamma distribution of that mean and
standard deviation: what is known of a Poisson mean from a sideband with n_off events. P(N <= n | s) is then the
probability that X - B > s, for X of the gamma distribution of n + 1, which also is what a Bayesian with a flat
prior of s > 0 finds.

For whole n up to FEW it is summed without approximation. For others it is the saddle-point formula of R.
Lugannani, S. Rice, Adv. Appl. Prob. 12 (1980) 475: below 1% off in the limit if d < b, and 0.1% above n = 30 if d
is below n/3.

No background, however large, lowers the limit for n = 0 below 2.303 / fraction. An empty sideband (b = 0 with d >
0) counts as no background: limits are the higher for it.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trigger.jit import inline, kernel
from trigger.statistics.significance import Floats, p_of_z

LEVEL: Final = 0.9
"""Confidence of the limits."""

FEW: Final = 50
"""The largest count whose probabilities are summed one by one."""

BAND: Final = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Quantiles of the expected limits, as standard deviations of a Gaussian."""

_TOLERANCE: Final = 1e-9
_STEPS: Final = 100
_NEAR_MEAN: Final = 1e-3
"""Standard deviations from the mean below which the saddle-point formula is 0/0, and its limit is taken."""

_NOTHING: Final = 1e-9
"""Background that is never above X."""

_FAR: Final = 20.0
"""Standard deviations above the mean from which Mills's ratio takes the place of the complementary error
function."""

_ROOT_2PI: Final = math.sqrt(2.0 * math.pi)


def upper_limit(
    n: ArrayLike, b: ArrayLike, d: ArrayLike = 0.0, fraction: ArrayLike = 1.0, spread: ArrayLike = 1.0
) -> Floats:
    """Return the upper limit on the signal for n events over a background of b +- d: float64 of the common shape.

    fraction: of the signal that falls into the window. spread: variance of the signal's part of n over its mean: 1
    for events that are counted; for a weighted sum scaled so that the background has 1, the tested signal s has
    another one, and n, b and d are then divided by (b + spread s)/(b + s), which gives mean and variance of their
    sum. NaN in, NaN out.
    """
    arrays = np.broadcast_arrays(n, b, d, fraction, spread)
    flat = [np.ascontiguousarray(x, dtype=np.float64).ravel() for x in arrays]
    out = np.empty(len(flat[0]))
    events, background, error, part, ratio = flat
    _limits(events, background, error, part, ratio, np.empty(FEW + 1), out)
    return out.reshape(arrays[0].shape)


def expected_limits(
    b: Floats, d: Floats, fraction: Floats, spread: Floats, whole: NDArray[np.bool_]
) -> Floats:
    """Return the quantiles BAND of the limit without signal: float64[n, 5], for b +- d as for `upper_limit`,
    float64[n].

    whole: the window counts events, so its count is a whole number. The limit grows with the count, so these are
    the limits of the quantiles of the count (the smallest with at least that probability below or at it).
    """
    counts = np.empty((len(b), len(BAND)))
    _quantiles(b, d, spread, whole, np.array(BAND), p_of_z(-np.array(BAND)), counts)
    return upper_limit(counts, b[:, None], d[:, None], fraction[:, None], spread[:, None])


@inline
def _log_tail(r: Any, u: Any) -> Any:
    """Return the logarithm of Lugannani's and Rice's probability to be above the point with these r and u."""
    if r < _FAR:
        return math.log(
            0.5 * math.erfc(r / math.sqrt(2.0)) + math.exp(-0.5 * r * r) * (1.0 / u - 1.0 / r) / _ROOT_2PI
        )
    above = (1.0 - 1.0 / (r * r)) / r  # Mills's ratio of the Gaussian
    return -0.5 * r * r + math.log((above + 1.0 / u - 1.0 / r) / _ROOT_2PI)


@inline
def _saddle_point(n: Any, b: Any, d: Any, s: Any) -> Any:
    """Return ln P(X - B > s), and its derivative by s up to the accuracy of the saddle-point density.

    The cumulant function of X - B is -(n + 1) ln(1 - t) - b ln(1 + theta t)/theta with theta = d^2/b; where its
    derivative is s is the root of a quadratic equation in t.
    """
    m, theta = n + 1.0, (d * d / b if b > 0 else 0.0)
    p, q = m * theta + b + s * (1.0 - theta), m - b - s
    root = math.sqrt(max(p * p - 4.0 * s * theta * q, 0.0))
    t = -2.0 * q / (p + root) if p >= 0 else (root - p) / (2.0 * s * theta)
    off = b * (math.log1p(theta * t) / theta if theta > 1e-12 else t)
    exponent = t * s + m * math.log1p(-t) + off
    width = math.sqrt(m / (1.0 - t) ** 2 + b * theta / (1.0 + theta * t) ** 2)
    r = math.copysign(math.sqrt(max(2.0 * exponent, 0.0)), t)
    if abs(r) < _NEAR_MEAN:
        tail = 0.5 - (r + (m - b * theta * theta) / (3.0 * width**3)) / _ROOT_2PI
        log = math.log(tail)
    else:
        log = _log_tail(r, t * width)
    return log, -math.exp(-0.5 * r * r - log) / (_ROOT_2PI * width)


@inline
def _sum(n: Any, few: Any, s: Any) -> Any:
    """Return ln P(N <= n | s) up to a constant, and its derivative. few: probabilities of 0 .. n background
    events, scaled."""
    term, up_to, total, slope = 1.0, 1.0, few[n], 0.0
    for k in range(1, n + 1):
        slope += few[n - k] * up_to
        term *= s / k
        up_to += term
        total += few[n - k] * up_to
    return math.log(total) - s, slope / total - 1.0


@inline
def _fill_few(n: Any, b: Any, d: Any, few: Any) -> None:
    """Fill few[0 .. n] with the probabilities of so many background events, relative to none: negative
    binomial."""
    ratio = d * d / b if b > 0 else 0.0
    few[0] = 1.0
    for k in range(n):
        few[k + 1] = few[k] * (b + k * ratio) / ((1.0 + ratio) * (k + 1))


@inline
def _guess(n: Any, b: Any, d: Any) -> Any:
    return max(n - b, 0.0) + 1.3 * math.sqrt(n + 1.0 + d * d)


@inline
def _limit_of_few(n: Any, b: Any, d: Any, few: Any) -> Any:
    """Return the limit on the signal in the window. Newton's steps on a concave function come to rest."""
    _fill_few(n, b, d, few)
    target = _sum(n, few, 0.0)[0] + math.log(1.0 - LEVEL)
    s = _guess(n, b, d)
    for _ in range(_STEPS):
        value, slope = _sum(n, few, s)
        step = min(max((target - value) / slope, -0.9 * s), s)
        s += step
        if abs(step) < _TOLERANCE * s:
            break
    return s


@inline
def _limit(n: Any, b: Any, d: Any, spread: Any) -> Any:
    """Return the limit on the signal in the window by the saddle-point formula."""
    target = (_saddle_point(n, b, d, 0.0)[0] if b > _NOTHING else 0.0) + math.log(1.0 - LEVEL)
    s = _guess(n, b, d)
    for _ in range(_STEPS):
        scale = (b + spread * s) / (b + s)
        value, slope = _saddle_point(n / scale, b / scale, d / scale, s / scale)
        step = min(max((target - value) * scale / slope, -0.9 * s), s)
        s += step
        if abs(step) < _TOLERANCE * s:
            break
    return s


@kernel("void(f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1])")
def _limits(n: Any, b: Any, d: Any, fraction: Any, spread: Any, few: Any, out: Any) -> None:
    for i in range(len(n)):
        error = d[i] if b[i] > 0 else 0.0
        if not n[i] >= 0 or not b[i] >= 0:
            out[i] = math.nan
        elif n[i] <= FEW and n[i] == math.floor(n[i]) and spread[i] == 1.0:
            out[i] = _limit_of_few(int(n[i]), b[i], error, few) / fraction[i]
        else:
            out[i] = _limit(n[i], b[i], error, spread[i]) / fraction[i]


@inline
def _smallest(b: Any, d: Any, probability: Any) -> Any:
    """Return the smallest whole n with P(N <= n | b +- d) >= probability: negative binomial, summed."""
    ratio = d * d / b if b > 0 else 0.0
    term = math.exp(-b * (math.log1p(ratio) / ratio if ratio > 0 else 1.0))
    n, total = 0, term
    while total < probability and n < 100 * FEW:
        term *= (b + n * ratio) / ((1.0 + ratio) * (n + 1))
        n += 1
        total += term
    return n


@inline
def _cornish_fisher(b: Any, d: Any, spread: Any, z: Any) -> Any:
    """Return the quantile of the count from its mean, variance and third cumulant."""
    variance = b + d * d
    third = spread * b + 3.0 * d * d + (2.0 * d**4 / b if b > 0 else 0.0)
    return max(
        b + math.sqrt(variance) * z + (third / variance * (z * z - 1.0) / 6.0 if variance > 0 else 0.0), 0.0
    )


@kernel("void(f8[::1], f8[::1], f8[::1], b1[::1], f8[::1], f8[::1], f8[:, ::1])")
def _quantiles(b: Any, d: Any, spread: Any, whole: Any, z: Any, probability: Any, out: Any) -> None:
    for i in range(len(b)):
        error = d[i] if b[i] > 0 else 0.0
        for j in range(len(z)):
            if whole[i] and b[i] <= FEW:
                out[i, j] = _smallest(b[i], error, probability[j])
            elif whole[i]:
                out[i, j] = math.ceil(max(_cornish_fisher(b[i], error, spread[i], z[j]) - 0.5, 0.0))
            else:
                out[i, j] = _cornish_fisher(b[i], error, spread[i], z[j])
