"""The picture of a spill: what a physicist looks at first."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.optimize import curve_fit

from streams.plots.spill_content import M2_GEV2, M3PI_MEV, P_GEV, VERTEX_M, SpillContent
from streams.plots.style import COLOURS, DPI, SETTINGS, STAMPS
from trigger.particles import M_PI0_GEV
from trigger.reconstruct.kinematics import Floats

SIZE_IN: Final = (14.0, 8.0)

REGIONS: Final = {"R1": (15.0, 35.0, 0.0, 0.010), "R2": (15.0, 45.0, 0.026, 0.068)}
"""Signal regions of K+ -> pi+ nu nu: momentum in GeV/c, m2_miss in GeV^2."""

MOST_MODES: Final = 7
FIT_MEV: Final = 1.5
"""Half the width of the window in which m3pi is fitted."""

FEWEST: Final = 100
"""Entries below which a peak is not fitted."""


def draw(content: SpillContent, title: str, path: Path) -> None:
    """Draw the content of a spill into a file of the kind that its suffix says. OSError if it cannot."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
        axes = figure.subplots(2, 3)
        _draw_intensity(axes[0, 0], content)
        _draw_bars(axes[0, 1], content.rates_mhz, "L0 primitives", "rate (MHz)", "no detectors")
        _draw_bars(
            axes[0, 2],
            content.lines_khz or {},
            "triggers read out",
            "rate after downscaling (kHz)",
            "no readout",
        )
        _draw_missing_mass(axes[1, 0], content)
        _draw_m3pi(axes[1, 1], content)
        _draw_vertices(axes[1, 2], content)
        figure.suptitle(title, fontsize=12)
        figure.savefig(path, metadata=STAMPS[path.suffix.lower()])


def _missing(axes: Axes, title: str, what: str) -> None:
    """Say in a panel why it is empty."""
    axes.set_title(title)
    axes.text(0.5, 0.5, what, ha="center", va="center", transform=axes.transAxes, wrap=True, color="0.35")
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_intensity(axes: Axes, content: SpillContent) -> None:
    width_ms = 1e3 * float(np.diff(content.intensity_s).mean()) if len(content.intensity_s) > 1 else 0.0
    axes.stairs(content.estimated_mhz, content.intensity_s, color=COLOURS[0], label="from primitives")
    if content.true_mhz is not None:
        axes.stairs(content.true_mhz, content.intensity_s, color=COLOURS[1], ls="--", label="simulated")
    axes.set(
        title="beam intensity", xlabel="time since start of burst (s)", ylabel=f"MHz in {width_ms:.3g} ms"
    )
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.legend(loc="lower center", ncols=2, frameon=False)


def _draw_bars(axes: Axes, values: dict[str, float], title: str, label: str, missing: str) -> None:
    if not values:
        _missing(axes, title, f"{missing}: simulate without --no-hits")
        return
    names, widths = list(values), list(values.values())
    bars = axes.barh(range(len(names)), widths, color=COLOURS[0])
    axes.bar_label(bars, [f"{w:.3g}" for w in widths], padding=3)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(title=title, xlabel=label)
    axes.margins(x=0.15)


def _draw_missing_mass(axes: Axes, content: SpillContent) -> None:
    title = r"one-track K$^+$ decays"
    if not content.m2_p.any():
        _missing(axes, title, "no truth with beam tracks:\nsimulate without --no-hits")
        return
    mesh = axes.pcolormesh(
        P_GEV, M2_GEV2, content.m2_p.T, norm=LogNorm(vmin=1), cmap="viridis", rasterized=True
    )
    axes.figure.colorbar(mesh, ax=axes, label="decays")
    for name, (p_low, p_high, low, high) in REGIONS.items():
        axes.add_patch(Rectangle((p_low, low), p_high - p_low, high - low, fill=False, ec=COLOURS[1], lw=1.5))
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.8}
        axes.text(
            p_high + 1.2, (low + high) / 2, name, color=COLOURS[1], va="center", weight="bold", bbox=box
        )
    axes.axhline(M_PI0_GEV**2, color="0.5", lw=0.8, ls=":")
    axes.set(title=title, xlabel="track momentum (GeV/c)")
    axes.set_ylabel(r"$m^2_\mathrm{miss}$, $\pi^+$ hypothesis (GeV$^2$/$c^4$)")


def gaussian(x: Floats, height: float, mean: float, sigma: float) -> Floats:
    """Return height * exp(-(x - mean)^2 / 2 sigma^2)."""
    return np.asarray(height * np.exp(-0.5 * ((x - mean) / sigma) ** 2))


def fit_peak(counts: Floats, edges: Floats) -> tuple[float, float] | None:
    """Fit a Gaussian to the core of a peak: (mean, sigma), None if there are too few entries."""
    if counts.sum() < FEWEST:
        return None
    middles = (edges[1:] + edges[:-1]) / 2
    peak = middles[int(np.argmax(counts))]
    near = np.abs(middles - peak) < FIT_MEV
    errors = np.sqrt(np.maximum(counts[near], 1))
    start = (float(counts.max()), float(peak), 0.7)
    (_, mean, sigma), _ = curve_fit(gaussian, middles[near], counts[near], start, errors)
    return float(mean), abs(float(sigma))


def _draw_m3pi(axes: Axes, content: SpillContent) -> None:
    title = r"K$^+ \to \pi^+\pi^+\pi^-$"
    if not content.m3pi.any():
        _missing(axes, title, "no truth of such decays:\nsimulate without --no-hits")
        return
    axes.stairs(content.m3pi, M3PI_MEV, color=COLOURS[0], fill=True, alpha=0.5)
    fitted = fit_peak(content.m3pi.astype(np.float64), M3PI_MEV)
    if fitted:
        text = f"mean {fitted[0]:.2f} MeV\nsigma {fitted[1]:.2f} MeV"
        axes.text(0.04, 0.95, text, transform=axes.transAxes, va="top")
    axes.set(title=title, ylabel=f"decays in {M3PI_MEV[1] - M3PI_MEV[0]:.1f} MeV")
    axes.set_xlabel(r"$m_{3\pi}$ (MeV/$c^2$)")
    axes.margins(x=0)


def _draw_vertices(axes: Axes, content: SpillContent) -> None:
    title = "decay vertices"
    if not content.vertices:
        _missing(axes, title, "no truth: simulate without --no-hits")
        return
    modes = sorted(content.vertices, key=lambda name: -int(content.vertices[name].sum()))[:MOST_MODES]
    for colour, name in zip(COLOURS, modes, strict=False):
        axes.stairs(content.vertices[name], VERTEX_M, color=colour, label=name)
    axes.set(title=f"{title} of {content.decays:,} decays in the truth", xlabel="z (m)")
    axes.set_ylabel(f"decays in {VERTEX_M[1] - VERTEX_M[0]:.0f} m")
    axes.set_yscale("log")
    axes.margins(x=0)
    # Room for the legend above the histograms.
    axes.set_ylim(0.8, 30 * max(counts.max() for counts in content.vertices.values()))
    axes.legend(fontsize=8, ncols=2, loc="upper center", frameon=False)
