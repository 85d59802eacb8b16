"""Intervals of a probability, from how often something happened."""

from __future__ import annotations

from typing import Final

from scipy.stats import beta

from trigger.statistics.error import StatisticsError

ONE_SIGMA: Final = 0.6827
"""Probability of one standard deviation of a Gaussian to either side."""


def clopper_pearson(passed: int, total: int, level: float = ONE_SIGMA) -> tuple[float, float]:
    """Return the central interval (low, high) of a probability, when `passed` of `total` trials were a success.

    Whatever the probability is, the interval holds it in at least `level` of all experiments. Without trials it
    is (0, 1). Source: C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404; by quantiles of the beta
    distribution as in the Review of Particle Physics, Statistics, "Poisson or binomial data".

    Raises StatisticsError unless 0 <= passed <= total and 0 < level < 1.
    """
    if not 0 <= passed <= total:
        raise StatisticsError(f"passed is {passed} of {total}; give 0 to {total}")
    if not 0 < level < 1:
        raise StatisticsError(f"level is {level:g}; give more than 0 and less than 1")
    tail = (1.0 - level) / 2.0
    failed = total - passed
    low = float(beta.ppf(tail, passed, failed + 1)) if passed else 0.0
    high = float(beta.ppf(1.0 - tail, passed + 1, failed)) if failed else 1.0
    return low, high
