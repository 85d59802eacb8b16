"""The report of a comparison of two menus for a person, at 80 columns."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from streams.cli.rate_text import rate_text
from streams.cli.report_text import COLUMNS
from streams.compare_causes import NAMES
from streams.compare_report import LEVEL_NAMES, Report

CLASSES: Final = 4
"""Classes of causes that are shown; the others are one."""

DIRECTIONS: Final = ("lost", "gained")

NAME_WIDTH: Final = 10
"""Letters of a line's name beside its overlaps."""

DIGITS: Final = 4
"""Digits of a rate that has no error beside it."""

WIDE: Final = 12
"""Columns of an overlap matrix up to which they can be five letters wide."""

INACTIVE: Final = "inactive"
ABSENT: Final = "no such line"


def render(report: Report, console: Console) -> None:
    """Print a report."""
    parts = [*_head(report)]
    for level in LEVEL_NAMES:
        parts += [f"{level} downscaling", _rates(report, level), ""]
    parts += ["events before | after downscaling", _counts(report), ""]
    parts += [*_why(report), *_after(report), *_overlaps(report)]
    parts += ["pure rates, before | after downscaling", _pure(report), "", *_closing(report)]
    for part in parts:
        console.print(part, highlight=False, markup=False, soft_wrap=isinstance(part, str))


def _head(report: Report) -> list[str | Table]:
    beam = "no primitives, so there are no rates"
    if report["beam_span_s"] is not None:
        beam = "beam from {:.3f} to {:.3f} s".format(*report["beam_span_s"])
    text: list[str | Table] = [f"{report['experiment']} run {report['run']} burst {report['burst']}, {beam}"]
    text += [f"{name}  {report['menus'][name]['source']}" for name in NAMES]
    if report["dispatch"]:
        text.append(
            f"rates are before choke and dead time, of which {' and '.join(report['dispatch'])} has some"
        )
    by_time = [what for what, by in report["matched_by"].items() if by == "time"]
    if by_time:
        text.append(f"events matched by time, within {report['window_ns']:.2f} ns: {', '.join(by_time)}")
    return [*text, *_notes(report), ""]


def _notes(report: Report) -> Iterator[str]:
    """Say which lines are inactive or lack a veto, each reason once a menu."""
    for name in NAMES:
        reasons: dict[str, list[str]] = {}
        for line in [*(both[name] for both in report["lines"]), *report["only_in"][name]]:
            for reason in [line["reason"]] if not line["active"] else line["unapplied"]:
                reasons.setdefault(reason, []).append(line["name"])
        for reason, lines in reasons.items():
            yield from _wrapped(f"{name}  {reason}: {', '.join(lines)}", "   ")


def _rates(report: Report, level: str) -> Table:
    """Rates of a level: A, B, and what changes."""
    table = _table(*NAMES, "B - A", "B / A")
    for line in report["lines"]:
        a, b = (_rate(line[name][level]) for name in NAMES)
        table.add_row(line["name"], a, b, _difference(line[level]), _ratio(line[level]))
    for name in NAMES:
        for line in report["only_in"][name]:
            cells = [_rate(line[level]) if name == n else ABSENT for n in NAMES]
            table.add_row(line["name"], *cells, "", "")
    if level == LEVEL_NAMES[1]:
        total = report["triggers"]
        a, b = (_rate(total[name]) for name in NAMES)
        table.add_row("L0 total", a, b, _difference(total), _ratio(total))
    return table


def _counts(report: Report) -> Table:
    """Events of both, lost and gained, before and after downscaling."""
    table = _table("common", "lost", "gained", "| common", "lost", "gained")
    for line in report["lines"]:
        numbers = [line[level][what] for level in LEVEL_NAMES for what in ("common", *DIRECTIONS)]
        table.add_row(line["name"], *(f"{n:,}" for n in numbers))
    total = report["triggers"]
    table.add_row("L0 total", "", "", "", *(f"{total[what]:,}" for what in ("common", *DIRECTIONS)))
    return table


def _why(report: Report) -> Iterator[str]:
    """Say, line by line, why there are more or fewer events before downscaling."""
    level = LEVEL_NAMES[0]
    for line in report["lines"]:
        for direction in DIRECTIONS:
            causes = line[level][f"{direction}_because"]
            head = f"{line['name']}: {line[level][direction]:,} {direction} before downscaling"
            if len(causes) == 1:
                yield from _wrapped(f"{head}: {', '.join(causes[0]['why'])}", " " * 4)
            elif causes:
                yield head
                yield from _classes(causes)
    if any(line[level][direction] for line in report["lines"] for direction in DIRECTIONS):
        yield ""


def _classes(causes: list[dict[str, Any]]) -> Iterator[str]:
    """List the largest classes of causes with their shares, the others as one."""
    shown = causes if len(causes) <= CLASSES + 1 else causes[:CLASSES]
    classes = [(c["share"], c["events"], ", ".join(c["why"])) for c in shown]
    if rest := causes[len(shown) :]:
        other = f"other ({len(rest)} classes)"
        classes.append((sum(c["share"] for c in rest), sum(c["events"] for c in rest), other))
    for share, events, what in classes:
        start = f"  {100 * share:5.1f}%  {events:>11,}  "
        yield from _wrapped(start + what, " " * len(start))


def _after(report: Report) -> Iterator[str]:
    """Say in a line each what kinds of causes there are after downscaling."""
    level = LEVEL_NAMES[1]
    said = False
    for line in report["lines"]:
        for direction in DIRECTIONS:
            kinds: Counter[str] = Counter()
            for cause in line[level][f"{direction}_because"]:
                kinds[cause["kind"]] += cause["events"]
            if kinds:
                what = ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common())
                yield from _wrapped(f"{line['name']}: {direction} after downscaling: {what}", " " * 4)
                said = True
    if said:
        yield ""


def _overlaps(report: Report) -> Iterator[str]:
    """Yield a matrix for each menu: the share of the row's events in which the column fires too."""
    for name in NAMES:
        overlap = report["overlap"][name]
        lines, events = overlap["lines"], overlap["before"]["events"]
        width = 4 if len(lines) > WIDE else 5
        yield f"{name}: of the events of the row before downscaling, % in which the column fires too"
        yield " " * (NAME_WIDTH + 4) + "".join(f"{j + 1:>{width}}" for j in range(len(lines)))
        for i, line in enumerate(lines):
            cells = "".join(f"{_share(n, events[i][i]):>{width}}" for n in events[i])
            yield f"{i + 1:>2}  {line[:NAME_WIDTH]:<{NAME_WIDTH}}{cells}"
        yield ""


def _pure(report: Report) -> Table:
    """Rates of the events in which no other line of the menu fires."""
    table = _table("A", "B", "| A", "B")
    names = dict.fromkeys(line for name in NAMES for line in report["overlap"][name]["lines"])
    for line in names:
        cells = []
        for level in LEVEL_NAMES:
            for name in NAMES:
                overlap = report["overlap"][name]
                if line in overlap["lines"]:
                    i = overlap["lines"].index(line)
                    pure = overlap[level]
                    cells.append(_short(pure["pure_rate_hz"][i], pure["pure_rate_error_hz"][i]))
                else:
                    cells.append(ABSENT)
        table.add_row(line, *cells)
    return table


def _share(n: int, of: int) -> str:
    """Write a share in percent; a dot for none, a dash where there is nothing to share."""
    if of == 0:
        return "-"
    percent = 100 * n / of
    return "." if n == 0 else f"{percent:.1f}" if percent < 10 else f"{percent:.0f}"


def _closing(report: Report) -> Iterator[str]:
    yield "sums      closed" if report["closed"] else "sums      NOT CLOSED"
    for line in [*report["lines"], {"name": "L0 total"} | report["triggers"]]:
        if not line["closed"]:
            yield f"          {line['name']}: its events do not add up"


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("line")
    for title in titles:
        table.add_column(title, justify="right")
    return table


def _rate(measured: dict[str, Any]) -> str:
    return INACTIVE if measured["rate_hz"] is None else _short(measured["rate_hz"], measured["rate_error_hz"])


def _short(hz: float, error_hz: float) -> str:
    """Write a rate with the digits that its error allows, DIGITS at most: beside it stands the difference."""
    # An error is written with two digits.
    least = 10.0 ** (math.floor(math.log10(hz)) + 2 - DIGITS) if hz > 0 else 0.0
    value, _, rest = rate_text(hz, max(error_hz, least)).partition(" +- ")
    return f"{value} {rest.split()[1]}"


def _difference(changed: dict[str, Any]) -> str:
    if changed["difference_hz"] is None:
        return ""
    return rate_text(changed["difference_hz"], changed["difference_error_hz"], sign="+")


def _ratio(changed: dict[str, Any]) -> str:
    if changed["ratio"] is None:
        return ""
    error = changed["ratio_error"]
    digits = max(1 - math.floor(math.log10(error)), 0) if error > 0 else 0
    return f"{changed['ratio']:.{digits}f} +- {error:.{digits}f}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS, subsequent_indent=indent, break_on_hyphens=False)
