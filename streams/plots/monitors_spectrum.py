"""A spectrum as the field draws it: entries with their errors, the fitted background, pulls below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.special import gammaincinv, xlogy

from streams.monitors.snapshot import SearchResult
from streams.monitors.uhi import Histogram, from_uhi
from streams.plots.style import COLOURS

Floats = NDArray[np.float64]

ONE_SIGMA: Final = 0.15865525393145707
"""Part of a Gaussian beyond one standard deviation, on one side."""

MARGIN_SIGMA: Final = 11.0
"""What is shown on each side of the scanned masses: as far as sidebands reach."""

LOG_FROM: Final = 50
"""Entries of the highest bin from which the axis is logarithmic."""

UNITS: Final = {"GeV": "GeV/$c^2$", "GeV2": "GeV$^2$/$c^4$"}


@dataclass(frozen=True)
class Spectrum:
    """Bins to draw: edges float64[n + 1], counts and background float64[n]; a background of NaN is not fitted."""

    edges: Floats
    counts: Floats
    background: Floats

    @property
    def middles(self) -> Floats:
        """Middles of the bins."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def width(self) -> float:
        """Width of a bin."""
        return float(self.edges[1] - self.edges[0])


def poisson_errors(counts: Floats) -> Floats:
    """Return how far down and up the central interval of 68.27% reaches: float64[2, n].

    Garwood, Biometrika 28 (1936) 437: quantiles of gamma distributions.
    """
    with np.errstate(invalid="ignore"):
        low = np.where(counts > 0, gammaincinv(np.maximum(counts, 1), ONE_SIGMA), 0.0)
    return np.stack([counts - low, gammaincinv(counts + 1, 1 - ONE_SIGMA) - counts])


def pulls(counts: Floats, background: Floats) -> Floats:
    """Return the deviation of each bin in standard deviations, NaN without a background.

    The signed root of the likelihood ratio, sqrt(2 (n ln(n/b) - n + b)): (n - b) / sqrt(b) if there are many entries,
    and without its long tail if there are few.
    """
    known = np.isfinite(background) & (background > 0)
    b = np.where(known, background, 1.0)
    root = np.sqrt(2 * np.maximum(xlogy(counts, counts / b) - counts + b, 0.0))
    return np.where(known, np.sign(counts - b) * root, np.nan)


def shown_range(search: SearchResult, low: float, high: float) -> tuple[float, float]:
    """Return the part of an axis that is shown: that of the scan, its sidebands and its fit; without a scan, all."""
    scan = search.scan
    if scan is None:
        return low, high
    at, sigma = np.array(scan.at, float), np.array(scan.sigma, float)
    reach = [at - MARGIN_SIGMA * sigma, at + MARGIN_SIGMA * sigma]
    if scan.fitted_density is not None:
        edges = np.linspace(low, high, len(scan.fitted_density) + 1)
        fitted = np.isfinite(np.array(scan.fitted_density, float))
        reach += [edges[:-1][fitted], edges[1:][fitted]]
    ends = np.concatenate(reach)
    ends = np.clip(ends[np.isfinite(ends)], low, high)
    return (float(ends.min()), float(ends.max())) if len(ends) and ends.min() < ends.max() else (low, high)


def rebinned(
    histogram: Histogram, background: tuple[float | None, ...] | None, part: tuple[float, float], most: int
) -> Spectrum:
    """Return the bins of a part of a spectrum, as many of them joined as leave `most` at the most."""
    counts, low, high = from_uhi(histogram)
    inside = counts[1:-1].astype(np.float64)
    width = (high - low) / len(inside)
    curve = np.full(len(inside), np.nan) if background is None else np.array(background, float)
    first = max(0, round((part[0] - low) / width))
    last = min(len(inside), round((part[1] - low) / width))
    join = -(-(last - first) // most)
    # The last bins may not fill one that is drawn: they are left out.
    last -= (last - first) % join
    edges = np.asarray(low + width * np.arange(first, last + 1, join), np.float64)
    return Spectrum(
        edges, inside[first:last].reshape(-1, join).sum(1), curve[first:last].reshape(-1, join).sum(1)
    )


def draw_spectrum(axes: Axes, search: SearchResult, spectrum: Spectrum, last: Spectrum | None = None) -> None:
    """Draw the entries, the background and the regions. last: the same of the last spill."""
    _shade_regions(axes, search)
    high = float(spectrum.counts.max(initial=0.0))
    if last is not None and last.counts.any():
        axes.stairs(last.counts, last.edges, color="0.6", fill=True, alpha=0.6, label="last spill")
    full = spectrum.counts > 0
    axes.errorbar(
        spectrum.middles[full],
        spectrum.counts[full],
        poisson_errors(spectrum.counts[full]),
        fmt=".",
        color="black",
        ecolor="0.55",
        markersize=3,
        elinewidth=0.7,
        label="all spills",
    )
    if np.isfinite(spectrum.background).any():
        axes.stairs(
            spectrum.background,
            spectrum.edges,
            baseline=None,
            color=COLOURS[1],
            lw=1.4,
            zorder=3,
            label="background",
        )
    if high >= LOG_FROM:
        drawn = np.concatenate([spectrum.counts, [] if last is None else last.counts])
        axes.set_yscale("log")
        axes.set_ylim(max(0.5, 0.3 * float(drawn[drawn > 0].min())), 8 * high)
    else:
        axes.set_ylim(0, 1.3 * (high + float(poisson_errors(np.array([high]))[1, 0])))
    axes.set_xlim(spectrum.edges[0], spectrum.edges[-1])
    axes.set_ylabel(f"events in {_width(spectrum.width, search.unit)}")


def _width(width: float, unit: str) -> str:
    return f"{1e3 * width:.3g} MeV" if unit == "GeV" else f"{width:.3g} GeV$^2$"


def observable_label(search: SearchResult) -> str:
    """Return what the axis of a spectrum says."""
    return f"{search.observable} ({UNITS[search.unit]})"


def _shade_regions(axes: Axes, search: SearchResult) -> None:
    """Shade what is scanned, with its name."""
    for region in search.regions:
        low, high = (_observable(m, search.unit) for m in (region.low_gev, region.high_gev))
        axes.axvspan(low, high, color=COLOURS[5], alpha=0.13, lw=0)
        place: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "top"}
        axes.text((low + high) / 2, 0.985, region.name, fontsize=8, color=COLOURS[0], clip_on=True, **place)


def _observable(mass_gev: float, unit: str) -> float:
    return mass_gev**2 if unit == "GeV2" else mass_gev


def draw_pulls(axes: Axes, search: SearchResult, spectrum: Spectrum) -> None:
    """Draw the deviations from the background."""
    values = pulls(spectrum.counts, spectrum.background)
    known = np.isfinite(values)
    if known.any():
        axes.axhspan(-1, 1, color="0.9", lw=0)
        axes.axhline(0, color="0.5", lw=0.8)
        axes.bar(spectrum.middles[known], values[known], spectrum.width, color=COLOURS[0])
    else:
        place: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.5, "no background to compare with", color="0.35", **place)
    reach = max(3.5, 1.1 * float(np.abs(values[known]).max(initial=0.0)))
    axes.set(ylim=(-reach, reach), ylabel=r"pull ($\sigma$)", xlabel=observable_label(search))
