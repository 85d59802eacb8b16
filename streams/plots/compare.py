"""The picture of a comparison of two menus: rates and their ratios, and the overlaps of the lines of B."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from streams.compare_causes import NAMES
from streams.compare_report import Report
from streams.plots import style
from streams.plots.style import DPI, SETTINGS, STAMPS

SIZE_IN: Final = (12.0, 6.75)
COLOURS: Final = dict(zip("AB", style.COLOURS, strict=False))

MARKERS: Final = {"A": "o", "B": "s"}
OFFSETS: Final = {"A": -0.13, "B": 0.13}
"""Where the points of A and B stand beside each other, in lines."""

LIMIT_LENGTH: Final = 0.4
"""Length of the arrow of an upper limit, in units of the limit."""

LEGEND_LETTERS: Final = 24
"""Longest name of a menu in the legend."""

LEGEND_ROOM: Final = 0.15
"""Part of the height that is added for the legend."""

WIDE_RATIO: Final = 2.0
"""From this factor on the ratios are on a logarithmic scale."""

CROWDED: Final = 12
"""Lines up to which the numbers of the ratios can lie."""

BELOW: Final = 0.1
"""Part of the height that is added below the ratios."""

DARK: Final = 0.55
"""Share from which a cell is dark and its number white."""

SMALL_MATRIX: Final = 10
"""Lines up to which the numbers of the matrix are in the larger type."""


def draw(report: Report, path: Path) -> None:
    """Draw a report of `compare_report` into a file of the kind that its suffix says. OSError if it cannot."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=[1.1, 1.0], height_ratios=[2.2, 1.0])
        upper = figure.add_subplot(grid[0, 0])
        lower = figure.add_subplot(grid[1, 0], sharex=upper)
        _draw_rates(upper, report)
        _draw_ratios(lower, report)
        upper.tick_params(labelbottom=False)
        _draw_overlap(figure.add_subplot(grid[:, 1]), report["overlap"]["B"])
        figure.suptitle(_title(report), fontsize=12)
        figure.savefig(path, metadata=STAMPS[path.suffix.lower()])


def _title(report: Report) -> str:
    return (
        f"{report['experiment']} run {report['run']} burst {report['burst']}, two menus on {report['beam_s']:.3g} s "
        "of beam"
    )


def _short(source: str) -> str:
    """Name a menu without its folder, cut to what the legend has room for."""
    name = Path(source).name.removesuffix(".toml")
    return name if len(name) <= LEGEND_LETTERS else name[: LEGEND_LETTERS - 3] + "..."


def _entries(report: Report) -> list[tuple[str, dict[str, Any]]]:
    """Return (name, what is known after downscaling by menu, with the ratio) of each line and of all triggers."""
    entries = []
    for line in report["lines"]:
        entries.append(
            (line["name"], {name: line[name]["after"] for name in NAMES} | {"change": line["after"]})
        )
    for name in NAMES:
        entries += [(line["name"], {name: line["after"]}) for line in report["only_in"][name]]
    total = report["triggers"]
    return [*entries, ("L0 total", {name: total[name] for name in NAMES} | {"change": total})]


def _draw_rates(axes: Axes, report: Report) -> None:
    entries = _entries(report)
    for name in NAMES:
        style: dict[str, Any] = {
            "color": COLOURS[name],
            "marker": MARKERS[name],
            "markersize": 5.5,
            "linestyle": "none",
        }
        axes.plot([], [], label=f"{name}: {_short(report['menus'][name]['source'])}", **style)
        for i, (_, known) in enumerate(entries):
            if name in known and known[name]["rate_error_hz"]:
                rate, error = known[name]["rate_hz"], known[name]["rate_error_hz"]
                # Of no event at all there is an upper limit, that of one.
                y, length = (rate, error) if rate else (error, LIMIT_LENGTH * error)
                axes.errorbar(i + OFFSETS[name], y, length, uplims=not rate, capsize=2, **style)
    axes.set_yscale("log")
    axes.set_ylabel("rate after downscaling (Hz)")
    axes.set_title("Rates, statistical errors")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="upper left", ncols=2)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** LEGEND_ROOM)


def _draw_ratios(axes: Axes, report: Report) -> None:
    entries = _entries(report)
    crowded = len(entries) > CROWDED
    points = [
        (i, known["change"]["ratio"], known["change"]["ratio_error"])
        for i, (_, known) in enumerate(entries)
        if "change" in known and known["change"]["ratio"] is not None
    ]
    axes.axhline(1.0, color="0.4", linewidth=1)
    for x, ratio, error in points:
        axes.errorbar(x, ratio, error, fmt="D", color="black", markersize=4, capsize=2)
        axes.annotate(
            f"{ratio:.3f}", (x, ratio), (0, 7), textcoords="offset points", ha="center", va="bottom",
            fontsize=8, rotation=90 if crowded else 0,
        )  # fmt: skip
    _scale_ratios(axes, [ratio for _, ratio, _ in points], 0.8 if crowded else 0.35)
    axes.set_ylabel("B / A")
    axes.set_title("Ratio after downscaling, errors of the events that differ", fontsize=10)
    axes.set_xticks(
        range(len(entries)), [name for name, _ in entries], rotation=45, ha="right", rotation_mode="anchor"
    )
    axes.set_xlim(-0.6, len(entries) - 0.4)
    axes.grid(alpha=0.25)


def _scale_ratios(axes: Axes, ratios: list[float], room: float) -> None:
    """Leave room, a part of the height, for the numbers; ratios far from 1 are on a logarithmic scale."""
    some = [ratio for ratio in ratios if ratio > 0]
    if some and max(max(some), 1 / min(some)) > WIDE_RATIO:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
        low, high = axes.get_ylim()
        axes.set_ylim(low / (high / low) ** BELOW, high * (high / low) ** room)
    else:
        low, high = axes.get_ylim()
        axes.set_ylim(low - BELOW * (high - low), high + room * (high - low))


def _draw_overlap(axes: Axes, overlap: dict[str, Any]) -> None:
    lines, events = overlap["lines"], overlap["before"]["events"]
    shares = [[n / row[i] if row[i] else 0.0 for n in row] for i, row in enumerate(events)]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = 9 if len(lines) <= SMALL_MATRIX else 7
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            if events[i][j]:
                color = "white" if share > DARK else "black"
                axes.text(j, i, _percent(100 * share), ha="center", va="center", fontsize=size, color=color)
    axes.set_xticks(range(len(lines)), lines, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(lines)), lines)
    axes.set_title(
        "Overlap of the lines of B before downscaling:\n% of the row's events in which the column fires too"
    )


def _percent(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.05 else "<0.1"
