"""The last spill in a snapshot: intensity, harmonics, live fraction, and the duty factors of the spills before.

The report is that of `streams.monitors.intensity`, as JSON: what is not in it, or not known, is left out.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from streams.monitors.snapshot import Snapshot
from streams.plots.style import COLOURS

Floats = NDArray[np.float64]

GTK: Final = "GTK"
GREY: Final = "0.35"

GRADES: Final = {"good": COLOURS[2], "poor": COLOURS[4], "bad": COLOURS[1], "unknown": "0.5"}
"""Colours of the qualities."""

TITLE_WORDS: Final = 80
"""Characters of a line above the intensity."""

TURN: Final = "turn"


def draw_spill(axes: Sequence[Axes], snapshot: Snapshot) -> None:
    """Draw the last spill into four panels: intensity, harmonics, live fraction, duty factors of all spills."""
    report = snapshot.spill or {}
    _draw_intensity(axes[0], report, snapshot)
    _draw_harmonics(axes[1], report)
    _draw_live(axes[2], report)
    _draw_history(axes[3], snapshot)
    for panel in axes:
        panel.tick_params(labelsize=8)


def entry(report: Any, *path: str) -> Any:
    """Return what is at a path of a report, None if there is nothing."""
    for key in path:
        report = report.get(key) if isinstance(report, dict) else None
    return report


def number(report: Any, *path: str) -> float | None:
    """Return the number at a path of a report, None if there is none."""
    value = entry(report, *path)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def numbers(report: Any, *path: str) -> Floats:
    """Return the list of numbers at a path of a report, NaN for those that are not known: float64[n]."""
    values = entry(report, *path)
    values = values if isinstance(values, list) else []
    return np.array([v if isinstance(v, int | float) else np.nan for v in values], np.float64)


def say(axes: Axes, what: str) -> None:
    """Say in a panel why it is empty."""
    axes.text(0.5, 0.5, what, ha="center", va="center", transform=axes.transAxes, color=GREY)
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_intensity(axes: Axes, report: dict[str, Any], snapshot: Snapshot) -> None:
    """Draw the estimators along the spill; the one that the quality is of, and the GTK, before the others."""
    axes.set_title(_intensity_title(report, snapshot), fontsize=9, color=_colour(report))
    where = ("fine", "5 ms") if entry(report, "fine", "5 ms") else ("series",)
    edges = numbers(report, *where, "edges_s")
    series = {name: numbers(report, *where, "intensity_mhz", name) for name in _estimators(report, where)}
    series = {name: mhz for name, mhz in series.items() if len(mhz) == len(edges) - 1}
    if not series:
        say(axes, "no spill yet" if not report else "nothing was played")
        return
    main = str(entry(report, "detector"))
    first = {main: COLOURS[0], GTK: COLOURS[1]}
    other = "other detectors"
    for name in sorted(series, key=lambda name: name in first):
        if name not in first:
            axes.stairs(series[name], edges, baseline=None, color="0.75", lw=0.7, label=other)
            other = "_"
    for name in [name for name in first if name in series]:
        axes.stairs(series[name], edges, baseline=None, color=first[name], lw=1.3, label=name)
    _mark(axes, report)
    high = max(float(np.nanmax(mhz, initial=0.0)) for mhz in series.values())
    unit = "MHz" if entry(report, "absolute") else "relative to the mean"
    width = 1e3 * float(edges[1] - edges[0])
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.3 * high or 1))
    axes.text(0.5, 0.1, _spread(report), ha="center", transform=axes.transAxes, fontsize=8, color=GREY)
    axes.set_xlabel("time since start of burst (s)", fontsize=8)
    axes.set_ylabel(f"intensity ({unit}) in {width:.3g} ms", fontsize=8)
    axes.legend(frameon=False, ncols=4, loc="upper center", fontsize=8)


def _estimators(report: dict[str, Any], where: Sequence[str]) -> list[str]:
    found = entry(report, *where, "intensity_mhz")
    return list(found) if isinstance(found, dict) else []


def _mark(axes: Axes, report: dict[str, Any]) -> None:
    """Mark the plateau, the gaps and the spike at the start."""
    begin, end = (number(report, "beam", "span", f"plateau_{name}_s") for name in ("begin", "end"))
    if begin is not None and end is not None:
        axes.axvspan(begin, end, color=COLOURS[5], alpha=0.1, lw=0)
    gaps = entry(report, "beam", "gaps")
    at = [number(gap, "begin_s") for gap in gaps] if isinstance(gaps, list) else []
    known = [s for s in at if s is not None]
    axes.plot(
        known, [0.02] * len(known), "^", color=COLOURS[3], transform=axes.get_xaxis_transform(), markersize=5,
        label="gap" if known else "_",
    )  # fmt: skip
    spike = entry(report, "beam", "spike", "spike")
    begin, length = number(spike, "begin_s"), number(spike, "duration_s")
    if begin is not None and length is not None:
        axes.axvspan(begin, begin + length, color=COLOURS[3], alpha=0.5, lw=0, label="start spike")


def _colour(report: dict[str, Any]) -> str:
    return GRADES.get(str(entry(report, "grade")), "black") if report else "black"


def _intensity_title(report: dict[str, Any], snapshot: Snapshot) -> str:
    """Say which spill it is and how good, why, and its figures."""
    if not report:
        return "last spill"
    last = snapshot.history[-1] if snapshot.history else None
    where = f"run {last.run} burst {last.burst}" if last else "last spill"
    given = entry(report, "reasons")
    reasons = "; ".join(map(str, given)) if isinstance(given, list) else ""
    head = f"{where}: {entry(report, 'grade')}" + (f" ({reasons})" if reasons else "")
    duty = ("beam", "duty", "plateau_5ms")
    figures = _worded(
        ("duty factor {:.3f}", number(report, *duty, "declustered")),
        ("(raw {:.3f})", number(report, *duty, "raw")),
        ("effective {:.2f} s", number(report, "beam", "effective_s")),
        ("mean {:.0f} MHz", number(report, "mean_mhz")),
    )
    return "\n".join([*textwrap.wrap(head, TITLE_WORDS)[:2], figures])


def _spread(report: dict[str, Any]) -> str:
    return _worded(
        ("max/mean {:.2f}", number(report, "beam", "spread", "max_over_mean")),
        ("skewness {:.2f}", number(report, "beam", "spread", "skewness")),
        ("kurtosis {:.2f}", number(report, "beam", "spread", "kurtosis")),
    )


def _worded(*words: tuple[str, float | None]) -> str:
    """Say those figures that are known."""
    return ", ".join(text.format(value) for text, value in words if value is not None).replace(", (", " (")


def lines_of(report: dict[str, Any]) -> list[tuple[str, float | None, float, float]]:
    """Return name, amplitude, error and noise of each line of the beam in per cent; amplitude None: not measured."""
    found = entry(report, "beam", "harmonics")
    rows = (
        [(f"{number(line, 'frequency_hz') or 0:g}", line) for line in found]
        if isinstance(found, list)
        else []
    )
    turn = entry(report, "beam", "turn")
    if isinstance(turn, dict):
        rows.append((TURN, turn))
    return [
        (name, _percent(line, "amplitude"), _percent(line, "error") or 0.0, _percent(line, "noise") or 0.0)
        for name, line in rows
    ]


def _percent(report: Any, key: str) -> float | None:
    value = number(report, key)
    return None if value is None else 100 * value


def _draw_harmonics(axes: Axes, report: dict[str, Any]) -> None:
    """Draw the amplitudes with their errors, and the level of the noise."""
    axes.set_title("lines in the spectrum of the beam", fontsize=9)
    rows = lines_of(report)
    if not rows:
        say(axes, "not measured")
        return
    for place, (_name, amplitude, error, noise) in enumerate(rows):
        if amplitude is None:
            axes.text(
                place, 0.1, " not measured", rotation=90, ha="center", va="bottom", fontsize=8, color=GREY
            )
            continue
        axes.bar(place, amplitude, 0.6, color=COLOURS[0])
        axes.errorbar(place, amplitude, error, color="black", capsize=2, elinewidth=1)
        label = "noise" if axes.get_legend_handles_labels()[1] == [] else "_"
        axes.plot([place - 0.4, place + 0.4], [noise, noise], color=COLOURS[1], lw=2, label=label)
    axes.set_xticks(range(len(rows)), [name for name, *_ in rows])
    axes.set_xlim(-0.6, len(rows) - 0.4)
    axes.set_ylim(0, max(1.25 * max((a or 0) + e for _, a, e, _ in rows), 1.0))
    axes.set_xlabel("frequency (Hz); turn of the SPS", fontsize=8)
    axes.set_ylabel("amplitude (%)", fontsize=8)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8, loc="upper right")


def _draw_live(axes: Axes, report: dict[str, Any]) -> None:
    """Draw the part of the triggers that was kept, along the spill."""
    edges, live = numbers(report, "series", "edges_s"), numbers(report, "series", "live")
    overall = number(report, "live")
    axes.set_title("live fraction" + ("" if overall is None else f": {overall:.4g} of the spill"), fontsize=9)
    if len(live) != len(edges) - 1 or not np.isfinite(live).any():
        say(axes, "no triggers")
        return
    axes.stairs(live, edges, baseline=None, color=COLOURS[0], lw=1.3)
    low = float(np.nanmin(live))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set(xlim=(edges[0], edges[-1]), ylim=(max(0.0, low - 0.3 * (1 - low) - 0.01), 1.005))
    axes.set_xlabel("time since start of burst (s)", fontsize=8)


def _draw_history(axes: Axes, snapshot: Snapshot) -> None:
    """Draw the duty factors of the spills, in the colours of their quality."""
    axes.set_title("duty factor, spill by spill", fontsize=9)
    rows = [(place, row) for place, row in enumerate(snapshot.history) if row.duty_factor is not None]
    if not rows:
        say(axes, "not known")
        return
    for grade, colour in GRADES.items():
        of_grade = [(place, row.duty_factor) for place, row in rows if row.quality == grade]
        if of_grade:
            axes.plot(*zip(*of_grade, strict=True), ".", color=colour, label=grade)
    low = min(row.duty_factor for _, row in rows if row.duty_factor is not None)
    axes.set_ylim(min(0.9 * low, 0.7), 1.08)
    axes.set_xlim(-0.5, len(snapshot.history) - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("spill, oldest first", fontsize=8)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8, loc="upper right", ncols=4, handletextpad=0.1)
