"""The duty factor of a beam: F = <I>^2 / <I^2>, 1 for a flat one.

F = (int I dt)^2 / (T int I^2 dt), and F T is the effective length of the spill: a flat beam that long would have as
many accidental coincidences. A sinusoid of relative amplitude a has F = 1 / (1 + a^2 / 2). Counts are Poisson
numbers on top of the intensity, so F of the counts is too low: 1 / (1 + 1/m) for a flat beam with m in a bin. Of n
counts of mean L, E[n (n - 1)] = L^2, which gives the corrected F = m^2 / (m^2 + s^2 - m).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trigger.intensity.bins import BinCounts, Floats


@dataclass(frozen=True)
class DutyFactor:
    """The duty factor in some bins.

    raw: of the counts, m^2 / (m^2 + s^2). corrected: of the intensity, without what the counting of Poisson numbers
    adds to s^2. declustered: the same for counts that come in clusters, where they are told from the beam. error: of
    `corrected`, from counting; how F would vary from spill to spill is not in it. n: bins, or measurements.
    """

    raw: float
    corrected: float
    declustered: float
    error: float
    n: int


def duty_factor(values: NDArray[np.float64]) -> float:
    """Return <I>^2 / <I^2> of intensities in equal bins: float64[n], as they are."""
    return float(np.mean(values) ** 2 / np.mean(values**2))


def dispersion(frame_counts: NDArray[np.uint16]) -> float | None:
    """Return the variance over the mean of counts as far as they come together, 1 for Poisson numbers.

    frame_counts: uint16[n]; None without counts. A particle that makes k primitives within a microsecond adds
    k (k - 1) pairs to those within a frame, but none to those of neighbouring frames, in which the beam is the same:
    D = 1 + (sum n_i (n_i - 1) - sum n_i n_(i+1)) / sum n_i, to sqrt(3 / n) of n frames. What changes from one frame
    to the next, the turn of the machine, is taken for clusters; D - 1 is then about a^2 / 2 times counts in a frame.
    D is less than 1 where primitives that are close in time are merged: 1 - 2 x rate x time.
    """
    n = frame_counts.astype(np.int64)
    total = int(n.sum())
    if not total:
        return None
    return (int(n @ n) - int(n[1:] @ n[:-1])) / total


def duty_of_counts(bins: BinCounts, dispersed: float = 1.0) -> DutyFactor | None:
    """Return the duty factor of counts in bins, None if no bin has two.

    With n_i counts in e_i frames, S = sum n, E = sum e: raw = S^2 / (E sum n^2/e), corrected = S (S - 1) / (E Q)
    with Q = sum n (n - 1) / e. These are ratios of unbiased estimates whatever the e_i are; for equal ones they are
    the formulas with m and s, and with the m^2 of the numerator corrected as well (by 1/S). Of clustered counts with
    the dispersion D (`dispersed`), E[n^2 - D n] = L^2: declustered = S (S - D) / (E (Q - (D - 1) sum n/e)).

    The variance is that of first order in n (n - 1) - L^2 = 2 L (n - L) + ((n - L)^2 - n), whose two terms are
    not correlated and have the variances 4 L^3 and 2 L^2:
    (dF/F)^2 = 4 (K / Q^2 - 1/S) + 2 sum n (n - 1) / e^2 / Q^2, with K = sum n (n - 1) (n - 2) / e^2. The error of
    clustered counts is larger by up to D, and taken to be.
    """
    n, e = bins.counts.astype(np.float64), bins.frames.astype(np.float64)
    total, pairs = n.sum(), n * (n - 1)
    q = float((pairs / e).sum())
    apart = q - (dispersed - 1) * float((n / e).sum())
    if q <= 0 or apart <= 0:
        return None
    corrected = total * (total - 1) / (e.sum() * q)
    linear = 4 * max(float((pairs * (n - 2) / e**2).sum()) / q**2 - 1 / total, 0.0)
    curved = 2 * float((pairs / e**2).sum()) / q**2
    return DutyFactor(
        raw=float(total**2 / (e.sum() * (n**2 / e).sum())),
        corrected=float(corrected),
        declustered=float(total * (total - dispersed) / (e.sum() * apart)),
        error=float(corrected * np.sqrt(linear + curved) * max(dispersed, 1.0)),
        n=len(n),
    )


def duty_of_measurements(values: Floats, variances: Floats) -> DutyFactor | None:
    """Return the duty factor of intensities that were each measured with a Gaussian error; None if there is none.

    values, variances: float64[n]. raw = (sum x)^2 / (n sum x^2), corrected = (M^2 - V) / (n Q) with M = sum x,
    V = sum v, Q = sum (x^2 - v), and, as for counts,
    (dF/F)^2 = 4 sum v (1/M - x/Q)^2 + 2 sum v^2 / Q^2, less 4 sum v^2 / Q^2 that the noise of x adds to the first.
    """
    m, v, q = float(values.sum()), float(variances.sum()), float((values**2 - variances).sum())
    if not len(values) or q <= 0 or m**2 <= v:
        return None
    corrected = (m**2 - v) / (len(values) * q)
    squares = float((variances**2).sum()) / q**2
    linear = 4 * float((variances * (1 / m - values / q) ** 2).sum()) - 4 * squares
    error = corrected * np.sqrt(max(linear, 0.0) + 2 * squares)
    return DutyFactor(duty_factor(values), float(corrected), float(corrected), float(error), len(values))
