"""Efficiencies for a person, at 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.efficiency.acceptance import TITLES
from streams.efficiency.report import Report

COLUMNS: Final = 80
INDENT: Final = " " * 10

FEW: Final = 10
"""Rows with fewer decays that fire are left out, unless they are asked for."""

COARSE: Final = 0.1
"""Error in percent from which on one digit is enough."""


def render(report: Report, console: Console, every: bool) -> None:
    """Print the efficiencies of a report; every: those of rows with hardly any decays too."""
    _say(console, _head(report))
    shown = [row for row in report["rows"] if every or row["l0_pass"] >= FEW]
    for _mode, rows in groupby(shown, key=lambda row: row["mode"]):
        of_mode = list(rows)
        _say(console, "", _title(of_mode[0]))
        console.print(_table(of_mode))
    notes = list(_notes(report, len(report["rows"]) - len(shown)))
    if notes:
        _say(console, "", *notes)


def _say(console: Console, *paragraphs: str) -> None:
    for paragraph in paragraphs:
        for line in textwrap.wrap(paragraph, COLUMNS, subsequent_indent=INDENT) or [""]:
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def _head(report: Report) -> str:
    return (
        f"{Path(report['file']).name}, menu {report['menu']}: efficiencies in percent before downscaling, with "
        f"central {100 * report['level']:.2f}% intervals (Clopper and Pearson)"
    )


def _title(row: Report) -> str:
    """Say what a mode is, and which of its decays are meant."""
    if row["decays"] is None:
        return f"{row['mode']} ({row['title']}): decays {TITLES[row['acceptance']]} that fired near a trigger"
    return f"{row['mode']} ({row['title']}): {row['decays']:,} decays {TITLES[row['acceptance']]}"


def _table(rows: list[Report]) -> Table:
    """The lines of one mode."""
    table = Table("line", box=None, pad_edge=False, header_style="bold")
    for column in ("fire", "L0", "L1 sees", "L1 given L0", "both"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            Text(row["line"]),
            f"{row['l0_pass']:,}",
            _percent(row["l0_efficiency"], row["l0_low"], row["l0_high"]),
            "-" if row["l1_in"] is None else f"{row['l1_in']:,}",
            _percent(row["l1_efficiency"], row["l1_low"], row["l1_high"]),
            _percent(row["efficiency"], row["low"], row["high"]),
        )
    return table


def _percent(value: float | None, low: float | None, high: float | None) -> str:
    """Write an efficiency with its errors, to a digit that they reach."""
    if value is None or low is None or high is None:
        return "-"
    up, down = 100 * (high - value), 100 * (value - low)
    digits = 1 if max(up, down) >= COARSE else 2
    return f"{100 * value:.{digits}f} +{up:.{digits}f} -{down:.{digits}f}"


def _notes(report: Report, hidden: int) -> Iterator[str]:
    """Say what is not shown, and what could not be known."""
    if hidden:
        yield f"hidden    {hidden:,} rows with fewer than {FEW} decays that fire; --all shows them"
    unknown = list(dict.fromkeys(row["mode"] for row in report["rows"] if row["decays"] is None))
    if unknown:
        yield (
            f"L0        not known of {', '.join(unknown)}: /truth has the attribute kept = {report['truth']}, "
            "so their decays that fired nothing are not there; simulate with --truth fiducial"
        )
    unread = sum(row["l1_unread"] or 0 for row in report["rows"])
    if unread:
        yield (
            f"L1        sees less: the file did not read out {unread:,} triggers of these lines, for its hit menu is "
            "another; the others may not be typical"
        )
