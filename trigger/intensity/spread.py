"""How the rate in bins of 5 ms is spread around its mean."""

from __future__ import annotations

from dataclasses import dataclass

from trigger.intensity.bins import BinCounts


@dataclass(frozen=True)
class Spread:
    """Spread of the counts in bins of 5 ms; that of counting is in it.

    mean, sd: counts of a bin, scaled to the mean length of a bin. Skewness and (excess) kurtosis are 0 for a
    Gaussian, None if all bins are equal.
    """

    n_bins: int
    mean: float
    sd: float
    max_over_mean: float
    min_over_mean: float
    skewness: float | None
    kurtosis: float | None


def spread(bins: BinCounts) -> Spread | None:
    """Describe the rates in whole bins, None if there are no counts."""
    if not bins.counts.sum():
        return None
    x = bins.counts / bins.frames * bins.frames.mean()
    mean, sd = float(x.mean()), float(x.std())
    z = (x - mean) / sd if sd > 0 else None
    return Spread(
        n_bins=len(x),
        mean=mean,
        sd=sd,
        max_over_mean=float(x.max()) / mean,
        min_over_mean=float(x.min()) / mean,
        skewness=None if z is None else float((z**3).mean()),
        kurtosis=None if z is None else float((z**4).mean()) - 3,
    )
