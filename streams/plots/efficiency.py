"""The picture of efficiencies: L0 and L1 of one mode and line against momentum, vertex and intensity."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from streams.efficiency.report import Report
from streams.plots.style import COLOURS, DPI, SETTINGS, STAMPS

SIZE_IN: Final = (13.0, 4.4)

LABELS: Final = {
    "momentum": "momentum of the fastest charged product (GeV/c)",
    "vertex": "z of the decay (m)",
    "intensity": "beam intensity (MHz)",
}

SERIES: Final = (
    ("l0", "L0", "decays", "o", COLOURS[0]),
    ("l1", "L1 given L0", "l1_in", "s", COLOURS[1]),
)
"""Prefix of the fields, name, field of the number of trials, marker, colour."""

TOP: Final = 1.19
"""Highest efficiency on the axis: room for the legend."""


def draw(report: Report, path: Path) -> None:
    """Draw a report of `efficiency.report` into a file of the kind that its suffix says. OSError if it cannot."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
        panels = figure.subplots(1, len(LABELS), sharey=True)
        for axes, (quantity, label) in zip(panels, LABELS.items(), strict=True):
            _draw_bins(axes, report["against"][quantity])
            axes.set_xlabel(label)
            axes.grid(alpha=0.25)
        panels[0].set_ylabel("efficiency, before downscaling")
        panels[0].set_ylim(0, TOP)
        panels[0].set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
        figure.suptitle(_title(report), fontsize=12)
        figure.savefig(path, metadata=STAMPS[path.suffix.lower()])


def _title(report: Report) -> str:
    name = Path(report["file"]).name
    if report["drawn"] is None:
        return f"no decays in the truth: {name}"
    drawn = report["drawn"]
    where = {"fiducial": "in the fiducial volume", "pinunu": "in acceptance"}[drawn["acceptance"]]
    return f"{drawn['title']} {where}, line {drawn['line']} of {report['menu']}: {name}"


def _draw_bins(axes: Axes, bins: list[dict[str, Any]]) -> None:
    """Draw both efficiencies in those bins that have any decay."""
    for prefix, name, trials, marker, colour in SERIES:
        points = [b for b in bins if b[trials] and b[f"{prefix}_efficiency"] is not None]
        if not points:
            continue
        middle = [(b["from"] + b["to"]) / 2 for b in points]
        y = [b[f"{prefix}_efficiency"] for b in points]
        down = [b[f"{prefix}_efficiency"] - b[f"{prefix}_low"] for b in points]
        up = [b[f"{prefix}_high"] - b[f"{prefix}_efficiency"] for b in points]
        half = [(b["to"] - b["from"]) / 2 for b in points]
        axes.errorbar(
            middle, y, [down, up], half, fmt=marker, color=colour, markersize=4.5, capsize=2, elinewidth=1, label=name
        )  # fmt: skip
    if axes.has_data():
        axes.legend(frameon=False, loc="upper center", ncols=len(SERIES))
    else:
        axes.text(0.5, 0.5, "no decays", ha="center", va="center", transform=axes.transAxes, color="0.35")
