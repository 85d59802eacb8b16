"""Pictures of a snapshot of the monitors: an overview, and a page of one search.

Their layout is fixed: the one that matplotlib finds takes longer than all the drawing.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator

from streams.monitors.snapshot import SearchResult, Snapshot, histogram_name
from streams.plots.monitors_scan import LIMIT_NAMES, draw_limits, draw_p_values
from streams.plots.monitors_spectrum import (
    draw_pulls,
    draw_spectrum,
    observable_label,
    rebinned,
    shown_range,
)
from streams.plots.monitors_spill import GREY, draw_spill, say
from streams.plots.style import COLOURS, DPI, SETTINGS, STAMPS

PAGE_IN: Final = (14.0, 8.5)
PAGE_AROUND: Final = {"bottom": 0.07, "top": 0.905, "hspace": 0.25}
PAGE_LEFT: Final = {"left": 0.055, "right": 0.485}
PAGE_RIGHT: Final = {"left": 0.555, "right": 0.97}
"""Of the size of a page: around its panels, and its two columns."""


COLUMNS: Final = 4
CELL_IN: Final = (4.5, 3.4)
"""Size of a search in the overview, with what is around it."""

AROUND_IN: Final = (0.75, 0.35, 0.5, 0.6)
"""Left, right, below and above the panels of a cell: numbers and names of its axes, its title."""

TITLE_IN: Final = 0.5
SPILL_WIDTHS: Final = (1.7, 1.0, 1.0, 1.0)
"""Of the panels of the last spill, relative."""

CELL_TICKS: Final = 6

PAGE_BINS: Final = 240
CELL_BINS: Final = 160
"""Most bins that are drawn of a spectrum."""


def draw_overview(snapshot: Snapshot, path: Path) -> None:
    """Draw the last spill and all searches into a file of the kind that its suffix says. OSError if it cannot."""
    rows = 1 - (-len(snapshot.searches) // COLUMNS)
    width, height = COLUMNS * CELL_IN[0], rows * CELL_IN[1] + TITLE_IN
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(width, height), dpi=DPI)
        figure.suptitle(_overview_title(snapshot), fontsize=12, y=1 - 0.4 * TITLE_IN / height)
        top = _cell(figure, 0, 0, COLUMNS).subgridspec(
            1, len(SPILL_WIDTHS), width_ratios=SPILL_WIDTHS, wspace=0.25
        )
        draw_spill([figure.add_subplot(top[k]) for k in range(len(SPILL_WIDTHS))], snapshot)
        for number, search in enumerate(snapshot.searches):
            row, column = divmod(number, COLUMNS)
            _draw_cell(figure, _cell(figure, row + 1, column), snapshot, search)
        figure.savefig(path, metadata=STAMPS[path.suffix.lower()])


def _cell(figure: Figure, row: int, column: int, columns: int = 1) -> SubplotSpec:
    """Return a place for panels, so many columns wide: row 0 is below the title."""
    width, height = figure.get_size_inches()
    left, right, below, above = AROUND_IN
    top = height - TITLE_IN - row * CELL_IN[1]
    return figure.add_gridspec(
        1,
        1,
        left=(column * CELL_IN[0] + left) / width,
        right=((column + columns) * CELL_IN[0] - right) / width,
        bottom=(top - CELL_IN[1] + below) / height,
        top=(top - above) / height,
    )[0]


def _overview_title(snapshot: Snapshot) -> str:
    decays = [f"{n.kaon_decays:.3g} ({n.name})" for n in snapshot.normalisation if n.kaon_decays is not None]
    known = f"; decays of kaons: {', '.join(decays)}" if decays else ""
    return f"{snapshot.experiment}, menu {snapshot.menu}: {_spills(snapshot)}{known}"


def _spills(snapshot: Snapshot) -> str:
    cut = f", {snapshot.interrupted} not to the end" if snapshot.interrupted else ""
    return f"{snapshot.spills:,} spill{'s' if snapshot.spills != 1 else ''}{cut}"


def _draw_cell(figure: Figure, cell: SubplotSpec, snapshot: Snapshot, search: SearchResult) -> None:
    """Draw a search in little: its spectrum, and below it the local p-values against the same axis."""
    histogram = snapshot.histograms.get(search.name)
    if _is_empty(search) or histogram is None:
        axes = figure.add_subplot(cell)
        say(axes, f"not active:\n{textwrap.fill(search.reason, 40)}")
        axes.set_title(search.title, fontsize=9, color=GREY)
        return
    grid = cell.subgridspec(2, 1, hspace=0.1, height_ratios=(5, 3))
    top = bottom = figure.add_subplot(cell if search.scan is None else grid[0])
    if search.scan is not None:
        bottom = figure.add_subplot(grid[1], sharex=top)
        draw_p_values(bottom, search, against="observable")
        bottom.set_ylabel("local p", fontsize=8)
        top.tick_params(labelbottom=False)
    axis = histogram.axes[0]
    density = search.scan.fitted_density if search.scan else None
    part = shown_range(search, axis.lower, axis.upper)
    draw_spectrum(top, search, rebinned(histogram, density, part, CELL_BINS))
    bottom.set_xlabel(observable_label(search), fontsize=8)
    for axes in {top, bottom}:
        axes.minorticks_off()
        axes.tick_params(labelsize=7)
    top.xaxis.set_major_locator(MaxNLocator(CELL_TICKS))
    top.set_ylabel(top.get_ylabel(), fontsize=8)
    alarm, colour = ("ALARM: ", COLOURS[1]) if search.alarm else ("", "black")
    off = "" if search.active else " (not active)"
    top.set_title(f"{search.title}{off}\n{alarm}{_found(search)}", fontsize=9, color=colour)


def _is_empty(search: SearchResult) -> bool:
    """Whether a search has never been active, as far as the spectrum tells."""
    return not search.active and not search.selected


def _found(search: SearchResult) -> str:
    """Say in a line what a search shows."""
    words = [f"{search.selected:,} selected"]
    if search.largest is not None and search.largest.z is not None:
        words.append(rf"{search.largest.z:.1f}$\sigma$ at {1e3 * search.largest.mass_gev:.0f} MeV")
        if search.largest.p_global is not None:
            p = search.largest.p_global
            words.append(f"global p {p:.2g}" if p else "global p below 1e-300")
    return ", ".join(words)


def draw_search(snapshot: Snapshot, name: str, path: Path) -> None:
    """Draw a page of one search. SnapshotError if it is not in the snapshot; OSError if it cannot be written."""
    search = snapshot.search(name)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=PAGE_IN, dpi=DPI)
        colour = COLOURS[1] if search.alarm else "black"
        figure.suptitle(_page_title(snapshot, search), fontsize=11, color=colour, y=0.985)
        left, right = (figure.add_gridspec(8, 1, **PAGE_AROUND, **part) for part in (PAGE_LEFT, PAGE_RIGHT))
        if _is_empty(search) or search.name not in snapshot.histograms:
            say(figure.subplots(), f"not active:\n{textwrap.fill(search.reason, 60)}")
        elif search.scan is None:
            _draw_spectrum_page(figure.subplots(), None, snapshot, search)
        else:
            top = figure.add_subplot(left[:6])
            _draw_spectrum_page(top, figure.add_subplot(left[6:], sharex=top), snapshot, search)
            _draw_scan_page(figure.add_subplot(right[:4]), figure.add_subplot(right[4:]), search)
        figure.savefig(path, metadata=STAMPS[path.suffix.lower()])


def _page_title(snapshot: Snapshot, search: SearchResult) -> str:
    reference = f" ({search.reference})" if search.reference else ""
    off = "" if search.active else f"\nnot active: {search.reason}"
    norm = f", normalised to {search.normalisation}" if search.scan and search.scan.limit_br else ""
    alarm = f"\nALARM: {search.alarm_reason}" if search.alarm else ""
    lines = f"line{'s' if len(search.lines) > 1 else ''} {', '.join(search.lines)} of {snapshot.menu}"
    return (
        f"{search.title}{reference}\n{snapshot.experiment}, {lines}, {_spills(snapshot)}{norm}: "
        f"{_found(search)}{off}{alarm}"
    )


def _draw_spectrum_page(axes: Axes, below: Axes | None, snapshot: Snapshot, search: SearchResult) -> None:
    histogram = snapshot.histograms[search.name]
    axis = histogram.axes[0]
    part = shown_range(search, axis.lower, axis.upper)
    spectrum = rebinned(histogram, search.scan.fitted_density if search.scan else None, part, PAGE_BINS)
    last = snapshot.histograms.get(histogram_name(search.name, "spill"))
    of_last = rebinned(last, None, part, PAGE_BINS) if last else None
    draw_spectrum(axes, search, spectrum, of_last)
    axes.legend(frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, 0.96))
    if below is None:
        axes.set_xlabel(observable_label(search))
        return
    axes.tick_params(labelbottom=False)
    draw_pulls(below, search, spectrum)


def _draw_scan_page(top: Axes, bottom: Axes, search: SearchResult) -> None:
    draw_p_values(top, search)
    top.set_ylabel("p-value")
    top.legend(frameon=False, fontsize=9, loc="lower left")
    draw_limits(bottom, search)
    bottom.set_xlabel("mass (MeV/$c^2$)")
    top.sharex(bottom)
    top.tick_params(labelbottom=False)
    handles, names = bottom.get_legend_handles_labels()
    order = sorted(range(len(names)), key=lambda k: (*LIMIT_NAMES, names[k]).index(names[k]))
    bottom.legend(
        [handles[k] for k in order],
        [names[k] for k in order],
        frameon=False,
        ncols=2,
        loc="upper left",
        fontsize=9,
    )
