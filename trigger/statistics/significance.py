"""The significance of a count over a background.

A background is b +- d events. It behaves as one that was measured elsewhere: n_off = (b/d)^2 events in a sideband
tau = b/d^2 times as large as the window. d = 0 is a background that is known. b = 0 with d > 0 is a sideband
without any event, in which one would have meant a background of d: n_off = 0, tau = 1/d.

All functions take numbers or arrays that broadcast, and return float64 of the common shape.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, gammainc, ndtr, ndtri

Floats = NDArray[np.float64]

_KNOWN: Final = 1e-15
"""Size of a window over that of its sideband below which the background is known."""

_SERIES_BELOW: Final = 0.05
_TERMS: Final = 12
"""Terms of the series of the deviance: below a relative difference of 0.05 they give all digits of a double."""


def local_z(n: ArrayLike, b: ArrayLike, d: ArrayLike = 0.0) -> Floats:
    """Return the significance Z of n >= 0 events (whole or not) over a background of b +- d, negative for n < b.

    The signed root of the likelihood ratio of a count and its sideband (Li, Ma, Astrophys. J. 272 (1983) 317, with
    n_off and tau of b +- d: Cowan, Cranmer, Gross, Vitells, Eur. Phys. J. C 71 (2011) 1554) Z^2/2 = n ln[n(b +
    d^2)/(b^2 + n d^2)] - (b^2/d^2) ln[1 + d^2(n - b)/(b(b + d^2))], and n ln(n/b) - (n - b) for d = 0. It is
    computed as the sum of the deviances of both counts from their common mean, which loses no digits where n is
    near b or d is small. Infinite for n > 0 over nothing (b = d = 0), 0 for n = 0 over nothing.
    """
    n, b, d = (np.asarray(x, dtype=np.float64) for x in (n, b, d))
    ratio = _on_per_off(b, d)
    weight = n * ratio + b  # (1 + ratio) times the mean of the window, if there is no signal
    excess = n - b
    with np.errstate(divide="ignore", invalid="ignore"):
        on = _deviance(excess / weight)
        off = np.where(ratio > 0, _deviance(-ratio * excess / weight) / ratio, 0.0)
        z = np.sqrt(2.0 * weight / (1.0 + ratio) * (on + off))
    z = np.where(weight > 0, z, np.where(n > 0, np.inf, 0.0))
    return np.asarray(np.copysign(z, excess))


def _on_per_off(b: Floats, d: Floats) -> Floats:
    """Return 1/tau: how large the window is, if the sideband that measures its background is 1."""
    ratio = np.where(b > 0, d**2 / np.where(b > 0, b, 1.0), d)
    return np.asarray(np.where(ratio > _KNOWN, ratio, 0.0))


def _deviance(x: Floats) -> Floats:
    """Return (1 + x) ln(1 + x) - x for x >= -1: the deviance of a count from its mean, x relative, in units of
    the mean."""
    direct = np.where(x > -1.0, (1.0 + x) * np.log1p(np.maximum(x, -1.0)) - x, 1.0)
    series = np.zeros_like(x)
    for k in range(_TERMS + 1, 1, -1):
        series = 1.0 / (k * (k - 1)) - x * series
    return np.asarray(np.where(np.abs(x) < _SERIES_BELOW, x**2 * series, direct))


def p_of_z(z: ArrayLike) -> Floats:
    """Return the probability of a Gaussian to be z or more standard deviations above its mean."""
    return np.asarray(ndtr(-np.asarray(z, dtype=np.float64)))


def z_of_p(p: ArrayLike) -> Floats:
    """Return by how many standard deviations a Gaussian is exceeded with probability p; infinite for p = 0 and
    1."""
    return np.asarray(-ndtri(np.asarray(p, dtype=np.float64)))


def poisson_tail(n: ArrayLike, b: ArrayLike) -> Floats:
    """Return P(N >= n) of a Poisson distribution of mean b: the regularised incomplete gamma function P(n, b).

    It continues smoothly between whole n; it is 1 for n = 0.
    """
    n, b = np.asarray(n, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return np.asarray(np.where(n > 0, gammainc(np.where(n > 0, n, 1.0), b), 1.0))


def on_off_tail(n: ArrayLike, b: ArrayLike, d: ArrayLike = 0.0) -> Floats:
    """Return the probability of n or more events over a background of b +- d, without approximation.

    Of the n + n_off events of window and sideband each is in the window with probability 1/(1 + tau): the
    regularised incomplete beta function I_{1/(1 + tau)}(n, n_off + 1) (Cousins, Linnemann, Tucker, Nucl. Instrum.
    Meth. A 595 (2008) 480). At whole n it is exact for a sideband that was counted, so a true background gives p
    <= x in at most x of all cases. It is the Poisson tail for d = 0.
    """
    n, b, d = (np.asarray(x, dtype=np.float64) for x in (n, b, d))
    ratio = _on_per_off(b, d)
    off = b / np.where(ratio > 0, ratio, 1.0)
    tail = betainc(np.where(n > 0, n, 1.0), off + 1.0, ratio / (1.0 + ratio))
    return np.asarray(np.where(n > 0, np.where(ratio > 0, tail, poisson_tail(n, b)), 1.0))
