"""A scan as the field draws it: local p-values with lines of significance, limits with their expected bands."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.special import ndtr

from streams.monitors.snapshot import SearchResult
from streams.plots.style import COLOURS

Floats = NDArray[np.float64]

MEV: Final = 1e3

LOWEST_P: Final = 1e-15
"""P-values below are drawn here, as triangles: 8 standard deviations."""

LINES: Final = (1, 2, 3, 4, 5, 6, 7)
"""Standard deviations with a line."""

ONE_SIGMA_COLOUR: Final = COLOURS[2]
TWO_SIGMA_COLOUR: Final = COLOURS[7]
"""Bands of the limit that is expected: green and yellow, as everywhere."""

LIMIT_NAMES: Final = ("observed", "expected median", r"expected $\pm1\sigma$", r"expected $\pm2\sigma$")

ALONE_MEV: Final = 1.0
"""Half the width of the bands of a region with a single mass."""


def draw_p_values(axes: Axes, search: SearchResult, against: str = "mass") -> None:
    """Draw local p-values with lines of significance, and the global one of the largest excess.

    against: "mass" (MeV), or "observable": where each mass lies in the spectrum.
    """
    scan = search.scan
    assert scan is not None
    x = np.array(scan.at, float) if against == "observable" else MEV * np.array(scan.mass_gev, float)
    p = np.array(scan.p_local, float)
    shown = np.maximum(p, LOWEST_P)
    name = "local p-value"
    for rows in segments(search):
        alone = rows.stop - rows.start == 1
        axes.plot(
            x[rows], shown[rows], "s" if alone else "-", color=COLOURS[0], lw=1.1, markersize=4, label=name
        )
        name = "_"
    far = p < LOWEST_P
    axes.plot(x[far], shown[far], "v", color=COLOURS[0], markersize=5)
    lowest = float(np.nanmin(shown)) if np.isfinite(shown).any() else 1.0
    axes.set_yscale("log")
    axes.set_ylim(min(lowest / 8, 5e-4), 1.5)
    _draw_significances(axes, 4 if against == "observable" else len(LINES))
    if search.largest is not None:
        row = int(np.argmin(np.abs(np.array(scan.mass_gev, float) - search.largest.mass_gev)))
        _draw_largest(axes, search, float(x[row]))


def _draw_significances(axes: Axes, most: int) -> None:
    lines = [sigmas for sigmas in LINES if ndtr(-sigmas) > 1.3 * axes.get_ylim()[0]]
    # In a small panel every second one is enough.
    for sigmas in lines[:: 1 + (len(lines) > most)]:
        p = float(ndtr(-sigmas))
        axes.axhline(p, color="0.45", lw=0.7, ls="--")
        axes.annotate(
            rf"{sigmas}$\sigma$", (1, p), (3, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center", fontsize=8, color="0.3",
        )  # fmt: skip


def _draw_largest(axes: Axes, search: SearchResult, x: float) -> None:
    """Mark the smallest local p-value, and above it the global one."""
    largest = search.largest
    assert largest is not None
    colour = COLOURS[1] if search.alarm else "black"
    local = max(largest.p_local, LOWEST_P)
    axes.plot([x], [local], "o", color=colour, markersize=5, mfc="none", label="largest excess")
    if largest.p_global is not None:
        p_global = max(largest.p_global, LOWEST_P)
        axes.plot([x, x], [local, p_global], color=colour, lw=0.8, ls=":")
        axes.plot([x], [p_global], "*", color=colour, markersize=8, label="its global p-value")


def segments(search: SearchResult) -> Iterator[slice]:
    """Yield the rows of each region: lines do not go from one to the next."""
    assert search.scan is not None
    region = np.full(len(search.scan.mass_gev), -1)
    masses = np.array(search.scan.mass_gev, float)
    # The file has six digits of a mass.
    slack = 1e-5 * np.abs(masses)
    for number, limits in enumerate(search.regions):
        region[(masses >= limits.low_gev - slack) & (masses <= limits.high_gev + slack)] = number
    starts = np.flatnonzero(np.diff(region, prepend=-2, append=-2))
    for first, last in pairwise(starts):
        yield slice(int(first), int(last))


def draw_limits(axes: Axes, search: SearchResult) -> None:
    """Draw the upper limit against mass: observed, and what is expected without a signal with its two bands.

    Of the branching ratio if it is known, else of the yield.
    """
    scan = search.scan
    assert scan is not None
    ratio = scan.limit_br is not None and any(entry is not None for entry in scan.limit_br)
    observed = np.array(scan.limit_br if ratio else scan.limit, float)
    band = np.array(scan.expected_br if ratio and scan.expected_br else scan.expected, float)
    if ratio and scan.expected_br is None:
        band = np.full_like(band, np.nan)
    x = MEV * np.array(scan.mass_gev, float)
    for number, rows in enumerate(segments(search)):
        # Only the first one is in the legend.
        names = LIMIT_NAMES if not number else ("_",) * len(LIMIT_NAMES)
        masses, columns = _widened(x[rows], np.column_stack([observed, band])[rows])
        limit, low2, low1, median, high1, high2 = columns.T
        axes.fill_between(masses, low2, high2, color=TWO_SIGMA_COLOUR, lw=0, label=names[3])
        axes.fill_between(masses, low1, high1, color=ONE_SIGMA_COLOUR, lw=0, label=names[2])
        axes.plot(masses, median, color="black", ls="--", lw=1.0, label=names[1])
        axes.plot(masses, limit, color="black", lw=1.3, label=names[0])
    _scale(axes, np.concatenate([observed, band.ravel()]))
    axes.set_ylabel("90% CL upper limit on " + ("branching ratio" if ratio else "signal events"))
    _shade_unscanned(axes, search, x)


def _widened(x: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """Give a single mass a width, so that it can be seen."""
    if len(x) > 1:
        return x, columns
    return x[0] + np.array([-ALONE_MEV, ALONE_MEV]), np.repeat(columns, 2, axis=0)


def _scale(axes: Axes, values: Floats) -> None:
    """Choose a logarithmic axis if the limits differ by more than a factor of five, with room for the legend."""
    known = values[np.isfinite(values) & (values > 0)]
    if not len(known):
        return
    low, high = float(known.min()), float(known.max())
    if high > 5 * low:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.6, high * (high / low) ** 0.4)
    else:
        axes.set_ylim(0, 1.4 * high)


def _shade_unscanned(axes: Axes, search: SearchResult, x: Floats) -> None:
    """Shade masses of the regions that could not be scanned."""
    assert search.scan is not None
    lost = np.array([entry is None for entry in search.scan.p_local], bool)
    label = "not scanned"
    for rows in segments(search):
        part = np.flatnonzero(np.diff(lost[rows].astype(int), prepend=0, append=0)) + rows.start
        for first, last in zip(part[::2], part[1::2], strict=True):
            half = (x[rows.stop - 1] - x[rows.start]) / max(rows.stop - rows.start - 1, 1) / 2
            axes.axvspan(
                x[first] - half, x[last - 1] + half, facecolor="none", edgecolor="0.6", hatch="////", lw=0,
                label=label,
            )  # fmt: skip
            label = "_"
